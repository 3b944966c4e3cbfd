package taskcluster

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/mozci/mozci/job/contract"
)

// Record is the queue's own record of a run, with its task. It is what Raw returns for jobs of
// this package.
type Record struct {
	Task   *Task
	Status *TaskStatus
	Run    *TaskRun // nil for a task that waits for others and has no run yet
	// Never says why a task without a run will never get one; empty when it still can.
	Never string
}

// made says who made a task, when the task itself tells: backfill, retrigger, confirm (of a
// failure), action (it is one itself) or cron. It is "" for a task that may be the decision
// task's own. The checks go from the most specific to the most general.
//
//	tag action "backfill-task", or symbol "B-bk"     backfill
//	tag action "retrigger-copy", or the like         retrigger
//	label "test-linux64/opt-xpcshell-1-cf"           confirm
//	tag kind "action-callback"                       action
//	tag kind "cron-task"                             cron
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

// Task is the part that mozci reads of a task's definition. The rest is dropped, since a push
// has tens of thousands of tasks.
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

// queue is the name of the task's queue, <provisioner>/<worker type>. Tasks from before 2021
// have the two parts one by one.
func (t *Task) queue() string {
	if t.TaskQueueID == "" && t.ProvisionerID != "" {
		return t.ProvisionerID + "/" + t.WorkerType
	}
	return t.TaskQueueID
}

// TaskMetadata are a task's texts for people. Name is the label.
type TaskMetadata struct {
	Name string `json:"name" is:"required" min:"1"`

	_ contract.Also `names:"description owner source"`
}

// TaskExtra are notes that taskgraph keeps in a task. A push can write anything there, so a
// member of another type counts as absent.
type TaskExtra struct {
	Parent     string `json:"parent"` // the id of the decision or action task that made it
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

// TaskPayload is the part that mozci reads of the instructions for the worker.
type TaskPayload struct {
	Env struct {
		TestPaths string `json:"MOZHARNESS_TEST_PATHS"` // JSON: suite to manifests
	} `json:"env"`
}

// TaskStatus is the state of a task with its runs, the oldest first. Every attempt is a run,
// automatic retries as well; Runs[i] has the RunID i.
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

// resolved reports whether the task has ended: nothing more happens to it unless someone
// reruns it.
func (s *TaskStatus) resolved() bool {
	return s.State == "completed" || s.State == "failed" || s.State == "exception"
}

// reason is the queue's word for how the task's latest run ended; "" when there is no run, or
// the latest is under way.
func (s *TaskStatus) reason() string {
	if len(s.Runs) == 0 {
		return ""
	}
	return s.Runs[len(s.Runs)-1].ReasonResolved
}

// cancelled reports whether the task was cancelled. The queue spells it "canceled".
func (s *TaskStatus) cancelled() bool { return s.State == "exception" && s.reason() == "canceled" }

// TaskRun is one run of a task. Started is zero until a worker takes the run, and stays so for
// a run that waited in vain; Resolved is zero until the run ends.
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

// listedTask is a task with its status, as a group lists it.
type listedTask struct {
	Task   Task       `json:"task" is:"required"`
	Status TaskStatus `json:"status" is:"required"`
}

func (t *listedTask) label() string { return t.Task.Metadata.Name }
