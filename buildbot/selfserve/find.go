package selfserve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// FindRun implements job.RunFinder. The ID is that of a run, such as 71123549/1, or of a request,
// such as 71123549, which means its newest run; it must be on the project's branch. The push of
// the job has only a revision.
//
// It costs 2 requests, one for the build request and one for the listing of its revision, and
// the dumps that tell how the run ended.
func (p *Project) FindRun(ctx context.Context, id string) (job.Job, error) {
	const op = "selfserve.run"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, id, err)
	}
	request, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		request, err = requestOf(id)
	}
	if err == nil && request < 1 {
		err = fmt.Errorf("%w: %q is not a run: requests are counted from 1", job.ErrNotFound, id)
	}
	if err != nil {
		return nil, job.Wrap(op, id, err)
	}
	return bounded(ctx, p.c, op, id, func(ctx context.Context) (job.Job, error) {
		j, err := p.findRun(ctx, request, id)
		return j, job.Wrap(op, id, err)
	})
}

func (p *Project) findRun(ctx context.Context, request int64, id string) (job.Job, error) {
	r, err := p.c.request(ctx, p.repo, request)
	switch {
	case errors.Is(err, job.ErrNotFound):
		return nil, fmt.Errorf("%s has forgotten request %d or never had it: %w", p.repo, request, err)
	case err != nil:
		return nil, err
	case !isRevision(r.Revision):
		return nil, fmt.Errorf("%w: request %d names no revision", job.ErrNoPush, request)
	}
	push := job.Push{Repo: p.repo, Revision: r.Revision}
	jobs, err := p.list(ctx, push, []string{r.Builder})
	prefix := strconv.FormatInt(request, 10) + "/"
	jobs = slices.DeleteFunc(jobs, func(j job.Job) bool {
		return !strings.HasPrefix(j.ID(), prefix) || strings.Contains(id, "/") && j.ID() != id
	})
	switch {
	case len(jobs) > 0:
		return jobs[len(jobs)-1], nil // runs of a request are in order, so the last is the newest
	case err != nil:
		return nil, err
	}
	return nil, fmt.Errorf("%w: %s on %s has no run %s", job.ErrNotFound, r.Builder, p.repo, id)
}
