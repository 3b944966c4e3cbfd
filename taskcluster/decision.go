package taskcluster

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// The largest sizes accepted for artifacts of a decision task, in bytes. Firefox's
// actions.json has 100 kB and its label-to-taskid.json up to 2 MB, so both leave room.
const (
	mostActions = 8 << 20
	mostMapping = 64 << 20
)

// completed is the number of the decision task's run that has its artifacts: the last run
// that completed. That need not be the latest run, since a rerun may be under way. A decision
// task that failed is job.ErrNotScheduled; one that is still running is job.ErrUnavailable.
func (p *Project) completed(ctx context.Context, id string) (run int, err error) {
	return p.known.runs.Do(ctx, id, func(ctx context.Context) (int, bool, error) {
		s, err := p.c.Status(ctx, id)
		if err != nil {
			return 0, false, err
		}
		run, err := settled(s)
		return run, true, err
	})
}

// settled is completed for a status that was already read.
//
//	runs                             settled
//	completed                        0
//	exception, completed             1
//	completed, running               0: the artifacts of run 0 are still there
//	failed                           job.ErrNotScheduled
//	exception, pending               job.ErrUnavailable
func settled(s *TaskStatus) (run int, err error) {
	for i := len(s.Runs) - 1; i >= 0; i-- {
		if s.Runs[i].State == "completed" {
			return s.Runs[i].RunID, nil
		}
	}
	if s.State == "completed" {
		return 0, broken(statusOf, "status.runs", "no run is completed, but the decision task %s is", s.TaskID)
	}
	if s.resolved() {
		return 0, fmt.Errorf("%w: its decision task %s is %s", job.ErrNotScheduled, s.TaskID, s.State)
	}
	return 0, fmt.Errorf("%w: its decision task %s is still %s", job.ErrUnavailable, s.TaskID, s.State)
}

// artifact reads a JSON artifact of a decision task.
func artifact[T any](
	ctx context.Context, p *Project, id, name string, most int64, e *contract.Endpoint[T],
) (*T, error) {
	run, err := p.completed(ctx, id)
	if err != nil {
		return nil, err
	}
	return file(ctx, p.c, id, run, name, most, e)
}

// offers are the actions that a decision task offers. They are read once and remembered.
func (p *Project) offers(ctx context.Context, id string) (*actions, error) {
	return p.known.offers.Do(ctx, id, func(ctx context.Context) (*actions, bool, error) {
		w, err := artifact(ctx, p, id, "public/actions.json", mostActions, actionsFile)
		if err != nil {
			return nil, false, err
		}
		a, err := w.usable()
		return a, true, err
	})
}

// may returns the scopes of a decision task: its own, as its definition lists them, and all,
// with its roles expanded. mozci fires no hook for a push that the push's decision task could
// not fire itself.
func (p *Project) may(ctx context.Context, id string) (own, all []string, err error) {
	d, err := p.definition(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	all, err = p.known.scopes.Do(ctx, id, func(ctx context.Context) ([]string, bool, error) {
		all, err := p.c.expandScopes(ctx, d.scopes)
		return all, true, err
	})
	return d.scopes, all, err
}

// labelToTask is the file in which a finished decision or action task lists its labels, with
// one task for each.
var labelToTask = contract.New(contract.Endpoint[map[string]taskID]{
	Source: source, Name: "label-to-taskid.json", File: `label-to-taskid\.json`,
	URL: storedAs + `label-to-taskid\.json$`,
})

// taskID is the id of a task in a file. A string of any other form is an error of decoding.
type taskID string

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *taskID) UnmarshalText(text []byte) error {
	if !slug.Valid(string(text)) {
		return fmt.Errorf("%.60q is not a task id", text)
	}
	*t = taskID(text)
	return nil
}

// WasAdded implements job.AddedChecker. A run was added later when its task's tags or name
// say so, or else when the decision task did not make the task. The decision task itself came
// with the push.
func (p *Project) WasAdded(ctx context.Context, j job.Job) (bool, error) {
	const op = "taskcluster.offspring"
	return within(ctx, p.c, op, j.ID(), func(ctx context.Context) (bool, error) {
		added, err := p.wasAdded(ctx, j)
		return added, job.Wrap(op, j.ID(), err)
	})
}

func (p *Project) wasAdded(ctx context.Context, j job.Job) (bool, error) {
	r, ok := j.Raw().(Record)
	if !ok {
		return false, fmt.Errorf("%w: the job is not from Taskcluster", job.ErrInvalid)
	}
	if r.made() != "" {
		return true, nil
	}
	p = p.of(j.Push())
	id, err := p.decisionOf(ctx, j.Push())
	if err != nil || r.Status.TaskID == id {
		return false, err
	}
	made, err := p.planOf(ctx, id)
	return err == nil && !made.has(r.Status.TaskID), err
}
