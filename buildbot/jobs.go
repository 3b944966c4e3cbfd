package buildbot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// fewLabels is the largest number of labels for which each builder's own list is read. For
// more, the master's list of all buildsets is cheaper.
const fewLabels = 4

// Jobs implements job.Scheduler. Raw of a job is a [Record]. A run belongs to the push whose
// revision it built; a try build on top of that revision does not belong to it, nor does a
// build of another changeset of the push. An undocumented result gives [job.ErrUnknownWord];
// the other jobs come with the error.
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

// subject is a push that a question is about.
type subject struct {
	push job.Push
	line line    // the line of its repository
	hz   horizon // how far back its runs can lie
	// asked are lists of requests that contain all those of the push, among others. Other
	// subjects share the lists, so they must not be changed.
	asked [][]finished
	err   error // why the question cannot be answered for this push
}

// subject makes the subject of a push. The line is that of the push's own repository; it may
// be unclear which one is meant, since the revision decides.
func (p *Project) subject(ctx context.Context, from *lookout, push job.Push) *subject {
	l, err := p.lineOf(ctx, push.Repo)
	if err != nil && l.repo == "" {
		return &subject{push: push, err: err}
	}
	return &subject{push: push, line: l, hz: from.horizon(push)}
}

// found returns the runs of a push with the given names, or all of them, from the lists that
// were read.
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

// ask reads the requests that may be of the pushes: from each builder's own list when there
// are few labels, and otherwise from the list of all buildsets. It reads each list once, as far
// back as the oldest push needs it.
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

// buildersOf returns the ids of the builders whose lists have the requests of the labels, each
// once. A label that is not a builder has none.
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

// jobs returns the runs of one request that belong to a push. The error of an undocumented
// result is returned only when the request's own source names the push.
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
		unknown = nil // another push's, which reports it
	}
	if unknown != nil {
		unknown = fmt.Errorf("request %d: %w", f.request.ID, unknown)
	}
	return out, unknown
}

// judged completes a run with its builder, and with the status that the project's options give
// it: warnings are a success, or a failure for builders in FailOnWarnings.
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

// concerns reports whether one of the sources may be of a revision: it names the revision, or
// it names none and takes the newest, which only its builds know.
func concerns(stamps []SourceStamp, rev string) bool {
	return slices.ContainsFunc(stamps, func(ss SourceStamp) bool {
		return ss.Revision == "" || sameRevision(ss.Revision, rev)
	})
}

// built reports whether a run built a revision on the line. A run for the newest revision says
// which one it was once its checkout is done. A build of several codebases has several stamps;
// the line's own codebase decides, so a build of revision a1 of app with b2 of lib is of push a1
// of app only.
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

// times are the times of a run. A request without a build that has ended has no start. A
// collapsed request has only the times Requested and Finished; one that waits only Requested.
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
