package monitor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// Memory is a Store that lives as long as the process. NewMemory makes one. It is safe
// for concurrent use.
type Memory struct {
	now func() time.Time

	mu   sync.Mutex
	rows map[string]*row
	last int // the order of the row that was added last
}

// row is an expectation as it is stored. body is its JSON, so that callers cannot change
// it; the fields repeat what Claim, Wake and Prune look for. due is when it is to be
// looked at; woken counts the calls of Wake; leased is when the lease of holder ends.
type row struct {
	order     int
	body      []byte
	push      job.Push
	label     string
	outcome   Outcome
	ended     time.Time
	announced bool
	due       time.Time
	woken     int64
	holder    string
	leased    time.Time
}

// NewMemory returns a Store in memory with a clock, such as jobtest.CI's Now. Nil means
// the real clock.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, rows: map[string]*row{}}
}

// lock locks the store, unless the caller's context is done.
func (m *Memory) lock(ctx context.Context, op, key string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, key, err)
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

// Add implements Store.
func (m *Memory) Add(ctx context.Context, e Expectation) (bool, error) {
	const op = "monitor.add"
	unlock, err := m.lock(ctx, op, e.Key)
	if err != nil {
		return false, err
	}
	defer unlock()
	added, err := m.add(e)
	return added, job.Wrap(op, e.Key, err)
}

// add adds an expectation. The caller holds the lock.
func (m *Memory) add(e Expectation) (bool, error) {
	r, err := m.row(e)
	return err == nil && m.insert(e.Key, r), err
}

// row makes the row of a new expectation, due at once.
func (m *Memory) row(e Expectation) (*row, error) {
	now := m.now().UTC()
	e.Progress.Added = now
	r := &row{push: e.Push, label: e.Label, due: now}
	return r, r.put(e)
}

// insert adds a row, unless its key exists.
func (m *Memory) insert(key string, r *row) bool {
	if m.rows[key] != nil {
		return false
	}
	m.last++
	r.order = m.last
	m.rows[key] = r
	return true
}

// put writes an expectation into its row. On an error the row stays as it was.
func (r *row) put(e Expectation) error {
	body, err := encoded(e)
	if err == nil {
		r.outcome, r.ended, r.body = e.Progress.Outcome, e.Progress.Ended, []byte(body)
	}
	return err
}

// expectation returns a copy of the stored expectation.
func (r *row) expectation() (e Expectation, err error) {
	err = json.Unmarshal(r.body, &e)
	return e, err
}

// wanted reports whether the row can be claimed once it is due: it is open, or its end
// was not announced.
func (r *row) wanted() bool { return r.outcome == "" || !r.announced }

// from returns when the row can be claimed: once it is due and any lease is over.
func (r *row) from() time.Time {
	if r.leased.After(r.due) {
		return r.leased
	}
	return r.due
}

// of returns the wanted rows with these keys, or all without keys, in the order in which
// they can be claimed.
func (m *Memory) of(only []string) []*row {
	var out []*row
	for key, r := range m.rows {
		if r.wanted() && (len(only) == 0 || slices.Contains(only, key)) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *row) int {
		return cmp.Or(a.from().Compare(b.from()), cmp.Compare(a.order, b.order))
	})
	return out
}

// Claim implements Store.
func (m *Memory) Claim(
	ctx context.Context, holder string, lease time.Duration, n int, only ...string,
) ([]Claimed, error) {
	const op = "monitor.claim"
	unlock, err := m.lock(ctx, op, "")
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []Claimed
	now := m.now()
	for _, r := range m.of(only) {
		if len(out) >= n || r.from().After(now) {
			break
		}
		e, err := r.expectation()
		if err != nil {
			return nil, job.Wrap(op, "", err)
		}
		r.holder, r.leased = holder, now.Add(lease)
		out = append(out, Claimed{Expectation: e, Holder: holder, Woken: r.woken})
	}
	return out, nil
}

// held returns the row of a claimed expectation, or ErrLost if another holder has it.
func (m *Memory) held(c Claimed) (*row, error) {
	r := m.rows[c.Key]
	switch {
	case r == nil:
		return nil, fmt.Errorf("%w: no such expectation", job.ErrNotFound)
	case r.holder != c.Holder:
		return nil, ErrLost
	}
	return r, nil
}

// Renew implements Store.
func (m *Memory) Renew(ctx context.Context, c Claimed, lease time.Duration) error {
	const op = "monitor.renew"
	unlock, err := m.lock(ctx, op, c.Key)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := m.held(c)
	if err == nil {
		r.leased = m.now().Add(lease)
	}
	return job.Wrap(op, c.Key, err)
}

// Save implements Store.
func (m *Memory) Save(ctx context.Context, c Claimed, again time.Duration, add ...Expectation) error {
	const op = "monitor.save"
	unlock, err := m.lock(ctx, op, c.Key)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := m.held(c)
	if err != nil {
		return job.Wrap(op, c.Key, err)
	}
	added := make([]*row, len(add)) // made first, so that all or nothing is written
	for i, e := range add {
		if added[i], err = m.row(e); err != nil {
			return job.Wrap(op, e.Key, err)
		}
	}
	if err := r.put(c.Expectation); err != nil {
		return job.Wrap(op, c.Key, err)
	}
	r.due = m.now()
	if c.Open() {
		r.holder, r.leased = "", time.Time{}
		// Woken since it was claimed: due at once, because the event may be about
		// something that this look missed.
		if r.woken == c.Woken {
			r.due = r.due.Add(again)
		}
	}
	for i, e := range add {
		m.insert(e.Key, added[i])
	}
	return nil
}

// Announced implements Store.
func (m *Memory) Announced(ctx context.Context, c Claimed) error {
	const op = "monitor.announced"
	unlock, err := m.lock(ctx, op, c.Key)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := m.held(c)
	if err == nil {
		r.announced, r.holder, r.leased = true, "", time.Time{}
	}
	return job.Wrap(op, c.Key, err)
}

// Wake implements Store.
func (m *Memory) Wake(ctx context.Context, p job.Push, label string) (n int, err error) {
	unlock, err := m.lock(ctx, "monitor.wake", label)
	if err != nil {
		return 0, err
	}
	defer unlock()
	for _, r := range m.rows {
		if r.outcome != "" || label != "" && r.label != label || !about(r.push, p) {
			continue
		}
		r.due = m.now()
		r.woken++
		n++
	}
	return n, nil
}

// about reports whether an event of a push is about the push of an expectation: by any of
// its hashes, whatever the repository; by the repository if the event has no revision.
func about(own, told job.Push) bool {
	if told.Revision == "" {
		return told.Repo == "" || told.Repo == own.Repo
	}
	for _, h := range own.Hashes() {
		for _, g := range told.Hashes() {
			if job.SameRevision(h, g) {
				return true
			}
		}
	}
	return false
}

// Next implements Store.
func (m *Memory) Next(ctx context.Context, only ...string) (time.Duration, bool, error) {
	unlock, err := m.lock(ctx, "monitor.next", "")
	if err != nil {
		return 0, false, err
	}
	defer unlock()
	rows := m.of(only)
	if len(rows) == 0 {
		return 0, false, nil
	}
	return max(0, rows[0].from().Sub(m.now())), true, nil
}

// Expectations implements Store.
func (m *Memory) Expectations(ctx context.Context, keys ...string) ([]Expectation, error) {
	const op = "monitor.expectations"
	unlock, err := m.lock(ctx, op, "")
	if err != nil {
		return nil, err
	}
	defer unlock()
	var rows []*row
	for key, r := range m.rows {
		if len(keys) == 0 || slices.Contains(keys, key) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.order, b.order) })
	var out []Expectation
	for _, r := range rows {
		e, err := r.expectation()
		if err != nil {
			return nil, job.Wrap(op, "", err)
		}
		out = append(out, e)
	}
	return out, nil
}

// Now implements Store.
func (m *Memory) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, job.Wrap("monitor.now", "", err)
	}
	return m.now().UTC(), nil
}

// Prune implements Store.
func (m *Memory) Prune(ctx context.Context, keep time.Duration) (n int, err error) {
	unlock, err := m.lock(ctx, "monitor.prune", "")
	if err != nil {
		return 0, err
	}
	defer unlock()
	for key, r := range m.rows {
		if !r.wanted() && m.now().Sub(r.ended) > keep {
			delete(m.rows, key)
			n++
		}
	}
	return n, nil
}
