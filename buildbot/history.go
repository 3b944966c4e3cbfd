package buildbot

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/job"
)

// finished is a request with its sources and its builds: as they are for good,
// once it is complete.
type finished struct {
	set     Buildset
	request BuildRequest
	builds  []Build // oldest first
}

// history is what one builder was asked to do, newest first and as far back as
// somebody asked: one list, where reading the buildsets of each push would take
// many.
type history struct {
	builder int

	gate  gate
	at    time.Time // when the newest were read
	took  time.Duration
	low   int64 // requests with ids from low on were read
	high  int64
	whole bool // nothing is below low
	all   map[int64]finished
	tail  []finished // the page that was read last
	size  int        // of that page
}

// horizon is how far back the runs of a push can lie: not before the master heard
// of it.
type horizon struct {
	heard time.Time
	slack time.Duration         // by how much clocks may differ
	newer func(rev string) bool // of the push, or of one that came after it
	// later asks the master whether one of the revisions came after the push; nil
	// where the changes since the push were read, so that newer knows.
	later func(ctx context.Context, revs []string) (bool, error)
}

// How much older a request may be than its push: by the master's own clock, and by
// that of another.
const (
	ownSlack = time.Hour
	slack    = 24 * time.Hour
)

// oldest is how many of the oldest requests that were read must be older than a
// push for those that were not read to be.
const oldest = 25

// enough is how many requests are looked at where a push is dated ahead of the
// clock, so that its time says nothing.
const enough = 1000

// beyond reports whether what was read reaches back behind the horizon, as the
// oldest requests say: they are older than the push, by the clock and, since clocks
// may have been wrong, by what they built.
func (h horizon) beyond(ctx context.Context, tail []finished, read int) (bool, error) {
	if len(tail) == 0 || h.heard.IsZero() {
		return false, nil
	}
	if h.heard.After(time.Now().Add(slack)) {
		return read >= enough, nil
	}
	var revs []string
	for _, f := range tail[max(0, len(tail)-oldest):] {
		if f.request.Submitted.After(h.heard.Add(-h.slack)) {
			return false, nil
		}
		for _, ss := range f.set.SourceStamps {
			if ss.Patch == nil && h.newer(ss.Revision) {
				return false, nil
			}
			if ss.Revision != "" && !slices.Contains(revs, ss.Revision) {
				revs = append(revs, ss.Revision)
			}
		}
	}
	const some = 5
	if h.later == nil || len(revs) == 0 {
		return true, nil
	}
	later, err := h.later(ctx, revs[max(0, len(revs)-some):])
	return !later && err == nil, err
}

// horizon is that of a push. Of changes ids tell the order, whatever the clocks
// say: a push was not heard of after a later one.
func (r *Changes) horizon(ctx context.Context, p job.Push) (horizon, error) {
	h := horizon{heard: p.Time, slack: slack, newer: func(rev string) bool { return sameRevision(rev, p.Revision) }}
	if err := r.gate.lock(ctx); err != nil {
		return h, err
	}
	defer r.gate.unlock()
	if p.Repo != r.name {
		return h, nil
	}
	var later []pushed // the push, and those after it
	if i := slices.IndexFunc(r.pushes, func(q pushed) bool { return q.ID == p.ID && sameRevision(q.Revision, p.Revision) }); i >= 0 {
		later = r.pushes[i:]
	} else if q, ok := r.others[p.Revision]; ok && q.ID == p.ID && q.ID < r.low {
		later = append([]pushed{q}, r.pushes...)
		h.later = func(ctx context.Context, revs []string) (bool, error) { return r.after(ctx, p.ID, revs) }
	} else {
		return h, nil
	}
	revs := map[string]bool{}
	if later[0].own {
		h.slack = ownSlack
	}
	for _, q := range later {
		revs[q.Revision] = true
		if !q.heard.IsZero() && q.heard.Before(h.heard) {
			h.heard = q.heard
		}
	}
	h.newer = func(rev string) bool { return revs[rev] || sameRevision(rev, p.Revision) }
	return h, nil
}

// after reports whether a change of one of the revisions has a larger id.
func (r *Changes) after(ctx context.Context, id int64, revs []string) (bool, error) {
	if err := r.gate.lock(ctx); err != nil {
		return false, err
	}
	defer r.gate.unlock()
	var ask []string
	for _, rev := range revs {
		q, ok := r.others[rev]
		if ok && q.ID > id {
			return true, nil
		}
		if !ok {
			ask = append(ask, "revision__in", rev)
		}
	}
	if len(ask) == 0 {
		return false, nil
	}
	all, err := get[change](ctx, r.c, "buildbot.changes", "", query(r.c.path("changes"), ask...), "changes")
	later := false
	for _, c := range all {
		if r.own(c) && slices.Contains(revs, c.Revision) {
			r.others[c.Revision] = r.push(c)
			later = later || c.ID > id
		}
	}
	return later, err
}

// history is that of a builder.
func (p *Project) history(builder int) *history {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.histories[builder]
	if !ok {
		h = &history{builder: builder, gate: newGate(), all: map[int64]finished{}}
		p.histories[builder] = h
	}
	return h
}

// fresh reports whether what was read this long ago is used again: reading a slow
// master anew for each question would never end.
func (p *Project) fresh(at time.Time, took time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return at.After(p.touched) && time.Since(at) < freshFor+took
}

// touch makes everything be read again: something was asked for, or happened.
func (p *Project) touch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touched = time.Now()
}

// upTo returns what a builder was asked to do, back to the horizon.
func (p *Project) upTo(ctx context.Context, builder int, hz horizon) ([]finished, error) {
	h := p.history(builder)
	if err := h.gate.lock(ctx); err != nil {
		return nil, err
	}
	defer h.gate.unlock()
	if !h.at.IsZero() && !p.fresh(h.at, h.took) {
		if err := p.renew(ctx, h); err != nil {
			return nil, err
		}
	}
	for !h.whole {
		if done, err := hz.beyond(ctx, h.tail, len(h.all)); err != nil || done {
			if err != nil {
				return nil, err
			}
			break
		}
		began := time.Now()
		if err := p.extend(ctx, h); err != nil {
			return nil, err
		}
		if h.at.IsZero() {
			h.at = began
		}
		h.took = time.Since(began)
	}
	out := make([]finished, 0, len(h.all))
	for _, f := range h.all {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b finished) int { return int(a.request.ID - b.request.ID) })
	return out, nil
}

// pageAfter is the size of the next page: the first is about as large as the range
// of pushes that was asked for last.
func (p *Project) pageAfter(size int) int {
	if size > 0 {
		return grown(size)
	}
	return int(min(max(2*p.wanted.Load(), firstPage), largePage))
}

// extend reads one more page of a history.
func (p *Project) extend(ctx context.Context, h *history) error {
	const op = "buildbot.requests"
	h.size = p.pageAfter(h.size)
	more, err := p.virtualProperty(ctx)
	if err != nil {
		return err
	}
	page, last, err := older(ctx, p.c, op, requestsSource(fmt.Sprintf("builders/%d/buildrequests", h.builder)), h.low, h.size, more...)
	if err != nil {
		return err
	}
	all, err := p.complete(ctx, page)
	if err != nil {
		return err
	}
	h.tail = all
	for _, f := range all {
		h.all[f.request.ID] = f
	}
	if n := len(page); n > 0 {
		h.low = page[n-1].ID
		h.high = max(h.high, page[0].ID)
	}
	h.whole = last || len(page) == 0
	return nil
}

// renew reads what is new, and again what had not ended. Where the newest request
// is gone the master has another database, and everything is read again.
func (p *Project) renew(ctx context.Context, h *history) error {
	const op = "buildbot.requests"
	more, err := p.virtualProperty(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	page, err := since(ctx, p.c, op, requestsSource(fmt.Sprintf("builders/%d/buildrequests", h.builder)), h.high, more...)
	if err != nil {
		return err
	}
	if n := len(page); h.high > 0 && (n == 0 || page[n-1].ID != h.high || page[n-1].Buildset != h.all[h.high].request.Buildset) {
		p.forget()
		h.low, h.high, h.whole, h.all, h.tail, h.size, h.at = 0, 0, false, map[int64]finished{}, nil, 0, time.Time{}
		return nil
	}
	known := map[int64]bool{}
	for _, r := range page {
		known[r.ID] = true
	}
	var open []int64
	for id, f := range h.all {
		if !f.request.Complete && !known[id] {
			open = append(open, id)
		}
	}
	if len(open) > 0 {
		again, err := among(ctx, p.c, op, requestsSource("buildrequests"), "buildrequestid", requestsSource("").id, open, more...)
		if err != nil {
			return err
		}
		page = append(page, again...)
	}
	all, err := p.complete(ctx, page)
	if err != nil {
		return err
	}
	for _, f := range all {
		h.all[f.request.ID] = f
		h.high = max(h.high, f.request.ID)
	}
	h.at, h.took = began, time.Since(began)
	return nil
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
	by := map[int64][]Build{}
	for _, b := range builds {
		by[b.Request] = append(by[b.Request], b)
	}
	out := make([]finished, len(requests))
	for i, r := range requests {
		mine := by[r.ID]
		sortNewest(mine, buildsSource("").id)
		slices.Reverse(mine)
		out[i] = finished{sets[r.Buildset], r, mine}
	}
	return out, nil
}

// buildsOf reads the builds of requests: by their range where they are one
// builder's, which is one question, and by their ids otherwise. Of virtual
// builders the builds are filed elsewhere than the requests.
func (p *Project) buildsOf(ctx context.Context, op string, requests []BuildRequest, ids []int64, more []string) ([]Build, error) {
	virtual, err := p.hasVirtual(ctx)
	if err != nil {
		return nil, err
	}
	of := func(b Build) int64 { return b.Request }
	const few = 20
	one := !slices.ContainsFunc(requests, func(r BuildRequest) bool { return r.Builder != requests[0].Builder })
	if virtual || !one || len(ids) <= few {
		return among(ctx, p.c, op, buildsSource("builds"), "buildrequestid", of, ids, more...)
	}
	pairs := append([]string{"buildrequestid__ge", strconv.FormatInt(slices.Min(ids), 10), "buildrequestid__le", strconv.FormatInt(slices.Max(ids), 10)}, more...)
	return get[Build](ctx, p.c, op, "", query(p.c.path("builders/%d/builds", requests[0].Builder), pairs...), "builds")
}

// setsOf are the buildsets of requests, by id. What matters of a buildset does not
// change, and is read once.
func (p *Project) setsOf(ctx context.Context, requests []BuildRequest) (map[int64]Buildset, error) {
	const op = "buildbot.buildsets"
	out := map[int64]Buildset{}
	var lacking []int64
	p.mu.Lock()
	for _, r := range requests {
		if s, ok := p.sets[r.Buildset]; ok {
			out[r.Buildset] = s
		} else {
			lacking = append(lacking, r.Buildset)
		}
	}
	p.mu.Unlock()
	if len(lacking) == 0 {
		return out, nil
	}
	found, err := among(ctx, p.c, op, setsSource(), "bsid", setsSource().id, lacking)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range found {
		p.sets[s.ID], out[s.ID] = s, s
	}
	for _, id := range lacking {
		if _, ok := out[id]; !ok {
			return nil, job.Wrap(op, strconv.FormatInt(id, 10), fmt.Errorf("%w: a request is of buildset %d, which is not there", job.ErrMalformed, id))
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

// forget drops what was read of another database.
func (p *Project) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sets, p.bases = map[int64]Buildset{}, map[int]known{}
}
