package server_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

// countingCI is a CI that remembers what it was asked for, and can answer errors.
type countingCI struct {
	job.Scheduler
	mu    sync.Mutex
	asked []string // a run each, with its push and label
	// before and after are asked around each Trigger; an error is what the caller gets.
	before, after func(ctx context.Context, r job.Request) error
	cancelled     []string
}

// counting puts a countingCI before the CI of places.
func counting(p *worldPlaces) *countingCI {
	c := &countingCI{Scheduler: p.ci}
	p.ci = c
	return c
}

// Unwrap keeps the abilities of the CI.
func (c *countingCI) Unwrap() job.Scheduler { return c.Scheduler }

// Trigger implements job.Scheduler.
func (c *countingCI) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	if c.before != nil {
		if err := c.before(ctx, r); err != nil {
			return job.Receipt{}, err
		}
	}
	receipt, err := c.Scheduler.Trigger(ctx, r)
	if err == nil && receipt.State != job.ReceiptAlreadyAsked {
		c.mu.Lock()
		for range r.Count {
			c.asked = append(c.asked, name(r))
		}
		c.mu.Unlock()
	}
	if err == nil && c.after != nil {
		if err := c.after(ctx, r); err != nil {
			return job.Receipt{}, err
		}
	}
	return receipt, err
}

// Cancel implements job.Canceler.
func (c *countingCI) Cancel(ctx context.Context, id string) error {
	err := job.Cancel(ctx, c.Scheduler, id)
	if err == nil {
		c.mu.Lock()
		c.cancelled = append(c.cancelled, id)
		c.mu.Unlock()
	}
	return err
}

// blocked waits until wait is closed.
func blocked(wait <-chan struct{}) func(context.Context, job.Request) error {
	return func(ctx context.Context, _ job.Request) error {
		select {
		case <-wait:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// frozenCI is a CI whose time stands still until thaw is closed.
type frozenCI struct {
	job.Scheduler
	thaw chan struct{}
}

// Unwrap keeps the abilities of the CI.
func (f *frozenCI) Unwrap() job.Scheduler { return f.Scheduler }

// Wait implements monitor.Waiter.
func (f *frozenCI) Wait(ctx context.Context, d time.Duration) (changed, more bool, err error) {
	if err := blocked(f.thaw)(ctx, job.Request{}); err != nil {
		return false, false, err
	}
	w, ok := job.As[monitor.Waiter](f.Scheduler)
	if !ok {
		return false, false, errors.ErrUnsupported
	}
	return w.Wait(ctx, d)
}

// Watch implements job.Watcher.
func (f *frozenCI) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		if blocked(f.thaw)(ctx, job.Request{}) != nil {
			return
		}
		for e, err := range job.Watch(ctx, f.Scheduler) {
			if !yield(e, err) {
				return
			}
		}
	}
}

// life is how long a process lives: so many steps.
type life struct {
	mu   sync.Mutex
	left int
	over bool
	end  func()
}

// step is one step further: an error says that the process is dead.
func (l *life) step() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left--; l.left < 0 && !l.over {
		l.over = true
		l.end()
	}
	if l.over {
		return job.Wrap("dead", "", job.ErrUnavailable)
	}
	return nil
}

// around does something between two steps: a process can die before and after.
func (l *life) around(do func() error) error {
	if err := l.step(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return l.step()
}

// mortalCI, mortalStore, mortalLedger and mortalMonitor are those of a process that dies.
type mortalCI struct {
	job.Scheduler
	life *life
}

func (m mortalCI) Unwrap() job.Scheduler { return m.Scheduler }

func (m mortalCI) Trigger(ctx context.Context, r job.Request) (out job.Receipt, err error) {
	err = m.life.around(func() error { out, err = m.Scheduler.Trigger(ctx, r); return err })
	return out, err
}

type mortalStore struct {
	server.Store
	life *life
}

func (m mortalStore) Claim(ctx context.Context, holder string, d time.Duration, n int) (out []server.Record,
	err error,
) {
	err = m.life.around(func() error { out, err = m.Store.Claim(ctx, holder, d, n); return err })
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (m mortalStore) Renew(ctx context.Context, id, holder string, d time.Duration) (by string, err error) {
	err = m.life.around(func() error { by, err = m.Store.Renew(ctx, id, holder, d); return err })
	return by, err
}

func (m mortalStore) Save(ctx context.Context, r server.Record, holder string) (out server.Record, err error) {
	err = m.life.around(func() error { out, err = m.Store.Save(ctx, r, holder); return err })
	return out, err
}

func (m mortalStore) Release(ctx context.Context, id, holder string) error {
	return m.life.around(func() error { return m.Store.Release(ctx, id, holder) })
}

type mortalLedger struct {
	ledger.Ledger
	life *life
}

func (m mortalLedger) Intend(ctx context.Context, e ledger.Entry, instead *ledger.Entry) (out ledger.Entry, mine bool,
	err error,
) {
	err = m.life.around(func() error { out, mine, err = m.Ledger.Intend(ctx, e, instead); return err })
	return out, mine && err == nil, err
}

func (m mortalLedger) Settle(ctx context.Context, e ledger.Entry) error {
	return m.life.around(func() error { return m.Ledger.Settle(ctx, e) })
}

type mortalMonitor struct {
	monitor.Store
	life *life
}

func (m mortalMonitor) Add(ctx context.Context, e monitor.Expectation) (added bool, err error) {
	err = m.life.around(func() error { added, err = m.Store.Add(ctx, e); return err })
	return added, err
}

func (m mortalMonitor) Save(ctx context.Context, c monitor.Claimed, again time.Duration,
	add ...monitor.Expectation,
) error {
	return m.life.around(func() error { return m.Store.Save(ctx, c, again, add...) })
}

// flakyStore is a store that does not answer while it is down.
type flakyStore struct {
	server.Store
	down atomic.Bool
}

func (f *flakyStore) answers() error {
	if f.down.Load() {
		return job.Wrap("down", "", job.ErrUnavailable)
	}
	return nil
}

func (f *flakyStore) Claim(ctx context.Context, holder string, d time.Duration, n int) ([]server.Record, error) {
	if err := f.answers(); err != nil {
		return nil, err
	}
	return f.Store.Claim(ctx, holder, d, n)
}

func (f *flakyStore) Renew(ctx context.Context, id, holder string, d time.Duration) (string, error) {
	if err := f.answers(); err != nil {
		return "", err
	}
	return f.Store.Renew(ctx, id, holder, d)
}

func (f *flakyStore) Save(ctx context.Context, r server.Record, holder string) (server.Record, error) {
	if err := f.answers(); err != nil {
		return server.Record{}, err
	}
	return f.Store.Save(ctx, r, holder)
}

func (f *flakyStore) Versions(ctx context.Context, ids ...string) (map[string]int64, error) {
	if err := f.answers(); err != nil {
		return nil, err
	}
	return f.Store.Versions(ctx, ids...)
}

func (f *flakyStore) Now(ctx context.Context) (time.Time, error) {
	if err := f.answers(); err != nil {
		return time.Time{}, err
	}
	return f.Store.Now(ctx)
}
