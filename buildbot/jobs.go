package buildbot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// fewLabels is how many builders' own lists are read before the lists of all are.
const fewLabels = 4

// Jobs implements job.Scheduler. A job's Raw is a [Record]. Runs are of the push whose
// revision was built: neither a try build on top of it nor a build of another
// changeset of the push is one. A result that no documentation has gives
// [job.ErrUnknownWord], and the other jobs come with it.
func (p *Project) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	return bounded(ctx, p.c, "buildbot.jobs", push.String(), func(ctx context.Context) ([]job.Job, error) {
		return p.runsOf(ctx, push, names)
	})
}

func (p *Project) runsOf(ctx context.Context, push job.Push, names []string) ([]job.Job, error) {
	if err := ctx.Err(); err != nil || !push.Testable() {
		return nil, err
	}
	l, hz, err := p.where(ctx, push)
	if err != nil {
		return nil, err
	}
	all, err := p.asked(ctx, l, push, hz, names)
	if err != nil {
		return nil, err
	}
	var out []job.Job
	var unknown []error
	for _, f := range all {
		jobs, err := p.jobs(ctx, f, l, push)
		for _, j := range jobs {
			if len(names) == 0 || slices.Contains(names, j.Name()) {
				out = append(out, j)
			}
		}
		switch {
		case errors.Is(err, job.ErrUnknownWord):
			unknown = append(unknown, err)
		case err != nil:
			return nil, err
		}
	}
	return out, errors.Join(unknown...)
}

// where is the line that a push is of, by the name of the push's own repository,
// and how far back its runs can lie. That the line is not clear is no matter here:
// the revision is.
func (p *Project) where(ctx context.Context, push job.Push) (line, horizon, error) {
	l, err := p.lineOf(ctx, push.Repo)
	if err != nil && l.repo == "" {
		return line{}, horizon{}, err
	}
	return l, p.horizon(push), nil
}

// asked is what builders were asked to do that can be of a push.
func (p *Project) asked(ctx context.Context, l line, push job.Push, hz horizon, names []string) ([]finished, error) {
	if len(names) == 0 || len(names) > fewLabels {
		return p.everything(ctx, l, push.Revision, hz)
	}
	var builders []int
	for _, name := range names {
		b, ok, err := p.c.builderNamed(ctx, name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		ids, err := p.basesOf(ctx, b)
		if err != nil {
			return nil, err
		}
		builders = append(builders, ids...)
	}
	slices.Sort(builders)
	var out []finished
	for _, id := range slices.Compact(builders) {
		all, err := p.upTo(ctx, id, hz)
		if err != nil {
			return nil, err
		}
		out = append(out, all...)
	}
	return out, nil
}

// jobs are the runs of one request that are of a push.
func (p *Project) jobs(ctx context.Context, f finished, l line, push job.Push) ([]job.Job, error) {
	all, unknown := runs(f)
	var out []job.Job
	for _, r := range all {
		if !l.built(r, push.Revision) {
			continue
		}
		b, err := p.builderOf(ctx, r)
		if err != nil {
			return nil, err
		}
		r.Builder = b
		if r.state == job.StatusSuccess && r.warned() && p.failsOnWarnings(b.Name) {
			r.state = job.StatusTestFailed
		}
		out = append(out, job.New(job.Fields{
			ID: runID(f.request.ID, r.number), Name: b.Name, Push: push, Kind: p.o.Kind(b),
			Status: r.state, Times: times(r), Raw: r.Record,
		}))
	}
	is := func(ss SourceStamp) bool { return sameRevision(ss.Revision, push.Revision) }
	if !slices.ContainsFunc(l.stamps(f.set), is) {
		unknown = nil // of another push
	}
	if unknown != nil {
		unknown = fmt.Errorf("request %d: %w", f.request.ID, unknown)
	}
	return out, unknown
}

// built reports whether a run is of a revision of the line. What was asked to build
// the newest revision says itself which that was, once it knows.
func (l line) built(r run, rev string) bool {
	for _, ss := range l.stamps(r.Buildset) {
		at := ss.Revision
		if at == "" && r.Build != nil {
			at = r.Build.got(ss.Codebase)
		}
		if sameRevision(at, rev) {
			return true
		}
	}
	return false
}

func times(r run) job.Times {
	t := job.Times{Requested: r.Request.Submitted.Time()}
	switch {
	case r.Build != nil:
		t.Started, t.Finished = r.Build.Started.Time(), r.Build.Finished.Time()
	case !r.state.Waiting():
		t.Finished = r.Request.Finished.Time()
	}
	return t
}
