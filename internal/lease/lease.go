// Package lease keeps what is leased to this process for as long as it works on it.
//
// Start with [Hold].
package lease

import (
	"context"
	"time"
)

// Hold calls renew until it is released, three times in each lease, so that one renewal may
// fail. Where renew says that somebody else has it by now, held ends. release waits for the
// last call, and tells whether it was lost.
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
