package buildbot

import (
	"cmp"
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
	all := []*subject{p.subject(ctx, p.lookout(), push)}
	p.ask(ctx, all, names)
	return p.found(ctx, all[0], names)
}

// subject is a push that is asked about.
type subject struct {
	push job.Push
	line line    // that it is of
	hz   horizon // how far back its runs can lie
	// asked is what builders were asked to do, among which is all that is of the push: several
	// lists, which others share.
	asked [][]finished
	err   error // why that cannot be told
}

// subject finds the line that a push is of, by the name of the push's own repository. That
// the line is not clear is no matter here: the revision is.
func (p *Project) subject(ctx context.Context, from *lookout, push job.Push) *subject {
	l, err := p.lineOf(ctx, push.Repo)
	if err != nil && l.repo == "" {
		return &subject{push: push, err: err}
	}
	return &subject{push: push, line: l, hz: from.horizon(push)}
}

// found are the runs of a push under some names, or all of them.
func (p *Project) found(ctx context.Context, s *subject, names []string) ([]job.Job, error) {
	if s.err != nil {
		return nil, s.err
	}
	var out []job.Job
	var unknown []error
	for _, list := range s.asked {
		for _, f := range list {
			jobs, err := p.jobs(ctx, f, s.line, s.push)
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
	}
	return out, errors.Join(unknown...)
}

// ask asks what builders were asked to do that can be of some pushes: in the builders' own
// lists, where they are few, and otherwise in that of all. Each list is read once, as far
// back as one of the pushes needs it.
func (p *Project) ask(ctx context.Context, all []*subject, names []string) {
	q := p.question()
	if len(names) == 0 || len(names) > fewLabels {
		p.askAll(ctx, q, all)
		return
	}
	builders, err := p.buildersOf(ctx, names)
	for _, s := range all {
		s.err = cmp.Or(s.err, err)
	}
	for _, id := range builders {
		p.upTo(ctx, q, id, all)
	}
}

// buildersOf are the builders whose lists have the requests for some labels.
func (p *Project) buildersOf(ctx context.Context, names []string) ([]int, error) {
	var out []int
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
		out = append(out, ids...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// jobs are the runs of one request that are of a push.
func (p *Project) jobs(ctx context.Context, f finished, l line, push job.Push) ([]job.Job, error) {
	if !concerns(f.set.SourceStamps, push.Revision) {
		return nil, nil
	}
	all, unknown := runs(f)
	var out []job.Job
	for _, r := range all {
		if !l.built(r, push.Revision) {
			continue
		}
		r, err := p.judged(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, job.New(job.Fields{
			ID: runID(f.request.ID, r.number), Name: r.Builder.Name, Push: push, Kind: p.o.Kind(r.Builder),
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

// judged is a run with the builder that it is filed under, and with its status as the
// project takes it.
func (p *Project) judged(ctx context.Context, r run) (run, error) {
	b, err := p.builderOf(ctx, r)
	if err != nil {
		return r, err
	}
	r.Builder = b
	if r.state == job.StatusSuccess && r.warned() && p.failsOnWarnings(b.Name) {
		r.state = job.StatusTestFailed
	}
	return r, nil
}

// concerns reports whether one of the sources can be of a revision: it is named, or is the
// newest one, which only builds know.
func concerns(stamps []SourceStamp, rev string) bool {
	return slices.ContainsFunc(stamps, func(ss SourceStamp) bool {
		return ss.Revision == "" || sameRevision(ss.Revision, rev)
	})
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
