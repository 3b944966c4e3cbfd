// Package monitortest checks whether an implementation of monitor.Store keeps its
// contract. Start with [CheckStore]. It is itself tested on the broken stores of
// [Mutants], each of which it must catch.
package monitortest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

// CheckStore returns every misbehaviour that it finds in a store, joined, one a line: the
// name of the broken rule, what was called with what, what came back and what is wanted.
// open opens the store, empty at first; what it returns later is the same store as another
// process sees it, where there can be one. CheckStore waits for leases of some
// milliseconds by the store's own clock, which must move.
func CheckStore(ctx context.Context, open func() (monitor.Store, error)) error {
	s, err := open()
	if err != nil {
		return err
	}
	c := &check{s: s, open: open}
	for _, r := range []struct {
		name string
		run  func(*check, context.Context)
	}{
		{"empty", (*check).empty},
		{"clock", (*check).clock},
		{"add", (*check).add},
		{"kept", (*check).kept},
		{"claim", (*check).claims},
		{"lease", (*check).lease},
		{"renew", (*check).renew},
		{"save", (*check).save},
		{"save adds", (*check).saveAdds},
		{"end", (*check).end},
		{"wake", (*check).wake},
		{"woken", (*check).woken},
		{"next", (*check).next},
		{"expectations", (*check).expectations},
		{"prune", (*check).prune},
		{"unknown", (*check).unknown},
		{"done context", (*check).doneContext},
		{"at once", (*check).atOnce},
	} {
		c.rule = r.name
		r.run(c, ctx)
	}
	return errors.Join(c.errs...)
}

type check struct {
	s    monitor.Store
	open func() (monitor.Store, error)
	rule string
	n    int // expectations that were made

	mu   sync.Mutex
	errs []error
}

const (
	short = 20 * time.Millisecond // a lease that is waited for
	long  = time.Hour             // one that does not end while the check runs
)

// wrong reports what a call returned that it should not have.
func (c *check) wrong(called, returned, want string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, fmt.Errorf("%s: %s returned %s, want %s", c.rule, called, returned,
		fmt.Sprintf(want, args...)))
}

// wants checks the error of a call: none, or one that wraps want.
func (c *check) wants(called string, err, want error) {
	var typed *job.Error
	switch {
	case want == nil && err != nil:
		c.wrong(called, errorText(err), "no error")
	case !errors.Is(err, want):
		c.wrong(called, errorText(err), "an error that wraps %q", want)
	case err != nil && !errors.As(err, &typed):
		c.wrong(called, errorText(err), "a *job.Error")
	}
}

// expectation is one with a key, a label and a push of its own.
func (c *check) expectation() monitor.Expectation {
	c.n++
	return monitor.Expectation{
		Key: fmt.Sprintf("key-%d", c.n), Label: fmt.Sprintf("test-%d", c.n), Count: 2, Deadline: time.Hour,
		Push: job.Push{
			Repo: fmt.Sprintf("repo-%d", c.n), ID: int64(c.n), Revision: fmt.Sprintf("a1c0%08x%028x", c.n, 1),
			Hg: fmt.Sprintf("b2d1%08x%028x", c.n, 2), Git: fmt.Sprintf("c3e2%08x%028x", c.n, 3),
		},
	}
}

// added is an expectation that was just added.
func (c *check) added(ctx context.Context) monitor.Expectation {
	e := c.expectation()
	c.adds(ctx, e, true)
	return e
}

func (c *check) adds(ctx context.Context, e monitor.Expectation, want bool) {
	added, err := c.s.Add(ctx, e)
	c.wants(adding(e), err, nil)
	if err == nil && added != want {
		c.wrong(adding(e), strconv.FormatBool(added), "%t", want)
	}
}

// claim claims, and checks that what it gets has these keys, in their order.
func (c *check) claim(
	ctx context.Context, holder string, lease time.Duration, n int, only, want []string,
) []monitor.Claimed {
	got, err := c.s.Claim(ctx, holder, lease, n, only...)
	called := claiming(holder, lease, n, only...)
	c.wants(called, err, nil)
	var keys []string
	for _, g := range got {
		keys = append(keys, g.Key)
		if g.Holder != holder {
			c.wrong(called, fmt.Sprintf("%q of the holder %q", g.Key, g.Holder), "%q", holder)
		}
	}
	if err == nil && fmt.Sprint(keys) != fmt.Sprint(want) {
		c.wrong(called, fmt.Sprintf("the keys %q", keys), "%q in this order", want)
	}
	return got
}

// one claims the one expectation that has this key.
func (c *check) one(ctx context.Context, holder string, lease time.Duration, key string) monitor.Claimed {
	got := c.claim(ctx, holder, lease, 5, []string{key}, []string{key})
	if len(got) == 0 {
		return monitor.Claimed{Expectation: monitor.Expectation{Key: key}, Holder: holder}
	}
	return got[0]
}

// none checks that nobody can claim the expectation.
func (c *check) none(ctx context.Context, key string) {
	for _, holder := range []string{"holder", "nobody"} {
		c.claim(ctx, holder, long, 5, []string{key}, nil)
	}
}

func (c *check) saves(ctx context.Context, e monitor.Claimed, again time.Duration, add ...monitor.Expectation) {
	c.wants(saving(e, again, add...), c.s.Save(ctx, e, again, add...), nil)
}

// announces ends a claimed expectation, and says that it was announced.
func (c *check) announces(ctx context.Context, e monitor.Claimed, ended time.Time) {
	e.Progress.Outcome, e.Progress.Ended = monitor.Met, ended
	c.saves(ctx, e, 0)
	c.wants(announcing(e), c.s.Announced(ctx, e), nil)
}

// read is what the store has of a key, as another process sees it.
func (c *check) read(ctx context.Context, key string) monitor.Expectation {
	s, err := c.open()
	if err != nil {
		c.wants("open()", err, nil)
		return monitor.Expectation{}
	}
	es, err := s.Expectations(ctx, key)
	if err != nil || len(es) != 1 {
		c.wrong(reading(key), fmt.Sprintf("%d expectations, %v", len(es), err), "one, and no error")
		return monitor.Expectation{}
	}
	return es[0]
}

func (c *check) now(ctx context.Context) time.Time {
	now, err := c.s.Now(ctx)
	c.wants("Now()", err, nil)
	return now
}

// pass waits until so long has passed by the store's clock.
func (c *check) pass(ctx context.Context, d time.Duration) {
	start := c.now(ctx)
	for range 20_000 {
		now, err := c.s.Now(ctx)
		if err != nil {
			c.wants("Now()", err, nil)
			return
		}
		if now.Sub(start) > d {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
	c.wrong("Now()", "the same again and again", "a clock that moves")
}

// after checks how long it is until something can be claimed: want, or a minute less.
func (c *check) after(ctx context.Context, want time.Duration, some bool, only ...string) {
	got, there, err := c.s.Next(ctx, only...)
	c.wants(nexting(only...), err, nil)
	if err == nil && (there != some || got > want || got < 0 || got < want-time.Minute) {
		c.wrong(nexting(only...), fmt.Sprintf("%s, %t", got, there), "%s, %t", want, some)
	}
}

// text is an expectation in full.
func text(e monitor.Expectation) string {
	b, err := json.Marshal(e)
	return string(bytes.TrimSpace(b)) + errorSuffix(err)
}
