package monitortest

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

// wakings are what is told of the push of an expectation, and whether it wakes it.
var wakings = []struct {
	told  func(own monitor.Expectation) (job.Push, string)
	wakes bool
	many  bool // it may wake others too
}{
	{told: func(e monitor.Expectation) (job.Push, string) { return e.Push, e.Label }, wakes: true},
	{told: func(e monitor.Expectation) (job.Push, string) { return e.Push, "" }, wakes: true},
	{told: func(e monitor.Expectation) (job.Push, string) { return e.Push, "another" }},
	{told: revision(func(p job.Push) string { return p.Revision[:12] }), wakes: true},
	{told: revision(func(p job.Push) string { return p.Revision[:20] }), wakes: true},
	{told: revision(func(p job.Push) string { return strings.ToUpper(p.Revision[:12]) }), wakes: true},
	{told: revision(func(p job.Push) string { return p.Git }), wakes: true},
	{told: revision(func(p job.Push) string { return p.Hg }), wakes: true},
	{told: revision(func(p job.Push) string { return p.Hg[:12] }), wakes: true},
	{told: revision(func(p job.Push) string { return p.Revision[:11] })},
	{told: revision(func(p job.Push) string { return p.Revision[:12] + strings.Repeat("f", 28) })},
	{told: revision(func(p job.Push) string { return "f" + p.Revision[1:] })},
	{told: func(e monitor.Expectation) (job.Push, string) {
		return job.Push{Repo: e.Push.Repo, Revision: strings.Repeat("f", 40), Git: e.Push.Git}, ""
	}, wakes: true},
	{told: func(e monitor.Expectation) (job.Push, string) {
		return job.Push{Repo: e.Push.Repo, Revision: strings.Repeat("f", 40), Hg: e.Push.Revision[:12]}, e.Label
	}, wakes: true},
	{told: func(e monitor.Expectation) (job.Push, string) {
		return job.Push{Revision: e.Push.Revision}, ""
	}, wakes: true},
	{told: func(e monitor.Expectation) (job.Push, string) { return job.Push{Repo: e.Push.Repo}, "" }, wakes: true},
	{told: func(e monitor.Expectation) (job.Push, string) { return job.Push{Repo: e.Push.Repo}, e.Label }, wakes: true},
	{told: func(e monitor.Expectation) (job.Push, string) { return job.Push{Repo: e.Push.Repo}, "another" }},
	{told: func(e monitor.Expectation) (job.Push, string) { return job.Push{Repo: "another"}, e.Label }},
	{told: func(e monitor.Expectation) (job.Push, string) { return job.Push{}, e.Label }, wakes: true},
	{told: func(monitor.Expectation) (job.Push, string) { return job.Push{}, "another" }},
	{told: func(monitor.Expectation) (job.Push, string) { return job.Push{}, "" }, wakes: true, many: true},
}

// revision tells of a push by one hash of it.
func revision(f func(job.Push) string) func(monitor.Expectation) (job.Push, string) {
	return func(e monitor.Expectation) (job.Push, string) {
		return job.Push{Repo: e.Push.Repo, Revision: f(e.Push)}, e.Label
	}
}

func (c *check) wake(ctx context.Context) {
	for _, w := range wakings {
		e := c.expectation()
		if c.n%2 == 0 {
			e.Push.Revision = strings.ToUpper(e.Push.Revision)
		}
		c.wakes(ctx, e, w.told, w.wakes, w.many)
	}
	// Subversion's numbers are equal or not.
	for told, wakes := range map[string]bool{"4711": true, "47110": false, "471": false} {
		e := c.expectation()
		e.Push.Revision, e.Push.Hg, e.Push.Git = "4711", "", ""
		c.wakes(ctx, e, revision(func(job.Push) string { return told }), wakes, false)
	}
	// A push without a revision has no other hashes.
	e := c.expectation()
	hg := e.Push.Hg
	e.Push.Revision = ""
	c.wakes(ctx, e, revision(func(job.Push) string { return hg }), false, false)
}

// wakes adds an expectation that is due later, tells of a push, and checks whether it
// is due now.
func (c *check) wakes(
	ctx context.Context, e monitor.Expectation, told func(monitor.Expectation) (job.Push, string), wakes, many bool,
) {
	c.adds(ctx, e, true)
	c.saves(ctx, c.one(ctx, "holder", long, e.Key), long)
	push, label := told(e)
	called := waking(push, label) + " of " + fmt.Sprintf("%q %v, label %q", e.Push.Repo, e.Push.Hashes(), e.Label)
	n, err := c.s.Wake(ctx, push, label)
	c.wants(called, err, nil)
	want := 0
	if wakes {
		want = 1
	}
	if n != want && (!many || n < want) {
		c.wrong(called, strconv.Itoa(n), "%d", want)
	}
	after, _, err := c.s.Next(ctx, e.Key)
	if err != nil || (after == 0) != wakes {
		c.wrong(nexting(e.Key)+" after "+called, after.String()+errorSuffix(err), "it to be due: %t", wakes)
	}
}

// woken: what is woken while it is held is due when it is given back.
func (c *check) woken(ctx context.Context) {
	e := c.added(ctx)
	held := c.one(ctx, "holder", long, e.Key)
	for range 2 {
		if n, err := c.s.Wake(ctx, e.Push, e.Label); err != nil || n != 1 {
			c.wrong(waking(e.Push, e.Label), fmt.Sprintf("%d, %v", n, err), "1")
		}
	}
	c.none(ctx, e.Key)
	c.after(ctx, long, true, e.Key)
	c.wants(renewing(held, long), c.s.Renew(ctx, held, long), nil)
	c.saves(ctx, held, long)
	c.after(ctx, 0, true, e.Key)
	next := c.one(ctx, "another", long, e.Key)
	if next.Woken <= held.Woken {
		c.wrong(claiming("another", long, 5, e.Key), fmt.Sprintf("woken %d", next.Woken), "more than %d", held.Woken)
	}
	// What woke it before it was claimed was seen.
	c.saves(ctx, next, long)
	c.after(ctx, long, true, e.Key)
	c.none(ctx, e.Key)
}
