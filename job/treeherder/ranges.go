package treeherder

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/job"
)

// Pushes implements job.Repository. Where the project lists pushes of several
// branches, a range is of one: that of OnBranch, or else of the push that the
// range starts from; and where no push is named, of the project's own.
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

// byIDs are the pushes with these ids on one branch: that of both ends, or the
// project's. One id is one push, wherever it is.
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
		return nil, fmt.Errorf("%w: %s is on the branch %q and %s on %q: a range is of one branch", job.ErrInvalid,
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
			return nil, fmt.Errorf("%w: treeherder/push: results: push %d has %s, and is not among those from %s to %s",
				job.ErrMalformed, end.ID, end.Short(), from.Short(), to.Short())
		}
	}
	return out, nil
}

func (p *Project) byDates(ctx context.Context, r job.Range) ([]job.Push, error) {
	// A push's time is in whole seconds: the first one that is in.
	first := r.Since.Add(time.Second - 1).Unix()
	out, err := p.read(ctx, window{since: first, until: r.Until.Unix(), keep: func(job.Push) bool { return true }})
	if err != nil {
		return nil, err
	}
	return p.ofLine(ctx, out)
}

// around finds older pushes newest first. The newer ones come newest first too,
// however many there are, so all of them have to be asked for.
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

// window is what to read: the pushes that are kept, of those from since to
// until in seconds since 1970, both included, and 0 for no bound.
type window struct {
	params       []string
	since, until int64
	keep         func(job.Push) bool
	enough       int // that many of the newest will do; 0 is all
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

// first is how many pushes to ask for at first. The server has no parameter for
// the branch, and pushes of one second come in any order, so a few more.
func (w window) first() int {
	if w.enough == 0 || w.enough > pageOfPushes/2 {
		return pageOfPushes
	}
	return w.enough + 50
}

// read reads page after page, newest first, each up to the time of the oldest
// push of the page before. It returns the pushes ascending.
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
		// Of the page's oldest second some may be missing.
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
