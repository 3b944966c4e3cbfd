package treeherder

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/job"
)

// Pushes implements job.Repository. A project may list the pushes of several branches, but a range
// has those of one: the branch of OnBranch, or else that of the push from which the range starts,
// or, when the range names no push, the project's own.
func (p *Project) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	way, err := r.Check()
	if err != nil {
		return nil, job.Wrap("treeherder.pushes", p.name, err)
	}
	return within(ctx, p.server, "treeherder.pushes", p.name, func(ctx context.Context) ([]job.Push, error) {
		switch way {
		case job.ByIDs:
			return p.byIDs(ctx, r)
		case job.ByRevisions:
			return p.between(ctx, r)
		case job.ByDates:
			return p.byDates(ctx, r)
		case job.ByCenter:
			return p.around(ctx, r)
		}
		return nil, nil
	})
}

// byIDs returns the pushes with ids from r.FirstID to r.LastID, both included, on one branch:
// that of both ends when they are on the same, or else the project's.
func (p *Project) byIDs(ctx context.Context, r job.Range) ([]job.Push, error) {
	out, err := p.read(ctx, window{
		params: []string{"id__gte", number(r.FirstID), "id__lte", number(r.LastID)},
		keep: func(q job.Push) bool {
			return q.ID >= r.FirstID && q.ID <= r.LastID
		},
	})
	if err != nil {
		return nil, err
	}
	at := func(id int64) int { return slices.IndexFunc(out, func(q job.Push) bool { return q.ID == id }) }
	if i, j := at(r.FirstID), at(r.LastID); i >= 0 && j >= 0 && out[i].Branch == out[j].Branch && p.branch == "" {
		return onBranch(out, out[i].Branch), nil
	}
	return p.ofLine(ctx, out)
}

// between returns the pushes from one revision to another, both included. A result without
// either end is malformed.
func (p *Project) between(ctx context.Context, r job.Range) ([]job.Push, error) {
	from, err := p.push(ctx, r.From)
	if err != nil {
		return nil, err
	}
	to, err := p.push(ctx, r.To)
	if err == nil {
		err = r.CheckOrder(from, to)
	}
	if err != nil {
		return nil, err
	}
	if from.Branch != to.Branch {
		return nil, fmt.Errorf("%w: %s is on the branch %q and %s on %q: a range must be on one branch", job.ErrInvalid,
			from.Short(), from.Branch, to.Short(), to.Branch)
	}
	out, err := p.read(ctx, window{since: from.Order, until: to.Order, keep: func(q job.Push) bool {
		return q.Branch == to.Branch && q.Compare(from) >= 0 && q.Compare(to) <= 0
	}})
	if err != nil {
		return nil, err
	}
	for _, end := range []job.Push{from, to} {
		if !slices.ContainsFunc(out, func(q job.Push) bool { return q.ID == end.ID }) {
			return nil, fmt.Errorf("%w: treeherder/push: results: push %d has %s, but is not among those from %s to %s",
				job.ErrMalformed, end.ID, end.Short(), from.Short(), to.Short())
		}
	}
	return out, nil
}

// byDates returns the pushes from r.Since to r.Until, both included, on the project's branch.
func (p *Project) byDates(ctx context.Context, r job.Range) ([]job.Push, error) {
	// Times of pushes are whole seconds, so round up: since 10.2 s the first is that of 11 s.
	first := r.Since.Add(time.Second - 1).Unix()
	out, err := p.read(ctx, window{since: first, until: r.Until.Unix(), keep: func(job.Push) bool { return true }})
	if err != nil {
		return nil, err
	}
	return p.ofLine(ctx, out)
}

// around returns the pushes from r.Before before the center to r.After after it. The server lists
// newest first. That suits older pushes, of which it reads only what it needs. Of the newer ones
// it must read all, from the newest down to the center. For the center 5, Before 2 and After 1
// of the pushes 1 to 9: 3 and 4 are the last two of the older ones, and 6 the first of the newer
// ones.
func (p *Project) around(ctx context.Context, r job.Range) ([]job.Push, error) {
	center, err := p.push(ctx, r.Center)
	if err != nil {
		return nil, err
	}
	out := []job.Push{center}
	if r.Before > 0 {
		older, err := p.read(ctx, window{until: center.Order, enough: r.Before, keep: func(q job.Push) bool {
			return q.Branch == center.Branch && q.Compare(center) < 0
		}})
		if err != nil {
			return nil, err
		}
		out = append(older[max(0, len(older)-r.Before):], out...)
	}
	if r.After > 0 {
		newer, err := p.read(ctx, window{since: center.Order, keep: func(q job.Push) bool {
			return q.Branch == center.Branch && q.Compare(center) > 0
		}})
		if err != nil {
			return nil, err
		}
		out = append(out, newer[:min(r.After, len(newer))]...)
	}
	return out, nil
}

// window says which pushes to read: those from since to until that keep accepts. The times are in
// seconds since 1970, both included; 0 means no bound.
type window struct {
	params       []string // further parameters of the request
	since, until int64
	keep         func(job.Push) bool
	enough       int // stop when this many of the newest were found; 0 means all
}

// query are the parameters of a page.
func (w window) query() []string {
	q := slices.Clone(w.params)
	if w.since > 0 {
		q = append(q, "push_timestamp__gte", number(w.since))
	}
	if w.until > 0 {
		q = append(q, "push_timestamp__lte", number(w.until))
	}
	return q
}

// first is the size of the first page. It is a little more than enough, since the server cannot
// filter by branch, and returns pushes of the same second in any order. For enough 30 it is 80;
// for all, and for more than 500, it is 1000.
func (w window) first() int {
	if w.enough == 0 || w.enough > pageOfPushes/2 {
		return pageOfPushes
	}
	return w.enough + 50
}

// read reads page after page, newest first, and returns the pushes in ascending order. Each page
// ends at the time of the oldest push of the page before, and so repeats the pushes of that
// second: some of them may have been cut off.
//
// With a page of 4 and pushes of the seconds 90, 80, 80, 70, 70, 70, 60:
//
//	until 0    90, 80, 80, 70            3 are newer than 70, the oldest second
//	until 70   70, 70, 70, 60            (a page of 8 by then) not full, so these are all
//
// Whether the first page has all pushes of second 70 cannot be seen, so with enough 4 it would
// not do. The size doubles each time, so that a second with many pushes gets through; a page of
// the largest size with nothing new is an error.
func (p *Project) read(ctx context.Context, w window) ([]job.Push, error) {
	var out []job.Push
	seen := map[int64]bool{}
	count := w.first()
	for range p.server.pages {
		got, err := p.pushes(ctx, count, w.query()...)
		if err != nil {
			return nil, err
		}
		news := 0
		for _, q := range got {
			if seen[q.ID] {
				continue
			}
			seen[q.ID] = true
			news++
			if w.keep(q) {
				out = append(out, q)
			}
		}
		slices.SortFunc(out, job.Push.Compare)
		if len(got) < count {
			return out, nil
		}
		oldest := got[0].Order
		// Count only pushes newer than the page's oldest second, of which some may be missing.
		// The appended push stands for "none is newer", so IndexFunc always finds one.
		whole := len(out) - slices.IndexFunc(append(slices.Clip(out), job.Push{Order: oldest + 1}),
			func(q job.Push) bool { return q.Order > oldest })
		if w.enough > 0 && whole >= w.enough {
			return out, nil
		}
		if news == 0 && count == pageOfPushes {
			return nil, fmt.Errorf("%w: treeherder/push: results: the same %d pushes again up to another time",
				job.ErrMalformed, len(got))
		}
		if w.until == 0 || oldest < w.until {
			w.until = oldest
		}
		count = min(2*count, pageOfPushes)
	}
	return nil, fmt.Errorf("%w: treeherder/push: results: no end within %d pages of %d pushes", job.ErrMalformed,
		p.server.pages, pageOfPushes)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
