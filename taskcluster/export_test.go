package taskcluster

import "github.com/mozci/mozci/job"

// The calls that Project makes of the services and that are nobody else's, for
// the tests that make each recorded exchange.
var (
	CreateTask       = (*Client).createTask
	CancelTask       = (*Client).cancelTask
	Tasks            = (*Client).tasks
	Statuses         = (*Client).statuses
	TaskGroup        = (*Client).taskGroup
	TaskQueueCounts  = (*Client).taskQueueCounts
	FindTasksAtIndex = (*Client).findTasksAtIndex
	ListIndexedTasks = (*Client).listIndexedTasks
	ListNamespaces   = (*Client).listNamespaces
	ListLastFires    = (*Client).listLastFires
	TriggerHook      = (*Client).triggerHook
	ExpandScopes     = (*Client).expandScopes
)

// What is read of actions.json, and of anybody's push.
var (
	ParseActions = parseActions
	ActionNames  = (*actions).names
	ForGroup     = (*actions).forGroup
	ForTask      = (*actions).forTask
	ActionInput  = (*action).input
	ComposeInput = (*action).compose
)

// Parts of the room that have vectors, or tables, of their own.
var (
	ErrNothingCreated = errNothingCreated
	Satisfies         = satisfies
	Made              = Record.made
	QueueOf           = (*Task).queue
)

// StatusOf is how a run's words are read.
func StatusOf(r *TaskRun, kind job.Kind, later bool) (job.Status, error) {
	return r.status(kind, later)
}
