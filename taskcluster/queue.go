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

// definitionWire is a task's definition as the queue returns it.
type definitionWire struct {
	Task
	Routes []string `json:"routes" is:"required"`
}

var definitions = contract.New(contract.Endpoint[definitionWire]{
	Source: source, Name: "queue.task", URL: `/queue/v1/task/(?P<task>[^/]+)$`,
	File: `task definition([^s]|$)|_task\.json`,
})

// Task returns the definition of a task. A task that never existed or has expired is
// job.ErrNotFound.
func (c *Client) Task(ctx context.Context, taskID string) (*Task, error) {
	return within(ctx, c, "queue.task", taskID, func(ctx context.Context) (*Task, error) {
		d, _, err := c.definition(ctx, taskID)
		if err != nil {
			return nil, err
		}
		return &d.Task, nil
	})
}

// definition returns the whole definition of a task, decoded and as raw text. A definition
// does not contain its task's id, so only the caller, who knows the group and often the
// label, can check that it is the right one.
func (c *Client) definition(ctx context.Context, taskID string) (*definitionWire, []byte, error) {
	const op = "queue.task"
	if err := checkTask(taskID); err != nil {
		return nil, nil, job.Wrap(op, taskID, err)
	}
	return call(ctx, c, op, taskID, c.request("", c.route("queue", "task", taskID)), definitions)
}

// statusWire is the answer of every call that returns a task's status.
type statusWire struct {
	Status TaskStatus `json:"status" is:"required"`
}

// sameStatus returns an error when the status is another task's.
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

// Status returns the state of a task with all its runs. A task that never existed or has
// expired is job.ErrNotFound.
func (c *Client) Status(ctx context.Context, taskID string) (*TaskStatus, error) {
	const op = "queue.status"
	return within(ctx, c, op, taskID, func(ctx context.Context) (*TaskStatus, error) {
		r := c.request("", c.route("queue", "task", taskID, "status"))
		return c.status(ctx, op, taskID, r, statusOf)
	})
}

// status makes a call that returns a task's status.
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

// createTask creates a task with this id. Doing so again with the same definition changes
// nothing, so the call may be repeated. With another definition the queue refuses it
// (RequestConflict), which is job.ErrInvalid.
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

// cancelTask stops a task. A task that has ended stays as it is, so the call may be repeated.
func (c *Client) cancelTask(ctx context.Context, taskID string) (*TaskStatus, error) {
	r := c.request(http.MethodPost, c.route("queue", "task", taskID, "cancel"))
	r.Idempotent = true
	return c.status(ctx, "queue.cancelTask", taskID, r, cancelled)
}

// checkTask refuses a string that cannot be a task id, before any request is made with it.
func checkTask(id string) error {
	if !slug.Valid(id) {
		return fmt.Errorf("%w: task id %q is not a slugid of 22 characters", job.ErrInvalid, clip.Marked(id, shown))
	}
	return nil
}
