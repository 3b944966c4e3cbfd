// Package pause waits, as everything here does that waits for time alone.
package pause

import (
	"context"
	"time"
)

// For waits for d, or until ctx is done, whose error it then returns.
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
