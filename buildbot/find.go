package buildbot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// FindRun implements job.RunFinder. The ID is that of a run, such as 17/1, or of a request,
// such as 17, which means its newest run; it may also be the address of a build's or a
// request's page on this master. The push is that of the change, or has only its revision when
// the master was told of no such change. A run on another branch or codebase is
// job.ErrNotFound, and the error names it. A run that is to build the newest revision, and does
// not say yet which that is, is job.ErrNoPush.
func (p *Project) FindRun(ctx context.Context, id string) (job.Job, error) {
	const op = "buildbot.run"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, id, err)
	}
	return bounded(ctx, p.c, op, id, func(ctx context.Context) (job.Job, error) {
		request, number, err := p.sought(ctx, id)
		if err == nil {
			var j job.Job
			if j, err = p.findRun(ctx, request, number); err == nil {
				return j, nil
			}
		}
		if errors.Is(err, job.ErrInvalid) { // an address of another master
			err = fmt.Errorf("%w: %w", job.ErrNotFound, err)
		}
		return nil, err
	})
}

// newestRun, given as the number of a run, means a request's newest run. Real numbers begin
// at 1.
const newestRun = 0

// sought reads an ID: it returns the request, and the number of the run, which may be
// newestRun. For example "17" → 17, newestRun; "17/2" → 17, 2; "…/#/buildrequests/17" → 17,
// newestRun; "…/#/builders/3/builds/9" → the request and the run of that build, which the master
// is asked for.
func (p *Project) sought(ctx context.Context, id string) (request int64, number int, err error) {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && n > 0 && n <= mostID {
		return n, newestRun, nil
	}
	request, number, err = p.named(ctx, id)
	if err == nil && strings.Contains(id, "buildrequests") {
		number = newestRun
	}
	if err == nil && request > mostID {
		err = fmt.Errorf("%w: no request has the number %d", job.ErrNotFound, request)
	}
	return request, number, err
}

func (p *Project) findRun(ctx context.Context, request int64, number int) (job.Job, error) {
	r, err := p.c.request(ctx, request)
	if errors.Is(err, job.ErrNotFound) {
		return nil, fmt.Errorf("the master has forgotten request %d or never had it: %w", request, err)
	}
	if err != nil {
		return nil, err
	}
	all, err := p.complete(ctx, []BuildRequest{r})
	if err != nil {
		return nil, err
	}
	f := all[0]
	if n := max(1, len(f.builds)); number > n {
		return nil, fmt.Errorf("%w: request %d has %d builds", job.ErrNotFound, request, len(f.builds))
	}
	l, err := p.lineOf(ctx, p.Name())
	if err != nil {
		return nil, err
	}
	stamps := l.stamps(f.set)
	if len(stamps) == 0 {
		return nil, fmt.Errorf("%w: request %d is not for %s but for %s", job.ErrNotFound, request, p.Name(),
			sourcesOf(f.set))
	}
	return p.runOf(ctx, f, l, stamps[0], number)
}

// runOf is the run with this number of a request; newestRun is the last one. A request without a
// build still has one run, number 1.
func (p *Project) runOf(ctx context.Context, f finished, l line, ss SourceStamp, number int) (job.Job, error) {
	if number == newestRun {
		number = max(1, len(f.builds))
	}
	rev := ss.Revision
	if rev == "" && number <= len(f.builds) {
		rev = f.builds[number-1].got(ss.Codebase)
	}
	id := runID(f.request.ID, number)
	if rev == "" {
		return nil, fmt.Errorf("%w: run %s will build the newest revision and does not say yet which that is",
			job.ErrNoPush, id)
	}
	push, err := p.pushOf(ctx, rev)
	if err != nil {
		return nil, err
	}
	jobs, err := p.jobs(ctx, f, l, push)
	i := slices.IndexFunc(jobs, func(j job.Job) bool { return j.ID() == id })
	switch {
	case i >= 0:
		return jobs[i], nil
	case err != nil:
		return nil, err
	}
	return nil, broken("builds", fmt.Sprintf("of request %d", f.request.ID),
		contract.Outside("", "run %s is not among them", id))
}

// sourcesOf names the sources of a buildset for people.
func sourcesOf(s Buildset) string {
	var all []string
	for _, ss := range s.SourceStamps {
		text := "branch " + orNameless(ss.Branch)
		if ss.Codebase != "" {
			text += fmt.Sprintf(" of codebase %q", ss.Codebase)
		}
		if ss.Patch != nil {
			text += " with a patch"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}
