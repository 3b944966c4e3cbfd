package buildbot

import (
	"context"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
)

// How much is kept of what was read, at most. A service runs for months and asks
// about many pushes: what is over the bound was wanted longest ago, and is read
// again when somebody asks for it.
const (
	mostLines     = 64    // repositories whose branch was found
	mostSights    = 1000  // branches and codebases that were seen
	mostPushes    = 5000  // of the project's own branch, the newest
	mostOthers    = 1000  // pushes that were read one by one
	mostNodes     = 20000 // revisions of changes, for the parents of others
	mostHistories = 100   // builders whose requests were read
	mostRequests  = 2000  // of each of these builders, the newest
	mostBuildsets = 5000  // of the list of all, the newest; and as many of single ones
	mostBases     = 256   // virtual builders
	mostLogs      = 64    // builds whose logs were listed, and IDs of runs that were opened
)

// deepFor is how long more than the bound is kept of a list after somebody asked
// about what lies so far back: such questions come one after another.
const deepFor = 5 * time.Minute

// keptFor is how long a master's configuration is used again: the questions of
// one call are asked within it, and a master is seldom configured anew.
const keptFor = time.Minute

// freshFor is how long what changes on a master is used again: the questions of one
// call come together, and a poll comes later.
const freshFor = 2 * time.Second

// nothing is what a fetch returns that files what it read.
type nothing = struct{}

// kept is a list that is read once for many questions, and for all who want it at
// the same time.
type kept[T any] struct {
	read  func(context.Context) (T, error)
	reads *flight.Cache[nothing, T]

	mu sync.Mutex // not held while the master is asked
	at time.Time
	v  T
}

func keep[T any](read func(context.Context) (T, error)) *kept[T] {
	return &kept[T]{read: read, reads: flight.New[nothing, T](0)}
}

// get returns what was read at most this long ago.
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

// turns lets one caller at a time act under a key: of two with one key, the second
// must see what the first has made. A caller stops waiting when its context ends.
type turns struct {
	mu    sync.Mutex // not held while anybody acts or waits
	taken map[string]*turn
}

// turn is that of a key; it is forgotten when nobody acts or waits any more.
type turn struct {
	acting chan struct{} // holds one: the caller that acts
	users  int
}

// take waits for the turn of a key and returns what gives it on.
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
