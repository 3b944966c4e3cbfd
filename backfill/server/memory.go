package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// Memory is a Store that lives as long as the process. NewMemory makes one. mu guards everything
// below it, also the rows' fields. rows is by id, and last is the order of the latest row.
type Memory struct {
	now func() time.Time

	mu   sync.Mutex
	rows map[string]*row
	keys map[string]string // from key to the id of its latest backfill
	last int
}

// row is a backfill as it is stored. order is 1 for the first row and grows by 1, so it is the
// order of age. head has what changes without the body, as the columns of SQL do, and what a Query
// asks about. key is empty for a refusal. holder is empty and leased zero while nobody has a lease;
// a lease that has ended keeps both until the next Claim.
type row struct {
	order    int
	body     []byte // the Record as JSON: a copy that callers cannot change
	head     Backfill
	lifetime time.Duration
	key      string
	holder   string
	leased   time.Time
}

// NewMemory returns a Store in memory. now is its clock, such as jobtest.CI's Now; nil means the
// real one.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, rows: map[string]*row{}, keys: map[string]string{}}
}

// lock locks the store, unless the caller's context is done. op and key are those of the error.
func (m *Memory) lock(ctx context.Context, op, key string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, key, err)
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

// put stores a copy of the record.
func (w *row) put(r Record) error {
	body, _, err := encoded(r)
	if err != nil {
		return err
	}
	w.body = body
	w.head = Backfill{
		ID: r.ID, State: r.State, Ask: Ask{Project: r.Ask.Project, Label: r.Ask.Label}, By: r.By, Version: r.Version,
		Created: r.Created, Updated: r.Updated, Ended: r.Ended, CancelledBy: r.CancelledBy,
	}
	return nil
}

// record returns a copy of what is stored.
func (w *row) record() (Record, error) {
	s, err := decoded(w.body)
	if err != nil {
		return Record{}, err
	}
	return s.record(w.head.Version, w.head.Created, w.head.Updated, w.head.Ended, string(w.head.CancelledBy)), nil
}

// living returns the row that answers a request with this key; nil for none. It has the latest row
// of the key only: an older one cannot live, or the latest would not have been added.
func (m *Memory) living(key string) *row {
	w := m.rows[m.keys[key]]
	switch {
	case key == "" || w == nil:
		return nil
	case w.head.State.Open():
		return w
	case w.head.State.reusable() && m.now().Sub(w.head.Created) <= w.lifetime:
		return w
	}
	return nil
}

// Add implements Store.
func (m *Memory) Add(ctx context.Context, r Record, lifetime time.Duration) (Record, bool, error) {
	const op = "backfills.add"
	unlock, err := m.lock(ctx, op, r.ID)
	if err != nil {
		return Record{}, false, err
	}
	defer unlock()
	if w := m.living(r.Key); w != nil {
		out, err := w.record()
		return out, false, job.Wrap(op, r.ID, err)
	}
	if _, there := m.rows[r.ID]; there {
		return Record{}, false, job.Wrap(op, r.ID, fmt.Errorf("%w: this id exists already", job.ErrInvalid))
	}
	now := m.now().UTC()
	r.Version, r.Created, r.Updated, r.Ended, r.CancelledBy = 1, now, now, nil, ""
	if !r.State.Open() {
		r.Ended = &now
	}
	m.last++
	w := &row{order: m.last, lifetime: lifetime, key: r.Key}
	if err := w.put(r); err != nil {
		return Record{}, false, job.Wrap(op, r.ID, err)
	}
	m.rows[r.ID] = w
	if r.Key != "" {
		m.keys[r.Key] = r.ID
	}
	out, err := w.record()
	return out, true, job.Wrap(op, r.ID, err)
}

// Living implements Store.
func (m *Memory) Living(ctx context.Context, key string) (Record, error) {
	const op = "backfills.living"
	unlock, err := m.lock(ctx, op, key)
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	w := m.living(key)
	if w == nil {
		return Record{}, job.Wrap(op, key, job.ErrNotFound)
	}
	out, err := w.record()
	return out, job.Wrap(op, key, err)
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, id string) (Record, error) {
	const op = "backfills.get"
	unlock, err := m.lock(ctx, op, id)
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	w, err := m.row(id)
	if err != nil {
		return Record{}, job.Wrap(op, id, err)
	}
	out, err := w.record()
	return out, job.Wrap(op, id, err)
}

// row returns the row of a backfill, or job.ErrNotFound.
func (m *Memory) row(id string) (*row, error) {
	if w, ok := m.rows[id]; ok {
		return w, nil
	}
	return nil, fmt.Errorf("%w: no such backfill", job.ErrNotFound)
}

// sorted returns the rows that fit, the oldest first.
func (m *Memory) sorted(fits func(*row) bool) []*row {
	var out []*row
	for _, w := range m.rows {
		if fits(w) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b *row) int { return cmp.Compare(a.order, b.order) })
	return out
}

// List implements Store.
func (m *Memory) List(ctx context.Context, q Query) ([]Backfill, error) {
	const op = "backfills.list"
	unlock, err := m.lock(ctx, op, q.Label)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// Rows with an order below before are older. Without q.Before that is all of them.
	before := m.last + 1
	if q.Before != "" {
		w, err := m.row(q.Before)
		if err != nil {
			return nil, job.Wrap(op, q.Before, err)
		}
		before = w.order
	}
	rows := m.sorted(func(w *row) bool { return w.order < before && q.fits(w.head) })
	slices.Reverse(rows)
	out := []Backfill{}
	for _, w := range rows[:min(len(rows), q.limit())] {
		r, err := w.record()
		if err != nil {
			return nil, job.Wrap(op, w.head.ID, err)
		}
		out = append(out, r.Backfill)
	}
	return out, nil
}

// fits reports whether a backfill matches the query, apart from Before and Limit.
func (q Query) fits(b Backfill) bool {
	return (q.Project == "" || q.Project == b.Ask.Project) && (q.Label == "" || q.Label == b.Ask.Label) &&
		(q.By == "" || q.By == b.By) && (len(q.States) == 0 || slices.Contains(q.States, b.State))
}

// Versions implements Store.
func (m *Memory) Versions(ctx context.Context, ids ...string) (map[string]int64, error) {
	unlock, err := m.lock(ctx, "backfills.versions", "")
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := map[string]int64{}
	for _, id := range ids {
		if w, ok := m.rows[id]; ok {
			out[id] = w.head.Version
		}
	}
	return out, nil
}

// Claim implements Store.
func (m *Memory) Claim(ctx context.Context, holder string, lease time.Duration, n int) ([]Record, error) {
	const op = "backfills.claim"
	unlock, err := m.lock(ctx, op, holder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now := m.now()
	// A lease until 12:00:30 is over at 12:00:30.
	free := m.sorted(func(w *row) bool { return w.head.State.Open() && !w.leased.After(now) })
	var out []Record
	for _, w := range free[:max(0, min(len(free), n))] {
		r, err := w.record()
		if err != nil {
			return out, job.Wrap(op, w.head.ID, err)
		}
		w.holder, w.leased = holder, now.Add(lease)
		out = append(out, r)
	}
	return out, nil
}

// held returns the row of a backfill, if the holder has its lease. Until another holder claims it,
// a holder whose lease has ended still has it.
func (m *Memory) held(id, holder string) (*row, error) {
	w, err := m.row(id)
	if err == nil && (holder == "" || w.holder != holder) {
		err = ErrLost
	}
	return w, err
}

// Renew implements Store.
func (m *Memory) Renew(ctx context.Context, id, holder string, lease time.Duration) (string, error) {
	const op = "backfills.renew"
	unlock, err := m.lock(ctx, op, id)
	if err != nil {
		return "", err
	}
	defer unlock()
	w, err := m.held(id, holder)
	if err != nil {
		return "", job.Wrap(op, id, err)
	}
	w.leased = m.now().Add(lease)
	return string(w.head.CancelledBy), nil
}

// Save implements Store.
func (m *Memory) Save(ctx context.Context, r Record, holder string) (Record, error) {
	const op = "backfills.save"
	unlock, err := m.lock(ctx, op, r.ID)
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	w, err := m.held(r.ID, holder)
	if err != nil {
		return Record{}, job.Wrap(op, r.ID, err)
	}
	now := m.now().UTC()
	r.Version, r.Created, r.Updated, r.Ended = w.head.Version+1, w.head.Created, now, nil
	// The holder may not know of a cancellation yet: its save must not undo it.
	r.CancelledBy = w.head.CancelledBy
	if !r.State.Open() {
		r.Ended = &now
	}
	if err := w.put(r); err != nil {
		return Record{}, job.Wrap(op, r.ID, err)
	}
	if !r.State.Open() {
		w.holder, w.leased = "", time.Time{}
	}
	out, err := w.record()
	return out, job.Wrap(op, r.ID, err)
}

// Release implements Store.
func (m *Memory) Release(ctx context.Context, id, holder string) error {
	unlock, err := m.lock(ctx, "backfills.release", id)
	if err != nil {
		return err
	}
	defer unlock()
	if w, err := m.held(id, holder); err == nil {
		w.holder, w.leased = "", time.Time{}
	}
	return nil
}

// Cancel implements Store.
func (m *Memory) Cancel(ctx context.Context, id, by string) (Record, error) {
	const op = "backfills.cancel"
	unlock, err := m.lock(ctx, op, id)
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	w, err := m.row(id)
	if err != nil {
		return Record{}, job.Wrap(op, id, err)
	}
	// The new version makes the followers look again.
	if w.head.State.Open() && w.head.CancelledBy == "" {
		w.head.CancelledBy, w.head.Updated = Text(by), m.now().UTC()
		w.head.Version++
	}
	out, err := w.record()
	return out, job.Wrap(op, id, err)
}

// Now implements Store.
func (m *Memory) Now(ctx context.Context) (time.Time, error) {
	unlock, err := m.lock(ctx, "backfills.now", "")
	if err != nil {
		return time.Time{}, err
	}
	defer unlock()
	return m.now().UTC(), nil
}

// Prune implements Store.
func (m *Memory) Prune(ctx context.Context, keep time.Duration) (int, error) {
	unlock, err := m.lock(ctx, "backfills.prune", "")
	if err != nil {
		return 0, err
	}
	defer unlock()
	old := m.sorted(func(w *row) bool { return w.head.Ended != nil && m.now().Sub(*w.head.Ended) > keep })
	for _, w := range old {
		delete(m.rows, w.head.ID)
		// A later backfill may have the key by now.
		if m.keys[w.key] == w.head.ID {
			delete(m.keys, w.key)
		}
	}
	return len(old), nil
}
