package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// Task is the definition of a task.
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

// Definition is the definition of a task as the queue has it, all of it.
func (c *Client) definition(ctx context.Context, taskID string) (json.RawMessage, error) {
	const op = "queue.task"
	if err := checkTask(taskID); err != nil {
		return nil, job.Wrap(op, taskID, err)
	}
	var raw json.RawMessage
	err := c.get(ctx, op, taskID, c.route("queue", "task", taskID), &raw)
	return raw, err
}

// Tasks are the definitions of several tasks, by task id, in as few requests
// as the deployment offers; those that it does not have are left out.
func (c *Client) tasks(ctx context.Context, taskIDs ...string) (map[string]*Task, error) {
	const op = "queue.tasks"
	out := map[string]*Task{}
	page := func(dec *json.Decoder) error {
		var one struct {
			TaskID string `json:"taskId"`
			Task   Task   `json:"task"`
		}
		if err := tolerant(dec.Decode, &one); err != nil {
			return err
		}
		out[one.TaskID] = &one.Task
		return nil
	}
	err := c.batch(ctx, op, []string{"tasks"}, "tasks", taskIDs, page)
	if !lacks(err) {
		return out, err
	}
	return out, c.each(taskIDs, func(id string) (err error) {
		out[id], err = c.Task(ctx, id)
		if err != nil {
			delete(out, id)
		}
		return err
	})
}

// TaskStatus is how far a task is.
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

// Statuses are the statuses of several tasks, by task id, in as few requests as
// the deployment offers; tasks that it does not have are left out.
func (c *Client) statuses(ctx context.Context, taskIDs ...string) (map[string]*TaskStatus, error) {
	const op = "queue.statuses"
	out := map[string]*TaskStatus{}
	page := func(dec *json.Decoder) error {
		var one struct {
			TaskID string     `json:"taskId"`
			Status TaskStatus `json:"status"`
		}
		if err := dec.Decode(&one); err != nil {
			return err
		}
		out[one.Status.TaskID] = &one.Status
		return nil
	}
	err := c.batch(ctx, op, []string{"tasks", "status"}, "statuses", taskIDs, page)
	if !lacks(err) {
		return out, err
	}
	return out, c.each(taskIDs, func(id string) (err error) {
		out[id], err = c.Status(ctx, id)
		if err != nil {
			delete(out, id)
		}
		return err
	})
}

// mostIDs is how many tasks are asked for in one request.
const mostIDs = 1000

// batch asks about many tasks at once, page by page.
func (c *Client) batch(ctx context.Context, op string, route []string, member string, ids []string, element func(*json.Decoder) error) error {
	for _, id := range ids {
		if err := checkTask(id); err != nil {
			return job.Wrap(op, id, err)
		}
	}
	for part := range slices.Chunk(ids, mostIDs) {
		in := map[string]any{"taskIds": part}
		pages := c.pages(c.route("queue", route...), func(url string) (string, error) {
			r, err := c.request(http.MethodPost, url, in)
			if err != nil {
				return "", err
			}
			r.Idempotent = true // it only reads
			var token string
			err = c.rest.Stream(ctx, r, func(body io.Reader) (err error) {
				token, err = elements(body, member, element)
				return err
			})
			return token, wrap(op, fmt.Sprint(len(part), " tasks"), malformed(err))
		})
		for _, err := range pages {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// each calls ask for each id; what is not found is no error.
func (c *Client) each(ids []string, ask func(id string) error) error {
	for _, id := range ids {
		if err := ask(id); err != nil && !errors.Is(err, job.ErrNotFound) {
			return err
		}
	}
	return nil
}

// TaskGroup lists the tasks of a group, page by page, each once although the
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
		var page []*listedTask
		read := func(url string) (token string, err error) {
			err = c.stream(ctx, op, groupID, url, func(body io.Reader) (err error) {
				page = page[:0] // it may be the second time
				token, err = elements(body, "tasks", func(dec *json.Decoder) error {
					var t listedTask
					if err := tolerant(dec.Decode, &t); err != nil {
						return err
					}
					page = append(page, &t)
					return nil
				})
				return err
			})
			return token, err
		}
		for _, err := range c.pages(c.route("queue", "task-group", groupID, "list"), read) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, t := range page {
				if seen[t.Status.TaskID] {
					continue
				}
				seen[t.Status.TaskID] = true
				if !yield(t, nil) {
					return
				}
			}
		}
	}
}

// CreateTask makes a task with this id. The same definition again changes
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

// CancelTask stops a task. One that is resolved stays as it is.
func (c *Client) cancelTask(ctx context.Context, taskID string) (*TaskStatus, error) {
	return c.status(ctx, "queue.cancelTask", http.MethodPost, taskID, "cancel")
}

// queueCounts are how much waits in a queue.
type queueCounts struct {
	Pending int `json:"pendingTasks"`
	Claimed int `json:"claimedTasks"`
}

// TaskQueueCounts counts the tasks of a queue, named <provisioner>/<worker
// type>. A queue that nobody ever used has none.
func (c *Client) taskQueueCounts(ctx context.Context, taskQueueID string) (queueCounts, error) {
	var out queueCounts
	err := c.get(ctx, "queue.taskQueueCounts", taskQueueID, c.route("queue", "task-queues", taskQueueID, "counts"), &out)
	return out, err
}

// checkTask refuses what is no task id before a service is asked.
func checkTask(id string) error {
	if !slug.Valid(id) {
		return fmt.Errorf("%w: task id %q is not a slugid of 22 characters", job.ErrInvalid, clip.Marked(id, shown))
	}
	return nil
}
