package monitor

import (
	"context"
	"errors"
	"time"

	"github.com/mozci/mozci/job"
)

// Store keeps expectations. Implementations are safe for concurrent use, and by several
// processes where they outlive one. The kit is monitortest.CheckStore.
//
// Laws: errors are of type *job.Error. A context that is done gives its error and
// writes nothing. What a method has returned is written. Times are by the store's own
// clock. What a method returns is the caller's.
type Store interface {
	// Add writes a new expectation, due at once, with Progress.Added set to the store's
	// clock. It reports false, and changes nothing, where the key is known.
	Add(ctx context.Context, e Expectation) (added bool, err error)
	// Claim leases up to n expectations to the holder that are due, that nobody holds,
	// the holder neither, and that are open or not Announced; those first that could be
	// claimed the longest. Of only, if not empty, are the keys.
	Claim(ctx context.Context, holder string, lease time.Duration, n int, only ...string) ([]Claimed, error)
	// Renew makes the lease last for so long from now on. ErrLost as for Save.
	Renew(ctx context.Context, c Claimed, lease time.Duration) error
	// Save writes what became of a claimed expectation, its Progress, and gives it back:
	// it is due again after so long, or at once where it was woken since it was
	// claimed. One that has ended stays the holder's until it is Announced, or the lease is
	// over: the end should be announced once. Expectations that are added with it are
	// written in the same step, as by Add. ErrLost, with nothing written, where the
	// lease was over and another holder has claimed it since, or it was given back;
	// job.ErrNotFound where there is no such expectation.
	Save(ctx context.Context, c Claimed, again time.Duration, add ...Expectation) error
	// Announced says that the end of a claimed expectation was announced, so that it is
	// not claimed any more. ErrLost as for Save.
	Announced(ctx context.Context, c Claimed) error
	// Wake makes open expectations due now, and returns how many: those of a label on a
	// push, by any of its hashes (job.SameRevision); of every push of a repository for
	// a Push without a revision, of every push for a zero one, of every label for an
	// empty one. What is held is due when it is given back.
	Wake(ctx context.Context, p job.Push, label string) (n int, err error)
	// Next is after how long the next expectation that could be claimed is due: 0 for
	// now, and false where there is none. Those that others hold count, from the end
	// of their leases.
	Next(ctx context.Context, only ...string) (after time.Duration, some bool, err error)
	// Expectations returns those with the keys, or all without any, in the order in
	// which they were added.
	Expectations(ctx context.Context, keys ...string) ([]Expectation, error)
	// Now is the store's clock.
	Now(ctx context.Context) (time.Time, error)
	// Prune forgets what ended, and was announced, longer ago than keep.
	Prune(ctx context.Context, keep time.Duration) (int, error)
}

// Claimed is an expectation that is leased to a holder.
type Claimed struct {
	Expectation
	Holder string
	Woken  int64 // how often it had been woken when it was claimed
}

// ErrLost says that another monitor has claimed the expectation since.
var ErrLost = errors.New("another monitor has taken it over")
