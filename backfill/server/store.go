package server

import (
	"context"
	"errors"
	"time"

	"github.com/mozci/mozci/internal/database"
)

// Record is a backfill as a store keeps it.
type Record struct {
	Backfill

	// Key is what was asked for: two records with the same key ask for the same.
	Key string
	// Caller is who started it, by whose scopes each of its requests is checked.
	Caller Caller
}

// Store keeps backfills. Implementations are safe for concurrent use, and by several
// processes where they outlive one. The kit is servertest.CheckStore.
//
// Laws: errors are of type *job.Error. A context that is done gives its error and writes
// nothing. What a method has returned is written. Times are by the store's own clock. What
// a method returns is the caller's.
type Store interface {
	// Add writes a new backfill, with Created and Updated set to the store's clock and
	// Version 1, unless one with the same key lives: it is Open, or was added at most
	// lifetime ago and is not Cancelled, Refused or Failed. It then returns that one, and
	// false. Of several callers at once exactly one gets true. A key that is empty is
	// like no other.
	Add(ctx context.Context, r Record, lifetime time.Duration) (Record, bool, error)
	// Living returns what Add would have returned instead of a new one; job.ErrNotFound
	// where it would have added.
	Living(ctx context.Context, key string) (Record, error)
	// Get returns one; job.ErrNotFound where there is none with this id.
	Get(ctx context.Context, id string) (Record, error)
	// List returns those that fit, the newest first. A Before that nobody knows gives
	// job.ErrNotFound.
	List(ctx context.Context, q Query) ([]Backfill, error)
	// Versions returns the versions of those that there are.
	Versions(ctx context.Context, ids ...string) (map[string]int64, error)
	// Claim leases up to n Open ones to the holder that nobody holds; the oldest first.
	Claim(ctx context.Context, holder string, lease time.Duration, n int) ([]Record, error)
	// Renew makes the lease last for so long from now on, and tells who has asked for
	// the end of it; empty for nobody. ErrLost as for Save.
	Renew(ctx context.Context, id, holder string, lease time.Duration) (cancelledBy string, err error)
	// Save writes what became of a claimed one, and returns it with its new Version and
	// Updated. One that is not Open any more is given back, with Ended set. ErrLost, with
	// nothing written, where the holder does not have it any more; job.ErrNotFound where
	// there is no such backfill.
	Save(ctx context.Context, r Record, holder string) (Record, error)
	// Release gives a claimed one back, so that another can claim it at once. One that the
	// holder does not have any more is left alone.
	Release(ctx context.Context, id, holder string) error
	// Cancel writes who asks for the end of one that is Open, once: the first stays. It
	// returns it as it is then. One that has ended is returned as it is.
	Cancel(ctx context.Context, id, by string) (Record, error)
	// Now is the store's clock.
	Now(ctx context.Context) (time.Time, error)
	// Prune forgets what ended longer ago than keep.
	Prune(ctx context.Context, keep time.Duration) (int, error)
}

// ErrLost says that somebody else has claimed the backfill since.
var ErrLost = errors.New("another instance has taken it over")

// ErrNewer says that a newer version of this library made the tables.
var ErrNewer = database.ErrNewer

// reusable reports whether one that has ended answers the same request again.
func (s State) reusable() bool { return s == Planned || s == Done || s == Undecided }

// Limits of Query.Limit.
const (
	defaultLimit = 50
	mostLimit    = 500
)

func (q Query) limit() int {
	if q.Limit <= 0 {
		return defaultLimit
	}
	return min(q.Limit, mostLimit)
}
