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

// ofGroup checks that a group lists only tasks of its own.
func ofGroup(asked contract.Asked) func(*listedTask) error {
	group := asked.Var("group")
	return func(t *listedTask) error {
		if t.Status.TaskGroupID != group {
			return contract.Differs("status.taskGroupId", t.Status.TaskGroupID, group)
		}
		return nil
	}
}

// taskGroup lists the tasks of a group, page by page, in the service's order. A group may
// grow during the listing, and then a task can come on two pages; it is yielded once. When
// the two differ the error is job.ErrMalformed, since one of them is out of date. An unknown
// or expired group is job.ErrNotFound. An error ends the sequence.
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
					err = wrap(op, groupID, broken(groupTasks, "tasks", "the task %s is listed twice, as %s and as %s",
						t.Status.TaskID, before, t))
				}
				seen[t.Status.TaskID] = t
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// same reports whether two listings of a task agree on its label, state and number of runs.
func (t *listedTask) same(other *listedTask) bool {
	return t.String() == other.String() && len(t.Status.Runs) == len(other.Status.Runs)
}

// String is the task's label and state.
func (t *listedTask) String() string { return fmt.Sprintf("%q, %s", t.label(), t.Status.State) }
