package treeherder

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// FindRun implements job.RunFinder. The ID is Treeherder's id of a job, such as 303550431, or that
// of a Taskcluster run, <task id>/<run number>, or <task id> alone for the task's newest run. The
// job must be in this project. Raw is a [Record], which tells the CI of the run (BuildSystem) and
// its task (TaskID, RetryID) or builder (RefDataName); see [Record.Run].
//
// Treeherder keeps jobs for 120 days. A job that it has deleted, one that it never had, and one of
// another project all give job.ErrNotFound. It costs 1 request for the job and 1 for its push.
func (p *Project) FindRun(ctx context.Context, id string) (job.Job, error) {
	const op = "treeherder.run"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, id, err)
	}
	params, err := named(id)
	if err != nil {
		return nil, job.Wrap(op, id, err)
	}
	return within(ctx, p.server, op, id, func(ctx context.Context) (job.Job, error) {
		page, err := get(ctx, p, "jobs/", jobsEndpoint, append(params, "count", strconv.Itoa(mostRuns), "return_type",
			"list")...)
		if err != nil {
			return nil, err
		}
		if len(page.records) == 0 {
			return nil, fmt.Errorf("%w: Treeherder has no such job in %s: it may be older than 120 days, not reported "+
				"yet, in another project, or it never existed", job.ErrNotFound, p.name)
		}
		r, err := theOne(page.records, params[0])
		if err != nil {
			return nil, err
		}
		push, err := p.byID(ctx, r.PushID)
		if err != nil {
			return nil, err
		}
		return r.job(push, r.label())
	})
}

// mostRuns is more runs than any task has. The queue retries up to 50 times, and people may
// rerun a task.
const mostRuns = 200

// named returns the parameters that select a job: its id, or its task, or its task and run.
//
//	303550431                      id=303550431
//	A5O76NnPRt--HRPWdpOVlA         task_id=A5O76NnPRt--HRPWdpOVlA
//	A5O76NnPRt--HRPWdpOVlA/0       task_id=A5O76NnPRt--HRPWdpOVlA, retry_id=0
//	A5O76NnPRt--HRPWdpOVlA/        an error, and so is anything else
func named(id string) ([]string, error) {
	const most = 1e15
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && n > 0 && n <= most {
		return []string{"id", number(n)}, nil
	}
	task, run, ok := strings.Cut(id, "/")
	n, err := strconv.Atoi(run)
	switch {
	case !isSlug(task) || ok && (err != nil || n < 0 || n > most):
		return nil, fmt.Errorf("%w: %q is neither Treeherder's id of a job nor a run of a task, such as "+
			"A5O76NnPRt--HRPWdpOVlA/0", job.ErrNotFound, clip.Marked(id, 60))
	case !ok:
		return []string{"task_id", task}, nil
	}
	return []string{"task_id", task, "retry_id", number(int64(n))}, nil
}

// theOne returns the requested job: the newest run, when a task was named without a run. by is
// the first parameter of the request. Two records of the same run are malformed.
func theOne(found []Record, by string) (Record, error) {
	newest := slices.MaxFunc(found, func(a, b Record) int { return cmp.Compare(a.RetryID, b.RetryID) })
	for i, r := range found {
		if r.ID != newest.ID && (by == "id" || r.RetryID == newest.RetryID) {
			return newest, &contract.Error{Source: jobsEndpoint.Title(), Finding: contract.Finding{
				Path: fmt.Sprintf("results[%d].id", i), Kind: contract.KindIdentity,
				Detail: fmt.Sprintf("jobs %d and %d are the same run", r.ID, newest.ID),
			}}
		}
	}
	return newest, nil
}

// byID finds a push by Treeherder's own id.
func (p *Project) byID(ctx context.Context, id int64) (job.Push, error) {
	found, err := p.pushes(ctx, 2, "id__gte", number(id), "id__lte", number(id))
	switch {
	case err != nil:
		return job.Push{}, err
	case len(found) == 0:
		return job.Push{}, fmt.Errorf("%w: Treeherder has the job, but not its push %d in %s",
			job.ErrNoPush, id, p.name)
	}
	return found[0], nil
}

// Run returns the CI that ran the job, by mozci's name for it, and the run's ID there. For
// taskcluster that is <task id>/<run number>. For any other CI, such as buildbot, it is "", since
// Treeherder does not know the ID.
func (r Record) Run() (ci, id string) {
	if r.TaskID != "" {
		return "taskcluster", fmt.Sprintf("%s/%d", r.TaskID, r.RetryID)
	}
	return r.BuildSystem, ""
}
