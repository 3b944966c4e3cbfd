package treeherder

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// Message is a message of Treeherder on Pulse: exactly one of its fields is set.
type Message struct {
	Event  *job.Event // a job
	Action *Action    // something that a person asked for
	Set    *NewSet    // a new push
}

// The actions, as messages name them, but for AddNewJobs, which they do not name.
const (
	Backfill            = "backfill"               // of a job
	Cancel              = "cancel"                 // of a job
	Retrigger           = "retrigger"              // of a job
	CancelAll           = "cancel_all"             // the jobs of a push
	TriggerMissingJobs  = "trigger_missing_jobs"   // on a push
	TriggerAllTalosJobs = "trigger_all_talos_jobs" // on a push
	AddNewJobs          = "add_new_jobs"           // on a push, by their names
)

var actions = []string{Backfill, Cancel, Retrigger, CancelAll, TriggerMissingJobs, TriggerAllTalosJobs}

// Action is what a person asked for on Treeherder's pages, until 2017.
type Action struct {
	Action  string
	Project string
	// Requester is who asked, by e-mail address: it is not for everybody to see.
	Requester string
	// JobGUID and JobID are the job's, of an action of a job. JobID is the ID of
	// Jobs; 0 where the message does not have it.
	JobGUID string
	JobID   int64
	PushID  int64    // Treeherder's, of an action on a push; else 0
	Times   int      // how often to do it; 0 where the message does not say
	Labels  []string // the builders or task labels of AddNewJobs; may be none
	// DecisionTask is the push's, of AddNewJobs since September 2016.
	DecisionTask string
	Time         time.Time // zero where the message does not say, as before September 2016
}

// NewSet is a push that Treeherder had just heard of, in 2014 and 2015.
type NewSet struct {
	Project    string // empty where the message does not say
	Hash       string // what Treeherder called the push: made of its revisions, not one of them
	Repository string // its URL; empty where the message does not say
}

// JobMessage is what the job of a message has as Raw.
type JobMessage struct {
	TaskID      string // Treeherder's guid of the job in 2015
	RetryID     int
	BuildSystem string // empty in 2015
	JobKind     string
	State       string
	Result      string // empty where there is none yet
	Symbol      string
	GroupSymbol string
	Reason      string
	Coalesced   []string // the guids of jobs that became part of this one
}

// DecodeMessage decodes the body of a message of Treeherder on Pulse: of the actions
// of people (exchange/treeherder/v1/job-actions, resultset-actions and
// resultset-runnable-job-actions, until 2017), of jobs as others told Treeherder of
// them (schema pulse-job.yml, of today and of 2015), and of new pushes. What is in it
// tells what it is. A body that is none of these is job.ErrMalformed, and a word
// that nobody documents job.ErrUnknownWord.
//
// The event of a job has its time of end, or else of start, or else of request; its
// Raw is a JobMessage. Its ID is Treeherder's guid, <task id>/<retry>, and not the ID
// that Jobs has, which messages do not tell. A result fail is TestFailed of a test,
// and Busted of anything else; canceled is Cancelled, superseded Coalesced, and a job
// that isRetried is Retry; the others are as the package comment says.
func DecodeMessage(body []byte) (Message, error) {
	m, err := decodeMessage(body)
	return m, job.Wrap("treeherder.message", "", err)
}

// messageShape tells the messages apart.
type messageShape struct {
	TaskID      jsontext.Value `json:"taskId"`
	GUID        jsontext.Value `json:"jobGuid"`
	JobGUID     jsontext.Value `json:"job_guid"`
	ResultSetID jsontext.Value `json:"resultset_id"`
	Hash        jsontext.Value `json:"revision_hash"`

	_ contract.Also `names:"*"`
}

var messageShapes = contract.New(contract.Endpoint[messageShape]{Source: source, Name: "message"})

func decodeMessage(body []byte) (Message, error) {
	shape, err := messageShapes.Decode(contract.Asked{}, body)
	if err != nil {
		return Message{}, err
	}
	switch {
	case shape.TaskID != nil || shape.GUID != nil:
		w, err := jobMessages.Decode(contract.Asked{}, body)
		if err != nil {
			return Message{}, err
		}
		e, err := w.event()
		return Message{Event: e}, err
	case shape.JobGUID != nil || shape.ResultSetID != nil:
		w, err := actionMessages.Decode(contract.Asked{}, body)
		if err != nil {
			return Message{}, err
		}
		a, err := w.action()
		return Message{Action: a}, err
	case shape.Hash != nil:
		w, err := resultsetMessages.Decode(contract.Asked{}, body)
		if err != nil {
			return Message{}, err
		}
		return Message{Set: &NewSet{Project: w.Project, Hash: w.Hash, Repository: w.Repository}}, nil
	}
	return Message{}, &contract.Error{Source: messageShapes.Title(), Finding: contract.Finding{
		Path: ".", Kind: contract.KindMissing, Detail: "no taskId, jobGuid, job_guid, resultset_id or revision_hash",
	}}
}

// action is what a message of an action says.
func (w *actionWire) action() (*Action, error) {
	word := w.Action
	if w.ofLabels() {
		word = AddNewJobs
	} else if !slices.Contains(actions, word) {
		return nil, job.UnknownWord(source, "action", word)
	}
	push, _ := strconv.ParseInt(cmp.Or(w.ResultSetID, "0"), 10, 64) // Prove has seen it
	at, _ := w.time()
	return &Action{
		Action: word, Project: w.Project, Requester: w.Requester, JobGUID: w.JobGUID, JobID: w.JobID, PushID: push,
		Times: w.Times, Labels: slices.Concat(w.Builders, w.Requested), DecisionTask: w.DecisionTask, Time: at,
	}, nil
}

// event is the job that a message tells of.
func (w *jobMessageWire) event() (*job.Event, error) {
	status, err := w.status()
	if err != nil {
		return nil, err
	}
	kind, err := w.kind()
	if err != nil {
		return nil, err
	}
	id := w.GUID
	if w.TaskID != "" {
		id = fmt.Sprintf("%s/%d", w.TaskID, w.RetryID)
	}
	t := job.Times{Requested: w.Scheduled.UTC(), Started: w.Started.UTC(), Finished: w.Completed.UTC()}
	if w.State != "completed" {
		t.Finished = time.Time{} // of one that runs, the time of the message
	}
	when := t.Requested
	for _, at := range []time.Time{t.Started, t.Finished} {
		if !at.IsZero() {
			when = at
		}
	}
	return &job.Event{Time: when, CI: source, Job: job.New(job.Fields{
		ID: id, Name: w.Display.JobName, Push: job.Push{Repo: w.Origin.Project, Revision: w.Origin.Revision},
		Kind: kind, Status: status, Times: t, Raw: JobMessage{
			TaskID: cmp.Or(w.TaskID, w.GUID), RetryID: w.RetryID, BuildSystem: w.BuildSystem, JobKind: w.JobKind,
			State: w.State, Result: w.Result, Symbol: w.Display.JobSymbol, GroupSymbol: w.Display.GroupSymbol,
			Reason: w.Reason, Coalesced: w.Coalesced,
		},
	})}, nil
}

func (w *jobMessageWire) status() (job.Status, error) {
	r := Record{State: w.State, Result: w.Result}
	switch {
	case w.State == "completed" && w.Retried:
		r.Result = "retry"
	case w.Result == "fail" && w.JobKind == "test":
		r.Result = "testfailed"
	case w.Result == "fail":
		r.Result = "busted"
	case w.Result == "canceled":
		r.Result = "usercancel"
	case !slices.Contains(messageResults, w.Result):
		return 0, job.UnknownWord(source, "result", w.Result)
	}
	return r.status()
}

// messageResults are the other results, which messages have as Treeherder itself does;
// of a job that is not completed it may be empty.
var messageResults = []string{"", "success", "exception", "retry", "superseded", "unknown"}

func (w *jobMessageWire) kind() (job.Kind, error) {
	switch {
	case w.JobKind == "build":
		return job.KindBuild, nil
	case w.JobKind == "test" && job.NamesPerf(w.Display.JobName):
		return job.KindPerf, nil
	case w.JobKind == "test":
		return job.KindTest, nil
	case w.JobKind == "other":
		return job.KindOther, nil
	}
	return 0, job.UnknownWord(source, "jobKind", w.JobKind)
}
