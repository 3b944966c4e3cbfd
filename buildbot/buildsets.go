package buildbot

import (
	"context"
	"slices"
	"time"
)

// setList are the buildsets of all builders, newest first and as far back as
// somebody asked: for questions about all that ran on a push.
type setList struct {
	reading
	ids  []int64              // descending
	done map[int64][]finished // of buildsets that are complete
}

func newSetList(g gate) *setList {
	return &setList{reading: reading{gate: g}, done: map[int64][]finished{}}
}

// reaching returns the buildsets back to the horizon, newest first.
func (p *Project) reaching(ctx context.Context, hz horizon) ([]Buildset, error) {
	const op = "buildbot.buildsets"
	l := p.list
	if !l.at.IsZero() && !p.fresh(l.at, 0) {
		began := time.Now()
		page, err := since(ctx, p.c, op, setsSource(), l.high)
		if err != nil {
			return nil, err
		}
		n := len(page)
		switch {
		case l.high == 0:
			p.file(page, true)
			l.at = began
		case n == 0 || page[n-1].ID != l.high: // another database
			p.forget()
			*l = *newSetList(l.gate)
		default:
			p.file(page[:n-1], true)
			l.at = began
		}
	}
	err := l.back(ctx, hz, func() int { return len(l.ids) }, func(ctx context.Context) error {
		l.size = grown(l.size)
		page, last, err := older(ctx, p.c, op, setsSource(), l.low, l.size)
		if err != nil {
			return err
		}
		p.file(page, false)
		l.whole = last || len(page) == 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Buildset, 0, len(l.ids))
	for _, id := range l.ids {
		if s, ok := p.sets[id]; ok {
			out = append(out, s)
		}
	}
	return out, nil
}

// file files a page of buildsets, newest first, before or after those that are
// known.
func (p *Project) file(page []Buildset, newer bool) {
	l := p.list
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []int64
	var tail []finished
	for _, s := range page {
		p.sets[s.ID] = s
		ids = append(ids, s.ID)
		tail = append(tail, finished{set: s, request: BuildRequest{Submitted: s.Submitted}})
	}
	if len(ids) > 0 {
		l.high = max(l.high, ids[0])
		if l.low == 0 || ids[len(ids)-1] < l.low {
			l.low = ids[len(ids)-1]
		}
	}
	if newer {
		l.ids = slices.Concat(ids, l.ids)
		return
	}
	l.ids, l.tail = append(l.ids, ids...), tail
}

// everything is what all builders were asked to do with sources of a line at a
// revision, or at one that only their builds know.
func (p *Project) everything(ctx context.Context, l line, rev string, hz horizon) ([]finished, error) {
	const op = "buildbot.requests"
	if err := p.list.gate.lock(ctx); err != nil {
		return nil, err
	}
	defer p.list.gate.unlock()
	all, err := p.reaching(ctx, hz)
	if err != nil {
		return nil, err
	}
	var out []finished
	var ask []int64
	for _, s := range all {
		if !slices.ContainsFunc(l.stamps(s),
			func(ss SourceStamp) bool { return ss.Revision == "" || sameRevision(ss.Revision, rev) }) {
			continue
		}
		if known, ok := p.list.done[s.ID]; ok {
			out = append(out, known...)
		} else {
			ask = append(ask, s.ID)
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	more, err := p.virtualProperty(ctx)
	if err != nil {
		return nil, err
	}
	requests, err := among(ctx, p.c, op, requestsSource("buildrequests"), "buildsetid",
		func(r BuildRequest) int64 { return r.Buildset }, ask, more...)
	if err != nil {
		return nil, err
	}
	found, err := p.complete(ctx, requests)
	if err != nil {
		return nil, err
	}
	by := map[int64][]finished{}
	for _, f := range found {
		by[f.set.ID] = append(by[f.set.ID], f)
	}
	for id, mine := range by {
		if !slices.ContainsFunc(mine, func(f finished) bool { return !f.request.Complete }) {
			p.list.done[id] = mine
		}
	}
	return append(out, found...), nil
}
