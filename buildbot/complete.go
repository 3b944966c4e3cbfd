package buildbot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// finished is a request with its buildset and its builds. Once the request is complete, none of
// them changes any more.
type finished struct {
	set     Buildset
	request BuildRequest
	builds  []Build // oldest first
}

// complete reads the buildsets and the builds of requests. It reads the property got_revision
// only when some buildset names no revision, as properties make answers large.
func (p *Project) complete(ctx context.Context, requests []BuildRequest) ([]finished, error) {
	const op = "buildbot.builds"
	if len(requests) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(requests))
	for i, r := range requests {
		ids[i] = r.ID
	}
	sets, err := p.setsOf(ctx, requests)
	if err != nil {
		return nil, err
	}
	var more []string
	if slices.ContainsFunc(requests, func(r BuildRequest) bool { return headless(sets[r.Buildset]) }) {
		more = []string{"property", gotRevision}
	}
	builds, err := p.buildsOf(ctx, op, requests, ids, more)
	if err != nil {
		return nil, err
	}
	return joined(op, requests, sets, builds)
}

// joined puts requests, buildsets and builds together, and checks that they agree. Builds of
// requests that are not among them are dropped: an answer about a range of request ids may have
// some.
func joined(op string, requests []BuildRequest, sets map[int64]Buildset, builds []Build) ([]finished, error) {
	by := map[int64][]Build{}
	for _, b := range builds {
		by[b.Request] = append(by[b.Request], b)
	}
	out := make([]finished, len(requests))
	for i, r := range requests {
		mine := by[r.ID]
		sortNewest(mine)
		slices.Reverse(mine)
		out[i] = finished{sets[r.Buildset], r, mine}
		if err := out[i].check(); err != nil {
			return nil, job.Wrap(op, "", err)
		}
	}
	return out, nil
}

// check returns an error unless a complete request ended with the result of its last build. A
// complete request without a build must have been collapsed or cancelled. One whose last
// build was to be retried may have been collapsed or cancelled before the next build began.
//
//	results of the request   of its builds       verdict
//	0                        5 (retry), 0        right
//	6 (cancelled)            5 (retry)           right: cancelled while it waited for the next build
//	3 (skipped)              none                right: collapsed
//	0                        none                wrong: a build is missing from the answer
//	0                        5 (retry)           wrong: the last build is missing
func (f finished) check() error {
	r := f.request
	if !r.Complete {
		return nil
	}
	unmade := r.Results == resultSkipped || r.Results == resultCancelled
	wrong := func(format string, args ...any) error {
		return broken("builds", fmt.Sprintf("of request %d", r.ID), contract.Outside("", format, args...))
	}
	if len(f.builds) == 0 {
		if !unmade {
			return wrong("none, although it ended with results %d", r.Results)
		}
		return nil
	}
	switch last := f.builds[len(f.builds)-1]; {
	case !last.Complete:
		return wrong("build %d has not ended, although the request has", last.ID)
	case *last.Results == r.Results || *last.Results == resultRetry && unmade:
		return nil
	default:
		return wrong("build %d ended with results %d, but the request with %d", last.ID, *last.Results, r.Results)
	}
}

// broken is the error of answers that do not fit together. name is the endpoint that is to
// blame, and place the place in its answer.
func broken(name, place string, err error) error {
	var known *contract.Error
	if errors.As(err, &known) {
		known.Source = contractSource + "/" + name
		known.Path = place
	}
	return err
}

// buildsOf reads the builds of requests. When there are more than a few, and all of one
// builder, it asks for the range from the smallest to the largest request id, which is a
// single request; otherwise it asks by ids. On a master with virtual builders a build may be
// filed under another builder than its request, so it always asks by ids there. For the requests
// 101 to 180 of builder 3 the range is
// builders/3/builds?buildrequestid__ge=101&buildrequestid__le=180.
func (p *Project) buildsOf(
	ctx context.Context, op string, requests []BuildRequest, ids []int64, more []string,
) ([]Build, error) {
	virtual, err := p.hasVirtual(ctx)
	if err != nil {
		return nil, err
	}
	const few = 20
	one := !slices.ContainsFunc(requests, func(r BuildRequest) bool { return r.Builder != requests[0].Builder })
	if virtual || !one || len(ids) <= few {
		return among(ctx, p.c, op, buildsSource("builds"), "buildrequestid", ids, false, more...)
	}
	low, high := strconv.FormatInt(slices.Min(ids), 10), strconv.FormatInt(slices.Max(ids), 10)
	pairs := append([]string{"buildrequestid__ge", low, "buildrequestid__le", high}, more...)
	return get(ctx, p.c, op, "", query(p.c.path("builders/%d/builds", requests[0].Builder), pairs...), buildList)
}

// setsOf returns the buildsets of requests, by id. The parts of a buildset that are used here
// never change, so each is read once. One that is missing is job.ErrMalformed.
func (p *Project) setsOf(ctx context.Context, requests []BuildRequest) (map[int64]Buildset, error) {
	const op = "buildbot.buildsets"
	out := map[int64]Buildset{}
	var lacking []int64
	sets := p.known.Load().sets
	for _, r := range requests {
		if s, ok := sets.Get(r.Buildset); ok {
			out[r.Buildset] = s
		} else {
			lacking = append(lacking, r.Buildset)
		}
	}
	if len(lacking) == 0 {
		return out, nil
	}
	found, err := among(ctx, p.c, op, setsSource(), "bsid", lacking, true)
	if err != nil {
		return nil, err
	}
	for _, s := range found {
		sets.Put(s.ID, s)
		out[s.ID] = s
	}
	for _, id := range lacking {
		if _, ok := out[id]; !ok {
			return nil, job.Wrap(op, strconv.FormatInt(id, 10),
				broken("buildsets", "of a request", contract.Outside("", "%d is missing", id)))
		}
	}
	return out, nil
}

// gotRevision is the property in which a build's checkout step stores the revision it checked
// out, or an object with a revision for each codebase.
const gotRevision = "got_revision"

// headless reports whether a buildset names no revision. Its builds then take the newest one,
// and only they know which that was.
func headless(s Buildset) bool {
	return !patched(s) && slices.ContainsFunc(s.SourceStamps, func(ss SourceStamp) bool { return ss.Revision == "" })
}

// got is the revision that a build checked out of a codebase; "" when the build does not say.
// A number is a Subversion revision. Any other type was refused when the build was decoded. The
// property's value "a1c0…" → "a1c0…", 4711 → "4711", and {"lib": "a1c0…", "app": "b2d1…"} with
// the codebase lib → "a1c0…".
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
