package monitortest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

func (c *check) empty(ctx context.Context) {
	c.claim(ctx, "holder", long, 5, nil, nil)
	c.after(ctx, 0, false)
	es, err := c.s.Expectations(ctx)
	c.wants(reading(), err, nil)
	if len(es) > 0 {
		c.wrong(reading(), fmt.Sprintf("%d expectations", len(es)), "none: open gives an empty store at first")
	}
	n, err := c.s.Wake(ctx, job.Push{}, "")
	c.wants(waking(job.Push{}, ""), err, nil)
	if n != 0 {
		c.wrong(waking(job.Push{}, ""), strconv.Itoa(n), "0")
	}
}

func (c *check) clock(ctx context.Context) {
	first := c.now(ctx)
	c.pass(ctx, time.Millisecond)
	second := c.now(ctx)
	if first.Location() != time.UTC || !second.After(first) {
		c.wrong("Now()", fmt.Sprintf("%s, then %s", first, second), "times in UTC, one after the other")
	}
}

func (c *check) add(ctx context.Context) {
	before := c.now(ctx)
	e := c.expectation()
	e.Progress.Added = time.Date(1998, time.March, 31, 0, 0, 0, 0, time.UTC)
	c.adds(ctx, e, true)
	first := c.read(ctx, e.Key)
	if after := c.now(ctx); first.Progress.Added.Before(before) || first.Progress.Added.After(after) {
		c.wrong(reading(e.Key), fmt.Sprintf("one that was added at %s", first.Progress.Added),
			"from %s to %s, by the store's clock", before, after)
	}
	other := e
	other.Label, other.Count = "another", 7
	c.adds(ctx, other, false)
	if now := c.read(ctx, e.Key); text(now) != text(first) {
		c.wrong(reading(e.Key)+" after a second "+adding(other), text(now), "what it was: %s", text(first))
	}
	got := c.one(ctx, "holder", long, e.Key)
	if text(got.Expectation) != text(first) || got.Woken != 0 {
		c.wrong(claiming("holder", long, 5, e.Key), fmt.Sprintf("%s, woken %d", text(got.Expectation), got.Woken),
			"%s, woken 0", text(first))
	}
}

// kept: every field comes back as it was written.
func (c *check) kept(ctx context.Context) {
	e := c.expectation()
	at := time.Date(2026, time.July, 9, 10, 11, 12, 13_000, time.UTC)
	e.Label, e.Test, e.Why = "linux64/opt/xpcshell-1 \"ö\" %_?", "dom/test.html", "a person's\n\x00"
	e.Parent, e.Trigger, e.WatchOnly, e.FailFast, e.UntilHit = "another", true, true, true, true
	e.Batch, e.Max = 3, 30
	e.Push.Order, e.Push.Branch, e.Push.User, e.Push.Time = 7, "default", "somebody", at
	c.adds(ctx, e, true)
	got := c.read(ctx, e.Key)
	e.Progress.Added = got.Progress.Added
	if text(got) != text(e) {
		c.wrong(reading(e.Key)+" after "+adding(e), text(got), "%s", text(e))
	}
	held := c.one(ctx, "holder", long, e.Key)
	moot := job.Push{Repo: "autoland", ID: 5, Revision: "d4f3"}
	held.Progress = monitor.Progress{
		Added: e.Progress.Added, State: monitor.Watching, Want: 4, Triggered: 3, Scheduled: 1, Retried: 1,
		Retriggered: 1,
		Base:        &monitor.Counts{Failures: 1, Runs: 2}, Results: monitor.Counts{Failures: 3, Runs: 4},
		Told: map[string]job.Status{"a": job.StatusRunning, "b": job.StatusException}, Said: map[string]bool{"a": true},
		Unread: 2, LastError: "no answer\nö", MootAt: at, History: &monitor.Counts{Failures: 5, Runs: 6},
		Outcome: monitor.Moot, Note: "a note", Ended: at, Moot: &moot,
	}
	c.saves(ctx, held, 0)
	if got := c.read(ctx, e.Key); text(got) != text(held.Expectation) {
		c.wrong(reading(e.Key)+" after "+saving(held, 0), text(got), "%s", text(held.Expectation))
	}
}

func (c *check) claims(ctx context.Context) {
	var keys []string
	for range 3 {
		keys = append(keys, c.added(ctx).Key)
		c.pass(ctx, 2*time.Millisecond)
	}
	c.claim(ctx, "holder", long, 0, keys, nil)
	two := c.claim(ctx, "holder", long, 2, keys, keys[:2])
	c.claim(ctx, "another", long, 5, keys, keys[2:])
	c.claim(ctx, "holder", long, 5, keys, nil)
	if len(two) != 2 {
		return
	}
	// What was given back first is due the longest, whenever it was added.
	for _, e := range []monitor.Claimed{two[1], two[0]} {
		c.saves(ctx, e, 0)
		c.pass(ctx, 2*time.Millisecond)
	}
	fresh := c.added(ctx).Key
	order := []string{keys[1], keys[0], fresh}
	c.claim(ctx, "holder", long, 5, append(slices.Clone(keys), fresh), order)
	c.leftovers(ctx)
}

// leftovers checks that what has been due comes before what was left later, though that
// was added first, and that a claim without keys is one of all.
func (c *check) leftovers(ctx context.Context) {
	var late string
	for _, n := range []int{1, 2} {
		left := c.added(ctx).Key
		late = c.added(ctx).Key
		c.one(ctx, "holder", short, left)
		c.pass(ctx, short)
		c.claim(ctx, "holder", 0, n, []string{left, late}, []string{late, left}[:n])
	}
	got, err := c.s.Claim(ctx, "holder", time.Millisecond, 1000)
	called := claiming("holder", time.Millisecond, 1000)
	c.wants(called, err, nil)
	if !slices.ContainsFunc(got, func(e monitor.Claimed) bool { return e.Key == late }) {
		c.wrong(called, fmt.Sprintf("%d expectations", len(got)), "%q among them", late)
	}
}

// Who stood still must not write over what another has done since.
func (c *check) lease(ctx context.Context) {
	alone := c.one(ctx, "holder", short, c.added(ctx).Key)
	e := c.added(ctx)
	old := c.one(ctx, "holder", short, e.Key)
	c.pass(ctx, short)
	c.wants(renewing(alone, short)+" after its end, when nobody else has claimed it", c.s.Renew(ctx, alone, 0), nil)
	c.saves(ctx, alone, 0)
	now := c.one(ctx, "another", long, e.Key)
	old.Progress.Note, old.Progress.Outcome = "lost", monitor.Met
	child := c.expectation()
	const since = " when another has claimed it since"
	c.wants(saving(old, 0, child)+since, c.s.Save(ctx, old, 0, child), monitor.ErrLost)
	c.wants(renewing(old, long)+since, c.s.Renew(ctx, old, long), monitor.ErrLost)
	c.wants(announcing(old)+since, c.s.Announced(ctx, old), monitor.ErrLost)
	if got := c.read(ctx, e.Key); got.Progress.Note != "" || !got.Open() {
		c.wrong(reading(e.Key)+" after "+saving(old, 0, child)+since, text(got), "what it was: %s",
			text(now.Expectation))
	}
	if es, err := c.s.Expectations(ctx, child.Key); err != nil || len(es) > 0 {
		c.wrong(reading(child.Key)+" after "+saving(old, 0, child)+since, fmt.Sprintf("%d, %v", len(es), err), "none")
	}
	c.none(ctx, e.Key)
	c.saves(ctx, now, 0)
}

func (c *check) renew(ctx context.Context) {
	e := c.added(ctx)
	held := c.one(ctx, "holder", short, e.Key)
	c.wants(renewing(held, long), c.s.Renew(ctx, held, long), nil)
	c.pass(ctx, short)
	c.none(ctx, e.Key)
	c.after(ctx, long, true, e.Key)
	c.wants(renewing(held, short), c.s.Renew(ctx, held, short), nil)
	c.pass(ctx, short)
	c.one(ctx, "another", long, e.Key)
}
