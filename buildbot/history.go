package buildbot

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// history is the list of one builder's requests, as far back as a question needed. Reading
// this one list takes fewer requests than reading the buildsets of each push.
type history struct {
	reading
	p       *Project
	builder int                // its id, which is also the key in Project.histories
	all     map[int64]finished // by request; guarded by mu, as extent is
}

// source tells from where the builder's requests are read.
func (h *history) source() source[BuildRequest] {
	return requestsSource(fmt.Sprintf("builders/%d/buildrequests", h.builder))
}

// history returns the history of a builder, an empty one for a builder that is new here.
func (p *Project) history(builder int) *history {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.histories.Get(builder)
	if !ok {
		h = &history{reading: newReading(), p: p, builder: builder, all: map[int64]finished{}}
		p.histories.Put(builder, h)
	}
	return h
}

// upTo adds to each push the requests of a builder, oldest first, back to the horizons of all
// the pushes. All share one list. Afterwards it drops the oldest requests over the bound. out is
// oldest first: with the requests 11 to 15 and n = 2, the requests 11 and 12 go, out[2] is 13,
// the new low, and the tail is 13 and those after it, turned round to be newest first.
func (p *Project) upTo(ctx context.Context, q *question, builder int, all []*subject) {
	h := p.history(builder)
	far := p.reachAll(ctx, q, &h.reading, h, all)
	if len(far) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]finished, 0, len(h.all))
	for _, f := range h.all {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b finished) int { return cmp.Compare(a.request.ID, b.request.ID) })
	stays := func(cut int) time.Time { return out[cut].request.Submitted.Time() }
	if n := h.surplus(mostRequests, far.since(), stays); n > 0 {
		for _, f := range out[:n] {
			delete(h.all, f.request.ID)
		}
		h.low, h.whole, h.count = out[n].request.ID, false, len(h.all)
		h.tail = slices.Clone(out[n : n+oldest])
		slices.Reverse(h.tail)
	}
	for _, s := range all {
		if s.err == nil {
			s.asked = append(s.asked, out)
		}
	}
}

// pageAfter is the size of the page after one of this size; 0 asks for the first. The first is
// about twice as large as the last range of pushes: a builder seldom runs more often. After a
// range of 100 pushes the pages have 200, 400, 500, 500 … entries; without a range before, 50,
// 100, 200 ….
func (p *Project) pageAfter(size int) int {
	if size > 0 {
		return grown(size)
	}
	return int(min(max(2*p.wanted.Load(), firstPage), largePage))
}

// extend reads one more page of older requests. When the list has changed meanwhile, another
// caller has read the page, and this one is dropped.
func (h *history) extend(ctx context.Context, was extent) error {
	const op = "buildbot.requests"
	p, began, touched := h.p, time.Now(), h.p.touched.Load()
	size := p.pageAfter(was.size)
	more, err := p.virtualProperty(ctx)
	if err != nil {
		return err
	}
	page, last, err := older(ctx, p.c, op, h.source(), was.low, size, more...)
	if err != nil {
		return err
	}
	all, err := p.complete(ctx, page)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.is(was) {
		return nil // another caller was faster
	}
	h.file(all)
	h.tail, h.size, h.whole = all, size, last || len(page) == 0
	h.begun(began, touched)
	if h.count > mostRequests {
		h.deep = time.Now()
	}
	return nil
}

// file adds requests, or replaces older states of them. The caller holds mu.
func (h *history) file(all []finished) {
	for _, f := range all {
		h.all[f.request.ID] = f
		h.span([]int64{f.request.ID})
	}
	h.count = len(h.all)
}

// renew reads the requests that are new, and again those that had not ended. When the newest
// known request is gone, the master has another database, and everything is forgotten.
//
// For high 40 and 37 still running, the page has 43, 41 and 40, and a second request reads 37.
// When the page is 40 alone, unchanged, and none is open, nothing more is read.
func (h *history) renew(ctx context.Context, was extent) error {
	const op = "buildbot.requests"
	p, began, touched := h.p, time.Now(), h.p.touched.Load()
	more, err := p.virtualProperty(ctx)
	if err != nil {
		return err
	}
	page, err := since(ctx, p.c, op, h.source(), was.high, more...)
	if err != nil {
		return err
	}
	open, known, gone := h.open(page, was)
	if gone {
		return nil
	}
	if known && len(open) == 0 {
		page = nil // nothing on it has changed: its builds need not be read again
	}
	if len(open) > 0 {
		again, err := p.c.requests(ctx, op, open, more...)
		if err == nil && len(again) < len(open) {
			err = broken("buildrequests", ".", contract.Outside("",
				"%d of %d requests that had not ended are missing", len(open)-len(again), len(open)))
		}
		if err != nil {
			return job.Wrap(op, "", err)
		}
		page = append(page, again...)
	}
	all, err := p.complete(ctx, page)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.database == was.database && h.high == was.high && !h.at.After(began) {
		low := h.low
		h.file(all)
		h.low = cmp.Or(low, h.low) // an old request that was still open does not extend the list
		h.at, h.touched, h.took = began, touched, time.Since(began)
	}
	return nil
}

// open returns the requests that had not ended and are not on the page of new ones. known
// says that the page has only requests that had ended when they were read before, unchanged.
// gone says that the newest request is another one than before, so the list was emptied.
func (h *history) open(page []BuildRequest, was extent) (ids []int64, known, gone bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(page); was.high > 0 &&
		(n == 0 || page[n-1].ID != was.high || page[n-1].Buildset != h.all[was.high].request.Buildset) {
		if h.database == was.database {
			h.p.forget()
			h.extent, h.all = h.another(), map[int64]finished{}
		}
		return nil, false, true
	}
	paged := map[int64]bool{}
	known = true
	for _, r := range page {
		paged[r.ID] = true
		f, ok := h.all[r.ID]
		known = known && ok && f.request.Complete && reflect.DeepEqual(f.request, r)
	}
	for id, f := range h.all {
		if !f.request.Complete && !paged[id] {
			ids = append(ids, id)
		}
	}
	return ids, known, false
}
