package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// Task is what mozci reads of a task's definition. What else there is, is left
// out: a push has tens of thousands of tasks.
type Task struct {
	TaskQueueID   string            `json:"taskQueueId"`
	ProvisionerID string            `json:"provisionerId"`
	WorkerType    string            `json:"workerType"`
	SchedulerID   string            `json:"schedulerId"`
	ProjectID     string            `json:"projectId"`
	TaskGroupID   string            `json:"taskGroupId"`
	Dependencies  []string          `json:"dependencies"`
	Requires      string            `json:"requires"` // all-completed, all-resolved
	Created       time.Time         `json:"created"`
	Deadline      time.Time         `json:"deadline"`
	Expires       time.Time         `json:"expires"`
	Scopes        []string          `json:"scopes"`
	Metadata      TaskMetadata          `json:"metadata"`
	Tags          map[string]string `json:"tags"`
	Extra         TaskExtra             `json:"extra"`
	Payload       TaskPayload           `json:"payload"`
}

// TaskMetadata are a task's texts for people. Its name is the label.
type TaskMetadata struct {
	Name string `json:"name"`
}

// TaskExtra is what taskgraph notes beside a task. Anybody's push can write
// anything there, so that what has another shape is as good as absent.
type TaskExtra struct {
	Parent     string `json:"parent"` // the decision or action task that made it
	Treeherder struct {
		JobKind string `json:"jobKind"`
		Symbol  string `json:"symbol"`
	} `json:"treeherder"`
	Action *struct {
		Name    string `json:"name"`
		Context struct {
			Input  json.RawMessage `json:"input"`
			TaskID string          `json:"taskId"`
		} `json:"context"`
	} `json:"action"`
}

// TaskPayload is what the worker gets.
type TaskPayload struct {
	Env struct {
		TestPaths string `json:"MOZHARNESS_TEST_PATHS"` // JSON: suite to manifests
	} `json:"env"`
}

// Queue is the name of the task's queue, <provisioner>/<worker type>.
func (t *Task) queue() string {
	if t.TaskQueueID == "" && t.ProvisionerID != "" {
		return t.ProvisionerID + "/" + t.WorkerType
	}
	return t.TaskQueueID
}

// TaskStatus is how far a task is.
type TaskStatus struct {
	TaskID      string    `json:"taskId"`
	TaskGroupID string    `json:"taskGroupId"`
	SchedulerID string    `json:"schedulerId"`
	ProjectID   string    `json:"projectId"`
	Deadline    time.Time `json:"deadline"`
	Expires     time.Time `json:"expires"`
	RetriesLeft int       `json:"retriesLeft"`
	State       string    `json:"state"` // unscheduled, pending, running, completed, failed, exception
	Runs        []TaskRun     `json:"runs"`
}

// resolved reports whether nothing more happens to the task by itself.
func (s *TaskStatus) resolved() bool {
	return s.State == "completed" || s.State == "failed" || s.State == "exception"
}

// TaskRun is one run of a task.
type TaskRun struct {
	RunID          int       `json:"runId"`
	State          string    `json:"state"`         // as the task's, but for unscheduled
	ReasonCreated  string    `json:"reasonCreated"` // scheduled, retry, task-retry, rerun, exception
	ReasonResolved string    `json:"reasonResolved"`
	WorkerGroup    string    `json:"workerGroup"`
	WorkerID       string    `json:"workerId"`
	Scheduled      time.Time `json:"scheduled"`
	Started        time.Time `json:"started"`
	Resolved       time.Time `json:"resolved"`
}

// listedTask is a task with how far it is, as a group lists it.
type listedTask struct {
	Task   Task   `json:"task"`
	Status TaskStatus `json:"status"`
}

// tolerant decodes a task: what has another shape where anybody may write
// anything is left out, and an error elsewhere.
func tolerant(decode func(any) error, into any) error {
	err := decode(into)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		for _, open := range []string{"extra.", "payload.", "tags", "extra", "payload"} {
			if f := strings.TrimPrefix(kind.Field, "task."); f == open || strings.HasPrefix(f, open) {
				return nil
			}
		}
	}
	return err
}

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
			TaskID string `json:"taskId"`
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

// pages calls read for each page of a listing with its URL, and read returns
// the token of the next one. A token that comes again would go on for ever: a
// service that does not know it gives the first page once more.
func (c *Client) pages(base string, read func(url string) (token string, err error)) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		seen := map[string]bool{"": true}
		next := base
		for n := 0; ; n++ {
			token, err := read(next)
			if err == nil && token != "" && seen[token] {
				err = job.Wrap("taskcluster.pages", "", fmt.Errorf("%w: the continuationToken of page %d came before", job.ErrMalformed, n+1))
			}
			if !yield(n, err) || err != nil || token == "" {
				return
			}
			seen[token] = true
			next = base + "?continuationToken=" + url.QueryEscape(token)
		}
	}
}

// elements reads an object whose member is an array, one element at a time, and
// returns its continuationToken. An object without the member is malformed.
func elements(body io.Reader, member string, element func(*json.Decoder) error) (token string, err error) {
	found := false
	dec := json.NewDecoder(body)
	err = members(dec, func(name string) error {
		switch name {
		case member:
			found = true
			return array(dec, element)
		case "continuationToken":
			return dec.Decode(&token)
		}
		return skip(dec)
	})
	if err == nil && !found {
		err = notJSON{fmt.Errorf("no %s in the answer", member)}
	}
	return token, err
}

// members reads an object: value must read the member's value.
func members(dec *json.Decoder, value func(name string) error) error {
	if err := delim(dec, '{'); err != nil {
		return err
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		if err := value(t.(string)); err != nil { // the decoder gives strings here
			return err
		}
	}
	return delim(dec, '}')
}

// array reads an array: element must read the element.
func array(dec *json.Decoder, element func(*json.Decoder) error) error {
	if err := delim(dec, '['); err != nil {
		return err
	}
	for dec.More() {
		if err := element(dec); err != nil {
			return err
		}
	}
	return delim(dec, ']')
}

func delim(dec *json.Decoder, want json.Delim) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != want {
		return notJSON{fmt.Errorf("expected %s, got %v", want, t)}
	}
	return nil
}

// skip reads a value without keeping it.
func skip(dec *json.Decoder) error {
	depth := 0
	for {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
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
