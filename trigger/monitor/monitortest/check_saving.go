package monitortest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

func (c *check) save(ctx context.Context) {
	e := c.added(ctx)
	held := c.one(ctx, "holder", long, e.Key)
	held.Progress.Note, held.Progress.Want = "seen", 3
	c.saves(ctx, held, long)
	if got := c.read(ctx, e.Key); text(got) != text(held.Expectation) {
		c.wrong(reading(e.Key)+" after "+saving(held, long), text(got), "%s", text(held.Expectation))
	}
	c.none(ctx, e.Key)
	c.after(ctx, long, true, e.Key)
	const back = " after it was given back"
	c.wants(saving(held, 0)+back, c.s.Save(ctx, held, 0), monitor.ErrLost)
	c.wants(renewing(held, 0)+back, c.s.Renew(ctx, held, 0), monitor.ErrLost)

	e = c.added(ctx)
	c.saves(ctx, c.one(ctx, "holder", long, e.Key), short)
	c.pass(ctx, short)
	c.saves(ctx, c.one(ctx, "another", long, e.Key), 0)
	c.one(ctx, "holder", long, e.Key)
}

func (c *check) saveAdds(ctx context.Context) {
	known := c.added(ctx)
	held := c.one(ctx, "holder", long, c.added(ctx).Key)
	before := c.now(ctx)
	a, b, changed := c.expectation(), c.expectation(), known
	a.Key, b.Key = "z-"+a.Key, "a-"+b.Key // the keys are no order
	changed.Label = "another"
	c.saves(ctx, held, long, a, changed, b, b)
	after := c.now(ctx)
	es, err := c.s.Expectations(ctx, b.Key, a.Key, known.Key)
	called := reading(b.Key, a.Key, known.Key) + " after " + saving(held, long, a, changed, b, b)
	c.wants(called, err, nil)
	if len(es) != 3 || es[0].Key != known.Key || es[1].Key != a.Key || es[2].Key != b.Key {
		c.wrong(called, keysOf(es), "%q, %q, %q, the order in which they were added", known.Key, a.Key, b.Key)
		return
	}
	if es[0].Label != known.Label {
		c.wrong(called, fmt.Sprintf("%q with the label %q", known.Key, es[0].Label), "%q: it was known", known.Label)
	}
	for i, e := range []monitor.Expectation{a, b} {
		at := es[i+1].Progress.Added
		e.Progress.Added = at
		if text(es[i+1]) != text(e) || at.Before(before) || at.After(after) {
			c.wrong(called, text(es[i+1]), "%s, added from %s to %s", text(e), before, after)
		}
		c.one(ctx, "holder", long, e.Key)
	}
}

// An end stays the holder's until it is announced, or its lease is over.
func (c *check) end(ctx context.Context) {
	e := c.added(ctx)
	held := c.one(ctx, "holder", long, e.Key)
	held.Progress.Outcome, held.Progress.Ended = monitor.Met, c.now(ctx)
	c.saves(ctx, held, 0)
	c.none(ctx, e.Key)
	c.after(ctx, long, true, e.Key)
	if n, err := c.s.Wake(ctx, e.Push, ""); err != nil || n != 0 {
		c.wrong(waking(e.Push, "")+" after "+saving(held, 0), fmt.Sprintf("%d, %v", n, err), "0: it has ended")
	}
	c.wants(announcing(held), c.s.Announced(ctx, held), nil)
	c.none(ctx, e.Key)
	c.after(ctx, 0, false, e.Key)
	if got := c.read(ctx, e.Key); text(got) != text(held.Expectation) {
		c.wrong(reading(e.Key)+" after "+announcing(held), text(got), "%s", text(held.Expectation))
	}

	e = c.added(ctx)
	old := c.one(ctx, "holder", short, e.Key)
	old.Progress.Outcome, old.Progress.Ended = monitor.Blocked, c.now(ctx)
	c.saves(ctx, old, long)
	c.pass(ctx, short)
	now := c.one(ctx, "another", long, e.Key)
	if now.Progress.Outcome != monitor.Blocked {
		c.wrong(claiming("another", long, 5, e.Key), text(now.Expectation), "its end, %s", monitor.Blocked)
	}
	c.wants(announcing(old), c.s.Announced(ctx, old), monitor.ErrLost)
	c.wants(announcing(now), c.s.Announced(ctx, now), nil)
	c.after(ctx, 0, false, e.Key)
}

func (c *check) next(ctx context.Context) {
	a, b := c.added(ctx), c.added(ctx)
	c.after(ctx, 0, false, "no such key")
	c.after(ctx, 0, true, a.Key, b.Key)
	c.after(ctx, 0, true)
	c.one(ctx, "holder", long, a.Key)
	c.after(ctx, long, true, a.Key)
	c.after(ctx, 0, true, a.Key, b.Key)
	c.saves(ctx, c.one(ctx, "holder", long, b.Key), 2*long)
	c.after(ctx, 2*long, true, b.Key)
	c.after(ctx, long, true, b.Key, a.Key)
	over := c.added(ctx)
	c.one(ctx, "holder", short, over.Key)
	c.pass(ctx, short)
	c.after(ctx, 0, true, over.Key, a.Key)
}

func (c *check) expectations(ctx context.Context) {
	a, b := c.added(ctx), c.added(ctx)
	is := func(want []string, keys ...string) {
		es, err := c.s.Expectations(ctx, keys...)
		c.wants(reading(keys...), err, nil)
		var got []monitor.Expectation
		for _, e := range es {
			if e.Key == a.Key || e.Key == b.Key || len(keys) > 0 {
				got = append(got, e)
			}
		}
		if keysOf(got) != fmt.Sprintf("the keys %q", want) {
			c.wrong(reading(keys...), keysOf(got), "%q in this order", want)
		}
	}
	is([]string{a.Key, b.Key})
	is([]string{a.Key, b.Key}, b.Key, a.Key, b.Key)
	is([]string{b.Key}, b.Key, "no such key")
	is(nil, "no such key")
}

func (c *check) prune(ctx context.Context) {
	now := c.now(ctx)
	old, open, silent, young := c.added(ctx), c.added(ctx), c.added(ctx), c.added(ctx)
	c.announces(ctx, c.one(ctx, "holder", long, old.Key), now.Add(-2*long))
	c.announces(ctx, c.one(ctx, "holder", long, young.Key), now)
	held := c.one(ctx, "holder", long, silent.Key)
	held.Progress.Outcome, held.Progress.Ended = monitor.Met, now.Add(-2*long)
	c.saves(ctx, held, 0)
	n, err := c.s.Prune(ctx, long)
	c.wants(pruning(long), err, nil)
	if n != 1 {
		c.wrong(pruning(long), strconv.Itoa(n), "1: what ended, and was announced, longer ago")
	}
	es, err := c.s.Expectations(ctx, old.Key, open.Key, silent.Key, young.Key)
	c.wants(reading(old.Key, open.Key, silent.Key, young.Key), err, nil)
	want := fmt.Sprintf("the keys %q", []string{open.Key, silent.Key, young.Key})
	if keysOf(es) != want {
		c.wrong(reading(old.Key, open.Key, silent.Key, young.Key)+" after "+pruning(long), keysOf(es), "%s", want)
	}
	c.adds(ctx, old, true)
}

func (c *check) unknown(ctx context.Context) {
	e := monitor.Claimed{Expectation: c.expectation(), Holder: "holder"}
	child := c.expectation()
	c.wants(saving(e, 0, child), c.s.Save(ctx, e, 0, child), job.ErrNotFound)
	c.wants(renewing(e, 0), c.s.Renew(ctx, e, 0), job.ErrNotFound)
	c.wants(announcing(e), c.s.Announced(ctx, e), job.ErrNotFound)
	if es, err := c.s.Expectations(ctx, e.Key, child.Key); err != nil || len(es) > 0 {
		c.wrong(reading(e.Key, child.Key)+" after "+saving(e, 0, child), keysOf(es)+errorSuffix(err), "none")
	}
}

func (c *check) doneContext(ctx context.Context) {
	e, fresh := c.added(ctx), c.expectation()
	held := c.one(ctx, "holder", long, e.Key)
	free := c.added(ctx)
	done, cancel := context.WithCancel(ctx)
	cancel()
	const with = " with a cancelled context"
	saved := held
	saved.Progress.Outcome, saved.Progress.Ended = monitor.Met, time.Unix(0, 0).UTC()
	_, addErr := c.s.Add(done, fresh)
	c.wants(adding(fresh)+with, addErr, context.Canceled)
	_, claimErr := c.s.Claim(done, "holder", long, 5, free.Key)
	c.wants(claiming("holder", long, 5, free.Key)+with, claimErr, context.Canceled)
	c.wants(saving(saved, 0, fresh)+with, c.s.Save(done, saved, 0, fresh), context.Canceled)
	c.wants(renewing(held, 0)+with, c.s.Renew(done, held, 0), context.Canceled)
	c.wants(announcing(held)+with, c.s.Announced(done, held), context.Canceled)
	_, wakeErr := c.s.Wake(done, e.Push, "")
	c.wants(waking(e.Push, "")+with, wakeErr, context.Canceled)
	_, _, nextErr := c.s.Next(done)
	c.wants(nexting()+with, nextErr, context.Canceled)
	_, readErr := c.s.Expectations(done)
	c.wants(reading()+with, readErr, context.Canceled)
	_, nowErr := c.s.Now(done)
	c.wants("Now()"+with, nowErr, context.Canceled)
	_, pruneErr := c.s.Prune(done, 0)
	c.wants(pruning(0)+with, pruneErr, context.Canceled)
	if got := c.read(ctx, e.Key); !got.Open() {
		c.wrong(reading(e.Key)+" after "+saving(saved, 0)+with, text(got), "what it was")
	}
	if es, err := c.s.Expectations(ctx, fresh.Key); err != nil || len(es) > 0 {
		c.wrong(reading(fresh.Key)+" after "+adding(fresh)+with, keysOf(es)+errorSuffix(err), "none")
	}
	c.none(ctx, e.Key)
	c.one(ctx, "holder", long, free.Key)
	c.saves(ctx, held, long)
	c.none(ctx, e.Key) // it was not woken
}

// keysOf are the keys of expectations, in their order.
func keysOf(es []monitor.Expectation) string {
	var keys []string
	for _, e := range es {
		keys = append(keys, e.Key)
	}
	return fmt.Sprintf("the keys %q", keys)
}
