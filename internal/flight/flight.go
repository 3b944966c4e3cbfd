// Package flight shares work between callers. When several callers want the same answer at
// the same time, it is fetched once for all of them, and each waits with its own context. The
// latest answers are kept, up to a maximum number.
//
// Start with [New], which makes a [Cache]:
//
//	c := flight.New[string, []Task](100)
//	tasks, err := c.Do(ctx, group, func(ctx context.Context) ([]Task, bool, error) {
//		tasks, complete, err := list(ctx, group)
//		return tasks, complete, err // keep a complete list, since it will not change
//	})
//
// A Cache differs from golang.org/x/sync/singleflight in that a fetch has its own context:
// one caller that gives up does not spoil the fetch for the others, and it is cancelled when
// all have given up.
package flight

import (
	"context"
	"errors"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Cache keeps answers by key, and lets callers that want the same answer share one fetch. It
// is safe for concurrent use; New makes one. All callers get the same value, so they must
// not change it.
type Cache[K comparable, V any] struct {
	mu     sync.Mutex
	kept   *lru.Cache[K, V] // nil when nothing is kept
	flying map[K]*flight[V] // the fetches under way that new callers may join
}

// flight is one fetch under way.
type flight[V any] struct {
	done    chan struct{} // closed when value and err are set
	cancel  context.CancelFunc
	waiting int // the number of callers that wait; at 0 the fetch is cancelled
	value   V
	err     error
}

// Fetch gets an answer. keep says that the answer will not change, so that later callers
// may have it too. An answer with an error is never kept.
type Fetch[V any] func(ctx context.Context) (value V, keep bool, err error)

// New returns a Cache that keeps up to most answers, the ones used last. With 0 it keeps
// none and only shares fetches.
func New[K comparable, V any](most int) *Cache[K, V] {
	c := &Cache[K, V]{flying: map[K]*flight[V]{}}
	if most > 0 {
		c.kept, _ = lru.New[K, V](most) // its only error is a size below 1
	}
	return c
}

// Do returns the kept answer of a key, or waits for a fetch under way, or starts one. The
// fetch runs in its own goroutine and context, which has the values of the first caller's
// context but not its deadline: it goes on as long as one caller waits, and is cancelled when
// none does. A caller whose context is done gets that context's error at once.
func (c *Cache[K, V]) Do(ctx context.Context, key K, fetch Fetch[V]) (V, error) {
	var none V
	if err := ctx.Err(); err != nil {
		return none, err
	}
	c.mu.Lock()
	if v, ok := c.get(key); ok {
		c.mu.Unlock()
		return v, nil
	}
	f, ok := c.flying[key]
	if !ok {
		work, cancel := context.WithCancel(context.WithoutCancel(ctx)) // #nosec G118 -- fly and leave call it
		f = &flight[V]{done: make(chan struct{}), cancel: cancel}
		c.flying[key] = f
		go c.fly(work, key, f, fetch)
	}
	f.waiting++
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		c.leave(key, f)
		return none, ctx.Err()
	}
}

func (c *Cache[K, V]) fly(ctx context.Context, key K, f *flight[V], fetch Fetch[V]) {
	f.err = errNoAnswer // stays when the fetch ends its goroutine (runtime.Goexit) instead of returning
	keep := false
	defer func() {
		f.cancel()
		c.mu.Lock()
		if f.err == nil && keep && c.kept != nil {
			c.kept.Add(key, f.value)
		}
		if c.flying[key] == f {
			delete(c.flying, key)
		}
		c.mu.Unlock()
		close(f.done)
	}()
	f.value, keep, f.err = fetch(ctx)
}

var errNoAnswer = errors.New("the fetch ended without an answer")

// leave takes one caller off a fetch. The last one cancels it and removes it, so that a later
// caller starts a new fetch instead of joining a cancelled one.
func (c *Cache[K, V]) leave(key K, f *flight[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		if c.flying[key] == f {
			delete(c.flying, key)
		}
	}
}

// Get returns the kept answer of a key, and whether there is one.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.get(key)
}

func (c *Cache[K, V]) get(key K) (V, bool) {
	if c.kept == nil {
		var none V
		return none, false
	}
	return c.kept.Get(key)
}

// Put keeps an answer that the caller got in another way.
func (c *Cache[K, V]) Put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		c.kept.Add(key, value)
	}
}

// Forget drops the kept answer of a key. A fetch under way goes on, and may keep its answer.
func (c *Cache[K, V]) Forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		c.kept.Remove(key)
	}
}

// Len is the number of kept answers.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		return 0
	}
	return c.kept.Len()
}
