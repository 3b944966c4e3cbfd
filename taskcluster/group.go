package taskcluster

import (
	"context"
	"fmt"
	"iter"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// groupPage is a page of a group's listing.
type groupPage struct {
	TaskGroupID string       `json:"taskGroupId" is:"required" min:"22" max:"22"`
	Tasks       []listedTask `json:"tasks" is:"required"`
	paged

	_ contract.Also `names:"schedulerId expires sealed"`
}

var groupTasks = listed(contract.Endpoint[groupPage]{
	Source: source, Name: "queue.listTaskGroup", URL: `/queue/v1/task-group/(?P<group>[^/]+)/list$`,
	File: `listTaskGroup|list-task-group`,
	Same: func(asked contract.Asked, p *groupPage) error {
		if group := asked.Var("group"); p.TaskGroupID != group {
			return contract.Differs("taskGroupId", p.TaskGroupID, group)
		}
		return nil
	},
}, "tasks", func(p *groupPage) ([]listedTask, string) { return p.Tasks, p.Token }, ofGroup)

// ofGroup checks what a group lists: its own tasks.
func ofGroup(asked contract.Asked) func(*listedTask) error {
	group := asked.Var("group")
	return func(t *listedTask) error {
		if t.Status.TaskGroupID != group {
			return contract.Differs("status.taskGroupId", t.Status.TaskGroupID, group)
		}
		return nil
	}
}

// taskGroup lists the tasks of a group, page by page, each once although the
// group may grow meanwhile. The order is the service's. An error ends the
// sequence; a group that is unknown or has expired is job.ErrNotFound, and one that
// lists a task twice, in two states, job.ErrMalformed.
func (c *Client) taskGroup(ctx context.Context, groupID string) iter.Seq2[*listedTask, error] {
	const op = "queue.listTaskGroup"
	return func(yield func(*listedTask, error) bool) {
		if err := checkTask(groupID); err != nil {
			yield(nil, job.Wrap(op, groupID, err))
			return
		}
		seen := map[string]*listedTask{}
		for t, err := range groupTasks.all(ctx, c, op, groupID, c.route("queue", "task-group", groupID, "list")) {
			if err == nil {
				before := seen[t.Status.TaskID]
				if before != nil && before.same(t) {
					continue
				}
				if before != nil {
					err = job.Wrap(op, groupID, fmt.Errorf("%w: the task %s is listed twice, as %s and as %s",
						job.ErrMalformed, t.Status.TaskID, before, t))
				}
				seen[t.Status.TaskID] = t
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// same reports whether a task that is listed twice is the same both times.
func (t *listedTask) same(other *listedTask) bool {
	return t.String() == other.String() && len(t.Status.Runs) == len(other.Status.Runs)
}

// String is the task's label and state.
func (t *listedTask) String() string { return fmt.Sprintf("%q, %s", t.label(), t.Status.State) }
