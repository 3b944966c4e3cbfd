package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// FindRun implements job.RunFinder: a run of a task, <task id>/<number>, or the newest
// one of <task id>. A task that has no run yet has the run 0, which is Unscheduled: also
// where it will never run, which Jobs knows. The push is what the task's definition says
// of it, of whatever repository; see ParseDefinition. The queue forgets a task when it
// expires: it is job.ErrNotFound then, as is an id that no task ever had.
//
// Requests: two, or one where the definition is known.
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

// newest is the number of a task's newest run, where none is named.
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
		return nil, fmt.Errorf("%w: the task has %d runs", job.ErrNotFound, len(s.Runs))
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
		return nil, err // its word is the unknown one
	}
	return jobs[i], nil
}

// gone says of a task that the queue does not know what that means.
func gone(taskID string, err error) error {
	if errors.Is(err, job.ErrNotFound) && !lacks(err) {
		return fmt.Errorf("the task %s has expired, or never was: %w", taskID, err)
	}
	return err
}
