package buildbot

import (
	"context"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// reading is how far a list of records, newest first, was read.
type reading struct {
	gate      gate
	at        time.Time // when the newest were read
	took      time.Duration
	low, high int64      // records with ids from low to high were read
	whole     bool       // nothing is below low
	tail      []finished // the page that was read last
	size      int        // of that page
}

// back reads page after page until what was read reaches back behind the horizon,
// or there is no more; read says how many records that are.
func (r *reading) back(ctx context.Context, h horizon, read func() int, page func(context.Context) error) error {
	for !r.whole {
		if done, err := h.beyond(ctx, r.tail, read()); err != nil || done {
			return err
		}
		began := time.Now()
		if err := page(ctx); err != nil {
			return err
		}
		if r.at.IsZero() {
			r.at = began
		}
		r.took = time.Since(began)
	}
	return nil
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
	is := func(q pushed) bool { return q.ID == p.ID && sameRevision(q.Revision, p.Revision) }
	if i := slices.IndexFunc(r.pushes, is); i >= 0 {
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
