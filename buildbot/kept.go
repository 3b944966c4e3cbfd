package buildbot

import (
	"context"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// gate is a lock that a caller stops waiting for when its context ends: what
// holds it may be reading from a slow master.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) unlock() { <-g }

// keptFor is how long a master's configuration is used again: the questions of
// one call are asked within it, and a master is seldom configured anew.
const keptFor = time.Minute

// kept is a list that is read once for many questions.
type kept[T any] struct {
	gate gate
	read func(context.Context) (T, error)
	at   time.Time
	v    T
}

func keep[T any](read func(context.Context) (T, error)) *kept[T] {
	return &kept[T]{gate: newGate(), read: read}
}

// get returns what was read at most this long ago.
func (k *kept[T]) get(ctx context.Context, age time.Duration) (T, error) {
	var none T
	if err := k.gate.lock(ctx); err != nil {
		return none, err
	}
	defer k.gate.unlock()
	if !k.at.IsZero() && time.Since(k.at) < age {
		return k.v, nil
	}
	v, err := k.read(ctx)
	if err != nil {
		return none, err
	}
	k.v, k.at = v, time.Now()
	return v, nil
}

func (c *Client) readBuilders(ctx context.Context) ([]Builder, error) {
	return get[Builder](ctx, c, "buildbot.builders", "", c.path("builders"), "builders")
}

func (c *Client) readForms(ctx context.Context) ([]forceScheduler, error) {
	return get[forceScheduler](ctx, c, "buildbot.forceschedulers", "", c.path("forceschedulers"), "forceschedulers")
}

// Builders returns the builders, retired ones too, as they were at most a minute
// ago.
func (c *Client) allBuilders(ctx context.Context) ([]Builder, error) {
	all, err := c.builders.get(ctx, keptFor)
	return slices.Clone(all), job.Wrap("buildbot.builders", "", err)
}

// ForceSchedulers returns the schedulers by which builds can be asked for, as they
// were at most a minute ago.
func (c *Client) forceSchedulers(ctx context.Context) ([]forceScheduler, error) {
	all, err := c.forms.get(ctx, keptFor)
	return slices.Clone(all), job.Wrap("buildbot.forceschedulers", "", err)
}

// builder finds a builder by its id, builderNamed by its name, which cannot stand
// in a URL where it has spaces or slashes. The list is read again for one that is
// not there: it may be new.
func (c *Client) builder(ctx context.Context, id int) (Builder, bool, error) {
	return c.find(ctx, func(b Builder) bool { return b.ID == id })
}

func (c *Client) builderNamed(ctx context.Context, name string) (Builder, bool, error) {
	return c.find(ctx, func(b Builder) bool { return b.Name == name })
}

func (c *Client) find(ctx context.Context, is func(Builder) bool) (Builder, bool, error) {
	for _, age := range []time.Duration{keptFor, freshFor} {
		all, err := c.builders.get(ctx, age)
		if err != nil {
			return Builder{}, false, job.Wrap("buildbot.builder", "", err)
		}
		if i := slices.IndexFunc(all, is); i >= 0 {
			return all[i], true, nil
		}
	}
	return Builder{}, false, nil
}
