package server_test

import (
	"context"
	"sync"

	"github.com/mozci/mozci/job"
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
