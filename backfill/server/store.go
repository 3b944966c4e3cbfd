package server

import (
	"context"
	"errors"
	"time"

	"github.com/mozci/mozci/internal/database"
)

// Record is a backfill with what only the service needs to know about it.
type Record struct {
	Backfill

	// Key identifies the request: two records with the same Key are the same backfill. See
	// Store.Add.
	Key string
	// Caller is who started it. Its scopes decide on each request that is made for the backfill.
	Caller Caller
}

// Store keeps backfills. Implementations are safe for concurrent use, and those that outlive a
// process are safe for use by several processes. servertest.CheckStore is the kit that each must
// pass.
//
// Laws: Errors are of type *job.Error. A call whose context is done returns the context's error and
// writes nothing. When a method returns without an error, its change is stored. All times are by
// the store's own clock. The caller owns the returned values and may change them.
type Store interface {
	// Add stores a new backfill with Version 1, and with Created and Updated set to the store's
	// clock, and returns it and true. If a backfill with the same Key lives, Add returns that one
	// and false. It lives while it is Open, and for lifetime after it was added unless it was
	// Cancelled, Refused or Failed. Of several callers at the same time exactly one gets true. An
	// empty Key never matches.
	Add(ctx context.Context, r Record, lifetime time.Duration) (Record, bool, error)
	// Living returns the backfill that Add would return instead of adding one; job.ErrNotFound when
	// it would add.
	Living(ctx context.Context, key string) (Record, error)
	// Get returns a backfill; job.ErrNotFound when none has this id.
	Get(ctx context.Context, id string) (Record, error)
	// List returns the backfills that fit, the newest first. When none has the id Before the error
	// is job.ErrNotFound.
	List(ctx context.Context, q Query) ([]Backfill, error)
	// Versions returns the versions of the backfills that exist; unknown ids are left out.
	Versions(ctx context.Context, ids ...string) (map[string]int64, error)
	// Claim leases up to n Open backfills that are not leased to anybody, the oldest first, to the
	// holder.
	Claim(ctx context.Context, holder string, lease time.Duration, n int) ([]Record, error)
	// Renew extends the lease to lease from now, and returns who has cancelled the backfill; empty
	// for none. Its errors are those of Save.
	Renew(ctx context.Context, id, holder string, lease time.Duration) (cancelledBy string, err error)
	// Save writes a claimed backfill, and returns it with its new Version and Updated. One that is
	// no longer Open gets Ended, and its lease ends. The error is ErrLost, with nothing written,
	// when the holder's lease was taken over, and job.ErrNotFound when there is no such backfill.
	Save(ctx context.Context, r Record, holder string) (Record, error)
	// Release ends the holder's lease, so that another instance can claim the backfill at once. It
	// does nothing when the lease is another's.
	Release(ctx context.Context, id, holder string) error
	// Cancel records who cancelled an Open backfill, and returns it. The first caller stays. One
	// that has ended is returned unchanged. The instance that works on it learns of this from
	// Renew.
	Cancel(ctx context.Context, id, by string) (Record, error)
	// Now is the store's clock.
	Now(ctx context.Context) (time.Time, error)
	// Prune deletes the backfills that ended longer than keep ago, and returns how many.
	Prune(ctx context.Context, keep time.Duration) (int, error)
}

// ErrLost says that another instance has claimed the backfill meanwhile.
var ErrLost = errors.New("another instance has taken it over")

// ErrNewer says that the tables were made by a newer version of this library.
var ErrNewer = database.ErrNewer

// reusable reports whether a backfill that has ended still answers the same request.
func (s State) reusable() bool { return s == Planned || s == Done || s == Undecided }

// The default and the maximum of Query.Limit.
const (
	defaultLimit = 50
	mostLimit    = 500
)

// limit is Limit within its bounds.
func (q Query) limit() int {
	if q.Limit <= 0 {
		return defaultLimit
	}
	return min(q.Limit, mostLimit)
}
