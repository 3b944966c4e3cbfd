package taskcluster

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/mozci/mozci/job/contract"
)

// Record is a run as the queue has it; job.Job.Raw of this package's jobs. Run
// is nil for a task that waits for others and has no run yet.
type Record struct {
	Task   *Task
	Status *TaskStatus
	Run    *TaskRun
	// Never says why a task without a run will never get one; empty where it
	// still can.
	Never string
}

// made says how a task came to be where it says so itself: backfill, retrigger,
// confirm (of a failure), action (it is one) or cron; empty for one that may be
// the decision task's own.
func (r Record) made() string {
	action, kind := r.Task.Tags["action"], r.Task.Tags["kind"]
	switch {
	case action == "backfill-task", strings.HasSuffix(r.Task.Extra.Treeherder.Symbol, "-bk"):
		return "backfill"
	case strings.HasPrefix(action, "retrigger-"):
		return "retrigger"
	case strings.HasSuffix(r.Task.Metadata.Name, "-cf"):
		return "confirm"
	case kind == "action-callback", action != "":
		return "action"
	case kind == "cron-task":
		return "cron"
	}
	return ""
}

// Task is what mozci reads of a task's definition. What else there is, is left
// out: a push has tens of thousands of tasks.
type Task struct {
	TaskQueueID   string            `json:"taskQueueId"` // since 2021; see queue
	ProvisionerID string            `json:"provisionerId"`
	WorkerType    string            `json:"workerType"`
	SchedulerID   string            `json:"schedulerId" is:"required"`
	ProjectID     string            `json:"projectId"` // since 2021
	TaskGroupID   string            `json:"taskGroupId" is:"required" min:"22" max:"22"`
	Dependencies  []string          `json:"dependencies" is:"required"`
	Requires      string            `json:"requires" is:"required" words:"all-completed all-resolved"`
	Created       time.Time         `json:"created" is:"required"`
	Deadline      time.Time         `json:"deadline" is:"required"`
	Expires       time.Time         `json:"expires" is:"required"`
	Scopes        []string          `json:"scopes" is:"required"`
	Metadata      TaskMetadata      `json:"metadata" is:"required"`
	Tags          map[string]string `json:"tags" is:"required,open"`
	Extra         TaskExtra         `json:"extra" is:"required,open"`
	Payload       TaskPayload       `json:"payload" is:"required,open"`

	_ contract.Also `names:"priority retries routes"`
}

// queue is the name of the task's queue, <provisioner>/<worker type>.
func (t *Task) queue() string {
	if t.TaskQueueID == "" && t.ProvisionerID != "" {
		return t.ProvisionerID + "/" + t.WorkerType
	}
	return t.TaskQueueID
}

// TaskMetadata are a task's texts for people. Its name is the label.
type TaskMetadata struct {
	Name string `json:"name" is:"required" min:"1"`

	_ contract.Also `names:"description owner source"`
}

// TaskExtra is what taskgraph notes beside a task. Anybody's push can write
// anything there, so that what has another shape is as good as absent.
type TaskExtra struct {
	Parent     string `json:"parent"` // the decision or action task that made it
	Treeherder struct {
		JobKind string `json:"jobKind"`
		Symbol  string `json:"symbol"`
	} `json:"treeherder"`
	Action *struct {
		Name    string `json:"name"`
		Context struct {
			Input  json.RawMessage `json:"input"`
			TaskID string          `json:"taskId"`
		} `json:"context"`
	} `json:"action"`
}

// TaskPayload is what the worker gets.
type TaskPayload struct {
	Env struct {
		TestPaths string `json:"MOZHARNESS_TEST_PATHS"` // JSON: suite to manifests
	} `json:"env"`
}

// TaskStatus is how far a task is, with its runs, the oldest first: an automatic
// retry is a run of its own.
type TaskStatus struct {
	TaskID      string    `json:"taskId" is:"required" min:"22" max:"22"`
	TaskGroupID string    `json:"taskGroupId" is:"required" min:"22" max:"22"`
	SchedulerID string    `json:"schedulerId" is:"required"`
	ProjectID   string    `json:"projectId"` // since 2021
	Deadline    time.Time `json:"deadline" is:"required"`
	Expires     time.Time `json:"expires" is:"required"`
	RetriesLeft int       `json:"retriesLeft" is:"required" min:"0"`
	State       string    `json:"state" is:"required" words:"unscheduled pending running completed failed exception"`
	Runs        []TaskRun `json:"runs" is:"required"`

	_ contract.Also `names:"priority provisionerId taskQueueId workerType"`
}

// resolved reports whether nothing more happens to the task by itself.
func (s *TaskStatus) resolved() bool {
	return s.State == "completed" || s.State == "failed" || s.State == "exception"
}

// reason says how the task's latest run was resolved, in the queue's words; empty
// where it has no run, or one that is under way.
func (s *TaskStatus) reason() string {
	if len(s.Runs) == 0 {
		return ""
	}
	return s.Runs[len(s.Runs)-1].ReasonResolved
}

// cancelled reports whether somebody stopped the task.
func (s *TaskStatus) cancelled() bool { return s.State == "exception" && s.reason() == "canceled" }

// TaskRun is one run of a task. Started and Resolved are zero until they are; a
// run that waited in vain has no Started.
type TaskRun struct {
	RunID          int       `json:"runId" is:"required" min:"0"`
	State          string    `json:"state" is:"required" words:"pending running completed failed exception"`
	ReasonCreated  string    `json:"reasonCreated" is:"required" words:"scheduled retry task-retry rerun exception"`
	ReasonResolved string    `json:"reasonResolved" words:"completed failed deadline-exceeded canceled superseded claim-expired worker-shutdown malformed-payload resource-unavailable internal-error intermittent-task"`
	WorkerGroup    string    `json:"workerGroup"`
	WorkerID       string    `json:"workerId"`
	Scheduled      time.Time `json:"scheduled" is:"required"`
	Started        time.Time `json:"started"`
	Resolved       time.Time `json:"resolved"`

	_ contract.Also `names:"takenUntil"`
}

// listedTask is a task with how far it is, as a group lists it.
type listedTask struct {
	Task   Task       `json:"task" is:"required"`
	Status TaskStatus `json:"status" is:"required"`
}

func (t *listedTask) label() string { return t.Task.Metadata.Name }
