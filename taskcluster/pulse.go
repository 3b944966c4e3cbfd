package taskcluster

import (
	"time"

	"github.com/mozci/mozci/job/contract"
)

// The queue's messages on Pulse, and what can be relied on in them; see DecodeMessage.

// pulseTask is what a message says of a task: how far it is, and its tags.
type pulseTask struct {
	Version int        `json:"version" is:"required" min:"1" max:"1"`
	Status  TaskStatus `json:"status" is:"required"`
	Task    struct {
		Tags map[string]string `json:"tags"`
	} `json:"task" is:"open"` // since 2019
}

func (w *pulseTask) message() Message {
	return Message{Status: &w.Status, TaskGroupID: w.Status.TaskGroupID, RunID: NoRun, Tags: w.Task.Tags}
}

// pulseRun is what a message says of a run of a task.
type pulseRun struct {
	pulseTask
	RunID int `json:"runId" is:"required" min:"0"`
}

// Prove implements contract.Prover: the run is one of those that the status has.
func (w *pulseRun) Prove() error { return isRun(w.RunID, &w.Status) }

func isRun(id int, s *TaskStatus) error {
	if id >= len(s.Runs) {
		return contract.Outside("runId", "%d, and the task has %d runs", id, len(s.Runs))
	}
	return nil
}

func (w *pulseRun) message() Message {
	m := w.pulseTask.message()
	m.RunID = w.RunID
	return m
}

// pulseClaimed is what a message says of a run that a worker has taken.
type pulseClaimed struct {
	pulseRun
	WorkerGroup string    `json:"workerGroup" is:"required" min:"1"`
	WorkerID    string    `json:"workerId" is:"required" min:"1"`
	TakenUntil  time.Time `json:"takenUntil"` // of one that is running
}

// pulseException is a run that ended without a result, which a worker may have
// taken. The task is pending again where another run follows. A task whose deadline
// came before it had a run has none here.
type pulseException struct {
	pulseTask
	RunID       *int   `json:"runId" is:"" min:"0"`
	WorkerGroup string `json:"workerGroup" is:"" min:"1"`
	WorkerID    string `json:"workerId" is:"" min:"1"`
}

// Prove implements contract.Prover.
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

// pulseArtifact is a file of a run that is there, or will be.
type pulseArtifact struct {
	pulseClaimed
	Artifact Artifact `json:"artifact" is:"required"`
}

func (w *pulseArtifact) message() Message {
	m := w.pulseClaimed.message()
	m.Artifact = &w.Artifact
	return m
}

// pulseGroup is a group of tasks.
type pulseGroup struct {
	Version     int       `json:"version" is:"required" min:"1" max:"1"`
	TaskGroupID string    `json:"taskGroupId" is:"required" min:"22" max:"22"`
	SchedulerID string    `json:"schedulerId" is:"required"`
	Expires     time.Time `json:"expires"` // since 2022
	Sealed      time.Time `json:"sealed"`  // of one that is

	_ contract.Also `names:"newPriority tasksAffected"` // since 2026
}

// Prove implements contract.Prover.
func (w *pulseGroup) Prove() error { return isTask("taskGroupId", w.TaskGroupID) }

func (w *pulseGroup) message() Message { return Message{TaskGroupID: w.TaskGroupID, RunID: NoRun} }

// pulsePriority is a task whose priority was changed.
type pulsePriority struct {
	pulseTask

	_ contract.Also `names:"oldPriority newPriority"`
}

// pulseMessage is what a message is decoded into.
type pulseMessage[T any] interface {
	*T
	message() Message
}

// messageKind is the messages of one exchange of the queue: their contract, and how
// they are read.
type messageKind struct {
	contract.Any
	name string
	read func(body []byte) (Message, error)
}

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

// The queue's exchanges, without exchange/taskcluster-queue/v1/ before them.
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
