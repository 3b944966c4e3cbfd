package trigger

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// Ledger remembers what was asked for, so that it is asked for once.
// Implementations are safe for concurrent use, and several processes may share
// one. An error of a ledger stops a run before anything is asked for.
type Ledger interface {
	// Intend writes that e is about to be asked for, and returns e and true.
	// When the key is there already, in another state than Refused, it changes
	// nothing and returns what is there and false. Of two callers with the
	// same key exactly one gets true.
	Intend(ctx context.Context, e Entry) (Entry, bool, error)
	// Settle writes what became of an intended entry.
	Settle(ctx context.Context, key string, state EntryState, r job.Receipt) error
	// Entries returns what was written for the label on the push.
	Entries(ctx context.Context, p job.Push, label string) ([]Entry, error)
}

// Entry is one request in a ledger.
type Entry struct {
	Key     string
	Push    job.Push
	Label   string
	Count   int
	Seen    int // runs that were visible or asked for before
	Who     string
	Asked   time.Time
	State   EntryState
	Receipt job.Receipt
}

// EntryState says how far a request got.
type EntryState string

// The states of an entry.
const (
	Intended EntryState = "intended" // about to be asked for; after a crash nobody knows
	Done     EntryState = "done"     // the CI took it
	Refused  EntryState = "refused"  // the CI said no; it may be asked again
	Unsure   EntryState = "unknown"  // the CI's answer was lost
)

// How long what was asked for counts although nobody sees it.
const (
	// DoneExpires is for what the CI took: a CI that makes runs in the
	// background does so within minutes, or not at all.
	DoneExpires = time.Hour
	// UnsureExpires is for what may never have reached the CI.
	UnsureExpires = 10 * time.Minute
)

// Outstanding is how many runs the entries have asked for that are not among
// the visible ones. Each entry expects that there will be Seen plus Count runs;
// runs that others asked for meanwhile fill an expectation too, so this never
// counts too little to prevent asking twice for long: expectations expire.
func Outstanding(entries []Entry, visible int, now time.Time) int {
	expected := 0
	for _, e := range entries {
		if !e.expired(now) && e.State != Refused {
			expected = max(expected, e.Seen+e.Count)
		}
	}
	return max(0, expected-visible)
}

func (e Entry) expired(now time.Time) bool {
	age := now.Sub(e.Asked)
	if e.State == Done {
		return age > DoneExpires
	}
	return age > UnsureExpires
}

// NewMemory returns a Ledger that lives as long as the process.
func NewMemory() *Memory { return &Memory{entries: map[string]Entry{}} }

// Memory is a Ledger in memory; NewMemory makes one.
type Memory struct {
	mu      sync.Mutex
	entries map[string]Entry
	order   []string
}

// Intend implements Ledger.
func (m *Memory) Intend(ctx context.Context, e Entry) (Entry, bool, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, false, job.Wrap("ledger.intend", e.Key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if prior, ok := m.entries[e.Key]; ok && prior.State != Refused {
		return prior, false, nil
	}
	if !slices.Contains(m.order, e.Key) {
		m.order = append(m.order, e.Key)
	}
	e.State = Intended
	m.entries[e.Key] = e
	return e, true, nil
}

// Settle implements Ledger.
func (m *Memory) Settle(_ context.Context, key string, state EntryState, r job.Receipt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok {
		return job.Wrap("ledger.settle", key, job.ErrNotFound)
	}
	e.State, e.Receipt = state, r
	m.entries[key] = e
	return nil
}

// Entries implements Ledger.
func (m *Memory) Entries(ctx context.Context, p job.Push, label string) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap("ledger.entries", label, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Entry
	for _, key := range m.order {
		e := m.entries[key]
		if e.Label == label && e.Push.Repo == p.Repo && (job.SameRevision(e.Push.Revision, p.Revision) || e.Push.Revision == "" && e.Push.ID == p.ID) {
			out = append(out, e)
		}
	}
	return out, nil
}
