package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// makesNothing are the actions that make no tasks even when they succeed.
var makesNothing = []string{"rerun", "cancel", "cancel-all", "release-promotion"}

// Outcome implements job.OutcomeFinder: it returns the runs that the action task of a receipt
// made. Those of a completed action task are in its task-graph.json. (Its
// label-to-taskid.json would not do: it also has tasks from before, and even an action
// that failed or made nothing leaves one.) Otherwise the tasks in the push's groups count
// that name the action task as their parent.
func (p *Project) Outcome(ctx context.Context, push job.Push, label string, r job.Receipt) (job.Outcome, error) {
	const op = "taskcluster.outcome"
	if r.By == "" {
		return job.Outcome{IDs: r.IDs, Done: true}, nil
	}
	taskID, _, err := split(r.By)
	if err != nil {
		return job.Outcome{}, job.Wrap(op, r.By, err)
	}
	p = p.of(push)
	return within(ctx, p.c, op, r.By, func(ctx context.Context) (job.Outcome, error) {
		s, err := p.c.Status(ctx, taskID)
		if err != nil {
			return job.Outcome{}, job.Wrap(op, r.By, err)
		}
		out, err := p.outcome(ctx, push, label, s)
		return out, job.Wrap(op, r.By, err)
	})
}

func (p *Project) outcome(ctx context.Context, push job.Push, label string, s *TaskStatus) (job.Outcome, error) {
	out := job.Outcome{Done: s.resolved()}
	var err error
	if s.State == "completed" {
		if out.IDs, err = p.madeBy(ctx, s, label); err != nil {
			return out, err
		}
	}
	if len(out.IDs) == 0 { // under way, failed, or without a graph
		if out.IDs, err = p.children(ctx, push, label, s.TaskID); err != nil {
			return out, err
		}
	}
	switch {
	case !out.Done:
	case s.State != "completed":
		out.Why = fmt.Sprintf("the action task %s %s", s.TaskID, ending(s))
		out.Cancelled = s.cancelled()
	default:
		out.Why, err = p.shortOf(ctx, label, s, len(out.IDs))
	}
	return out, err
}

// shortOf says when a completed action made fewer runs of the label than its input wanted; ""
// when it made enough, or when its input is not known.
func (p *Project) shortOf(ctx context.Context, label string, s *TaskStatus, made int) (string, error) {
	name, wanted := "", 0
	t, err := p.c.Task(ctx, s.TaskID)
	switch {
	case err == nil && t.TaskGroupID != s.TaskGroupID:
		return "", broken(definitions, "taskGroupId", "%q, but by its status the action task %s is in %s",
			t.TaskGroupID, s.TaskID, s.TaskGroupID)
	case errors.Is(err, job.ErrMalformed):
		return "", err
	case err == nil && t.Extra.Action != nil:
		a := t.Extra.Action
		name, wanted = a.Name, wants(a.Name, a.Context.Input, label)[label] // mozci fires it on the label's task
	}
	switch {
	case made == 0 && slices.Contains(makesNothing, name):
		return "", nil
	case made == 0:
		return fmt.Sprintf("the action task %s made nothing", s.TaskID), nil
	case made < wanted:
		return fmt.Sprintf("the action task %s made %d of %d runs", s.TaskID, made, wanted), nil
	}
	return "", nil
}

const cancelledWord = "was cancelled"

// ending says how a task ended that did not complete.
func ending(s *TaskStatus) string {
	if s.State == "failed" {
		return s.State
	}
	switch reason := s.reason(); reason {
	case "canceled":
		return cancelledWord
	default:
		return "ended with " + clip.Marked(reason, shown)
	}
}

// madeTask is the part that mozci reads of a task in an action's task-graph.json.
type madeTask struct {
	Label  string `json:"label" is:"required" min:"1"`
	TaskID string `json:"task_id"` // the same as the key; old versions do not write it

	_ contract.Also `names:"attributes dependencies description if_dependencies kind optimization soft_dependencies task"`
}

// taskGraph is the file with the tasks that a decision or an action task made, by task id.
var taskGraph = contract.New(contract.Endpoint[map[string]madeTask]{
	Source: source, Name: "task-graph.json", File: `(^|[^-])task-graph\.json`,
	URL: storedAs + `task-graph\.json$`,
})

// eachMade reads a task-graph.json one task at a time, and passes each to take.
func eachMade(r io.Reader, take func(id string, t *madeTask)) error {
	_, err := taskGraph.Read(contract.Asked{}, r, contract.Elements("", func(id string, t *madeTask) error {
		if err := isTask(".", id); err != nil {
			return err
		}
		if t.TaskID != "" && t.TaskID != id {
			return contract.Outside("task_id", "%.60q, under the key %q", t.TaskID, id)
		}
		take(id, t)
		return nil
	}))
	return err
}

// madeBy returns the first runs of the tasks of a label in a completed action's
// task-graph.json, sorted; of all tasks when label is "". Without the file it returns none.
func (p *Project) madeBy(ctx context.Context, s *TaskStatus, label string) ([]string, error) {
	run, err := settled(s)
	if err != nil {
		return nil, err
	}
	var ids []string
	err = p.c.ReadArtifact(ctx, s.TaskID, run, "public/task-graph.json", func(r io.Reader) error {
		ids = nil
		return eachMade(r, func(id string, t *madeTask) {
			if label == "" || t.Label == label {
				ids = append(ids, id+"/0")
			}
		})
	})
	if errors.Is(err, job.ErrNotFound) {
		return nil, nil
	}
	slices.Sort(ids)
	return ids, err
}

// children returns the first runs of the tasks in the push's groups that name the task parent
// as their maker.
func (p *Project) children(ctx context.Context, push job.Push, label, parent string) ([]string, error) {
	g, err := p.groups(ctx, push)
	if err != nil {
		return nil, err
	}
	var ids []string
	for t := range g.tasks() {
		if t.Task.Extra.Parent == parent && (label == "" || t.label() == label) {
			ids = append(ids, t.Status.TaskID+"/0")
		}
	}
	return ids, nil
}
