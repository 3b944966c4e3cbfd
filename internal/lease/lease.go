// Package lease renews a lease for as long as this process works under it.
//
// Start with [Hold]:
//
//	held, release := lease.Hold(ctx, time.Minute, renew)
//	err := work(held) // held ends when somebody else has taken the lease
//	lost := release() // if true, do not store the result
package lease

import (
	"context"
	"time"
)

// Hold calls renew from a goroutine of its own, three times in each lease, so that a single
// renewal may fail. When renew reports that somebody else has the lease now, the context
// held ends. release stops the renewals, waits for one under way, and reports whether the
// lease was lost. The caller must call release exactly once.
func Hold(
	ctx context.Context, lease time.Duration, renew func(ctx context.Context) (lost bool),
) (held context.Context, release func() (lost bool)) {
	held, cancel := context.WithCancel(ctx)
	done := make(chan bool, 1)
	go func() {
		const parts = 3
		tick := time.NewTicker(max(lease/parts, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				done <- false
				return
			case <-tick.C:
			}
			if renew(held) {
				cancel()
				done <- true
				return
			}
		}
	}()
	return held, func() bool {
		cancel()
		return <-done
	}
}
