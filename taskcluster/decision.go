package taskcluster

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// The sizes that artifacts of a decision task may have. Firefox's actions.json
// has 100 kB, its label-to-taskid.json up to 2 MB.
const (
	mostActions = 8 << 20
	mostMapping = 64 << 20
)

// completed is the run of a decision task that left its artifacts: the last one
// that completed, which need not be the latest, since a rerun may be under way.
// A decision task that failed is job.ErrNotScheduled; of one that is not done,
// nothing is known yet.
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

// settled is completed for a status that is known.
func settled(s *TaskStatus) (run int, err error) {
	for i := len(s.Runs) - 1; i >= 0; i-- {
		if s.Runs[i].State == "completed" {
			return s.Runs[i].RunID, nil
		}
	}
	if s.State == "completed" {
		return 0, broken(statusOf, "status.runs", "none is completed, and the decision task %s is", s.TaskID)
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

// offers are the actions of a decision task.
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

// may are the scopes of a decision task, with what its roles contain: what it
// may not fire is not fired in its name.
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

// labelToTask is what a decision or an action task knows when it is done: of each
// label one task.
var labelToTask = contract.New(contract.Endpoint[map[string]taskID]{
	Source: source, Name: "label-to-taskid.json", File: `label-to-taskid\.json`,
	URL: storedAs + `label-to-taskid\.json$`,
})

// taskID is the id of a task in a file, where nothing else may stand.
type taskID string

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *taskID) UnmarshalText(text []byte) error {
	if !slug.Valid(string(text)) {
		return fmt.Errorf("%.60q is not a task id", text)
	}
	*t = taskID(text)
	return nil
}

// WasAdded implements job.AddedChecker: a run of a task that says so in its tags or
// its name, or else of one that the decision task did not make. The decision
// task itself came with the push.
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
		return false, fmt.Errorf("%w: not a job of this CI", job.ErrInvalid)
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
