package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// FindRun implements job.RunFinder. The ID is <task id>/<run number>, or <task id> alone for
// the task's newest run. A task without a run has the run 0, which is Unscheduled; FindRun
// does not find out whether it will ever run, which Jobs does. The push comes from the task's
// definition, and may be of any repository; see [ParseDefinition]. A task that has expired,
// and an ID that never existed, are job.ErrNotFound; a task that belongs to no push is
// job.ErrNoPush.
//
// Requests: 2, or 1 when the definition is known.
func (p *Project) FindRun(ctx context.Context, id string) (job.Job, error) {
	const op = "taskcluster.run"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, id, err)
	}
	taskID, runID, err := split(id)
	if slug.Valid(id) {
		taskID, runID, err = id, newest, nil
	}
	if err != nil {
		return nil, job.Wrap(op, id, err)
	}
	return within(ctx, p.c, op, id, func(ctx context.Context) (job.Job, error) {
		j, err := p.findRun(ctx, taskID, runID)
		return j, job.Wrap(op, id, err)
	})
}

// newest, passed as a run number, means a task's newest run.
const newest = -1

func (p *Project) findRun(ctx context.Context, taskID string, runID int) (job.Job, error) {
	s, err := p.c.Status(ctx, taskID)
	if err != nil {
		return nil, gone(taskID, err)
	}
	if runID == newest {
		runID = max(0, len(s.Runs)-1)
	}
	if runID > max(0, len(s.Runs)-1) {
		return nil, fmt.Errorf("%w: the task has no run %d; it has %d, counted from 0",
			job.ErrNotFound, runID, len(s.Runs))
	}
	d, err := p.defined(ctx, taskID)
	if err != nil {
		return nil, gone(taskID, err)
	}
	t := &listedTask{Task: d.Task, Status: *s}
	if err := t.Prove(); err != nil {
		return nil, by(definitions, err)
	}
	if d.Push.Revision == "" {
		return nil, fmt.Errorf("%w: the task %s (%s): %s", job.ErrNoPush, taskID, t.label(), d.Why)
	}
	push := d.Push
	if push.Repo == p.place.project {
		push.Repo = p.name
	}
	jobs, err := runsOf(push, t, "")
	i := slices.IndexFunc(jobs, func(j job.Job) bool { return j.ID() == fmt.Sprintf("%s/%d", taskID, runID) })
	if i < 0 {
		return nil, err // runsOf left it out, for its undocumented word
	}
	return jobs[i], nil
}

// gone explains the error about a task that the queue does not know.
func gone(taskID string, err error) error {
	if errors.Is(err, job.ErrNotFound) && !lacks(err) {
		return fmt.Errorf("the task %s has expired or never existed: %w", taskID, err)
	}
	return err
}
