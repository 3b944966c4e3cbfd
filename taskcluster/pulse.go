package taskcluster

import (
	"time"

	"github.com/mozci/mozci/job/contract"
)

// The queue's messages on Pulse. Nothing of mozci listens to them yet; what can be
// relied on in them is written here.

// pulseTask is what a message says of a task: how far it is, and its tags.
type pulseTask struct {
	Version int        `json:"version" is:"required" min:"1" max:"1"`
	Status  TaskStatus `json:"status" is:"required"`
	Task    struct {
		Tags map[string]string `json:"tags"`
	} `json:"task" is:"open"` // since 2019
}

// pulseRun is what a message says of a run of a task.
type pulseRun struct {
	pulseTask
	RunID int `json:"runId" is:"required" min:"0"`
}

// pulseClaimed is what a message says of a run that a worker has taken.
type pulseClaimed struct {
	pulseRun
	WorkerGroup string    `json:"workerGroup" is:"required" min:"1"`
	WorkerID    string    `json:"workerId" is:"required" min:"1"`
	TakenUntil  time.Time `json:"takenUntil"` // of one that is running
}

// pulseException is a run that ended without a result, which a worker may have
// taken. The task is pending again where another run follows.
type pulseException struct {
	pulseRun
	WorkerGroup string `json:"workerGroup" is:"" min:"1"`
	WorkerID    string `json:"workerId" is:"" min:"1"`
}

// pulseArtifact is a file of a run that is there, or will be.
type pulseArtifact struct {
	pulseClaimed
	Artifact Artifact `json:"artifact" is:"required"`
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

// pulsePriority is a task whose priority was changed.
type pulsePriority struct {
	pulseTask

	_ contract.Also `names:"oldPriority newPriority"`
}

// message is the contract of the messages of one exchange of the queue.
func message[T any](name string) contract.Any {
	return contract.New(contract.Endpoint[T]{
		Source: source, Name: "pulse." + name, Exchange: `/taskcluster-queue/v1/` + name + `$`,
	})
}

var messages = []contract.Any{
	message[pulseTask]("task-defined"),
	message[pulseRun]("task-pending"),
	message[pulseClaimed]("task-running"),
	message[pulseClaimed]("task-completed"),
	message[pulseClaimed]("task-failed"),
	message[pulseException]("task-exception"),
	message[pulseArtifact]("artifact-created"),
	message[pulseGroup]("task-group-resolved"),
	message[pulseGroup]("task-group-sealed"),
	message[pulsePriority]("task-priority-changed"),
	message[pulseGroup]("task-group-priority-changed"),
}
