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

// finished is a request with its sources and its builds: as they are for good,
// once it is complete.
type finished struct {
	set     Buildset
	request BuildRequest
	builds  []Build // oldest first
}

// complete adds to requests their sources and their builds.
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

// joined are requests with their sources and their builds, which must agree.
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

// check holds that a request ended as its last build did. One without a build was
// collapsed or cancelled, and so can one be that waited for another build.
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
			return wrong("none, though it ended with results %d", r.Results)
		}
		return nil
	}
	switch last := f.builds[len(f.builds)-1]; {
	case !last.Complete:
		return wrong("build %d has not ended, though the request has", last.ID)
	case *last.Results == r.Results || *last.Results == resultRetry && unmade:
		return nil
	default:
		return wrong("build %d ended with results %d, and the request with %d", last.ID, *last.Results, r.Results)
	}
}

// broken is the error of what several answers say together: the place is in the
// answer of the endpoint with this name.
func broken(name, place string, err error) error {
	var known *contract.Error
	if errors.As(err, &known) {
		known.Source = contractSource + "/" + name
		known.Path = place
	}
	return err
}

// buildsOf reads the builds of requests: by their range where they are one
// builder's, which is one question, and by their ids otherwise. Of virtual
// builders the builds are filed elsewhere than the requests.
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

// setsOf are the buildsets of requests, by id. What matters of a buildset does not
// change, and is read once.
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

// gotRevision is the property in which a build's checkout says what it found: the
// revision, or one for each codebase.
const gotRevision = "got_revision"

// headless reports whether a buildset asks for the newest revision, so that only
// its builds know which that was.
func headless(s Buildset) bool {
	return !patched(s) && slices.ContainsFunc(s.SourceStamps, func(ss SourceStamp) bool { return ss.Revision == "" })
}

// got is the revision that a build's checkout found; empty when it does not say. What
// else the property can be, the build's check refuses.
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
