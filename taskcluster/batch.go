package taskcluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// definedTask is one task's definition in a batch.
type definedTask struct {
	TaskID string `json:"taskId" is:"required" min:"22" max:"22"`
	Task   Task   `json:"task" is:"required"`
}

func (t *definedTask) id() string { return t.TaskID }

type definedPage struct {
	Tasks []definedTask `json:"tasks" is:"required"`
	paged
}

var definedTasks = listed(contract.Endpoint[definedPage]{
	Source: source, Name: "queue.tasks", Method: http.MethodPost, URL: `/queue/v1/tasks$`,
}, "tasks", func(p *definedPage) ([]definedTask, string) { return p.Tasks, p.Token }, ofBatch[definedTask])

// tasks returns the definitions of several tasks, by task id. It uses one request for each
// 1000 tasks, or one for each task on deployments that lack the call. Tasks that the
// deployment does not know are missing from the result; that is no error.
func (c *Client) tasks(ctx context.Context, taskIDs ...string) (map[string]*Task, error) {
	out, err := c.tasksAtOnce(ctx, taskIDs...)
	if lacks(err) {
		return oneByOne(ctx, taskIDs, c.Task)
	}
	return out, err
}

// tasksAtOnce is tasks for deployments that have the call for several tasks.
func (c *Client) tasksAtOnce(ctx context.Context, taskIDs ...string) (map[string]*Task, error) {
	found, err := batch(ctx, c, definedTasks, "queue.tasks", c.route("queue", "tasks"), taskIDs)
	out := map[string]*Task{}
	for id, t := range found {
		out[id] = &t.Task
	}
	return out, err
}

// taskStatus is one task's status in a batch.
type taskStatus struct {
	TaskID string     `json:"taskId" is:"required" min:"22" max:"22"`
	Status TaskStatus `json:"status" is:"required"`
}

func (t *taskStatus) id() string { return t.TaskID }

// Prove implements contract.Prover: the status is that of the task it stands beside.
func (t *taskStatus) Prove() error {
	if t.Status.TaskID != t.TaskID {
		return contract.Outside("status.taskId", "%q of the task %q", t.Status.TaskID, t.TaskID)
	}
	return nil
}

type statusPage struct {
	Statuses []taskStatus `json:"statuses" is:"required"`
	paged
}

var taskStatuses = listed(contract.Endpoint[statusPage]{
	Source: source, Name: "queue.statuses", Method: http.MethodPost, URL: `/queue/v1/tasks/status$`,
}, "statuses", func(p *statusPage) ([]taskStatus, string) { return p.Statuses, p.Token }, ofBatch[taskStatus])

// statuses returns the statuses of several tasks, by task id, as tasks does for definitions.
// Tasks that the deployment does not know are missing from the result.
func (c *Client) statuses(ctx context.Context, taskIDs ...string) (map[string]*TaskStatus, error) {
	out, err := c.statusesAtOnce(ctx, taskIDs...)
	if lacks(err) {
		return oneByOne(ctx, taskIDs, c.Status)
	}
	return out, err
}

// statusesAtOnce is statuses for deployments that have the call for several tasks.
func (c *Client) statusesAtOnce(ctx context.Context, taskIDs ...string) (map[string]*TaskStatus, error) {
	found, err := batch(ctx, c, taskStatuses, "queue.statuses", c.route("queue", "tasks", "status"), taskIDs)
	out := map[string]*TaskStatus{}
	for id, t := range found {
		out[id] = &t.Status
	}
	return out, err
}

// about is one element of a batch; id names the task that it is about.
type about[E any] interface {
	*E
	id() string
}

// batchOf is the body of a request for a batch.
type batchOf struct {
	TaskIDs []string `json:"taskIds"`
}

// ofBatch checks the elements of a batch: each is about a requested task, and no task comes
// twice on one page.
func ofBatch[E any, EE about[E]](asked contract.Asked) func(*E) error {
	var in batchOf
	_ = v2.Unmarshal(asked.Body, &in) // mozci wrote this body: it can be read
	once := askedOnce("taskId", in.TaskIDs)
	return func(e *E) error { return once(EE(e).id()) }
}

// mostIDs is the largest number of tasks, or of index paths, in one request: the services
// refuse more.
const mostIDs = 1000

// batch reads one thing about many tasks, mostIDs tasks at a time. On an error it returns
// what it has read so far with the error. A task that comes twice, on two pages, is
// job.ErrMalformed: one of the two records would be lost. 2500 tasks are 3 requests, for 1000,
// 1000 and 500 of them; each answer may have several pages.
func batch[P, E any, EE about[E]](
	ctx context.Context, c *Client, l *lister[P, E], op, url string, taskIDs []string,
) (map[string]EE, error) {
	for _, id := range taskIDs {
		if err := checkTask(id); err != nil {
			return nil, job.Wrap(op, id, err)
		}
	}
	out := map[string]EE{}
	for part := range slices.Chunk(taskIDs, mostIDs) {
		key := fmt.Sprint(len(part), " tasks")
		twice := ""
		err := l.ask(ctx, c, op, key, url, batchOf{part}, func(e *E) {
			id := EE(e).id()
			if out[id] != nil {
				twice = id
			}
			out[id] = e
		})
		if err == nil && twice != "" {
			err = wrap(op, key, broken(l, l.member, "the task %s comes twice", twice))
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}
