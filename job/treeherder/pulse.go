package treeherder

import (
	"regexp"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// The contracts of messages on Pulse: those that Treeherder sent until 2017 about what people did
// on its pages, and those with which other services report jobs to it.
var (
	actionMessages = contract.New(contract.Endpoint[actionWire]{
		Source: source, Name: "pulse.action",
		Exchange: `^exchange/treeherder/v1/(job|resultset|push|resultset-runnable-job)-actions$`,
		File:     `pulse_actions__queue_dump`,
	})
	jobMessages = contract.New(contract.Endpoint[jobMessageWire]{
		Source: source, Name: "pulse.job", Exchange: `^exchange/(taskcluster-treeherder|fxtesteng)(/v1)?/jobs$`,
	})
	resultsetMessages = contract.New(contract.Endpoint[resultsetMessageWire]{
		Source: source, Name: "pulse.resultset",
	})
)

// actionWire is an action of a person: on a job, on a push, or on a push with the names of jobs to
// add. Its members tell which; see Prove.
type actionWire struct {
	Version   int    `json:"version" is:"required" min:"1" max:"1"`
	Project   string `json:"project" is:"required" min:"1"`
	Requester string `json:"requester" is:"required"`

	//nolint:lll // a tag is one line
	Action string `json:"action" is:"" words:"backfill cancel retrigger cancel_all trigger_missing_jobs trigger_all_talos_jobs"`

	JobGUID     string `json:"job_guid" is:"" min:"1"`
	JobID       int64  `json:"job_id" is:"" min:"1" max:"1e15"`
	BuildSystem string `json:"build_system_type" is:""`

	ResultSetID string `json:"resultset_id" is:"" min:"1"`
	Times       int    `json:"times" is:"" min:"0" max:"1000"`

	Builders     []string `json:"buildernames" is:""`   // until September 2016
	Requested    []string `json:"requested_jobs" is:""` // since then
	DecisionTask string   `json:"decision_task_id" is:"" min:"22" max:"22"`
	Timestamp    string   `json:"timestamp" is:""`
}

// ofLabels reports whether the action adds jobs by their names.
func (w *actionWire) ofLabels() bool { return w.Builders != nil || w.Requested != nil }

// digits matches the id of a resultset, which messages have as a string. "0", "007" and numbers
// of 16 digits are none, as in the contracts of ids that are numbers.
var digits = regexp.MustCompile(`^[1-9]\d{0,14}$`)

// Prove implements contract.Prover: the message is of exactly one of the three kinds, and its ids
// have the right form.
func (w *actionWire) Prove() error {
	switch {
	case w.JobGUID == "" && w.ResultSetID == "":
		return contract.Outside(".", "neither job_guid nor resultset_id")
	case w.JobGUID != "" && w.ResultSetID != "":
		return contract.Outside("resultset_id", "%.50q, beside a job_guid", w.ResultSetID)
	case w.JobGUID != "" && !guid.MatchString(w.JobGUID):
		return contract.Outside("job_guid", "%.50q is not a guid", w.JobGUID)
	case w.ResultSetID != "" && !digits.MatchString(w.ResultSetID):
		return contract.Outside("resultset_id", "%.50q is not a number", w.ResultSetID)
	case w.ofLabels() && w.ResultSetID == "":
		return contract.Outside("resultset_id", "missing, beside the names of jobs")
	case w.ofLabels() && w.Action != "":
		return contract.Outside("action", "%.50q, beside the names of jobs", w.Action)
	case !w.ofLabels() && w.Action == "":
		return contract.Outside("action", "missing")
	}
	if _, err := w.time(); err != nil {
		return contract.Outside("timestamp", "%.50q, expected a time", w.Timestamp)
	}
	return nil
}

// time is the time of the action in UTC; zero when the message does not say. A time without a
// zone is in UTC. For example "2016-09-14T08:15:30.123456" and "2016-09-14T10:15:30+02:00".
func (w *actionWire) time() (time.Time, error) {
	if w.Timestamp == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, w.Timestamp); err == nil {
		return at.UTC(), nil
	}
	return time.Parse("2006-01-02T15:04:05.999999", w.Timestamp)
}

// jobMessageWire is a job by Treeherder's schema pulse-job.yml, in its present form and in that of
// 2015.
type jobMessageWire struct {
	Version int    `json:"version" is:"" min:"1" max:"1"` // since 2016
	TaskID  string `json:"taskId" is:"" min:"1" max:"50"` // since 2016
	GUID    string `json:"jobGuid" is:"" min:"1"`         // until 2016
	RetryID int    `json:"retryId" is:"" min:"0"`
	Retried bool   `json:"isRetried" is:""`

	BuildSystem string `json:"buildSystem" is:""`

	Origin struct {
		Project  string `json:"project" is:"required" min:"1"`
		Revision string `json:"revision" is:"required"`

		_ contract.Also `names:"kind id"`
	} `json:"origin" is:"required"`
	Display struct {
		JobName     string `json:"jobName" is:"required" min:"1"`
		JobSymbol   string `json:"jobSymbol" is:"required"`
		GroupSymbol string `json:"groupSymbol" is:"required"`

		_ contract.Also `names:"groupName chunkId chunkCount"`
	} `json:"display" is:"required"`
	State     string   `json:"state" is:"required" words:"unscheduled pending running completed"`
	Result    string   `json:"result" is:"" words:"success fail exception retry canceled superseded unknown"`
	JobKind   string   `json:"jobKind" is:"required" words:"build test other"`
	Reason    string   `json:"reason" is:""`
	Coalesced []string `json:"coalesced" is:""`

	Scheduled time.Time `json:"timeScheduled" is:""`
	Started   time.Time `json:"timeStarted" is:""`
	Completed time.Time `json:"timeCompleted" is:""`

	_ contract.Also `names:"tier labels owner who productName buildMachine runMachine jobInfo logs artifacts"`
}

// Prove implements contract.Prover: the job has exactly one of the two ids, a job that has ended
// says how, and the push is named by a whole revision.
func (w *jobMessageWire) Prove() error {
	rev, err := job.ParseRevision(w.Origin.Revision)
	switch {
	case (w.TaskID == "") == (w.GUID == ""):
		return contract.Outside("taskId", "expected it or jobGuid")
	case w.GUID != "" && !guid.MatchString(w.GUID):
		return contract.Outside("jobGuid", "%.50q is not a guid", w.GUID)
	case w.TaskID != "" && w.Version == 0:
		return contract.Outside("version", "missing")
	case err != nil || rev != w.Origin.Revision || len(rev) != 40:
		return contract.Outside("origin.revision", "%.50q, expected 40 digits", w.Origin.Revision)
	case w.State == "completed" && w.Result == "" && !w.Retried:
		return contract.Outside("result", "missing, although the job is completed")
	case !w.Started.IsZero() && !w.Completed.IsZero() && w.Completed.Before(w.Started):
		return contract.Outside("timeCompleted", "before timeStarted")
	}
	return nil
}

// resultsetMessageWire is a message about a new push.
type resultsetMessageWire struct {
	Version    int    `json:"version" is:"required" min:"1" max:"1"`
	Hash       string `json:"revision_hash" is:"required" min:"1"`
	Project    string `json:"project" is:""`
	Repository string `json:"repository_url" is:""`
}
