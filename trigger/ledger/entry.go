package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// Entry is one request in a ledger.
type Entry struct {
	Key     string // names the work: one request at a time has it
	Attempt int    // how often it was asked for under this key, this one included; the first is 1
	Push    job.Push
	Label   string
	Count   int    // runs that were asked for or, once the CI took only some, that it took
	Seen    int    // runs that were visible or asked for before
	Who     string // the owner: for whom it was asked
	Purpose string // which plan or search it is for

	// Asked is when, by the ledger's clock, and Age how long ago that was when the
	// entry was read. Compare ages: the caller's clock may be another.
	Asked time.Time
	Age   time.Duration

	State   State
	Receipt job.Receipt // its Note says why nothing came, where that is so

	// Holder names the one caller that is asking, and Lease is for how long it may
	// be: to Intend and Settle from now on, from a ledger what is left of it, 0
	// when it is over.
	Holder string
	Lease  time.Duration
}

// State says how far a request got.
type State string

// The states of an entry; see the package comment for how they follow each other.
const (
	Intended  State = "intended"  // about to be asked for; after a crash nobody knows
	Unsure    State = "unknown"   // the CI's answer was lost
	Accepted  State = "accepted"  // the CI took it; its runs were not seen yet
	Visible   State = "visible"   // its runs were seen
	Ended     State = "ended"     // its runs have ended
	Refused   State = "refused"   // the CI said no
	Failed    State = "failed"    // the CI took it, and too few runs came of it
	Vanished  State = "vanished"  // the CI took it, and no run was seen in time
	Withdrawn State = "withdrawn" // a person stopped what was to make its runs
)

// States returns every State.
func States() []State {
	return []State{Intended, Unsure, Accepted, Visible, Ended, Refused, Failed, Vanished, Withdrawn}
}

// Again reports whether nothing more comes of the request, so that it may be
// made again. What a person has withdrawn is left alone.
func (s State) Again() bool { return s == Refused || s == Failed || s == Vanished }

// Made reports whether the CI took the request, whatever came of it later.
func (s State) Made() bool { return s == Accepted || s == Visible || s == Ended }

// Open reports whether it is not known yet whether the CI took the request.
func (s State) Open() bool { return s == Intended || s == Unsure }

// How long what was asked for counts although nobody sees it.
const (
	// AcceptedExpires is for what the CI took: a CI that makes runs in the
	// background does so within minutes, or not at all.
	AcceptedExpires = time.Hour
	// UnsureExpires is for what may never have reached the CI.
	UnsureExpires = 10 * time.Minute
)

// Left is for how long the entry's runs may still come although nobody sees them;
// negative when that is over.
func (e Entry) Left() time.Duration {
	if e.State == Accepted {
		return AcceptedExpires - e.Age
	}
	return UnsureExpires - e.Age
}

// Expired reports whether the runs of an entry that nobody sees are not to be
// waited for any longer.
func (e Entry) Expired() bool { return e.Left() < 0 }

// Outstanding is how many runs the entries have asked for that are not among
// the visible ones. Each entry expects that there will be Seen plus Count runs;
// runs that others asked for meanwhile fill an expectation too, so this never
// counts too little to prevent asking twice for long: expectations expire.
func Outstanding(entries []Entry, visible int) int {
	expected := 0
	for _, e := range entries {
		if (e.State.Open() || e.State == Accepted) && !e.Expired() {
			expected = max(expected, e.Seen+e.Count)
		}
	}
	return max(0, expected-visible)
}

// inOrder sorts entries by when they were asked for.
func inOrder(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.Asked.Compare(b.Asked), cmp.Compare(a.Key, b.Key))
	})
}

// Query selects entries of a ledger: those that fit every field which is set.
type Query struct {
	Key     string
	Labels  []string   // one of them
	Repo    string     // the push is of this repository
	Pushes  []job.Push // one of them: by revision, or by ID where a push has none
	Who     string
	Purpose string
	Within  time.Duration // asked at most this long ago; 0 for whenever
}

// ForPush selects what was asked for of a label on a push.
func ForPush(p job.Push, label string) Query {
	return Query{Labels: []string{label}, Repo: p.Repo, Pushes: []job.Push{p}}
}

// Fits reports whether the entry is one that the query selects.
func (q Query) Fits(e Entry) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(q.Key, e.Key) && is(q.Repo, e.Push.Repo) && is(q.Who, e.Who) && is(q.Purpose, e.Purpose) &&
		(q.Within == 0 || e.Age <= q.Within) &&
		(len(q.Labels) == 0 || slices.Contains(q.Labels, e.Label)) &&
		(len(q.Pushes) == 0 || slices.ContainsFunc(q.Pushes, e.On))
}

// On reports whether the entry is about a push: by revision, or by ID where the
// push has none.
func (e Entry) On(p job.Push) bool {
	if p.Revision == "" {
		return e.Push.Revision == "" && e.Push.ID == p.ID
	}
	return job.SameRevision(e.Push.Revision, p.Revision)
}
