package buildbot

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// horizon is how far back the runs of a push can lie. No run is older than the moment when the
// master heard of the push, so a list that reaches behind the horizon has all of them. The lists
// are newest first, so "behind" means further down, at older requests.
type horizon struct {
	heard time.Time             // when the master heard of the push, at the latest; zero when no clock says
	slack time.Duration         // by how much clocks may differ
	newer func(rev string) bool // the revision is the push's, or came after it
	// ahead reports whether the push's date is later than the master's clock, so that the
	// date proves nothing. Nil means no.
	ahead func() bool
	any   bool // one page is enough, however far back it reaches
	// later asks the master whether one of the revisions came after the push. It is nil
	// when all changes since the push were read, so that newer can tell.
	later func(ctx context.Context, revs []string) (bool, error)
	id    int64 // of the push's change; set together with later
}

// horizons are the horizons of several pushes; a list must reach behind all of them.
type horizons []horizon

// How much older than its push a request may appear: when the time of the push is by the
// master's own clock, and when it is by another clock.
const (
	ownSlack = time.Hour
	slack    = 24 * time.Hour
)

// oldest is how many of the oldest requests on a list must be older than a push before the
// list is taken to reach behind it. Several are needed as requests are not strictly in the
// order of time.
const oldest = 25

// enough is how many requests are read when a push's date is later than the master's clock. It
// bounds what one wrong date costs: 5 pages at most.
const enough = 1000

// since is the time before which no run of the push can have been requested, if clocks are
// right: heard minus slack. The zero time means that it is not known.
func (h horizon) since() time.Time {
	if h.heard.IsZero() {
		return h.heard
	}
	return h.heard.Add(-h.slack)
}

// since is the earliest since of the horizons. It panics when there are no horizons.
func (all horizons) since() time.Time {
	return slices.MinFunc(all, func(a, b horizon) int { return a.since().Compare(b.since()) }).since()
}

// reached reports whether a list was read completely, or back behind all of the horizons. A
// request to the master is made for the oldest push only: a revision that came after a later
// push came after the oldest as well.
func (all horizons) reached(ctx context.Context, e extent) (bool, error) {
	if e.whole {
		return true, nil
	}
	var first horizon
	for _, h := range all {
		if h.any && !e.at.IsZero() {
			continue
		}
		if !h.behind(e.tail, e.count) {
			return false, nil
		}
		if h.later != nil && !h.dated() && (first.later == nil || h.id < first.id) {
			first = h
		}
	}
	return first.before(ctx, e.tail)
}

// dated reports whether the push's date is later than the master's clock.
func (h horizon) dated() bool { return h.ahead != nil && h.ahead() }

// behind reports whether a list reaches behind the horizon. Its oldest requests (tail, newest
// first) must all be older than the push: by the clock and, since clocks may be wrong, also by
// the revisions that they built. read is the length of the whole list.
//
// A push was heard of at 12:00 by the master's own clock, so since is 11:00. The list reaches
// behind it when the oldest 25 requests were all submitted at 11:00 or before, and none of them
// built the push or one after it. One request that was submitted at 11:01 is enough to read on.
// A list with fewer than 25 requests is judged by all of them.
func (h horizon) behind(tail []finished, read int) bool {
	switch {
	case len(tail) == 0 || h.heard.IsZero():
		return false
	case h.dated():
		return read >= enough
	}
	return !slices.ContainsFunc(tail[max(0, len(tail)-oldest):], func(f finished) bool {
		return f.request.Submitted.Time().After(h.since()) ||
			slices.ContainsFunc(f.set.SourceStamps, func(ss SourceStamp) bool {
				return ss.Patch == nil && h.newer(ss.Revision)
			})
	})
}

// before asks the master, when that is necessary, whether the revisions that the oldest
// requests built came before the push. It asks about 5 of them.
func (h horizon) before(ctx context.Context, tail []finished) (bool, error) {
	var revs []string
	for _, f := range tail[max(0, len(tail)-oldest):] {
		for _, ss := range f.set.SourceStamps {
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

// lookout computes the horizons of pushes from the changes that are known. It computes what
// the pushes share only once.
type lookout struct {
	r *Changes
	m *memory
	t *told
	// heard[i] is the earliest time at which the master heard of push i or of any push after
	// it: a push was heard of before its successors, whatever the clocks say. Zero when no
	// clock says. It has one element more than there are pushes, the last one zero, so that
	// the minimum over the rest of the list needs no special case. With pushes heard of at
	// 10:05, 10:30 (by a wrong clock) and 10:20, it is 10:05, 10:20, 10:20 and zero.
	heard []time.Time
	place map[string]int // by revision, the index among the pushes; nil until it is needed, as heard is
}

// lookout makes a lookout from what is known now. Use it in one goroutine only.
func (r *Changes) lookout() *lookout {
	m := r.memory.Load()
	return &lookout{r: r, m: m, t: m.now()}
}

// horizon computes the horizon of a push. For a push of this repository it uses the order of
// changes, which their ids give, so that a wrong date on one push does no harm. For any other
// push there is only its date.
//
// The earliest of three times counts: the push's date, when the master heard of its change, and
// when it heard of any later one. A push that is older than those read (at -1) takes the place
// of the oldest read, 0: all of these came after it.
func (l *lookout) horizon(p job.Push) horizon {
	h := horizon{heard: p.Time, slack: slack, newer: func(rev string) bool { return sameRevision(rev, p.Revision) }}
	h.ahead = func() bool { return p.Time.After(l.r.c.clock().Add(slack)) }
	if p.Repo != l.r.name {
		return h
	}
	q, at, ok := l.find(p)
	if !ok {
		return h
	}
	if at < 0 { // it is older than the pushes that were read
		h.id, at = p.ID, 0
		h.later = func(ctx context.Context, revs []string) (bool, error) { return l.r.after(ctx, l.m, p.ID, revs) }
	}
	if q.own {
		h.slack = ownSlack
	}
	for _, heard := range []time.Time{q.heard, l.heardFrom(at)} {
		if !heard.IsZero() && heard.Before(h.heard) {
			h.heard = heard
		}
	}
	h.newer = func(rev string) bool {
		i, ok := l.placeOf(rev)
		return ok && i >= at || rev == q.Revision || sameRevision(rev, p.Revision)
	}
	heard := h.heard
	h.ahead = func() bool { return heard.After(l.r.c.clock().Add(slack)) }
	return h
}

// find returns a push as its change has it, and its index among the pushes that were read; -1
// when it is older than those and was read alone.
func (l *lookout) find(p job.Push) (q pushed, at int, ok bool) {
	at, ok = slices.BinarySearchFunc(l.t.pushes, p.ID, func(q pushed, id int64) int { return cmp.Compare(q.ID, id) })
	if ok && sameRevision(l.t.pushes[at].Revision, p.Revision) {
		return l.t.pushes[at], at, true
	}
	q, ok = l.m.other(p.Revision)
	return q, -1, ok && q.ID == p.ID && q.ID < l.t.low
}

// heardFrom is the earliest time at which the master heard of the push at this index or of any
// push after it.
func (l *lookout) heardFrom(at int) time.Time {
	if l.heard == nil {
		l.heard = make([]time.Time, len(l.t.pushes)+1)
		for i, q := range slices.Backward(l.t.pushes) {
			l.heard[i] = l.heard[i+1]
			if !q.heard.IsZero() && (l.heard[i].IsZero() || q.heard.Before(l.heard[i])) {
				l.heard[i] = q.heard
			}
		}
	}
	return l.heard[at]
}

// placeOf is the index of a revision among the pushes that were read.
func (l *lookout) placeOf(rev string) (int, bool) {
	if l.place == nil {
		l.place = make(map[string]int, len(l.t.pushes))
		for i, q := range l.t.pushes {
			l.place[q.Revision] = i
		}
	}
	i, ok := l.place[rev]
	return i, ok
}

// after reports whether a change with one of the revisions has an id greater than id. What it
// reads it remembers, so that the horizons of the next pushes cost nothing for the same
// revisions.
func (r *Changes) after(ctx context.Context, m *memory, id int64, revs []string) (bool, error) {
	var ask []string
	for _, rev := range revs {
		q, ok := m.other(rev)
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
	all, err := get(ctx, r.c, "buildbot.changes", "", query(r.c.path("changes"), ask...), changeList)
	t, later := m.now(), false
	for _, c := range all {
		if t.owns(c) && slices.Contains(revs, c.Revision) {
			m.others.Put(keyOf(c.Revision), r.push(m, c))
			later = later || c.ID > id
		}
	}
	return later, err
}
