package buildbot

import (
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

// horizon is that of a push. Of changes ids tell the order, whatever the clocks
// say: a push was not heard of after a later one.
func (r *Changes) horizon(p job.Push) horizon {
	h := horizon{heard: p.Time, slack: slack, newer: func(rev string) bool { return sameRevision(rev, p.Revision) }}
	h.ahead = func() bool { return p.Time.After(r.c.clock().Add(slack)) }
	if p.Repo != r.name {
		return h
	}
	m := r.memory.Load()
	t := m.now()
	var later []pushed // the push, and those after it
	is := func(q pushed) bool { return q.ID == p.ID && sameRevision(q.Revision, p.Revision) }
	if i := slices.IndexFunc(t.pushes, is); i >= 0 {
		later = t.pushes[i:]
	} else if q, ok := m.other(p.Revision); ok && q.ID == p.ID && q.ID < t.low {
		later = append([]pushed{q}, t.pushes...)
		h.later, h.id = func(ctx context.Context, revs []string) (bool, error) { return r.after(ctx, m, p.ID, revs) }, p.ID
	} else {
		return h
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
	heard := h.heard
	h.ahead = func() bool { return heard.After(r.c.clock().Add(slack)) }
	return h
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
