package monitor

import (
	"context"
	"errors"
	"time"

	"github.com/mozci/mozci/job"
)

// Store keeps expectations. Implementations are safe for concurrent use, and for use by
// several processes if they outlive one. The kit is monitortest.CheckStore.
//
// Laws: errors are of type *job.Error. A context that is done gives its error and writes
// nothing. What a method has returned is written. Times are by the store's own clock.
// Returned values belong to the caller.
type Store interface {
	// Add writes a new expectation, due at once, with Progress.Added set to the store's
	// clock. If the key exists, it changes nothing and reports false.
	Add(ctx context.Context, e Expectation) (added bool, err error)
	// Claim leases to the holder up to n expectations that are due, that no one holds
	// (not even this holder), and that are open or not yet Announced. Those that could be
	// claimed longest come first. If only is not empty, it has the keys to choose from.
	Claim(ctx context.Context, holder string, lease time.Duration, n int, only ...string) ([]Claimed, error)
	// Renew makes the lease last for the given time from now on. ErrLost as for Save.
	Renew(ctx context.Context, c Claimed, lease time.Duration) error
	// Save writes the Progress of a claimed expectation and gives it back: it is due
	// again after the given time, or at once if it was woken since it was claimed. One
	// that has ended stays with its holder until it is Announced or the lease is over, so
	// that its end is announced once. New expectations in add are written in the same
	// step, as by Add.
	//
	// ErrLost, with nothing written, if the lease was over and another holder has claimed
	// it since, or if it was given back. job.ErrNotFound if there is no such expectation.
	Save(ctx context.Context, c Claimed, again time.Duration, add ...Expectation) error
	// Announced records that the end of a claimed expectation was announced, so that it
	// is never claimed again. ErrLost as for Save.
	Announced(ctx context.Context, c Claimed) error
	// Wake makes open expectations due now, and returns how many: those of a label on a
	// push, by any of its hashes (job.SameRevision). A Push without a revision means
	// every push of its repository, a zero Push every push, an empty label every label.
	// An expectation that is held is due when it is given back.
	Wake(ctx context.Context, p job.Push, label string) (n int, err error)
	// Next returns how long until the next expectation can be claimed: 0 for now; some is
	// false if there is none. Those that others hold count too, from the end of their
	// leases.
	Next(ctx context.Context, only ...string) (after time.Duration, some bool, err error)
	// Expectations returns the expectations with the keys, or all without keys, in the
	// order in which they were added.
	Expectations(ctx context.Context, keys ...string) ([]Expectation, error)
	// Now returns the time by the store's clock.
	Now(ctx context.Context) (time.Time, error)
	// Prune forgets expectations that ended more than keep ago and were announced, and
	// returns how many.
	Prune(ctx context.Context, keep time.Duration) (int, error)
}

// Claimed is an expectation that is leased to a holder.
type Claimed struct {
	Expectation
	Holder string
	Woken  int64 // how often it had been woken when it was claimed
}

// ErrLost says that another monitor has claimed the expectation since.
var ErrLost = errors.New("another monitor has taken over the expectation")
