package buildbot

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// horizon is how far back the runs of a push can lie: not before the master heard
// of it.
type horizon struct {
	heard time.Time
	slack time.Duration         // by how much clocks may differ
	newer func(rev string) bool // of the push, or of one that came after it
	// ahead reports whether the push is dated ahead of the master's clock, so that
	// its time says nothing; nil where it is not.
	ahead func() bool
	any   bool // one page will do, however far it reaches
	// later asks the master whether one of the revisions came after the push, whose id
	// is the change's; nil where the changes since the push were read, so that newer
	// knows.
	later func(ctx context.Context, revs []string) (bool, error)
	id    int64
}

// horizons are those of several pushes, which a list is to reach behind.
type horizons []horizon

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
// master's clock.
const enough = 1000

// since is the moment before which nothing that is asked about was asked for, as far as
// clocks are right; the zero time for no such moment.
func (h horizon) since() time.Time {
	if h.heard.IsZero() {
		return h.heard
	}
	return h.heard.Add(-h.slack)
}

// since is the earliest of them.
func (all horizons) since() time.Time {
	return slices.MinFunc(all, func(a, b horizon) int { return a.since().Compare(b.since()) }).since()
}

// reached reports whether a list was read back behind all of the horizons, or whole.
// The master is asked about one push alone: what came after another push came after
// the first of them too.
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

// dated reports whether the push is dated ahead of the master's clock.
func (h horizon) dated() bool { return h.ahead != nil && h.ahead() }

// behind reports whether what was read reaches back behind the horizon, as the
// oldest requests say: they are older than the push, by the clock and, since clocks
// may have been wrong, by what they built.
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

// before asks the master, where it must be asked, whether what the oldest requests
// built came before the push.
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

// lookout sees the horizons of pushes from what is known of the changes: what they share
// is told once.
type lookout struct {
	r     *Changes
	m     *memory
	t     *told
	heard []time.Time    // of each push and those after it the earliest; none where nobody said
	place map[string]int // of each revision among the pushes
}

// lookout is one of what is known now, for one goroutine.
func (r *Changes) lookout() *lookout {
	m := r.memory.Load()
	return &lookout{r: r, m: m, t: m.now()}
}

// horizon is that of a push. Of changes ids tell the order, whatever the clocks
// say: a push was not heard of after a later one.
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
	if at < 0 { // before those that were read
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

// find is a push as its change had it, and its place among those that were read; -1 where
// it is before them, and was read by itself.
func (l *lookout) find(p job.Push) (q pushed, at int, ok bool) {
	at, ok = slices.BinarySearchFunc(l.t.pushes, p.ID, func(q pushed, id int64) int { return cmp.Compare(q.ID, id) })
	if ok && sameRevision(l.t.pushes[at].Revision, p.Revision) {
		return l.t.pushes[at], at, true
	}
	q, ok = l.m.other(p.Revision)
	return q, -1, ok && q.ID == p.ID && q.ID < l.t.low
}

// heardFrom is when the master heard of the push at a place, or of one after it.
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

// placeOf is the place of a revision among the pushes that were read.
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

// after reports whether a change of one of the revisions has a larger id.
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
