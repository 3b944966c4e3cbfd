package flight_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/flight"
)

// slow is a fetch that takes a second, and counts.
type slow struct {
	begun, ended atomic.Int64
	keep         bool
	err          error
}

func (s *slow) fetch(ctx context.Context) (int, bool, error) {
	n := int(s.begun.Add(1))
	defer s.ended.Add(1)
	select {
	case <-time.After(time.Second):
		return n, s.keep, s.err
	case <-ctx.Done():
		return 0, false, ctx.Err()
	}
}

func TestFetchedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := flight.New[string, int](2), &slow{keep: true}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if v, err := c.Do(t.Context(), "k", s.fetch); v != 1 || err != nil {
					t.Errorf("%d, %v", v, err)
				}
			})
		}
		wg.Wait()
		if v, err := c.Do(t.Context(), "k", s.fetch); v != 1 || err != nil || s.begun.Load() != 1 {
			t.Errorf("%d, %v, fetched %d times; expected what was kept", v, err, s.begun.Load())
		}
	})
}

// Each caller waits with its own context; the fetch goes on for the others.
func TestEachWaitsForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := flight.New[string, int](2), &slow{}
		first, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		var wg sync.WaitGroup
		wg.Go(func() {
			began := time.Now()
			if _, err := c.Do(first, "k", s.fetch); !errors.Is(err, context.DeadlineExceeded) ||
				time.Since(began) != 100*time.Millisecond {
				t.Errorf("the first: %v after %s", err, time.Since(began))
			}
		})
		synctest.Wait()
		if v, err := c.Do(t.Context(), "k", s.fetch); v != 1 || err != nil {
			t.Errorf("the second: %d, %v; the first one's end must not be its", v, err)
		}
		wg.Wait()
		if v, err := c.Do(t.Context(), "k", s.fetch); v != 2 || err != nil {
			t.Errorf("what was not to be kept: %d, %v", v, err)
		}
	})
}

// A fetch that nobody waits for is cancelled, and the next caller begins anew.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := flight.New[string, int](2), &slow{keep: true}
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		if _, err := c.Do(ctx, "k", s.fetch); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		if s.ended.Load() != 1 {
			t.Error("it still fetches")
		}
		if v, err := c.Do(t.Context(), "k", s.fetch); v != 2 || err != nil {
			t.Errorf("the next: %d, %v", v, err)
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Do(done, "other", s.fetch); !errors.Is(err, context.Canceled) || s.begun.Load() != 2 {
			t.Errorf("a context that is done: %v, fetched %d times", err, s.begun.Load())
		}
	})
}

func TestErrorsAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := flight.New[string, int](2), &slow{keep: true, err: errors.New("down")}
		for i := range 2 {
			if _, err := c.Do(t.Context(), "k", s.fetch); !errors.Is(err, s.err) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if s.begun.Load() != 2 {
			t.Errorf("fetched %d times", s.begun.Load())
		}
	})
}

// The number that is kept is bounded; what was wanted last stays.
func TestBounded(t *testing.T) {
	c := flight.New[int, int](3)
	for i := range 1000 {
		c.Put(i, i)
		c.Get(0)
	}
	if _, ok := c.Get(0); !ok || c.Len() != 3 {
		t.Errorf("%d are kept, what is always wanted among them: %t", c.Len(), ok)
	}
	c.Forget(0)
	if _, ok := c.Get(0); ok {
		t.Error("what is forgotten is there")
	}
	none := flight.New[int, int](0)
	none.Put(1, 1)
	none.Forget(1)
	if _, ok := none.Get(1); ok || none.Len() != 0 {
		t.Error("a cache that keeps nothing keeps something")
	}
}

// A fetch that ends its goroutine leaves nobody waiting.
func TestFetchThatGoesAway(t *testing.T) {
	c := flight.New[string, int](1)
	gone := func(context.Context) (int, bool, error) {
		runtime.Goexit()
		return 1, true, nil
	}
	if v, err := c.Do(t.Context(), "k", gone); err == nil || v != 0 || c.Len() != 0 {
		t.Errorf("%d, %v, %d kept", v, err, c.Len())
	}
}
