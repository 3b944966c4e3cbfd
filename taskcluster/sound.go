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

// isTask reports what a service gave for a task id and is none.
func isTask(path, id string) error {
	if !slug.Valid(id) {
		return contract.Outside(path, "%.60q is not a task id", id)
	}
	return nil
}

// Prove implements contract.Prover: the task has a queue, by its name of today or by
// the two that it had until 2021.
func (t *Task) Prove() error {
	if t.TaskQueueID == "" && (t.ProvisionerID == "" || t.WorkerType == "") {
		return absent("taskQueueId")
	}
	return isTask("taskGroupId", t.TaskGroupID)
}

// Prove implements contract.Prover: the state is that of the latest run, and the runs
// are counted from 0 and follow each other.
func (s *TaskStatus) Prove() error {
	if err := isTask("taskId", s.TaskID); err != nil {
		return err
	}
	if err := isTask("taskGroupId", s.TaskGroupID); err != nil {
		return err
	}
	for i := range s.Runs {
		switch r := &s.Runs[i]; {
		case r.RunID != i:
			return contract.Outside(fmt.Sprintf("runs[%d].runId", i), "%d, expected %d", r.RunID, i)
		case i+1 < len(s.Runs) && !r.ended():
			return contract.Outside(fmt.Sprintf("runs[%d].state", i), "%.60q, and another run follows", r.State)
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

// Prove implements contract.Prover: a run that is over says when and how, and one that
// a worker took says when.
func (r *TaskRun) Prove() error {
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

// Prove implements contract.Prover: a task and its status are of one group.
func (t *listedTask) Prove() error {
	if got, want := t.Task.TaskGroupID, t.Status.TaskGroupID; got != want {
		return contract.Outside("task.taskGroupId", "%q, and its status says %q", got, want)
	}
	return nil
}
