package ledger

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// NewMemory returns an empty Ledger that lives as long as the process.
func NewMemory() *Memory {
	return &Memory{entries: map[string]*kept{}, of: map[subject]map[string]*kept{}, on: map[subject]map[string]*kept{}}
}

// Memory is a Ledger in memory. NewMemory makes one. It is safe for concurrent use.
type Memory struct {
	mu sync.Mutex
	// Without the indices of and on, each query would go over every entry.
	entries map[string]*kept             // by key
	of      map[subject]map[string]*kept // the same by repository and label, then by key
	on      map[subject]map[string]*kept // the same by repository, label and push, then by key
}

// subject is what most queries are about. It is the key of an index.
type subject struct {
	repo, label string
	short       string // the first digits of the push's revision; see short
}

// kept is an entry, and when its lease ends.
type kept struct {
	Entry
	until time.Time
}

// now returns the entry with its age and lease as they are at this moment.
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
		// same: the caller knows the entry as it is, and means to replace it. held:
		// another process may be making the request right now.
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
	m.index(k)
	return k.now(), true, nil
}

// index adds an entry to the indices.
func (m *Memory) index(k *kept) {
	of, on := k.subjects()
	if m.of[of] == nil {
		m.of[of] = map[string]*kept{}
	}
	if m.on[on] == nil {
		m.on[on] = map[string]*kept{}
	}
	m.of[of][k.Key], m.on[on][k.Key] = k, k
}

// subjects returns the keys of an entry in the indices of and on.
func (k *kept) subjects() (of, on subject) {
	return subject{repo: k.Push.Repo, label: k.Label}, subject{k.Push.Repo, k.Label, short(k.Push.Revision)}
}

// forget removes an entry, and index keys that have no entry left.
func (m *Memory) forget(k *kept) {
	delete(m.entries, k.Key)
	of, on := k.subjects()
	delete(m.of[of], k.Key)
	delete(m.on[on], k.Key)
	if len(m.of[of]) == 0 {
		delete(m.of, of)
	}
	if len(m.on[on]) == 0 {
		delete(m.on, on)
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
		for _, about := range q.subjects() {
			if len(q.Pushes) > 0 {
				some(m.on[about])
			} else {
				some(m.of[about])
			}
		}
	default:
		some(m.entries)
	}
	inOrder(out)
	return out, nil
}

// subjects returns the index keys for a query with a repository and labels, each once:
// those of the index on if it names pushes, else of the index of.
func (q Query) subjects() []subject {
	all := map[subject]bool{}
	for _, l := range q.Labels {
		if len(q.Pushes) == 0 {
			all[subject{repo: q.Repo, label: l}] = true
		}
		for _, p := range q.Pushes {
			all[subject{q.Repo, l, short(p.Revision)}] = true
		}
	}
	return slices.Collect(maps.Keys(all))
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
