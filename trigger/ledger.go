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
	// When the key is there already it changes nothing and returns what is
	// there and false, unless that is Refused or Fruitless, or still is what instead says,
	// by its state and time: nil for nothing. An entry that is Intended or Unsure is
	// not given away while its lease lasts, by the ledger's own clock, but to its
	// Holder, who renews the lease so: a call whose answer was lost may still be
	// under way. Of several callers exactly one gets true.
	Intend(ctx context.Context, e Entry, instead *Entry) (Entry, bool, error)
	// Settle writes what became of an intended entry.
	Settle(ctx context.Context, key string, state EntryState, r job.Receipt) error
	// Entries returns what was written and fits the query, oldest first.
	Entries(ctx context.Context, q Query) ([]Entry, error)
}

// Ready tells whether a ledger can be read, so that one that cannot fails before
// anything else is done.
func Ready(ctx context.Context, l Ledger) error {
	_, err := l.Entries(ctx, Query{Since: time.Unix(1<<38, 0)}) // nothing was asked in the year 10680
	return err
}

// Query selects entries of a ledger: those that fit every field which is set.
type Query struct {
	Key   string
	Label string
	Repo  string    // with Push: the push of that repository
	Push  job.Push  // by revision, or by ID where it has none; zero for any
	Since time.Time // asked at this time or later
}

// ForPush selects what was asked for of a label on a push.
func ForPush(p job.Push, label string) Query { return Query{Label: label, Repo: p.Repo, Push: p} }

// Fits reports whether the entry is one that the query selects.
func (q Query) Fits(e Entry) bool {
	switch {
	case q.Key != "" && e.Key != q.Key, q.Label != "" && e.Label != q.Label, q.Repo != "" && e.Push.Repo != q.Repo, e.Asked.Before(q.Since):
		return false
	case q.Push.Revision != "":
		return job.SameRevision(e.Push.Revision, q.Push.Revision)
	case q.Push.ID != 0:
		return e.Push.Revision == "" && e.Push.ID == q.Push.ID
	}
	return true
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
	// Holder names the one caller that is asking, and Lease is for how long it may
	// be: to Intend from now on, from a ledger what is left of it, 0 when it is over.
	Holder string
	Lease  time.Duration
}

// EntryState says how far a request got.
type EntryState string

// The states of an entry.
const (
	Intended EntryState = "intended" // about to be asked for; after a crash nobody knows
	Done     EntryState = "done"     // the CI took it
	Refused  EntryState = "refused"  // the CI said no; it may be asked again
	Unsure   EntryState = "unknown"  // the CI's answer was lost
	// Fruitless: the CI took it, and too few runs came of it, as its receipt's
	// note says; it may be asked again.
	Fruitless EntryState = "failed"
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
		if !e.expired(now) && !e.State.again() {
			expected = max(expected, e.Seen+e.Count)
		}
	}
	return max(0, expected-visible)
}

// again reports whether nothing more comes of the request, so that it may be
// made again.
func (s EntryState) again() bool { return s == Refused || s == Fruitless }

func (e Entry) expired(now time.Time) bool {
	age := now.Sub(e.Asked)
	if e.State == Done {
		return age > DoneExpires
	}
	return age > UnsureExpires
}

// NewMemory returns a Ledger that lives as long as the process.
func NewMemory() *Memory { return &Memory{entries: map[string]Entry{}, leased: map[string]time.Time{}} }

// Memory is a Ledger in memory; NewMemory makes one.
type Memory struct {
	mu      sync.Mutex
	entries map[string]Entry
	leased  map[string]time.Time // until when
	order   []string
}

// entry is what is there of a key, with what is left of its lease.
func (m *Memory) entry(key string) (Entry, bool) {
	e, ok := m.entries[key]
	e.Lease = max(0, time.Until(m.leased[key]))
	return e, ok
}

// Intend implements Ledger.
func (m *Memory) Intend(ctx context.Context, e Entry, instead *Entry) (Entry, bool, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, false, job.Wrap("ledger.intend", e.Key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	prior, ok := m.entry(e.Key)
	if ok && !prior.State.again() && (instead == nil || prior.State != instead.State || !prior.Asked.Equal(instead.Asked)) {
		return prior, false, nil
	}
	if ok && (prior.State == Intended || prior.State == Unsure) && prior.Lease > 0 && prior.Holder != e.Holder {
		return prior, false, nil
	}
	m.leased[e.Key] = time.Now().Add(e.Lease)
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
func (m *Memory) Entries(ctx context.Context, q Query) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap("ledger.entries", q.Label, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Entry
	for _, key := range m.order {
		if e, _ := m.entry(key); q.Fits(e) {
			out = append(out, e)
		}
	}
	return out, nil
}
