// Package pause waits for a time or for the end of a context. Everything in mozci that waits
// for time alone uses [For], so that no wait outlives its caller.
package pause

import (
	"context"
	"time"
)

// For waits for d and returns nil, or until ctx is done and returns the context's error.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
