package taskcluster

import (
	"time"

	"github.com/mozci/mozci/job/contract"
)

// This file has the contracts of the queue's messages on Pulse; see DecodeMessage.

// pulseTask is the part of a message about a task that every kind has: its status and tags.
type pulseTask struct {
	Version int        `json:"version" is:"required" min:"1" max:"1"`
	Status  TaskStatus `json:"status" is:"required"`
	Task    struct {
		Tags map[string]string `json:"tags"`
	} `json:"task" is:"open"` // messages before 2019 have none
}

func (w *pulseTask) message() Message {
	return Message{Status: &w.Status, TaskGroupID: w.Status.TaskGroupID, RunID: NoRun, Tags: w.Task.Tags}
}

// pulseRun is a message about a run of a task.
type pulseRun struct {
	pulseTask
	RunID int `json:"runId" is:"required" min:"0"`
}

// Prove implements contract.Prover: the run is one of those in the status.
func (w *pulseRun) Prove() error { return isRun(w.RunID, &w.Status) }

// isRun checks the number of a run. Runs are counted from 0: with 2 runs, 1 is the last.
func isRun(id int, s *TaskStatus) error {
	if id >= len(s.Runs) {
		return contract.Outside("runId", "%d, but the task has %d runs, counted from 0", id, len(s.Runs))
	}
	return nil
}

func (w *pulseRun) message() Message {
	m := w.pulseTask.message()
	m.RunID = w.RunID
	return m
}

// pulseClaimed is a message about a run that a worker has taken.
//
//	{"version": 1, "status": {"taskId": "…", "state": "running", "runs": […], …}, "runId": 0,
//	 "workerGroup": "gcp", "workerId": "1", "takenUntil": "2026-01-05T08:20:00.000Z", "task": {"tags": {…}}}
type pulseClaimed struct {
	pulseRun
	WorkerGroup string    `json:"workerGroup" is:"required" min:"1"`
	WorkerID    string    `json:"workerId" is:"required" min:"1"`
	TakenUntil  time.Time `json:"takenUntil"` // only while it runs: the worker must renew its claim before
}

// pulseException is a message about a run that ended without a result; a worker may have
// taken it or not. When another run follows, the task is pending again. A task whose deadline
// passed before it had a run has no runId here.
type pulseException struct {
	pulseTask
	RunID       *int   `json:"runId" is:"" min:"0"`
	WorkerGroup string `json:"workerGroup" is:"" min:"1"`
	WorkerID    string `json:"workerId" is:"" min:"1"`
}

// Prove implements contract.Prover: the run, if the message names one, is in the status.
func (w *pulseException) Prove() error {
	if w.RunID == nil {
		return nil
	}
	return isRun(*w.RunID, &w.Status)
}

func (w *pulseException) message() Message {
	m := w.pulseTask.message()
	if w.RunID != nil {
		m.RunID = *w.RunID
	}
	return m
}

// pulseArtifact is a message about a file that a run has stored, or is about to store.
type pulseArtifact struct {
	pulseClaimed
	Artifact Artifact `json:"artifact" is:"required"`
}

func (w *pulseArtifact) message() Message {
	m := w.pulseClaimed.message()
	m.Artifact = &w.Artifact
	return m
}

// pulseGroup is a message about a task group.
type pulseGroup struct {
	Version     int       `json:"version" is:"required" min:"1" max:"1"`
	TaskGroupID string    `json:"taskGroupId" is:"required" min:"22" max:"22"`
	SchedulerID string    `json:"schedulerId" is:"required"`
	Expires     time.Time `json:"expires"` // since 2022
	Sealed      time.Time `json:"sealed"`  // when it was sealed; zero for a group that is not

	_ contract.Also `names:"newPriority tasksAffected"` // since 2026
}

// Prove implements contract.Prover: the group's id has the form of one.
func (w *pulseGroup) Prove() error { return isTask("taskGroupId", w.TaskGroupID) }

func (w *pulseGroup) message() Message { return Message{TaskGroupID: w.TaskGroupID, RunID: NoRun} }

// pulsePriority is a message about a task whose priority was changed.
type pulsePriority struct {
	pulseTask

	_ contract.Also `names:"oldPriority newPriority"`
}

// pulseMessage is a pointer to one of the types above, into which a message is decoded.
type pulseMessage[T any] interface {
	*T
	message() Message
}

// messageKind describes the messages of one exchange of the queue: its name, their contract
// and the function that reads one.
type messageKind struct {
	contract.Any
	name string
	read func(body []byte) (Message, error)
}

// message makes the kind of the exchange with this name, whose messages have the type T.
func message[T any, P pulseMessage[T]](name string) messageKind {
	e := contract.New(contract.Endpoint[T]{
		Source: source, Name: "pulse." + name, Exchange: `/taskcluster-queue/v1/` + name + `$`,
	})
	return messageKind{e, name, func(body []byte) (Message, error) {
		w, err := e.Decode(contract.Asked{}, body)
		if err != nil {
			return Message{}, err
		}
		m := P(w).message()
		m.Kind = name
		return m, nil
	}}
}

var messages = []messageKind{
	message[pulseTask](taskDefined),
	message[pulseRun](taskPending),
	message[pulseClaimed](taskRunning),
	message[pulseClaimed](taskCompleted),
	message[pulseClaimed](taskFailed),
	message[pulseException](taskException),
	message[pulseArtifact](artifactCreated),
	message[pulseGroup](groupResolved),
	message[pulseGroup](groupSealed),
	message[pulsePriority](taskPriority),
	message[pulseGroup](groupPriority),
}

// The names of the queue's exchanges, without the prefix exchange/taskcluster-queue/v1/.
const (
	taskDefined     = "task-defined"
	taskPending     = "task-pending"
	taskRunning     = "task-running"
	taskCompleted   = "task-completed"
	taskFailed      = "task-failed"
	taskException   = "task-exception"
	artifactCreated = "artifact-created"
	groupResolved   = "task-group-resolved"
	groupSealed     = "task-group-sealed"
	taskPriority    = "task-priority-changed"
	groupPriority   = "task-group-priority-changed"
)
