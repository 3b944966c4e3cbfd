package buildbot

import (
	"context"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
)

// The bounds of what is remembered. A service runs for months and asks about many pushes, so
// what was used longest ago is dropped, and read again when it is needed.
const (
	mostLines     = 64    // repositories whose branch was found
	mostSights    = 1000  // branches and codebases that were seen
	mostPushes    = 5000  // of the project's own branch, the newest
	mostOthers    = 1000  // pushes that were read one by one
	mostNodes     = 20000 // revisions of changes, to name the parents of other changes
	mostHistories = 100   // builders whose requests were read
	mostRequests  = 2000  // requests of each of these builders, the newest
	mostBuildsets = 5000  // buildsets of the list of all, the newest; and as many single ones
	mostBases     = 256   // virtual builders
	mostLogs      = 64    // builds whose logs were listed, and IDs of runs that were opened
)

// deepFor is how long a list may stay over its bound after a question about old pushes: such
// questions come one after another.
const deepFor = 5 * time.Minute

// keptFor is how long a master's configuration is used before it is read again. A master is
// seldom reconfigured.
const keptFor = time.Minute

// freshFor is how long a list of changes or runs is used before it is renewed. It is long
// enough for the questions of one call, and shorter than the interval of any poll.
const freshFor = 2 * time.Second

// nothing is the result of a fetch that stores what it read itself.
type nothing = struct{}

// kept is a value that is read once for many questions, and once for all callers that want it
// at the same time.
type kept[T any] struct {
	read  func(context.Context) (T, error)
	reads *flight.Cache[nothing, T]

	mu sync.Mutex // not held during requests
	at time.Time
	v  T
}

func keep[T any](read func(context.Context) (T, error)) *kept[T] {
	return &kept[T]{read: read, reads: flight.New[nothing, T](0)}
}

// get returns the value as it was read at most age ago, and reads it again if it is older. With
// age 1 minute a value that was read at 12:00:00 is used until 12:00:59, and read again at
// 12:01:00. A failed read keeps the value as it was, but gives the error.
func (k *kept[T]) get(ctx context.Context, age time.Duration) (T, error) {
	if v, ok := k.since(age); ok && ctx.Err() == nil {
		return v, nil
	}
	return k.reads.Do(ctx, nothing{}, func(ctx context.Context) (T, bool, error) {
		v, err := k.read(ctx)
		if err == nil {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.v, k.at = v, time.Now()
		}
		return v, false, err
	})
}

func (k *kept[T]) since(age time.Duration) (v T, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at.IsZero() || time.Since(k.at) >= age {
		return v, false
	}
	return k.v, true
}

// turns lets one caller at a time act under a key: the second of two callers with the same key
// must see what the first has made. A caller stops waiting when its context ends.
type turns struct {
	mu    sync.Mutex // not held while a caller acts or waits
	taken map[string]*turn
}

// turn is the turn of one key. It is removed when no caller acts or waits any more.
type turn struct {
	acting chan struct{} // of capacity 1: full while a caller acts
	users  int           // callers that act or wait
}

// take waits for the turn of a key. The caller must call done when it has acted.
//
// acting is a semaphore of one: sending takes the turn, and receiving gives it back. users
// counts from before the wait until after the turn, so a key's turn is removed only when no
// caller has it or wants it; a turn that was removed too early would let a third caller make a
// second one and act at the same time.
func (t *turns) take(ctx context.Context, key string) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	u := t.taken[key]
	if u == nil {
		u = &turn{acting: make(chan struct{}, 1)}
		t.taken[key] = u
	}
	u.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if u.users--; u.users == 0 {
			delete(t.taken, key)
		}
	}
	select {
	case u.acting <- struct{}{}:
		return func() { <-u.acting; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
