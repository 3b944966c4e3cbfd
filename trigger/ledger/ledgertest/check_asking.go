package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

func (c *check) intend(ctx context.Context) {
	first := c.intended(ctx)
	if first.State != ledger.Intended || first.Attempt != 1 {
		c.wrong(intends(first, nil), entryText(first), "attempt 1, intended")
	}
	other := first
	other.Count, other.Push.ID = 7, 99
	prior, fresh, err := c.l.Intend(ctx, other, nil)
	if err != nil || fresh || prior.Count != first.Count || prior.Push.ID != first.Push.ID {
		c.wrong(intends(other, nil)+" once more", given(prior, fresh, err), "not fresh: %s", entryText(first))
	}
	if now := c.read(ctx, first.Key); now.Count != first.Count || now.Attempt != 1 {
		c.wrong(selects(ledger.Query{Key: first.Key})+" after a second Intend", entryText(now), "%s", entryText(first))
	}
}

func (c *check) instead(ctx context.Context) {
	e := c.to(ctx, c.intended(ctx), ledger.Accepted)
	stale := e
	stale.State = ledger.Unsure
	if got, fresh, err := c.l.Intend(ctx, e, &stale); err != nil || fresh {
		c.wrong(intends(e, &stale), given(got, fresh, err), "not fresh: it is %s", e.State)
	}
	now, fresh, err := c.l.Intend(ctx, e, &e)
	if err != nil || !fresh || now.Attempt != e.Attempt+1 {
		c.wrong(intends(e, &e), given(now, fresh, err), "fresh: attempt %d", e.Attempt+1)
	}
	c.to(ctx, now, ledger.Accepted)
	if got, fresh, err := c.l.Intend(ctx, e, &e); err != nil || fresh {
		c.wrong(intends(e, &e), given(got, fresh, err), "not fresh: attempt %d is there by now", now.Attempt)
	}
}

func (c *check) again(ctx context.Context) {
	for _, s := range ledger.States() {
		if s == ledger.Intended {
			continue
		}
		e := c.intended(ctx)
		e.Receipt = job.Receipt{
			IDs: []string{"x"}, State: job.ReceiptCreated, By: "action/0",
			Link: "https://ci.example", Note: "it failed",
		}
		e = c.to(ctx, e, s)
		next := e
		next.Who, next.Purpose, next.Count, next.Seen, next.Push.ID = "another", "a search", 5, 4, 1234
		called := intends(next, nil) + " after " + settles(e)
		now, fresh, err := c.l.Intend(ctx, next, nil)
		if err != nil || fresh != s.Again() {
			c.wrong(called, given(now, fresh, err), "fresh to be %t", s.Again())
			continue
		}
		if s.Again() {
			c.anew(called, now, next)
			c.anew(selects(ledger.Query{Key: e.Key})+" after "+called, c.read(ctx, e.Key), next)
		}
	}
}

// anew checks an entry that was intended again.
func (c *check) anew(called string, got, next ledger.Entry) {
	switch {
	case got.State != ledger.Intended || got.Attempt != 2 || !reflect.DeepEqual(got.Receipt, job.Receipt{}):
		c.wrong(called, fmt.Sprintf("%s, with the receipt %+v", entryText(got), got.Receipt),
			"attempt 2, intended, with none")
	case got.Who != next.Who || got.Purpose != next.Purpose || got.Count != next.Count ||
		got.Seen != next.Seen || got.Push.ID != next.Push.ID:
		c.wrong(called, fmt.Sprintf("%s, seen %d", entryText(got), got.Seen), "what is asked for now: %s, seen %d",
			entryText(next), next.Seen)
	}
}

func (c *check) settle(ctx context.Context) {
	e := c.intended(ctx)
	e.Count = 1 // the CI took one of two
	e.Receipt = job.Receipt{
		IDs: []string{"x", "y"}, State: job.ReceiptCreated, By: "action/0",
		Link: "https://ci.example", Note: "by another way",
	}
	settled := c.to(ctx, e, ledger.Accepted)
	if now := c.read(ctx, e.Key); now.State != ledger.Accepted || now.Count != 1 ||
		!reflect.DeepEqual(now.Receipt, e.Receipt) {
		c.wrong(selects(ledger.Query{Key: e.Key})+" after "+settles(settled),
			fmt.Sprintf("%s, with the receipt %+v", entryText(now), now.Receipt), "%s, with the receipt %+v",
			entryText(settled), e.Receipt)
	}
	none := c.entry()
	none.Attempt = 1
	if err := c.l.Settle(ctx, none); !errors.Is(err, job.ErrNotFound) {
		c.wrong(settles(none), errorText(err), "an error that wraps %q: it was not intended", job.ErrNotFound)
	}
}

// A process that stood still must not write over what another has done since.
func (c *check) superseded(ctx context.Context) {
	old := c.to(ctx, c.intended(ctx), ledger.Failed)
	now, fresh, err := c.l.Intend(ctx, old, nil)
	if err != nil || !fresh {
		c.wrong(intends(old, nil), given(now, fresh, err), "fresh: the first attempt failed")
	}
	old.State = ledger.Ended
	if err := c.l.Settle(ctx, old); !errors.Is(err, ledger.ErrSuperseded) {
		c.wrong(settles(old), errorText(err), "one that wraps %q: attempt %d is under way", ledger.ErrSuperseded,
			now.Attempt)
	}
	if e := c.read(ctx, old.Key); e.State != ledger.Intended {
		c.wrong(selects(ledger.Query{Key: old.Key})+" after "+settles(old), entryText(e), "attempt %d, intended",
			now.Attempt)
	}
}

// Of many callers with one key exactly one may ask.
func (c *check) once(ctx context.Context) {
	const callers = 16
	e := c.entry()
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for range callers {
		wg.Go(func() {
			_, fresh, err := c.l.Intend(ctx, e, nil)
			mu.Lock()
			defer mu.Unlock()
			c.failed(intends(e, nil), err)
			if fresh {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		c.wrong(fmt.Sprintf("%s by %d callers at once", intends(e, nil), callers),
			fmt.Sprintf("fresh to %d of them", won),
			"fresh to one")
	}
}
