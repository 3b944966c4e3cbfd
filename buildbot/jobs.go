package buildbot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// fewLabels is how many builders' own lists are read before the lists of all are.
const fewLabels = 4

// Jobs implements job.Scheduler. A job's Raw is a [Record]. Runs are of the push whose
// revision was built: neither a try build on top of it nor a build of another
// changeset of the push is one.
func (p *Project) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	jobs, err := p.runsOf(ctx, push, names)
	return jobs, job.Wrap("buildbot.jobs", push.String(), err)
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
	hz, err := p.horizon(ctx, push)
	return l, hz, err
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
	if unknown != nil && !slices.ContainsFunc(l.stamps(f.set), func(ss SourceStamp) bool { return sameRevision(ss.Revision, push.Revision) }) {
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

// got is the revision that a build's checkout found; empty when it does not say.
func (b Build) got(codebase string) string {
	switch v := b.Properties[gotRevision].Value.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatInt(int64(v), 10)
	case map[string]any:
		rev, _ := v[codebase].(string)
		return rev
	}
	return ""
}

// builderOf is the builder that a run is filed under: the one that built it, or
// will. A virtual builder's request is its base's until it is built.
func (p *Project) builderOf(ctx context.Context, r run) (Builder, error) {
	id := r.Request.Builder
	if r.Build != nil {
		id = r.Build.Builder
	} else if name, ok := r.Request.Properties[virtualName].Value.(string); ok && name != "" {
		b, ok, err := p.c.builderNamed(ctx, name)
		if err != nil || ok {
			return b, err
		}
		return Builder{ID: id, Name: name, Tags: []string{virtualTag}}, nil // it has not built anything yet
	}
	b, ok, err := p.c.builder(ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("%w: request %d is of builder %d, which is not there", job.ErrMalformed, r.Request.ID, id)
	}
	return b, err
}

// How Buildbot marks a virtual builder, and a request for one.
const (
	virtualTag  = "_virtual_"
	virtualName = "virtual_builder_name"
)

func virtual(b Builder) bool { return slices.Contains(b.Tags, virtualTag) }

func (p *Project) hasVirtual(ctx context.Context) (bool, error) {
	all, err := p.c.builders.get(ctx, keptFor)
	return slices.ContainsFunc(all, virtual), err
}

// virtualProperty asks with requests for the property that tells virtual builders
// apart, on masters that have some: each costs the master a look.
func (p *Project) virtualProperty(ctx context.Context) ([]string, error) {
	has, err := p.hasVirtual(ctx)
	if !has || err != nil {
		return nil, err
	}
	return []string{"property", virtualName}, nil
}

// known is what was found out at some time.
type known struct {
	at  time.Time
	ids []int
}

// basesOf are the builders that requests of a builder are filed under: itself, and
// for a virtual one those whose requests it built lately.
func (p *Project) basesOf(ctx context.Context, b Builder) ([]int, error) {
	if !virtual(b) {
		return []int{b.ID}, nil
	}
	p.mu.Lock()
	k, ok := p.bases[b.ID]
	p.mu.Unlock()
	if ok && time.Since(k.at) < keptFor {
		return k.ids, nil
	}
	const op, some = "buildbot.builds", 20
	builds, _, err := older(ctx, p.c, op, buildsSource(fmt.Sprintf("builders/%d/builds", b.ID)), 0, some)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, one := range builds {
		ids = append(ids, one.Request)
	}
	requests, err := among(ctx, p.c, op, requestsSource("buildrequests"), "buildrequestid", requestsSource("").id, ids)
	if err != nil {
		return nil, err
	}
	k = known{at: time.Now(), ids: []int{b.ID}}
	for _, r := range requests {
		k.ids = append(k.ids, r.Builder)
	}
	slices.Sort(k.ids)
	k.ids = slices.Compact(k.ids)
	p.mu.Lock()
	p.bases[b.ID] = k
	p.mu.Unlock()
	return k.ids, nil
}

func times(r run) job.Times {
	t := job.Times{Requested: r.Request.Submitted.Time}
	switch {
	case r.Build != nil:
		t.Started, t.Finished = r.Build.Started.Time, r.Build.Finished.Time
	case !r.state.Waiting():
		t.Finished = r.Request.Finished.Time
	}
	return t
}

// runID names a run: its request, and which run of the request it is.
func runID(request int64, number int) string {
	return fmt.Sprintf("%d/%d", request, number)
}

func parseRunID(id string) (request int64, number int, err error) {
	r, n, ok := strings.Cut(id, "/")
	if ok {
		if request, err = strconv.ParseInt(r, 10, 64); err == nil {
			number, err = strconv.Atoi(n)
		}
	}
	if !ok || err != nil || request < 1 || number < 1 {
		return 0, 0, fmt.Errorf("%w: %q is no run here: expected a request and the number of its run, such as 17/1, or the address of a build's page", job.ErrNotFound, id)
	}
	return request, number, nil
}
