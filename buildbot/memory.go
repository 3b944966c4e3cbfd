package buildbot

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
)

// memory is what is remembered of the changes in one database of the master. A master that
// comes back with another database gets a new memory. What a question lacks is read without
// holding the lock, once for all callers that need it, and stored afterwards.
type memory struct {
	reads  *flight.Cache[string, nothing]  // reads of pages under way
	finds  *flight.Cache[string, pushed]   // searches for revisions under way
	lines  *flight.Cache[string, resolved] // by the name of the repository
	others *flight.Cache[string, pushed]   // pushes that were read one by one, by keyOf the revision
	nodes  *flight.Cache[int64, string]    // revisions by the id of their change

	mu   sync.Mutex // not held during requests
	seen []sight    // each once, in the order in which they were found
	look *firstLook // nil before the first look
	told *told      // nil before the first question about pushes
	deep time.Time  // when a caller last asked about pushes beyond the bound
}

func newMemory() *memory {
	return &memory{
		reads: flight.New[string, nothing](0), finds: flight.New[string, pushed](0),
		lines: flight.New[string, resolved](mostLines), others: flight.New[string, pushed](mostOthers),
		nodes: flight.New[int64, string](mostNodes),
	}
}

// firstLook is the first page of the newest changes, of all branches.
type firstLook struct {
	changes []change
	at      time.Time     // when it was read
	took    time.Duration // how long that took
}

// told is what the master told about the line of a project. It is never changed: when there is
// more, a new one replaces it, so that readers need no lock.
//
// low and high are ids of changes of any branch, so pushes may begin far above low. With the
// changes 3 to 9 read, of which 4 and 8 are of the line, low is 3, high is 9 and pushes are 4
// and 8: the master has no other pushes from 3 to 9.
type told struct {
	line      line
	at        time.Time     // when the newest changes were read
	took      time.Duration // how long that took
	whole     bool          // the master has no changes below low
	low, high int64         // all changes with ids from low to high, both included, were read
	filters   []string      // parameters that restrict reads to the line; see begin
	pushes    []pushed      // by ascending id
}

// now returns what is known; it is empty before anything was read.
func (m *memory) now() *told {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told == nil {
		return &told{}
	}
	return m.told
}

// file replaces what is known by a copy that edit has changed.
func (m *memory) file(edit func(t *told)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := *m.told
	edit(&t)
	m.told = &t
}

// used notes that a caller used a push. When there are too many pushes, and none of the oldest
// was used within deepFor, it drops those over the bound.
//
// With 5,200 pushes cut is 200: a question about one of the oldest 200 keeps them all for 5 more
// minutes, and one about any other drops these 200 when the 5 minutes are over.
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

// index is the index of a revision among the pushes that were read; -1 when it is not there. It
// searches from the newest. "tip" is the last one, which is -1 as well when there are none.
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

// keyOf is the key under which a revision is remembered: its first 12 digits, since callers
// name the same revision by 12 digits or by 40. Revisions that are no hashes are seldom longer;
// where two have the same key, other compares them in full.
func keyOf(rev string) string {
	const digits = 12
	return strings.ToLower(rev[:min(len(rev), digits)])
}

// other returns a push that was read alone.
func (m *memory) other(rev string) (pushed, bool) {
	p, ok := m.others.Get(keyOf(rev))
	return p, ok && sameRevision(p.Revision, rev)
}

// sights returns the sources seen so far. The caller must not change the slice.
func (m *memory) sights() []sight {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen
}

// see adds sources to those seen. Beyond mostSights the oldest are dropped, and found again
// when they are needed.
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
