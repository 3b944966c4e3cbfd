package buildbot

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"
)

// refresh reads the new changes, unless they were read a moment ago. It returns what is known
// then, and the memory that holds it. When the master turns out to have another database, the
// memory is replaced, and refresh starts again with the new one.
func (r *Changes) refresh(ctx context.Context) (*memory, *told, error) {
	for read := false; ; read = true {
		m := r.memory.Load()
		l, err := r.line(ctx, m, r.name)
		if err != nil {
			return m, nil, err
		}
		t, err := r.begin(ctx, m, l)
		if err != nil {
			return m, nil, err
		}
		if read && r.memory.Load() == m || time.Since(t.at) < freshFor+t.took {
			return m, t, nil
		}
		_, err = m.reads.Do(ctx, "newest", func(ctx context.Context) (nothing, bool, error) {
			return nothing{}, false, r.renew(ctx, m)
		})
		if err != nil {
			return m, nil, err
		}
	}
}

// renew reads the new changes. The page reaches down to the newest change known: when that
// one is gone, the master has another database. With filters that test is not possible. With
// high 40, a page with the changes 42, 41 and 40 adds 41 and 42; one with 42 and 41 only means
// that 40 is gone.
func (r *Changes) renew(ctx context.Context, m *memory) error {
	t := m.now()
	began := time.Now()
	page, err := since(ctx, r.c, "buildbot.changes", changesSource(), t.high, t.filters...)
	if err != nil {
		return err
	}
	if n := len(page); t.high > 0 && len(t.filters) == 0 && (n == 0 || page[n-1].ID != t.high) {
		// The newest change is gone: another database.
		r.memory.CompareAndSwap(m, newMemory())
		return nil
	}
	r.note(m, page)
	m.file(func(now *told) {
		if now.high != t.high {
			return // another caller was faster
		}
		now.pushes = r.added(m, now, page)
		if len(page) > 0 {
			now.high = page[0].ID
		}
		now.at, now.took = began, time.Since(began)
	})
	return nil
}

// begin makes the first told, from the page of changes with which the line was found. When
// fewer than a quarter of those changes are of the line, the pages that follow are filtered by
// its branch and codebase; otherwise filtering would cost the master more than it saves. Of a
// page of 50 changes that is 12 or fewer. A page that was not full is the whole list.
func (r *Changes) begin(ctx context.Context, m *memory, l line) (*told, error) {
	m.mu.Lock()
	known, look := m.told, m.look
	m.mu.Unlock()
	if known != nil {
		return known, nil
	}
	if look == nil {
		if err := r.look(ctx, m); err != nil {
			return nil, err
		}
		return r.begin(ctx, m, l)
	}
	t := &told{line: l, at: look.at, took: look.took}
	own := 0
	for _, c := range look.changes {
		if l.holds(c.Branch, c.Codebase, c.Repository) {
			own++
		}
	}
	const dense = 4
	if own*dense < len(look.changes) {
		if l.branch != "" {
			t.filters = append(t.filters, "branch", l.branch)
		}
		if l.codebase != "" {
			t.filters = append(t.filters, "codebase", l.codebase)
		}
	}
	r.note(m, look.changes)
	t.pushes = r.added(m, t, look.changes)
	if n := len(look.changes); n > 0 {
		t.high, t.low, t.whole = look.changes[0].ID, look.changes[n-1].ID, n < firstPage
	} else {
		t.whole = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told == nil {
		m.told = t
	}
	return m.told, nil
}

// extend reads a page of older changes, large enough for n more pushes. count counts the pages
// of the caller's question.
func (r *Changes) extend(ctx context.Context, m *memory, n int, count *paging) (*told, error) {
	if err := count.next(r.c, "changes"); err != nil {
		return nil, err
	}
	_, err := m.reads.Do(ctx, "older", func(ctx context.Context) (nothing, bool, error) {
		t := m.now()
		page, last, err := older(ctx, r.c, "buildbot.changes", changesSource(), t.low,
			min(max(n, firstPage), largePage), t.filters...)
		if err != nil {
			return nothing{}, false, err
		}
		r.note(m, page)
		m.file(func(now *told) {
			if now.low != t.low {
				return // another caller was faster
			}
			now.pushes = r.added(m, now, page)
			if k := len(page); k > 0 {
				now.low = page[k-1].ID
			}
			now.whole = last || len(page) == 0
		})
		m.used(m.now().low)
		return nothing{}, false, nil
	})
	return m.now(), err
}

// note remembers the revisions of changes on all branches: a change names its parents by the
// ids of their changes.
func (r *Changes) note(m *memory, page []change) {
	for _, c := range page {
		m.nodes.Put(c.ID, c.Revision)
	}
}

// added returns the known pushes together with those of a page, in order.
func (r *Changes) added(m *memory, t *told, page []change) []pushed {
	have := make(map[int64]pushed, len(t.pushes)+len(page))
	for _, p := range t.pushes {
		have[p.ID] = p
	}
	for _, c := range page {
		if t.owns(c) {
			have[c.ID] = r.push(m, c)
		}
	}
	return ascending(have)
}

// ascending sorts pushes by id. Of several with the same revision only the first stays: the
// master may be told of one change twice.
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

// above reads up to n pushes whose ids are greater than id, in ascending order. With ids 3, 5
// and 8, above 3 are 5 and 8. The pages go upwards, so each next one begins after the greatest
// id read, which may be that of another line's change.
func (r *Changes) above(ctx context.Context, m *memory, id int64, n int) ([]pushed, error) {
	t := m.now()
	have := map[int64]pushed{}
	var count paging
	for len(have) < n {
		if err := count.next(r.c, "changes"); err != nil {
			return nil, err
		}
		pairs := []string{"order", "changeid", "limit", strconv.Itoa(largePage)}
		pairs = append(append(pairs, "changeid__gt", strconv.FormatInt(id, 10)), t.filters...)
		page, err := read(ctx, r.c, "buildbot.changes", "", query(r.c.path("changes"), pairs...), changeList)
		if err != nil {
			return nil, err
		}
		r.note(m, page.all)
		for _, c := range page.all {
			if t.owns(c) {
				have[c.ID] = r.push(m, c)
			}
			id = max(id, c.ID)
		}
		if page.n < largePage {
			break
		}
	}
	out := ascending(have)
	return out[:min(n, len(out))], nil
}

// below reads up to n pushes whose ids are less than id and at least least: those nearest to
// id, in ascending order. With ids 3, 5 and 8, n 2 and least 1, below 8 are 3 and 5. id 0 means
// from the newest on. more are further parameters of the request, such as a range of dates.
func (r *Changes) below(
	ctx context.Context, m *memory, id, least int64, n int, more ...string,
) ([]pushed, error) {
	t := m.now()
	have := map[int64]pushed{}
	more = append(more, t.filters...)
	var count paging
	for len(have) < n {
		if err := count.next(r.c, "changes"); err != nil {
			return nil, err
		}
		page, last, err := older(ctx, r.c, "buildbot.changes", changesSource(), id,
			min(max(n-len(have), firstPage), largePage), more...)
		if err != nil {
			return nil, err
		}
		r.note(m, page)
		for _, c := range page {
			if c.ID >= least && t.owns(c) {
				have[c.ID] = r.push(m, c)
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
