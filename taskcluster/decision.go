package taskcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/mozci/mozci/job"
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
	if s.resolved() {
		return 0, fmt.Errorf("%w: its decision task %s is %s", job.ErrNotScheduled, s.TaskID, s.State)
	}
	return 0, fmt.Errorf("%w: its decision task %s is still %s", job.ErrUnavailable, s.TaskID, s.State)
}

// artifact reads a JSON artifact of a decision task.
func (p *Project) artifact(ctx context.Context, id, name string, most int64, into any) error {
	run, err := p.completed(ctx, id)
	if err != nil {
		return err
	}
	return p.c.json(ctx, id, run, name, most, into)
}

// offers are the actions of a decision task.
func (p *Project) offers(ctx context.Context, id string) (*actions, error) {
	return p.known.offers.Do(ctx, id, func(ctx context.Context) (*actions, bool, error) {
		var text json.RawMessage
		if err := p.artifact(ctx, id, "public/actions.json", mostActions, &text); err != nil {
			return nil, false, err
		}
		a, err := parseActions(text)
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

// planned are the ids of the tasks that a decision task made itself.
func (p *Project) planned(ctx context.Context, id string) (taskIDs, error) {
	return p.known.planned.Do(ctx, id, func(ctx context.Context) (taskIDs, bool, error) {
		var labels map[string]string
		if err := p.artifact(ctx, id, "public/label-to-taskid.json", mostMapping, &labels); err != nil {
			return nil, false, err
		}
		return newTaskIDs(slices.Collect(maps.Values(labels))), true, nil
	})
}

// WasAdded implements job.AddedChecker: a run of a task that says so in its tags or
// its name, or else of one that the decision task did not make. The decision
// task itself came with the push.
func (p *Project) WasAdded(ctx context.Context, j job.Job) (bool, error) {
	const op = "taskcluster.offspring"
	r, ok := j.Raw().(Record)
	if !ok {
		return false, job.Wrap(op, j.ID(), fmt.Errorf("%w: not a job of this CI", job.ErrInvalid))
	}
	if r.made() != "" {
		return true, nil
	}
	p = p.of(j.Push())
	id, err := p.decisionOf(ctx, j.Push())
	if err != nil || r.Status.TaskID == id {
		return false, job.Wrap(op, j.ID(), err)
	}
	tasks, err := p.planned(ctx, id)
	return err == nil && !tasks.has(r.Status.TaskID), job.Wrap(op, j.ID(), err)
}
