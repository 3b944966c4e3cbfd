package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// Jobs implements job.Scheduler. It returns every run in the push's task groups: the decision
// task's group and those of cron jobs. The runs of the decision tasks and the action tasks
// themselves are among them. A task that will never run, because something it needs ended
// without success, is Skipped, and its Record says why. A run with an undocumented status
// word is left out and reported as job.ErrUnknownWord; the other runs come with the error.
//
// Named labels are read without the groups when that gives the same result; see History.
// When Catalog has just listed the groups, that listing is used.
//
// Requests for a whole push: 2 to find the decision tasks, or 1 when the push's own is known
// already; 1 for each 1000 tasks; and, when tasks wait, 1 for all their dependencies outside
// the groups.
func (p *Project) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	const op = "taskcluster.jobs"
	if err := ctx.Err(); err != nil || !push.Testable() {
		return nil, job.Wrap(op, push.String(), err)
	}
	p = p.of(push)
	return within(ctx, p.c, op, push.String(), func(ctx context.Context) ([]job.Job, error) {
		if len(names) > 0 {
			runs := p.history(ctx, []job.Push{push}, names)[0]
			return runs.Jobs, runs.Err
		}
		jobs, err := p.jobsByGroup(ctx, push)
		return jobs, job.Wrap(op, push.String(), err)
	})
}

// jobsByGroup reads the jobs of a push by listing its groups.
func (p *Project) jobsByGroup(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	g, err := p.forJobs(ctx, push)
	if err != nil {
		return nil, err
	}
	return p.jobsOf(ctx, push, g, names...)
}

// jobsOf are the runs in the groups of a push, of the named labels or of all.
func (p *Project) jobsOf(ctx context.Context, push job.Push, g *graphs, names ...string) ([]job.Job, error) {
	var tasks, waiting []*listedTask
	for t := range g.tasks() {
		if g.byID[t.Status.TaskID] != t || len(names) > 0 && !slices.Contains(names, t.label()) {
			continue
		}
		tasks = append(tasks, t)
		if t.waits() {
			waiting = append(waiting, t)
		}
	}
	var errs []error
	never, err := p.never(ctx, g, waiting)
	if errors.Is(err, job.ErrUnknownWord) { // only some tasks are affected: return the others, too
		errs = append(errs, err)
	} else if err != nil {
		return nil, err
	}
	for _, l := range names {
		p.learn(g, l)
	}
	var out []job.Job
	for _, t := range tasks {
		jobs, err := runsOf(push, t, never[t.Status.TaskID])
		out = append(out, jobs...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return out, errors.Join(errs...)
}

// runsOf returns the runs of a task. A task without a run gives one job, with the ID that its
// first run will have, <task id>/0; never says why it will have none, and is empty when it
// still may.
//
//	runs of the task                          jobs
//	none                                      <task id>/0, unscheduled; skipped when never says why
//	exception (worker-shutdown), completed    /0 retry, /1 success
//	failed, running                           /0 test_failed or busted, /1 running: a rerun
func runsOf(push job.Push, t *listedTask, never string) ([]job.Job, error) {
	kind := t.kind()
	runs := t.Status.Runs
	if len(runs) == 0 {
		return []job.Job{job.New(job.Fields{
			ID: t.Status.TaskID + "/0", Name: t.label(), Push: push, Kind: kind, Status: t.unscheduled(never),
			Times: job.Times{Requested: t.Task.Created}, Raw: Record{Task: &t.Task, Status: &t.Status, Never: never},
		})}, nil
	}
	var out []job.Job
	var errs []error
	for i := range runs {
		r := &runs[i]
		status, err := r.status(kind, i+1 < len(runs))
		if err != nil {
			errs = append(errs, fmt.Errorf("task %s (%s), run %d: %w", t.Status.TaskID, t.label(), r.RunID, err))
			continue
		}
		out = append(out, job.New(job.Fields{
			ID: fmt.Sprintf("%s/%d", t.Status.TaskID, r.RunID), Name: t.label(), Push: push, Kind: kind, Status: status,
			Times: job.Times{Requested: r.Scheduled.UTC(), Started: r.Started.UTC(), Finished: r.Resolved.UTC()},
			Raw:   Record{Task: &t.Task, Status: &t.Status, Run: r},
		}))
	}
	return out, errors.Join(errs...)
}
