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

// FindRun implements job.RunFinder: a run such as 71123549/1, or the newest run of a
// request such as 71123549, on the project's branch. The push has its revision alone.
//
// Requests: one for the request, one for what else ran on its revision, and the dumps
// that tell how it ended.
func (p *Project) FindRun(ctx context.Context, id string) (job.Job, error) {
	const op = "selfserve.run"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, id, err)
	}
	request, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		request, err = requestOf(id)
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
		return nil, fmt.Errorf("%s has forgotten request %d, or never had it: %w", p.repo, request, err)
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
		return jobs[len(jobs)-1], nil // runs of one request are numbered as they come
	case err != nil:
		return nil, err
	}
	return nil, fmt.Errorf("%w: %s of %s has no run %s", job.ErrNotFound, r.Builder, p.repo, id)
}
