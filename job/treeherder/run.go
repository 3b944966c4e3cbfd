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

// FindRun implements job.RunFinder: a job of this project by Treeherder's number of it,
// such as 303550431, or a run of a task, <task id>/<number>, or the newest one of
// <task id>. Its Raw is a [Record], which says of which CI the run is (BuildSystem), and
// of which task (TaskID, RetryID) or builder (RefDataName); see [Record.Run]. Treeherder
// keeps jobs for 120 days. One that it does not have any more, one that it never had,
// and one of another project are all job.ErrNotFound.
//
// Requests: one for the job, and one for its push.
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
			return nil, fmt.Errorf("%w: Treeherder has no such job in %s: it is older than the 120 days that are kept, "+
				"was not told of yet, is another project's, or never was", job.ErrNotFound, p.name)
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

// mostRuns is how many runs a task has at most: the queue has a limit of 50, and people
// may ask for more.
const mostRuns = 200

// named are the parameters that name a job: its id, or those of its task and run.
func named(id string) ([]string, error) {
	const most = 1e15
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && n > 0 && n <= most {
		return []string{"id", number(n)}, nil
	}
	task, run, ok := strings.Cut(id, "/")
	n, err := strconv.Atoi(run)
	switch {
	case !isSlug(task) || ok && (err != nil || n < 0 || n > most):
		return nil, fmt.Errorf("%w: %q is neither Treeherder's number of a job nor a run of a task, such as "+
			"A5O76NnPRt--HRPWdpOVlA/0", job.ErrNotFound, clip.Marked(id, 60))
	case !ok:
		return []string{"task_id", task}, nil
	}
	return []string{"task_id", task, "retry_id", number(int64(n))}, nil
}

// theOne is the job that was asked for: of several runs of a task the newest.
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

// byID is the push with Treeherder's own id.
func (p *Project) byID(ctx context.Context, id int64) (job.Push, error) {
	found, err := p.pushes(ctx, 2, "id__gte", number(id), "id__lte", number(id))
	switch {
	case err != nil:
		return job.Push{}, err
	case len(found) == 0:
		return job.Push{}, fmt.Errorf("%w: Treeherder has the job, and has no push %d in %s", job.ErrNoPush, id, p.name)
	}
	return found[0], nil
}

// Run is the name of the run in its own CI, and the CI's name as mozci has it. Of
// taskcluster it is <task id>/<number>. Of another CI, as buildbot, it is empty:
// Treeherder does not know the run's id there.
func (r Record) Run() (ci, id string) {
	if r.TaskID != "" {
		return "taskcluster", fmt.Sprintf("%s/%d", r.TaskID, r.RetryID)
	}
	return r.BuildSystem, ""
}
