package buildbot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// setList is the master's list of buildsets, for questions about everything that ran on a
// push. It has the buildsets of all builders, newest first, as far back as a question needed.
type setList struct {
	reading
	p    *Project
	sets []Buildset                        // by descending id
	done map[int64][]finished              // by buildset: its requests, once all of them have ended
	asks *flight.Cache[string, []finished] // reads under way, by the ids of their buildsets
}

func newSetList(p *Project) *setList {
	return &setList{
		reading: newReading(), p: p, done: map[int64][]finished{}, asks: flight.New[string, []finished](0),
	}
}

// reaching returns the buildsets back to the horizons of the pushes, newest first. A push for
// which that fails has the error in its subject; when all fail the result is nil. Afterwards
// it drops the oldest buildsets over the bound, so that a long-running service does not grow.
//
// sets is by descending id. With the ids 90, 80, 70, 60 and 50 and n = 2, the ids 90, 80 and 70
// stay; stays(2) is the time of 70, sets[4-2], and low becomes 70. The tail is never cut short,
// as the bound is far greater than oldest.
func (l *setList) reaching(ctx context.Context, q *question, all []*subject) []Buildset {
	far := l.p.reachAll(ctx, q, &l.reading, l, all)
	if len(far) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	sets := l.sets
	last := len(sets) - 1
	stays := func(cut int) time.Time { return sets[last-cut].Submitted.Time() }
	if n := l.surplus(mostBuildsets, far.since(), stays); n > 0 {
		l.sets = slices.Clone(sets[:len(sets)-n])
		l.count, l.low, l.whole = len(l.sets), l.sets[len(l.sets)-1].ID, false
		l.tail = undone(l.sets[len(l.sets)-oldest:])
		maps.DeleteFunc(l.done, func(id int64, _ []finished) bool { return id < l.low })
	}
	return sets
}

// undone wraps buildsets as the tail of a list holds them, with nothing but their times. A
// horizon looks at nothing else in a tail, so the requests need not be read for it.
func undone(sets []Buildset) []finished {
	out := make([]finished, len(sets))
	for i, s := range sets {
		out[i] = finished{set: s, request: BuildRequest{Submitted: s.Submitted}}
	}
	return out
}

// renew reads the buildsets that are new. The page reaches down to the newest one known, as a
// test: when that is gone, the master has another database, and everything is forgotten. For
// high 40 a page with the ids 43, 41 and 40 adds 43 and 41; one with 43 and 41 only means
// another database.
func (l *setList) renew(ctx context.Context, was extent) error {
	began, touched := time.Now(), l.p.touched.Load()
	page, err := since(ctx, l.p.c, "buildbot.buildsets", setsSource(), was.high)
	if err != nil {
		return err
	}
	n := len(page)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.database != was.database || l.high != was.high || l.at.After(began) {
		return nil // another caller was faster
	}
	switch {
	case was.high == 0:
		l.file(page, nil)
	case n == 0 || page[n-1].ID != was.high: // another database
		l.p.forget()
		l.extent, l.sets, l.done = l.another(), nil, map[int64][]finished{}
		return nil
	default:
		l.file(page[:n-1], nil)
	}
	l.at, l.touched, l.took = began, touched, time.Since(began)
	return nil
}

// extend reads one more page of older buildsets. When the list has changed meanwhile, another
// caller has read the page, and this one is dropped.
func (l *setList) extend(ctx context.Context, was extent) error {
	began, touched := time.Now(), l.p.touched.Load()
	size := grown(was.size)
	page, last, err := older(ctx, l.p.c, "buildbot.buildsets", setsSource(), was.low, size)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.is(was) {
		return nil // another caller was faster
	}
	l.file(nil, page)
	l.tail, l.size, l.whole = undone(page), size, last || len(page) == 0
	l.begun(began, touched)
	if l.count > mostBuildsets {
		l.deep = time.Now()
	}
	return nil
}

// file adds pages of newer and of older buildsets, each newest first. The caller holds mu. The
// result is newest first again: for the list 40, 39, newer ones 43, 41 and older ones 38 give
// 43, 41, 40, 39, 38.
func (l *setList) file(newer, older []Buildset) {
	for _, s := range slices.Concat(newer, older) {
		l.span([]int64{s.ID})
		l.p.known.Load().sets.Put(s.ID, s)
	}
	l.sets = slices.Concat(newer, l.sets, older)
	l.count = len(l.sets)
}

// askAll adds to each push the requests of all builders for its revision, and those for the
// newest revision, which only their builds know. Requests that several pushes need are read
// once. When that answer is damaged, it asks for each push separately, since the damage may
// concern only one of them.
func (p *Project) askAll(ctx context.Context, q *question, all []*subject) {
	l := p.list
	sets := l.reaching(ctx, q, all)
	var ask []int64
	lacking := map[*subject][]int64{}
	l.mu.Lock()
	for _, s := range all {
		if s.err != nil {
			continue
		}
		known, open := l.of(sets, s)
		s.asked = append(s.asked, known)
		if ask = append(ask, open...); len(open) > 0 {
			lacking[s] = open
		}
	}
	l.mu.Unlock()
	found, err := l.askFor(ctx, q, ask)
	for _, s := range all {
		switch ids := lacking[s]; {
		case len(ids) == 0:
			continue
		case errors.Is(err, job.ErrMalformed) && len(lacking) > 1:
			found, s.err = l.askFor(ctx, q, ids)
		default:
			s.err = err
		}
		s.asked = append(s.asked, found)
	}
}

// of sorts the buildsets that may be of a push: known are the requests of those that have
// ended and were read, ask the ids of the others. The caller holds mu.
func (l *setList) of(sets []Buildset, s *subject) (known []finished, ask []int64) {
	for _, set := range sets {
		if !concerns(set.SourceStamps, s.push.Revision) || !concerns(s.line.stamps(set), s.push.Revision) {
			continue // the first test is quicker, and mostly enough
		}
		if done, ok := l.done[set.ID]; ok {
			known = append(known, done...)
		} else {
			ask = append(ask, set.ID)
		}
	}
	return known, ask
}

// askFor reads the requests of buildsets; callers that want the same at once share a read.
//
// The key of a read has touched in it: a caller that has just triggered a run must not join a
// read that began before.
func (l *setList) askFor(ctx context.Context, q *question, ask []int64) ([]finished, error) {
	if len(ask) == 0 {
		return nil, nil
	}
	ask = slices.Clone(ask)
	slices.Sort(ask)
	ask = slices.Compact(ask)
	return l.asks.Do(ctx, fmt.Sprint(q.touched, ask), func(ctx context.Context) ([]finished, bool, error) {
		found, err := l.requestsOf(ctx, ask)
		return found, false, err
	})
}

// allThere returns an error when a buildset that had not ended has no requests, so the answer
// is not whole. (A buildset for no builder has none, but ends at once.)
func (l *setList) allThere(ask []int64, requests []BuildRequest) error {
	has := map[int64]bool{}
	for _, r := range requests {
		has[r.Buildset] = true
	}
	sets := l.p.known.Load().sets
	for _, id := range ask {
		if s, ok := sets.Get(id); ok && !s.Complete && !has[id] {
			place := fmt.Sprintf("of buildset %d", id)
			return broken("buildrequests", place, contract.Outside("", "none, although it had not ended"))
		}
	}
	return nil
}

// requestsOf reads the requests of buildsets, and remembers those of buildsets whose requests
// have all ended. A read that was under way when the master got another database is not
// remembered, as ids then mean other buildsets.
func (l *setList) requestsOf(ctx context.Context, ask []int64) ([]finished, error) {
	const op = "buildbot.requests"
	database := l.now().database
	more, err := l.p.virtualProperty(ctx)
	if err != nil {
		return nil, err
	}
	requests, err := among(ctx, l.p.c, op, requestsSource("buildrequests"), "buildsetid", ask, true, more...)
	if err != nil {
		return nil, err
	}
	if err := l.allThere(ask, requests); err != nil {
		return nil, job.Wrap(op, "", err)
	}
	found, err := l.p.complete(ctx, requests)
	if err != nil {
		return nil, err
	}
	by := map[int64][]finished{}
	for _, f := range found {
		by[f.set.ID] = append(by[f.set.ID], f)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, mine := range by {
		if l.database == database && id >= l.low &&
			!slices.ContainsFunc(mine, func(f finished) bool { return !f.request.Complete }) {
			l.done[id] = mine
		}
	}
	return found, nil
}
