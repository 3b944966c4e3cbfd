package buildbot

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// history is what one builder was asked to do, newest first and as far back as
// somebody asked: one list, where reading the buildsets of each push would take
// many.
type history struct {
	reading
	builder int
	all     map[int64]finished // by the ids of requests
}

func newHistory(builder int, g gate) *history {
	return &history{reading: reading{gate: g}, builder: builder, all: map[int64]finished{}}
}

// source is where the builder's requests are read.
func (h *history) source() source[BuildRequest] {
	return requestsSource(fmt.Sprintf("builders/%d/buildrequests", h.builder))
}

// history is that of a builder.
func (p *Project) history(builder int) *history {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.histories[builder]
	if !ok {
		h = newHistory(builder, newGate())
		p.histories[builder] = h
	}
	return h
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
	page := func(ctx context.Context) error { return p.extend(ctx, h) }
	if err := h.back(ctx, hz, func() int { return len(h.all) }, page); err != nil {
		return nil, err
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
	page, last, err := older(ctx, p.c, op, h.source(), h.low, h.size, more...)
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
	page, err := since(ctx, p.c, op, h.source(), h.high, more...)
	if err != nil {
		return err
	}
	if n := len(page); h.high > 0 &&
		(n == 0 || page[n-1].ID != h.high || page[n-1].Buildset != h.all[h.high].request.Buildset) {
		p.forget()
		*h = *newHistory(h.builder, h.gate)
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
		again, err := p.c.requests(ctx, op, open, more...)
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
