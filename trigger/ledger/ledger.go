// Package ledger is the one memory of what was asked of a CI: which request is
// about to be made, which the CI took, whose runs were seen, and what came to
// nothing. It is why asking twice makes runs once.
//
// Start with [Ledger], the contract. [NewMemory] makes one that lives as long as
// the process, [NewSQL] one in a SQLite or PostgreSQL database that several
// processes and machines may share. Package
// [github.com/mozci/mozci/trigger/ledger/ledgertest] has the kit that tells
// whether an implementation keeps the contract.
//
// # The life of a request
//
// A request is [Intended] before the CI is asked. The CI takes it ([Accepted]),
// refuses it ([Refused]), or its answer is lost ([Unsure]). Runs of an accepted
// request become [Visible] and end ([Ended]); or it comes to nothing: the CI's own
// job that was to make them failed ([Failed]), a person stopped that ([Withdrawn]),
// or no run was seen within [AcceptedExpires] ([Vanished]). What was refused,
// failed or vanished may be asked for again: under the same key, as the next
// attempt. [Follow] finds out how far requests got.
//
// # Time
//
// A ledger has one clock, its own: a database's where it is in one. Leases,
// expiry and order go by it alone, so that hosts whose clocks differ agree.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mozci/mozci/job"
)

// Ledger remembers what was asked for. Implementations are safe for concurrent
// use, and by several processes where they outlive one. The kit is
// ledgertest.Check.
//
// Laws: errors are of type *job.Error. A context that is done gives its error and
// writes nothing. What a method has returned is written: a process that dies
// afterwards has lost nothing.
type Ledger interface {
	// Intend writes that e is about to be asked for, and returns the entry as it
	// is then and true, if nothing is known of its key; if what is known may be
	// asked for again (State.Again); or if it is still what instead says, by its
	// attempt and state; nil for nothing. Otherwise it returns what is known, and
	// false. An entry that is Intended or Unsure is not given away while its lease
	// lasts, but to its Holder: a call whose answer was lost may still be under
	// way. Of several callers exactly one gets true.
	//
	// Of e, Key, Push, Label, Count, Seen, Who, Purpose, Holder and Lease are
	// written. The state is Intended, the receipt empty, the moment the ledger's
	// own, and the attempt one more than that of what was known.
	Intend(ctx context.Context, e Entry, instead *Entry) (Entry, bool, error)
	// Settle writes what is known now of an attempt, e.Attempt of e.Key: its
	// State, Receipt and Count, and that its lease lasts for e.Lease from now on.
	// A key that was never intended gives job.ErrNotFound. When another attempt
	// has taken its place nothing is written, and the error is ErrSuperseded.
	Settle(ctx context.Context, e Entry) error
	// Entries returns what was written and fits the query, in the order in which
	// it was asked for.
	Entries(ctx context.Context, q Query) ([]Entry, error)
}

// Pruner is a Ledger that can forget.
type Pruner interface {
	// Prune forgets what was asked for longer ago than keep, which must be at
	// least LeastKept, and returns how many entries those were. What can still
	// make runs is never that old.
	Prune(ctx context.Context, keep time.Duration) (int, error)
}

// LeastKept is the shortest time for which a ledger remembers: budgets count the
// runs of a day.
const LeastKept = 24 * time.Hour

// ErrSuperseded says that another process has asked anew for what an entry was
// about: the caller's attempt is over.
var ErrSuperseded = errors.New("another run of mozci has asked for this since")

// Prune asks l to forget what is older than keep, or answers
// errors.ErrUnsupported.
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

// Ready tells whether a ledger can be read, so that one that cannot fails before
// anything else is done.
func Ready(ctx context.Context, l Ledger) error {
	const nothing = "ready?" // keys have slashes: nothing has this one
	_, err := l.Entries(ctx, Query{Key: nothing})
	var wrapped *job.Error
	if errors.As(err, &wrapped) && wrapped.Key == nothing {
		return &job.Error{Op: wrapped.Op, Err: wrapped.Err}
	}
	return err
}
