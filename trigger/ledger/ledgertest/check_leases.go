package ledgertest

import (
	"context"
	"fmt"
	"time"

	"github.com/mozci/mozci/trigger/ledger"
)

// What the caller says of the time does not count.
func (c *check) clock(ctx context.Context) {
	const off = 400 * time.Hour
	for _, by := range []time.Duration{-off, off} {
		e := c.entry()
		e.Asked, e.Age = time.Now().Add(by), by
		got, _, err := c.l.Intend(ctx, e, nil)
		c.failed(intends(e, nil), err)
		for _, at := range []ledger.Entry{got, c.read(ctx, e.Key)} {
			if at.Age < -time.Minute || at.Age > time.Minute {
				c.wrong(fmt.Sprintf("%s of a host whose clock is off by %s", intends(e, nil), by),
					fmt.Sprintf("an entry of the age %s", at.Age), "one of now")
			}
		}
	}
}

func (c *check) lease(ctx context.Context) {
	const lease = time.Hour // however slow the machine is, it is not over
	e := c.entry()
	e.Holder, e.Lease = "holder", lease
	held, _, err := c.l.Intend(ctx, e, nil)
	if err != nil || held.Lease <= 0 || held.Lease > lease {
		c.wrong(intends(e, nil), fmt.Sprintf("a lease of %s, %v", held.Lease, err), "one of up to %s", lease)
	}
	other := held
	other.Holder, other.Lease = "another", 0
	for _, s := range []ledger.State{ledger.Intended, ledger.Unsure} {
		held.Lease = lease
		held = c.to(ctx, held, s)
		prior, fresh, err := c.l.Intend(ctx, other, &held)
		if err != nil || fresh || prior.Lease <= 0 || prior.Holder != e.Holder {
			c.wrong(intends(other, &held)+" by another than its holder",
				fmt.Sprintf("%s, with %s left of the lease of %q", given(prior, fresh, err), prior.Lease, prior.Holder),
				"not fresh: it is leased to %q", e.Holder)
		}
	}
	const short = time.Second
	e.Lease = short
	mine, fresh, err := c.l.Intend(ctx, e, &held)
	if err != nil || !fresh {
		c.wrong(intends(e, &held), given(mine, fresh, err), "fresh: it is its holder's")
	}
	for deadline := time.Now().Add(time.Minute); c.read(ctx, e.Key).Lease > 0; {
		if time.Now().After(deadline) {
			c.wrong(selects(ledger.Query{Key: e.Key})+" after a minute", "a lease that is not over",
				"none: it was for %s", short)
			return
		}
		select {
		case <-time.After(short / 10):
		case <-ctx.Done():
			return
		}
	}
	if got, fresh, err := c.l.Intend(ctx, other, &mine); err != nil || !fresh {
		c.wrong(intends(other, &mine)+" when the lease is over", given(got, fresh, err), "fresh")
	}
}

// Settling as intended renews the lease; settling as anything else ends it.
func (c *check) renewed(ctx context.Context) {
	e := c.entry()
	e.Holder = "holder"
	held, _, err := c.l.Intend(ctx, e, nil)
	if err != nil || held.Lease > 0 {
		c.wrong(intends(e, nil), fmt.Sprintf("a lease of %s, %v", held.Lease, err), "none")
	}
	left := func(want func(time.Duration) bool, what string) {
		if now := c.read(ctx, e.Key).Lease; !want(now) {
			c.wrong(selects(ledger.Query{Key: e.Key})+" after "+settles(held),
				fmt.Sprintf("a lease of %s", now), "%s", what)
		}
	}
	held.Lease = time.Hour
	held = c.to(ctx, held, ledger.Intended)
	left(func(d time.Duration) bool { return d >= 59*time.Minute }, "an hour")
	held.Lease = 0
	held = c.to(ctx, held, ledger.Unsure)
	left(func(d time.Duration) bool { return d <= 0 }, "none")
}
