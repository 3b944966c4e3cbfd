package buildbot

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
)

// memory is what is remembered of the changes in one database of the master; a
// master that comes back with another database gets another memory. What a question
// lacks is read without a lock, for all who lack it, and filed afterwards.
type memory struct {
	reads  *flight.Cache[string, nothing]  // pages under way
	finds  *flight.Cache[string, pushed]   // revisions that are looked up
	lines  *flight.Cache[string, resolved] // by the name of the repository
	others *flight.Cache[string, pushed]   // read one by one; see keyOf
	nodes  *flight.Cache[int64, string]    // revisions by change

	mu   sync.Mutex // not held while the master is asked
	seen []sight
	look *firstLook
	told *told
	deep time.Time // when somebody asked for what lies far back
}

func newMemory() *memory {
	return &memory{
		reads: flight.New[string, nothing](0), finds: flight.New[string, pushed](0),
		lines: flight.New[string, resolved](mostLines), others: flight.New[string, pushed](mostOthers),
		nodes: flight.New[int64, string](mostNodes),
	}
}

// firstLook is the newest of all branches, as they were read first.
type firstLook struct {
	changes []change
	at      time.Time
	took    time.Duration
}

// told is what the master told of the line of a project. It is replaced, not
// changed, when there is more.
type told struct {
	line      line
	at        time.Time // when the newest were read
	took      time.Duration
	whole     bool  // nothing is below low
	low, high int64 // changes with ids from low to high were read
	filters   []string
	pushes    []pushed // ascending
}

// now is what is known; before anything was read it is empty.
func (m *memory) now() *told {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told == nil {
		return &told{}
	}
	return m.told
}

// file replaces what is known by what edit makes of a copy.
func (m *memory) file(edit func(t *told)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := *m.told
	edit(&t)
	m.told = &t
}

// used notes that a push was wanted, and drops the oldest where there are too many
// and nobody wanted such a one for a while.
func (m *memory) used(id int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told == nil || len(m.told.pushes) <= mostPushes {
		return
	}
	cut := len(m.told.pushes) - mostPushes
	switch {
	case id < m.told.pushes[cut].ID:
		m.deep = time.Now()
	case m.deep.IsZero() || time.Since(m.deep) > deepFor:
		t := *m.told
		t.pushes = slices.Clone(t.pushes[cut:])
		t.low, t.whole = t.pushes[0].ID, false
		m.told, m.deep = &t, time.Time{}
	}
}

// index is where a revision is among the pushes that were read; -1 for nowhere.
func (t *told) index(rev string) int {
	if rev == "tip" {
		return len(t.pushes) - 1
	}
	for i := len(t.pushes) - 1; i >= 0; i-- {
		if sameRevision(t.pushes[i].Revision, rev) {
			return i
		}
	}
	return -1
}

// keyOf is under what a revision is remembered: one may be asked for in 12 digits
// and in 40.
func keyOf(rev string) string {
	const digits = 12
	return strings.ToLower(rev[:min(len(rev), digits)])
}

// other is a push that was read by itself.
func (m *memory) other(rev string) (pushed, bool) {
	p, ok := m.others.Get(keyOf(rev))
	return p, ok && sameRevision(p.Revision, rev)
}

// sights are those that were seen.
func (m *memory) sights() []sight {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen
}

// see adds to what was seen; too many are forgotten, and looked for again.
func (m *memory) see(more []sight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := slices.Clone(m.seen)
	for _, s := range more {
		if !slices.Contains(seen, s) {
			seen = append(seen, s)
		}
	}
	m.seen = seen[max(0, len(seen)-mostSights):]
}
