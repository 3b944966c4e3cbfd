package taskcluster

import (
	"fmt"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job/contract"
)

// absent says that a member is absent that the others need.
func absent(path string) error {
	return &contract.Error{Finding: contract.Finding{Path: path, Kind: contract.KindMissing, Detail: "missing"}}
}

// under puts the place of a part before the path of its error.
func under(path string, err error) error {
	if known, ok := err.(*contract.Error); ok { //nolint:errorlint // what sound returns is not wrapped
		known.Path = path + "." + known.Path
	}
	return err
}

// isTask reports what a service gave for a task id and is none.
func isTask(path, id string) error {
	if !slug.Valid(id) {
		return contract.Outside(path, "%.60q is not a task id", id)
	}
	return nil
}

// sound reports what a definition lacks in ways that no tag of a field says.
func (t *Task) sound() error {
	if t.TaskQueueID == "" && (t.ProvisionerID == "" || t.WorkerType == "") {
		return absent("taskQueueId")
	}
	return isTask("taskGroupId", t.TaskGroupID)
}

// sound reports what the parts of a status say against each other: the state is that
// of the latest run, and the runs are counted from 0 and follow each other.
func (s *TaskStatus) sound() error {
	if err := isTask("taskId", s.TaskID); err != nil {
		return err
	}
	if err := isTask("taskGroupId", s.TaskGroupID); err != nil {
		return err
	}
	for i := range s.Runs {
		r := &s.Runs[i]
		err := r.sound()
		switch {
		case err != nil:
		case r.RunID != i:
			err = contract.Outside("runId", "%d, expected %d", r.RunID, i)
		case i+1 < len(s.Runs) && !r.ended():
			err = contract.Outside("state", "%.60q, and another run follows", r.State)
		}
		if err != nil {
			return under(fmt.Sprintf("runs[%d]", i), err)
		}
	}
	state := "unscheduled"
	if n := len(s.Runs); n > 0 {
		state = s.Runs[n-1].State
	}
	if s.State != state {
		return contract.Outside("state", "%.60q, but by its %d runs the task is %.60q", s.State, len(s.Runs), state)
	}
	return nil
}

// ended reports whether the run is over.
func (r *TaskRun) ended() bool {
	return r.State == "completed" || r.State == "failed" || r.State == "exception"
}

// sound reports what the parts of a run say against each other: a run that is over
// says when and how, and one that a worker took says when.
func (r *TaskRun) sound() error {
	begun := r.State == "running" || r.State == "completed" || r.State == "failed"
	switch {
	case r.ended() && r.ReasonResolved == "":
		return absent("reasonResolved")
	case r.ended() && r.Resolved.IsZero():
		return absent("resolved")
	case (r.State == "completed" || r.State == "failed") && r.ReasonResolved != r.State,
		r.State == "exception" && (r.ReasonResolved == "completed" || r.ReasonResolved == "failed"):
		return contract.Outside("reasonResolved", "%.60q of a run that is %s", r.ReasonResolved, r.State)
	case (r.State == "pending" || r.State == "running") && (r.ReasonResolved != "" || !r.Resolved.IsZero()):
		return contract.Outside("state", "%.60q of a run that is resolved", r.State)
	case (begun || r.WorkerID != "") && r.Started.IsZero():
		return absent("started")
	case (begun || !r.Started.IsZero()) && r.WorkerID == "":
		return absent("workerId")
	case r.State == "pending" && r.WorkerID != "":
		return contract.Outside("state", "%.60q of a run that a worker took", r.State)
	}
	return nil
}

// sound reports what a task and its status say against each other.
func (t *listedTask) sound() error {
	if err := t.Task.sound(); err != nil {
		return under("task", err)
	}
	if err := t.Status.sound(); err != nil {
		return under("status", err)
	}
	if got, want := t.Task.TaskGroupID, t.Status.TaskGroupID; got != want {
		return contract.Outside("task.taskGroupId", "%q, and its status says %q", got, want)
	}
	return nil
}
