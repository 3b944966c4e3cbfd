package taskcluster

import (
	"fmt"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job/contract"
)

// absent is the error of a missing member that the other members make necessary.
func absent(path string) error {
	return &contract.Error{Finding: contract.Finding{Path: path, Kind: contract.KindMissing, Detail: "missing"}}
}

// broken is the error of an answer that does not fit what is known from elsewhere, so that
// no look at the answer alone could show it.
func broken(e contract.Any, path, format string, args ...any) error {
	return &contract.Error{Source: e.Title(), Finding: contract.Finding{
		Path: path, Kind: contract.KindIdentity, Detail: fmt.Sprintf(format, args...),
	}}
}

// isTask returns an error when a string from a service, found at path, is not a task id.
func isTask(path, id string) error {
	if !slug.Valid(id) {
		return contract.Outside(path, "%.60q is not a task id", id)
	}
	return nil
}

// Prove implements contract.Prover: the task has a queue, by taskQueueId or by the two names
// used until 2021, and its dependencies and its group have task ids.
func (t *Task) Prove() error {
	if t.TaskQueueID == "" && (t.ProvisionerID == "" || t.WorkerType == "") {
		return absent("taskQueueId")
	}
	for i, id := range t.Dependencies {
		if !slug.Valid(id) {
			return isTask(fmt.Sprintf("dependencies[%d]", i), id)
		}
	}
	return isTask("taskGroupId", t.TaskGroupID)
}

// Prove implements contract.Prover: runs are numbered from 0 without gaps, each one but the
// last has ended, and the task's state is that of its last run.
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
			return contract.Outside(fmt.Sprintf("runs[%d].state", i), "%.60q, but another run follows", r.State)
		}
	}
	state := "unscheduled"
	if n := len(s.Runs); n > 0 {
		state = s.Runs[n-1].State
	}
	if s.State != state {
		return contract.Outside("state", "%.60q, but its runs, %d in all, make it %.60q", s.State, len(s.Runs), state)
	}
	return nil
}

// ended reports whether the run is over.
func (r *TaskRun) ended() bool {
	return r.State == "completed" || r.State == "failed" || r.State == "exception"
}

// Prove implements contract.Prover: a run that has ended tells when and how, one that has not
// tells neither, and a run that a worker took names the worker and the time.
//
//	state                       resolved, reason      started, worker
//	pending                     neither               none
//	running                     neither               both
//	completed, failed           both, the same word   both
//	exception                   both, another word    both, or neither when no worker took it
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

// Prove implements contract.Prover: the task and its status are of the same group.
func (t *listedTask) Prove() error {
	if got, want := t.Task.TaskGroupID, t.Status.TaskGroupID; got != want {
		return contract.Outside("task.taskGroupId", "%q, but its status says %q", got, want)
	}
	return nil
}
