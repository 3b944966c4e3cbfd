package jobtest

import (
	"context"
	"sync"
)

// Hang makes the CI and its repositories answer nothing, as a server does that is
// stuck, until release is called. Who asks meanwhile waits, until its context ends.
// It is the Hang of a kit's case, and tests what a program does about deadlines.
func (c *CI) Hang() (release func()) {
	hung := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hung = hung
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		// A later Hang may have begun: this release ends only its own.
		if c.hung == hung {
			c.hung = nil
		}
		close(hung)
	})
}

// reach waits while the CI hangs. Its error is the context's. Each call begins with it, before it
// takes the lock, so that a caller who waits holds up nobody.
func (c *CI) reach(ctx context.Context) error {
	c.mu.Lock()
	hung := c.hung
	c.mu.Unlock()
	if hung == nil {
		return ctx.Err()
	}
	select {
	case <-hung:
	case <-ctx.Done():
	}
	return ctx.Err()
}
