package buildbot

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"
)

// refresh reads the changes that are new.
func (r *Changes) refresh(ctx context.Context) error {
	const op = "buildbot.changes"
	l, err := r.line(ctx, r.name)
	if err != nil {
		return err
	}
	if !r.begun {
		r.begin(l)
	}
	if time.Since(r.at) < freshFor {
		return nil
	}
	began := time.Now()
	page, err := since(ctx, r.c, op, changesSource(), r.high, r.filters...)
	if err != nil {
		return err
	}
	if n := len(page); r.high > 0 && len(r.filters) == 0 && (n == 0 || page[n-1].ID != r.high) {
		// The newest change is gone: another database.
		r.forget()
		return r.refresh(ctx)
	}
	r.add(page)
	if len(page) > 0 {
		r.high = page[0].ID
	}
	r.at = began
	return nil
}

func (r *Changes) forget() {
	r.lines, r.others, r.nodes = map[string]resolved{}, map[string]pushed{}, map[int64]string{}
	r.seen, r.first, r.filters, r.pushes = nil, nil, nil, nil
	r.at, r.begun, r.whole, r.low, r.high = time.Time{}, false, false, 0, 0
}

// begin starts with the page by which the line was found; where the line is rare
// among the changes, what follows is asked of it alone.
func (r *Changes) begin(l line) {
	own := 0
	for _, c := range r.first {
		if l.holds(c.Branch, c.Codebase, c.Repository) {
			own++
		}
	}
	const dense = 4
	if own*dense < len(r.first) {
		if l.branch != "" {
			r.filters = append(r.filters, "branch", l.branch)
		}
		if l.codebase != "" {
			r.filters = append(r.filters, "codebase", l.codebase)
		}
	}
	r.begun = true
	r.add(r.first)
	if n := len(r.first); n > 0 {
		r.high, r.low, r.whole = r.first[0].ID, r.first[n-1].ID, n < firstPage
	} else {
		r.whole = true
	}
	r.first = nil
}

// extend reads older changes, so that there may be n more pushes.
func (r *Changes) extend(ctx context.Context, n int) error {
	page, last, err := older(ctx, r.c, "buildbot.changes", changesSource(), r.low, min(max(n, firstPage), largePage),
		r.filters...)
	if err != nil {
		return err
	}
	r.add(page)
	if k := len(page); k > 0 {
		r.low = page[k-1].ID
	}
	r.whole = last || len(page) == 0
	return nil
}

// add files changes, newest first, among the pushes.
func (r *Changes) add(page []change) {
	for _, c := range page {
		r.nodes[c.ID] = c.Revision
	}
	have := make(map[int64]pushed, len(r.pushes)+len(page))
	for _, p := range r.pushes {
		have[p.ID] = p
	}
	for _, c := range page {
		if r.own(c) {
			have[c.ID] = r.push(c)
		}
	}
	r.pushes = ascending(have)
}

// ascending are pushes in order, the first of each revision.
func ascending(have map[int64]pushed) []pushed {
	out := make([]pushed, 0, len(have))
	known := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(have)) {
		if p := have[id]; !known[p.Revision] {
			known[p.Revision] = true
			out = append(out, p)
		}
	}
	return out
}

// above reads up to n pushes with ids above the given one, ascending; below those
// under it, down to and including least.
func (r *Changes) above(ctx context.Context, id int64, n int) ([]pushed, error) {
	have := map[int64]pushed{}
	for len(have) < n {
		pairs := []string{"order", "changeid", "limit", strconv.Itoa(largePage)}
		pairs = append(append(pairs, "changeid__gt", strconv.FormatInt(id, 10)), r.filters...)
		url := query(r.c.path("changes"), pairs...)
		page, err := get[change](ctx, r.c, "buildbot.changes", "", url, "changes")
		if err != nil {
			return nil, err
		}
		next := id
		for _, c := range page {
			if r.nodes[c.ID] = c.Revision; c.ID > id && r.own(c) {
				have[c.ID] = r.push(c)
			}
			next = max(next, c.ID)
		}
		if len(page) < largePage || next == id {
			break
		}
		id = next
	}
	out := ascending(have)
	return out[:min(n, len(out))], nil
}

func (r *Changes) below(ctx context.Context, id, least int64, n int, more ...string) ([]pushed, error) {
	have := map[int64]pushed{}
	more = append(more, r.filters...)
	for len(have) < n {
		page, last, err := older(ctx, r.c, "buildbot.changes", changesSource(), id,
			min(max(n-len(have), firstPage), largePage), more...)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			r.nodes[c.ID] = c.Revision
		}
		for _, c := range page {
			if c.ID >= least && r.own(c) {
				have[c.ID] = r.push(c)
			}
		}
		if last || len(page) == 0 || page[len(page)-1].ID <= least {
			break
		}
		id = page[len(page)-1].ID
	}
	out := ascending(have)
	return out[max(0, len(out)-n):], nil
}
