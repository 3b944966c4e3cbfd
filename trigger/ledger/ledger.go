// Package ledger is the one memory of what was requested from a CI: which request is
// about to be made, which ones the CI took, whose runs were seen, and what came to
// nothing. It is the reason why doing something twice triggers it once.
//
// Start with [Ledger], the contract. [NewMemory] makes a ledger that lives as long as the
// process, [NewSQL] one in a SQLite or PostgreSQL database that several processes and
// machines may share. Package [github.com/mozci/mozci/trigger/ledger/ledgertest] has the
// kit that checks whether an implementation keeps the contract. Most callers only pass a
// ledger to trigger.Make and trigger.Run; to make requests of your own:
//
//	e, fresh, err := l.Intend(ctx, ledger.Entry{Key: key, Push: p, Label: label, Count: 1}, nil)
//	if fresh {
//		e.Receipt, err = ci.Trigger(ctx, req) // no other process makes this request
//		e.State = ledger.Accepted             // or Refused, or Unsure when the answer was lost
//		err = l.Settle(ctx, e)
//	}
//
// # The life of a request
//
// A request is [Intended] before it is sent. The CI takes it ([Accepted]), refuses it
// ([Refused]), or its answer is lost ([Unsure]). Runs of an accepted request become
// [Visible] and end ([Ended]). Or it comes to nothing: the CI's own job that should make
// the runs failed ([Failed]), a person stopped that job ([Withdrawn]), or no run was seen
// within [AcceptedExpires] ([Vanished]). A request that was refused, failed or vanished
// may be made again, under the same key, as the next attempt. [Follow] finds out how far
// requests got.
//
// # Time
//
// A ledger has one clock, its own; in a database that is the clock of the database.
// Leases, expiry and order go by it alone, so that hosts whose clocks differ agree.
// Durations are exact to the microsecond.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mozci/mozci/job"
)

// Ledger remembers what was requested. Implementations are safe for concurrent use, and
// for use by several processes if they outlive one. The kit is ledgertest.Check.
//
// Laws: errors are of type *job.Error. A context that is done gives its error and writes
// nothing. What a method has returned is written: a process that dies afterwards loses
// nothing.
type Ledger interface {
	// Intend writes that e is about to be requested, and returns the entry as it is then
	// and true, in three cases: nothing is known about its key; what is known may be
	// requested again (State.Again); or what is known is still what instead says, by
	// attempt and state. instead is nil for nothing. Otherwise it returns what is known,
	// and false. Of several callers exactly one gets true.
	//
	// While its lease lasts, an entry that is Intended or Unsure is given to its Holder
	// only: a call whose answer was lost may still be under way.
	//
	// Intend writes Key, Push, Label, Count, Seen, Who, Purpose, Holder and Lease of e.
	// The state becomes Intended, the receipt empty, the time the ledger's own, and the
	// attempt one more than that of what was known.
	Intend(ctx context.Context, e Entry, instead *Entry) (Entry, bool, error)
	// Settle writes what is known now about an attempt, e.Attempt of e.Key: its State,
	// Receipt and Count, and that its lease lasts for e.Lease from now on. A key that was
	// never intended gives job.ErrNotFound. When another attempt has taken its place,
	// Settle writes nothing and returns ErrSuperseded.
	Settle(ctx context.Context, e Entry) error
	// Entries returns the entries that match the query, in the order in which they were
	// requested.
	Entries(ctx context.Context, q Query) ([]Entry, error)
}

// Pruner is a Ledger that can forget.
type Pruner interface {
	// Prune forgets requests that are older than keep, which must be at least LeastKept,
	// and returns how many entries those were. Requests that can still make runs are
	// never that old.
	Prune(ctx context.Context, keep time.Duration) (int, error)
}

// LeastKept is the minimum time for which a ledger remembers, because budgets count the
// runs of a day.
const LeastKept = 24 * time.Hour

// ErrSuperseded says that another process has repeated the request of an entry: the
// caller's attempt is over.
var ErrSuperseded = errors.New("another run of mozci has repeated this request since")

// Prune makes l forget what is older than keep, or returns errors.ErrUnsupported.
func Prune(ctx context.Context, l Ledger, keep time.Duration) (int, error) {
	const op = "ledger.prune"
	if keep < LeastKept {
		return 0, job.Wrap(op, "", fmt.Errorf("%w: keep %s, expected %s or more", job.ErrInvalid, keep, LeastKept))
	}
	if p, ok := l.(Pruner); ok {
		return p.Prune(ctx, keep)
	}
	return 0, job.Wrap(op, "", fmt.Errorf("this ledger cannot forget: %w", errors.ErrUnsupported))
}

// Ready checks that a ledger can be read, so that a broken one fails before anything else
// is done. The error does not have the key that it tries.
func Ready(ctx context.Context, l Ledger) error {
	const nothing = "ready?" // keys contain slashes, so no entry has this one
	_, err := l.Entries(ctx, Query{Key: nothing})
	var wrapped *job.Error
	if errors.As(err, &wrapped) && wrapped.Key == nothing {
		return &job.Error{Op: wrapped.Op, Err: wrapped.Err}
	}
	return err
}
