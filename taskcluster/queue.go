package taskcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// Task is the definition of a task; job.ErrNotFound where there is none, or it has
// expired.
func (c *Client) Task(ctx context.Context, taskID string) (*Task, error) {
	const op = "queue.task"
	raw, err := c.definition(ctx, taskID)
	if err != nil {
		return nil, err
	}
	var t Task
	err = tolerant(func(v any) error { return json.Unmarshal(raw, v) }, &t)
	if err != nil {
		return nil, job.Wrap(op, taskID, fmt.Errorf("%w: %w", job.ErrMalformed, err))
	}
	return &t, nil
}

// definition is the definition of a task as the queue has it, all of it.
func (c *Client) definition(ctx context.Context, taskID string) (json.RawMessage, error) {
	const op = "queue.task"
	if err := checkTask(taskID); err != nil {
		return nil, job.Wrap(op, taskID, err)
	}
	var raw json.RawMessage
	err := c.get(ctx, op, taskID, c.route("queue", "task", taskID), &raw)
	return raw, err
}

// tasks are the definitions of several tasks, by task id, in as few requests
// as the deployment offers; those that it does not have are left out.
func (c *Client) tasks(ctx context.Context, taskIDs ...string) (map[string]*Task, error) {
	type element struct {
		TaskID string `json:"taskId"`
		Task   Task   `json:"task"`
	}
	b := bulk[element, Task]{
		op: "queue.tasks", url: c.route("queue", "tasks"), member: "tasks",
		entry: func(e *element) (string, *Task) { return e.TaskID, &e.Task },
		alone: c.Task,
	}
	return b.ask(ctx, c, taskIDs)
}

// Status is how far a task is, with all its runs; job.ErrNotFound where there is
// no such task, or it has expired.
func (c *Client) Status(ctx context.Context, taskID string) (*TaskStatus, error) {
	return c.status(ctx, "queue.status", http.MethodGet, taskID, "status")
}

// status makes a call that answers a task's status.
func (c *Client) status(ctx context.Context, op, method, taskID, what string) (*TaskStatus, error) {
	if err := checkTask(taskID); err != nil {
		return nil, job.Wrap(op, taskID, err)
	}
	var out struct {
		Status *TaskStatus `json:"status"`
	}
	err := c.call(ctx, op, taskID, method, c.route("queue", "task", taskID, what), nil, &out, true)
	if err == nil && (out.Status == nil || out.Status.TaskID != taskID) {
		err = job.Wrap(op, taskID, fmt.Errorf("%w: no status of it in the answer", job.ErrMalformed))
	}
	return out.Status, err
}

// statuses are the statuses of several tasks, by task id, in as few requests as
// the deployment offers; tasks that it does not have are left out.
func (c *Client) statuses(ctx context.Context, taskIDs ...string) (map[string]*TaskStatus, error) {
	type element struct {
		Status TaskStatus `json:"status"`
	}
	b := bulk[element, TaskStatus]{
		op: "queue.statuses", url: c.route("queue", "tasks", "status"), member: "statuses",
		entry: func(e *element) (string, *TaskStatus) { return e.Status.TaskID, &e.Status },
		alone: c.Status,
	}
	return b.ask(ctx, c, taskIDs)
}

// mostIDs is how many tasks are asked for in one request.
const mostIDs = 1000

// bulk asks for one thing of many tasks at once. E is an element of the answer.
type bulk[E, T any] struct {
	op, url string
	member  string                                    // of the answer: the array of E
	entry   func(*E) (taskID string, of *T)           // what an element says
	alone   func(context.Context, string) (*T, error) // for a deployment without such a call
}

// ask asks, 1000 tasks at a time; what the deployment does not have is left out.
func (b bulk[E, T]) ask(ctx context.Context, c *Client, taskIDs []string) (map[string]*T, error) {
	for _, id := range taskIDs {
		if err := checkTask(id); err != nil {
			return nil, job.Wrap(b.op, id, err)
		}
	}
	out := map[string]*T{}
	for part := range slices.Chunk(taskIDs, mostIDs) {
		for _, err := range pages(b.url, func(url string) (string, error) {
			page, token, err := b.page(ctx, c, url, part)
			for _, e := range page {
				id, of := b.entry(e)
				out[id] = of
			}
			return token, err
		}) {
			if lacks(err) {
				return oneByOne(ctx, taskIDs, b.alone)
			}
			if err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// page asks for one page of what is said of some tasks.
func (b bulk[E, T]) page(
	ctx context.Context, c *Client, url string, ids []string,
) (page []*E, token string, err error) {
	r, err := c.request(http.MethodPost, url, map[string]any{"taskIds": ids})
	if err != nil {
		return nil, "", err
	}
	r.Idempotent = true // it only reads
	err = c.rest.Stream(ctx, r, func(body io.Reader) (err error) {
		page, token, err = elements[E](body, b.member)
		return err
	})
	return page, token, wrap(b.op, fmt.Sprint(len(ids), " tasks"), malformed(err))
}

// taskGroup lists the tasks of a group, page by page, each once although the
// group may grow meanwhile. The order is the service's. An error ends the
// sequence; a group that is unknown or has expired is job.ErrNotFound.
func (c *Client) taskGroup(ctx context.Context, groupID string) iter.Seq2[*listedTask, error] {
	const op = "queue.listTaskGroup"
	return func(yield func(*listedTask, error) bool) {
		if err := checkTask(groupID); err != nil {
			yield(nil, job.Wrap(op, groupID, err))
			return
		}
		seen := map[string]bool{}
		url := c.route("queue", "task-group", groupID, "list")
		for t, err := range listing[listedTask](ctx, c, op, groupID, url, "tasks") {
			if err == nil && seen[t.Status.TaskID] {
				continue
			}
			if err == nil {
				seen[t.Status.TaskID] = true
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

// createTask makes a task with this id. The same definition again changes
// nothing; another one is refused, with job.ErrInvalid.
func (c *Client) createTask(ctx context.Context, taskID string, definition any) (*TaskStatus, error) {
	const op = "queue.createTask"
	if err := checkTask(taskID); err != nil {
		return nil, job.Wrap(op, taskID, err)
	}
	var out struct {
		Status *TaskStatus `json:"status"`
	}
	err := c.call(ctx, op, taskID, http.MethodPut, c.route("queue", "task", taskID), definition, &out, true)
	if err == nil && out.Status == nil {
		err = job.Wrap(op, taskID, fmt.Errorf("%w: no status in the answer", job.ErrMalformed))
	}
	return out.Status, err
}

// cancelTask stops a task. One that is resolved stays as it is.
func (c *Client) cancelTask(ctx context.Context, taskID string) (*TaskStatus, error) {
	return c.status(ctx, "queue.cancelTask", http.MethodPost, taskID, "cancel")
}

// queueCounts are how much waits in a queue.
type queueCounts struct {
	Pending int `json:"pendingTasks"`
	Claimed int `json:"claimedTasks"`
}

// taskQueueCounts counts the tasks of a queue, named <provisioner>/<worker
// type>. A queue that nobody ever used has none.
func (c *Client) taskQueueCounts(ctx context.Context, taskQueueID string) (queueCounts, error) {
	var out queueCounts
	url := c.route("queue", "task-queues", taskQueueID, "counts")
	err := c.get(ctx, "queue.taskQueueCounts", taskQueueID, url, &out)
	return out, err
}

// checkTask refuses what is no task id before a service is asked.
func checkTask(id string) error {
	if !slug.Valid(id) {
		return fmt.Errorf("%w: task id %q is not a slugid of 22 characters", job.ErrInvalid, clip.Marked(id, shown))
	}
	return nil
}

// checkAnswered refuses what a service gave for a task id and is none.
func checkAnswered(op, key, taskID string) error {
	if !slug.Valid(taskID) {
		return job.Wrap(op, key, fmt.Errorf("%w: task id %q", job.ErrMalformed, clip.Marked(taskID, shown)))
	}
	return nil
}
