// Package autopilottest tells whether an implementation of autopilot.Store keeps its contract. Start with
// [CheckStore]. It is itself tested on the broken stores of [Mutants], each of which it must catch.
package autopilottest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
)

// CheckStore returns every misbehaviour that it finds in a store, joined, one a line: the name of the broken
// rule, what was done, what came of it and what is wanted. open opens the store, empty at first; what it
// returns later is the same store as another process sees it, where there can be one. CheckStore waits for
// leases of some milliseconds by the store's own clock, which must move.
func CheckStore(ctx context.Context, open func() (autopilot.Store, error)) error {
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
		{"hear", (*check).hear},
		{"open", (*check).opens},
		{"full", (*check).full},
		{"open at once", (*check).openAtOnce},
		{"extend", (*check).extend},
		{"claim", (*check).claims},
		{"lease", (*check).lease},
		{"save", (*check).saves},
		{"woken", (*check).woken},
		{"next", (*check).next},
		{"queries", (*check).queries},
		{"seen", (*check).seen},
		{"spend", (*check).spend},
		{"limits", (*check).limits},
		{"spend at once", (*check).spendAtOnce},
		{"switch", (*check).switches},
		{"opt out", (*check).optOut},
		{"tell", (*check).tell},
		{"learn", (*check).learn},
		{"prune", (*check).prune},
		{"unknown", (*check).unknown},
		{"done context", (*check).doneContext},
	} {
		c.rule = r.name
		r.run(c, ctx)
		c.drain(ctx)
	}
	return errors.Join(c.errs...)
}

type check struct {
	s    autopilot.Store
	open func() (autopilot.Store, error)
	rule string
	n    int // things that were made
	held []autopilot.Claimed

	mu   sync.Mutex
	errs []error
}

const (
	short = time.Second // a lease that is waited for
	long  = time.Hour   // one that does not end while the check runs
	many  = 1000        // cases that may be open
)

// wrong reports what came of something that should not have.
func (c *check) wrong(did, got, want string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, fmt.Errorf("%s: %s gave %s, want %s", c.rule, did, got, fmt.Sprintf(want, args...)))
}

// wants checks the error of a call: none, or one that wraps want.
func (c *check) wants(did string, err, want error) bool {
	var typed *job.Error
	switch {
	case want == nil && err != nil:
		c.wrong(did, fmt.Sprintf("the error %q", err), "no error")
	case !errors.Is(err, want):
		c.wrong(did, fmt.Sprintf("the error %v", err), "an error that wraps %q", want)
	case err != nil && !errors.As(err, &typed):
		c.wrong(did, fmt.Sprintf("a bare error %q", err), "a *job.Error")
	default:
		return true
	}
	return false
}

// same checks a value.
func same[T comparable](c *check, did string, got, want T) {
	if got != want {
		c.wrong(did, shown(got), "%s", shown(want))
	}
}

func shown(v any) string {
	if v == "" {
		return "nothing"
	}
	return fmt.Sprint(v)
}

func (c *check) push(id int64) job.Push {
	return job.Push{
		Repo: fmt.Sprintf("repo-%d", c.n), ID: id, Revision: fmt.Sprintf("a1c0%08x%028x", c.n, id),
		Git: fmt.Sprintf("b2d1%08x%028x", c.n, id), Time: time.Date(2026, 1, 5, 0, 0, int(id), 0, time.UTC),
	}
}

// failure is one with a key, a repository and a label of its own.
func (c *check) failure() autopilot.Failure {
	c.n++
	p := c.push(4)
	return autopilot.Failure{
		Key: fmt.Sprintf("f-%d", c.n), Run: fmt.Sprintf("run-%d", c.n), Label: fmt.Sprintf("test-%d", c.n), Push: p,
		Kind: job.KindTest, Finished: p.Time.Add(time.Hour),
	}
}

// newCase is a case with a key, a repository and a label of its own.
func (c *check) newCase() (autopilot.Case, []autopilot.Span) {
	c.n++
	p, good := c.push(4), c.push(1)
	label := fmt.Sprintf("test-%d", c.n)
	return autopilot.Case{
		Key: fmt.Sprintf("c-%d", c.n), Repo: p.Repo, Label: label, Labels: []string{label}, Signature: "sign",
		Signatures: []string{"sign", "other"}, Kind: job.KindTest, Push: p, LastGood: &good, State: autopilot.Waiting,
		Mode: autopilot.Act, Rule: autopilot.RuleOpened, Why: "it is new",
	}, []autopilot.Span{{Repo: p.Repo, Low: 1, High: 4}}
}

func (c *check) hears(ctx context.Context, f autopilot.Failure, want bool) {
	fresh, err := c.s.Hear(ctx, f, 0)
	if c.wants("Hear", err, nil) {
		same(c, "Hear", fresh, want)
	}
}

func (c *check) gives(ctx context.Context, cs autopilot.Case, spans []autopilot.Span, want bool) autopilot.Case {
	made, fresh, err := c.s.Open(ctx, cs, spans, many)
	if c.wants("Open", err, nil) {
		same(c, "Open", fresh, want)
	}
	return made
}

// claim claims everything that is due.
func (c *check) claim(ctx context.Context, holder string, lease time.Duration) []autopilot.Claimed {
	out, err := c.s.Claim(ctx, holder, lease, many)
	c.wants("Claim", err, nil)
	c.held = append(c.held, out...)
	return out
}

// one claims what is the only thing that is due.
func (c *check) one(ctx context.Context, holder string, lease time.Duration) (autopilot.Claimed, bool) {
	out := c.claim(ctx, holder, lease)
	if len(out) != 1 {
		c.wrong("Claim", strconv.Itoa(len(out)), "1")
		return autopilot.Claimed{}, false
	}
	return out[0], true
}

// inTime calls f with a short time, before the end of which it must have ended: where the machine was too
// slow it is called again with a longer one, and what it found is forgotten. It returns the time that was
// long enough.
func (c *check) inTime(ctx context.Context, f func(time.Duration)) time.Duration {
	for d := short; ; d *= 4 {
		errs := len(c.errs)
		began, _ := c.s.Now(ctx) // an error is for the rule of the clock
		f(d)
		if now, err := c.s.Now(ctx); err != nil || now.Sub(began) < d || d > time.Minute {
			return d
		}
		c.errs = c.errs[:errs]
		c.drain(ctx)
	}
}

// pass waits until so long has passed by the store's clock.
func (c *check) pass(ctx context.Context, d time.Duration) {
	began, err := c.s.Now(ctx)
	for range 100_000 {
		now, failed := c.s.Now(ctx)
		if err = errors.Join(err, failed); err != nil {
			c.wants("Now", err, nil)
			return
		}
		if now.Sub(began) > d {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
	c.wrong("Now", "the same again and again", "a clock that moves")
}

// finished is what was claimed, with nothing left to do.
func finished(cl autopilot.Claimed) autopilot.Claimed {
	if cl.Case != nil {
		n := *cl.Case
		n.State, n.Told = autopilot.Ended, true
		cl.Case = &n
		return cl
	}
	f := *cl.Failure
	f.Decided, f.Rule = true, autopilot.RuleKnown
	cl.Failure = &f
	return cl
}

// drain ends what a rule left behind.
func (c *check) drain(ctx context.Context) {
	for _, cl := range c.held {
		_ = c.s.Save(ctx, finished(cl), 0)
	}
	c.held = nil
	_, _ = c.s.Wake(ctx, "", "")
	for range many {
		all, err := c.s.Claim(ctx, "drain", short, many)
		if err != nil || len(all) == 0 {
			return
		}
		for _, cl := range all {
			_ = c.s.Save(ctx, finished(cl), 0)
		}
	}
}
