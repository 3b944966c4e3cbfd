package buildbot

import (
	"context"
	"time"
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

// freshFor is how long what changes on a master is used again: the questions of one
// call come together, and a poll comes later.
const freshFor = 2 * time.Second

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
