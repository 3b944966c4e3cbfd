package ledger

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// NewMemory returns a Ledger that lives as long as the process.
func NewMemory() *Memory {
	return &Memory{entries: map[string]*kept{}, of: map[subject]map[string]*kept{}}
}

// Memory is a Ledger in memory; NewMemory makes one.
type Memory struct {
	mu      sync.Mutex
	entries map[string]*kept             // by key
	of      map[subject]map[string]*kept // the same by what they are about, then by key
}

// subject is what queries are mostly about.
type subject struct{ repo, label string }

// kept is an entry, and until when its lease lasts.
type kept struct {
	Entry
	until time.Time
}

// now is the entry as it is at this moment.
func (k *kept) now() Entry {
	e := k.Entry
	e.Age, e.Lease = time.Since(e.Asked), max(0, time.Until(k.until))
	e.Asked = e.Asked.UTC().Truncate(time.Microsecond) // as exact as databases are
	e.Receipt.IDs = slices.Clone(e.Receipt.IDs)
	return e
}

// Intend implements Ledger.
func (m *Memory) Intend(ctx context.Context, e Entry, instead *Entry) (Entry, bool, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, false, job.Wrap("ledger.intend", e.Key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e.Attempt = 1
	if k, ok := m.entries[e.Key]; ok {
		prior := k.now()
		same := instead != nil && prior.Attempt == instead.Attempt && prior.State == instead.State
		held := prior.State.Open() && prior.Lease > 0 && prior.Holder != e.Holder
		if held || !same && !prior.State.Again() {
			return prior, false, nil
		}
		e.Attempt = prior.Attempt + 1
		m.forget(k)
	}
	e.State, e.Receipt, e.Asked = Intended, job.Receipt{}, time.Now()
	k := &kept{e, e.Asked.Add(e.Lease)}
	m.entries[e.Key] = k
	s := subject{e.Push.Repo, e.Label}
	if m.of[s] == nil {
		m.of[s] = map[string]*kept{}
	}
	m.of[s][e.Key] = k
	return k.now(), true, nil
}

func (m *Memory) forget(k *kept) {
	delete(m.entries, k.Key)
	s := subject{k.Push.Repo, k.Label}
	delete(m.of[s], k.Key)
	if len(m.of[s]) == 0 {
		delete(m.of, s)
	}
}

// Settle implements Ledger.
func (m *Memory) Settle(ctx context.Context, e Entry) error {
	const op = "ledger.settle"
	if err := ctx.Err(); err != nil {
		return job.Wrap(op, e.Key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.entries[e.Key]
	switch {
	case !ok:
		return job.Wrap(op, e.Key, job.ErrNotFound)
	case k.Attempt != e.Attempt:
		return job.Wrap(op, e.Key, ErrSuperseded)
	}
	k.State, k.Receipt, k.Count = e.State, e.Receipt, e.Count
	k.Receipt.IDs = slices.Clone(e.Receipt.IDs)
	k.until = time.Now().Add(e.Lease)
	return nil
}

// Entries implements Ledger.
func (m *Memory) Entries(ctx context.Context, q Query) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap("ledger.entries", q.Key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Entry
	some := func(all map[string]*kept) {
		for _, k := range all {
			if e := k.now(); q.Fits(e) {
				out = append(out, e)
			}
		}
	}
	switch {
	case q.Key != "":
		if k, ok := m.entries[q.Key]; ok {
			some(map[string]*kept{q.Key: k})
		}
	case q.Repo != "" && len(q.Labels) > 0:
		labels := slices.Clone(q.Labels)
		slices.Sort(labels)
		for _, l := range slices.Compact(labels) {
			some(m.of[subject{q.Repo, l}])
		}
	default:
		some(m.entries)
	}
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Or(a.Asked.Compare(b.Asked), cmp.Compare(a.Key, b.Key)) })
	return out, nil
}

// Prune implements Pruner.
func (m *Memory) Prune(ctx context.Context, keep time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, job.Wrap("ledger.prune", "", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, k := range m.entries {
		if time.Since(k.Asked) > keep {
			m.forget(k)
			n++
		}
	}
	return n, nil
}
