package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// Entry is one request in a ledger.
type Entry struct {
	Key     string // names the work: at most one request at a time has this key
	Attempt int    // how often it was made under this key, with this one; the first is 1
	Push    job.Push
	Label   string
	Count   int    // runs requested, or taken, if the CI took only some
	Seen    int    // runs that were visible or requested before
	Who     string // the owner: on whose behalf
	Purpose string // which plan or search it is for

	// Asked is when the request was intended, by the ledger's clock, and Age how long ago
	// that was when the entry was read. Compare ages: the caller's clock may differ.
	Asked time.Time
	Age   time.Duration

	State   State
	Receipt job.Receipt // its Note says why no runs came, if none did

	// Holder names the one caller that is making the request, and Lease is how long it
	// may take: for Intend and Settle from now on; in an entry from a ledger what is
	// left, 0 when it is over.
	Holder string
	Lease  time.Duration
}

// State says how far a request got.
type State string

// The states of an entry; see the package comment for how they follow each other.
const (
	Intended  State = "intended"  // about to be requested; after a crash it is unclear whether it was
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

// Again reports whether no more runs will come of the request, so it may be made again.
// What a person has withdrawn is left alone.
func (s State) Again() bool { return s == Refused || s == Failed || s == Vanished }

// Made reports whether the CI took the request, whatever came of it later.
func (s State) Made() bool { return s == Accepted || s == Visible || s == Ended }

// Open reports whether it is still unclear whether the CI took the request.
func (s State) Open() bool { return s == Intended || s == Unsure }

// How long requested runs count although they are not visible.
const (
	// AcceptedExpires is for requests that the CI took: a CI that makes runs in the
	// background does so within minutes, or not at all.
	AcceptedExpires = time.Hour
	// UnsureExpires is for requests that may never have reached the CI.
	UnsureExpires = 10 * time.Minute
)

// Left returns how long runs of the entry that are not visible may still come; negative
// when that time is over.
func (e Entry) Left() time.Duration {
	if e.State == Accepted {
		return AcceptedExpires - e.Age
	}
	return UnsureExpires - e.Age
}

// Expired reports whether runs of the entry that are not visible should no longer be
// waited for.
func (e Entry) Expired() bool { return e.Left() < 0 }

// Outstanding returns how many requested runs are not among the visible ones. Each entry
// expects Seen plus Count runs to exist, and the largest expectation counts: after "3
// more after 2" and "1 more after 4", 5 runs are expected, and with 4 visible 1 is
// outstanding.
//
// Runs that others triggered in the meantime fill an expectation too; the number is then
// too low until the requested runs are visible as well. A request whose runs never come
// counts until it expires.
func Outstanding(entries []Entry, visible int) int {
	expected := 0
	for _, e := range entries {
		if (e.State.Open() || e.State == Accepted) && !e.Expired() {
			expected = max(expected, e.Seen+e.Count)
		}
	}
	return max(0, expected-visible)
}

// inOrder sorts entries by when they were requested.
func inOrder(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.Asked.Compare(b.Asked), cmp.Compare(a.Key, b.Key))
	})
}

// Query selects entries of a ledger: those that match every field that is set.
type Query struct {
	Key     string
	Labels  []string   // one of them
	Repo    string     // the push is of this repository
	Pushes  []job.Push // one of them: by revision, or by ID where a push has none
	Who     string
	Purpose string
	Within  time.Duration // requested at most this long ago; 0 for any time
}

// ForPush selects the requests for a label on a push.
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
