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

// setList are the buildsets of all builders, newest first and as far back as
// somebody asked: for questions about all that ran on a push.
type setList struct {
	reading
	p    *Project
	sets []Buildset                        // by descending ids
	done map[int64][]finished              // of those of them that are complete
	asks *flight.Cache[string, []finished] // requests that are read now, by the ids of buildsets
}

func newSetList(p *Project) *setList {
	return &setList{
		reading: newReading(), p: p, done: map[int64][]finished{}, asks: flight.New[string, []finished](0),
	}
}

// reaching returns the buildsets back to the horizons of some pushes, newest first; none
// where it is known of each push why that cannot be.
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

// undone are buildsets as the tail of a list holds them.
func undone(sets []Buildset) []finished {
	out := make([]finished, len(sets))
	for i, s := range sets {
		out[i] = finished{set: s, request: BuildRequest{Submitted: s.Submitted}}
	}
	return out
}

// renew reads the buildsets that are new. Where the newest one is gone the master has
// another database, and everything is read again.
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

// extend reads one more page of older buildsets.
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

// file files pages of newer and of older buildsets, newest first.
func (l *setList) file(newer, older []Buildset) {
	for _, s := range slices.Concat(newer, older) {
		l.span([]int64{s.ID})
		l.p.known.Load().sets.Put(s.ID, s)
	}
	l.sets = slices.Concat(newer, l.sets, older)
	l.count = len(l.sets)
}

// askAll adds to some pushes what all builders were asked to do at their revisions, or at
// ones that only builds know. What several pushes need is asked for once; where the answer
// is damaged each is asked about by itself, as the damage may be of one of them.
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

// of are the requests of buildsets that can be of a push, as they are known for good, and
// the buildsets that are to be asked about. The list is locked.
func (l *setList) of(sets []Buildset, s *subject) (known []finished, ask []int64) {
	for _, set := range sets {
		if !concerns(set.SourceStamps, s.push.Revision) || !concerns(s.line.stamps(set), s.push.Revision) {
			continue // the first is quicker
		}
		if done, ok := l.done[set.ID]; ok {
			known = append(known, done...)
		} else {
			ask = append(ask, set.ID)
		}
	}
	return known, ask
}

// askFor reads the requests of buildsets for all who want the same.
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

// allThere holds that a buildset that had not ended has requests: one for no builder
// ends when it is made.
func (l *setList) allThere(ask []int64, requests []BuildRequest) error {
	has := map[int64]bool{}
	for _, r := range requests {
		has[r.Buildset] = true
	}
	sets := l.p.known.Load().sets
	for _, id := range ask {
		if s, ok := sets.Get(id); ok && !s.Complete && !has[id] {
			place := fmt.Sprintf("of buildset %d", id)
			return broken("buildrequests", place, contract.Outside("", "none, though it had not ended"))
		}
	}
	return nil
}

// requestsOf reads the requests of buildsets, and remembers those that are done.
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
