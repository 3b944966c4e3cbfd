package taskcluster

import (
	"context"
	"fmt"
	"net/http"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// definitionWire is a task's definition as the queue answers with it.
type definitionWire struct {
	Task
	Routes []string `json:"routes" is:"required"`
}

var definitions = contract.New(contract.Endpoint[definitionWire]{
	Source: source, Name: "queue.task", URL: `/queue/v1/task/(?P<task>[^/]+)$`,
	File: `task definition|_task\.json|action_retrigger\.json`,
})

// Task is the definition of a task; job.ErrNotFound where there is none, or it has
// expired.
func (c *Client) Task(ctx context.Context, taskID string) (*Task, error) {
	return within(ctx, c, "queue.task", taskID, func(ctx context.Context) (*Task, error) {
		d, _, err := c.definition(ctx, taskID)
		if err != nil {
			return nil, err
		}
		return &d.Task, nil
	})
}

// definition is the definition of a task as the queue has it, all of it. It does not
// say of which task it is: the caller knows the group, and often the name.
func (c *Client) definition(ctx context.Context, taskID string) (*definitionWire, []byte, error) {
	const op = "queue.task"
	if err := checkTask(taskID); err != nil {
		return nil, nil, job.Wrap(op, taskID, err)
	}
	return call(ctx, c, op, taskID, c.request("", c.route("queue", "task", taskID)), definitions)
}

// statusWire is the answer of every call that answers a task's status.
type statusWire struct {
	Status TaskStatus `json:"status" is:"required"`
}

// sameStatus reports a status that is another task's.
func sameStatus(asked contract.Asked, w *statusWire) error {
	if id := asked.Var("task"); w.Status.TaskID != id {
		return contract.Differs("status.taskId", w.Status.TaskID, id)
	}
	return nil
}

var (
	statusOf = contract.New(contract.Endpoint[statusWire]{
		Source: source, Name: "queue.status", URL: `/queue/v1/task/(?P<task>[^/]+)/status$`,
		File: `task_status\.json`, Same: sameStatus,
	})
	cancelled = contract.New(contract.Endpoint[statusWire]{
		Source: source, Name: "queue.cancelTask", Method: http.MethodPost,
		URL: `/queue/v1/task/(?P<task>[^/]+)/cancel$`, Same: sameStatus,
	})
	created = contract.New(contract.Endpoint[statusWire]{
		Source: source, Name: "queue.createTask", Method: http.MethodPut,
		URL: `/queue/v1/task/(?P<task>[^/]+)$`, Same: sameStatus,
	})
)

// Status is how far a task is, with all its runs; job.ErrNotFound where there is
// no such task, or it has expired.
func (c *Client) Status(ctx context.Context, taskID string) (*TaskStatus, error) {
	const op = "queue.status"
	return within(ctx, c, op, taskID, func(ctx context.Context) (*TaskStatus, error) {
		r := c.request("", c.route("queue", "task", taskID, "status"))
		return c.status(ctx, op, taskID, r, statusOf)
	})
}

// status makes a call that answers a task's status.
func (c *Client) status(
	ctx context.Context, op, taskID string, r rest.Call, e *contract.Endpoint[statusWire],
) (*TaskStatus, error) {
	if err := checkTask(taskID); err != nil {
		return nil, job.Wrap(op, taskID, err)
	}
	out, _, err := call(ctx, c, op, taskID, r, e)
	if err != nil {
		return nil, err
	}
	return &out.Status, nil
}

// createTask makes a task with this id. The same definition again changes
// nothing; another one is refused, with job.ErrInvalid.
func (c *Client) createTask(ctx context.Context, taskID string, definition any) (*TaskStatus, error) {
	const op = "queue.createTask"
	if err := checkTask(taskID); err != nil {
		return nil, job.Wrap(op, taskID, err)
	}
	r, err := c.sending(http.MethodPut, c.route("queue", "task", taskID), definition)
	if err != nil {
		return nil, job.Wrap(op, taskID, err)
	}
	return c.status(ctx, op, taskID, r, created)
}

// cancelTask stops a task. One that is resolved stays as it is.
func (c *Client) cancelTask(ctx context.Context, taskID string) (*TaskStatus, error) {
	r := c.request(http.MethodPost, c.route("queue", "task", taskID, "cancel"))
	r.Idempotent = true
	return c.status(ctx, "queue.cancelTask", taskID, r, cancelled)
}

// checkTask refuses what is no task id before a service is asked.
func checkTask(id string) error {
	if !slug.Valid(id) {
		return fmt.Errorf("%w: task id %q is not a slugid of 22 characters", job.ErrInvalid, clip.Marked(id, shown))
	}
	return nil
}
