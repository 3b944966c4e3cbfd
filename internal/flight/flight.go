// Package flight shares work between callers: what several want at the same time
// is fetched once, for all, and waited for by each with its own context. A bounded
// number of answers is kept.
//
// Start with [New], a [Cache].
package flight

import (
	"context"
	"errors"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Cache keeps answers by key, and joins those who ask for the same one meanwhile.
// It is safe for concurrent use; New makes one.
type Cache[K comparable, V any] struct {
	mu     sync.Mutex
	kept   *lru.Cache[K, V]
	flying map[K]*flight[V]
}

// flight is one fetch under way.
type flight[V any] struct {
	done    chan struct{} // closed when value and err are there
	cancel  context.CancelFunc
	waiting int // callers
	value   V
	err     error
}

// Fetch gets an answer. keep says that it is not going to change, so that later
// callers may have it too; an answer with an error is never kept.
type Fetch[V any] func(ctx context.Context) (value V, keep bool, err error)

// New returns a Cache that keeps the most answers that were wanted last; 0 keeps
// none.
func New[K comparable, V any](most int) *Cache[K, V] {
	c := &Cache[K, V]{flying: map[K]*flight[V]{}}
	if most > 0 {
		c.kept, _ = lru.New[K, V](most) // its one error is a size below 1
	}
	return c
}

// Do returns the answer that is kept, or that of a fetch that is under way, or
// fetches it. The fetch has a context of its own, with the values of the first
// caller's: it goes on while one caller waits, and is cancelled when none does any
// more. Each caller gets its own context's error as soon as that is done.
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
	f.err = errNoAnswer // unless the fetch returns: it may end its goroutine
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

// leave ends a fetch that nobody waits for: who comes later begins another.
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

// Get returns the answer that is kept.
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

// Put keeps an answer that came another way.
func (c *Cache[K, V]) Put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		c.kept.Add(key, value)
	}
}

// Forget drops what is kept of a key. A fetch under way goes on.
func (c *Cache[K, V]) Forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		c.kept.Remove(key)
	}
}

// Len is how many answers are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		return 0
	}
	return c.kept.Len()
}
