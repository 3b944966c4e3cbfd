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

// definedTask is a task's definition as a batch of them has it.
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

// tasks are the definitions of several tasks, by task id, in as few requests
// as the deployment offers; those that it does not have are left out.
func (c *Client) tasks(ctx context.Context, taskIDs ...string) (map[string]*Task, error) {
	out, err := c.tasksAtOnce(ctx, taskIDs...)
	if lacks(err) {
		return oneByOne(ctx, taskIDs, c.Task)
	}
	return out, err
}

// tasksAtOnce is tasks where the deployment has the call.
func (c *Client) tasksAtOnce(ctx context.Context, taskIDs ...string) (map[string]*Task, error) {
	found, err := batch(ctx, c, definedTasks, "queue.tasks", c.route("queue", "tasks"), taskIDs)
	out := map[string]*Task{}
	for id, t := range found {
		out[id] = &t.Task
	}
	return out, err
}

// taskStatus is a task's status as a batch of them has it.
type taskStatus struct {
	TaskID string     `json:"taskId" is:"required" min:"22" max:"22"`
	Status TaskStatus `json:"status" is:"required"`
}

func (t *taskStatus) id() string { return t.TaskID }

// Prove implements contract.Prover: the status is that task's.
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

// statuses are the statuses of several tasks, by task id, in as few requests as
// the deployment offers; tasks that it does not have are left out.
func (c *Client) statuses(ctx context.Context, taskIDs ...string) (map[string]*TaskStatus, error) {
	out, err := c.statusesAtOnce(ctx, taskIDs...)
	if lacks(err) {
		return oneByOne(ctx, taskIDs, c.Status)
	}
	return out, err
}

// statusesAtOnce is statuses where the deployment has the call.
func (c *Client) statusesAtOnce(ctx context.Context, taskIDs ...string) (map[string]*TaskStatus, error) {
	found, err := batch(ctx, c, taskStatuses, "queue.statuses", c.route("queue", "tasks", "status"), taskIDs)
	out := map[string]*TaskStatus{}
	for id, t := range found {
		out[id] = &t.Status
	}
	return out, err
}

// about is what a batch says of one task.
type about[E any] interface {
	*E
	id() string
}

// batchOf is what a batch is asked with.
type batchOf struct {
	TaskIDs []string `json:"taskIds"`
}

// ofBatch checks what a batch answers: of tasks that were asked for, each once.
func ofBatch[E any, EE about[E]](asked contract.Asked) func(*E) error {
	var in batchOf
	_ = v2.Unmarshal(asked.Body, &in) // it is mozci's own
	once := askedOnce("taskId", in.TaskIDs)
	return func(e *E) error { return once(EE(e).id()) }
}

// mostIDs is how many tasks are asked for in one request.
const mostIDs = 1000

// batch asks for one thing of many tasks, 1000 at a time; what the deployment does
// not have is left out.
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
