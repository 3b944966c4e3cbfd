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

// Message is a message of Treeherder on Pulse, as [DecodeMessage] returns it. Exactly one of its
// fields is set.
type Message struct {
	Event  *job.Event // about a job
	Action *Action    // about an action of a person
	Set    *NewSet    // about a new push
}

// The values of Action.Action. They are the words of messages, except for AddNewJobs, for which
// messages have no word.
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

// Action is an action that a person triggered on Treeherder's pages, until 2017.
type Action struct {
	Action  string
	Project string
	// Requester is the person's e-mail address. Do not show it in public.
	Requester string
	// JobGUID and JobID name the job of an action on a job. JobID is the ID of the job in
	// Jobs; 0 when the message does not have it.
	JobGUID string
	JobID   int64
	PushID  int64    // Treeherder's id of the push, for an action on a push; otherwise 0
	Times   int      // the number of runs; 0 when the message does not say
	Labels  []string // for AddNewJobs: builders or task labels; may be empty
	// DecisionTask is the decision task of the push, for AddNewJobs since September 2016.
	DecisionTask string
	Time         time.Time // zero when the message does not say, as before September 2016
}

// NewSet is a push that Treeherder has just heard of. There were such messages in 2014 and 2015.
type NewSet struct {
	Project    string // "" when the message does not say
	Hash       string // Treeherder's name of the push: a hash of its revisions, and not one of them
	Repository string // its URL; "" when the message does not say
}

// JobMessage is what Raw returns for the job of a message.
type JobMessage struct {
	TaskID      string // Treeherder's guid of the job in 2015
	RetryID     int
	BuildSystem string // "" in messages of 2015
	JobKind     string
	State       string
	Result      string // "" while there is none
	Symbol      string
	GroupSymbol string
	Reason      string
	Coalesced   []string // the guids of jobs that were coalesced into this one
}

// DecodeMessage decodes the body of a message of Treeherder on Pulse. There are three kinds, and
// the members of the body tell which it is: actions of people until 2017 (exchanges
// exchange/treeherder/v1/job-actions, resultset-actions and resultset-runnable-job-actions),
// jobs that other services report to Treeherder (schema pulse-job.yml, of today and of 2015),
// and new pushes. Any other body is job.ErrMalformed, and an undocumented word
// job.ErrUnknownWord.
//
// The time of a job's event is its end, or else its start, or else the time of its request. Raw
// of the job is a [JobMessage]. Its ID is Treeherder's guid, <task id>/<retry>, not the ID of
// Jobs, which messages do not have. The result "fail" is TestFailed for a test and Busted for
// anything else; "canceled" is Cancelled, "superseded" Coalesced, and a job with isRetried is
// Retry. The other words are in the package comment.
func DecodeMessage(body []byte) (Message, error) {
	m, err := decodeMessage(body)
	return m, job.Wrap("treeherder.message", "", err)
}

// messageShape has the members that tell the kinds of messages apart.
//
//	{"taskId": "…", "retryId": 0, "origin": …}                  a job, since 2016
//	{"jobGuid": "…/0", "origin": …}                             a job, in 2015
//	{"job_guid": "…", "action": "retrigger", …}                 an action on a job
//	{"resultset_id": "7", "action": "cancel_all", …}            an action on a push
//	{"resultset_id": "7", "requested_jobs": ["…"], …}           an action that adds jobs
//	{"revision_hash": "…", …}                                   a new push
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

// action makes an Action of a message.
func (w *actionWire) action() (*Action, error) {
	word := w.Action
	if w.ofLabels() {
		word = AddNewJobs
	} else if !slices.Contains(actions, word) {
		return nil, job.UnknownWord(source, "action", word)
	}
	push, _ := strconv.ParseInt(cmp.Or(w.ResultSetID, "0"), 10, 64) // cannot fail: Prove has checked it
	at, _ := w.time()
	return &Action{
		Action: word, Project: w.Project, Requester: w.Requester, JobGUID: w.JobGUID, JobID: w.JobID, PushID: push,
		Times: w.Times, Labels: slices.Concat(w.Builders, w.Requested), DecisionTask: w.DecisionTask, Time: at,
	}, nil
}

// event makes an event of a message about a job. The loop leaves the latest of the times that
// are known, in the order of a job's life: for one that runs, its start.
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
		t.Finished = time.Time{} // while a job runs, this is the time of the message
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

// status maps the words of messages to those of Treeherder's API, and those to a status.
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

// messageResults are the other results of messages, which are the same words as in Treeherder's
// API. A job that is not completed may have none.
var messageResults = []string{"", "success", "exception", "retry", "superseded", "unknown"}

// kind maps jobKind. Tests whose name is that of a performance suite are Perf.
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
