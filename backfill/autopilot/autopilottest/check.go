// Package autopilottest checks whether an implementation of autopilot.Store keeps its contract.
// Start with [CheckStore], which takes no *testing.T and returns what it finds:
//
//	err := autopilottest.CheckStore(ctx, func() (autopilot.Store, error) { return NewMyStore(file) })
//
// A finding names the rule, the call, its result and the one that was wanted:
//
//	learn: Window at first gave 3, want 4
//
// The kit is itself tested on the broken stores of [Mutants], each of which it must catch.
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

// The rules run one after the other on one store, which is never emptied. So each makes failures
// and cases with keys, repositories and labels of its own, and afterwards drain ends what it left,
// so that the next rule finds nothing due.

// CheckStore returns all misbehaviour that it finds in a store, joined, one finding a line: the
// name of the broken rule, what was done, the result, and the result that was wanted. open opens
// the store, which must be empty the first time. Later calls of open return the same store as
// another process would see it, where that is possible. CheckStore waits for leases of up to a
// second, or longer on a slow machine, by the store's own clock, so that clock must move.
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
		{"join while it is saved", (*check).joinAtOnce},
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

// check is one run of the kit. failure, newCase and aSpend count up n, and push makes repositories
// and hashes of it, so nothing is made twice.
type check struct {
	s    autopilot.Store // as the first call of open gave it
	open func() (autopilot.Store, error)
	rule string              // the rule that runs now, for findings
	n    int                 // number of things made
	held []autopilot.Claimed // what claim was given and drain has to end

	mu   sync.Mutex // guards errs: some rules call the store from several goroutines
	errs []error
}

const (
	short = time.Second // a lease whose end is waited for
	long  = time.Hour   // a lease that does not end during the check
	many  = 1000        // a number of open cases that is never reached
)

// wrong reports a result that is not the wanted one. got is taken as it is, and want is a format
// for args.
func (c *check) wrong(did, got, want string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, fmt.Errorf("%s: %s gave %s, want %s", c.rule, did, got, fmt.Sprintf(want, args...)))
}

// wants checks the error of a call: none, or one that wraps want. It reports whether the error was
// right, so that a result without an error can be looked at. Errors must be of type *job.Error.
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

// same reports a value that is not the wanted one.
func same[T comparable](c *check, did string, got, want T) {
	if got != want {
		c.wrong(did, shown(got), "%s", shown(want))
	}
}

// shown is a value in a finding; the empty string would look like a missing word.
func shown(v any) string {
	if v == "" {
		return "nothing"
	}
	return fmt.Sprint(v)
}

// push returns a push of the newest thing's repository. Its two hashes and its time follow from n
// and the id, so the same id gives the same push until something new is made.
func (c *check) push(id int64) job.Push {
	return job.Push{
		Repo: fmt.Sprintf("repo-%d", c.n), ID: id, Revision: fmt.Sprintf("a1c0%08x%028x", c.n, id),
		Git: fmt.Sprintf("b2d1%08x%028x", c.n, id), Time: time.Date(2026, 1, 5, 0, 0, int(id), 0, time.UTC),
	}
}

// failure returns a new failure with a key, repository and label of its own.
func (c *check) failure() autopilot.Failure {
	c.n++
	p := c.push(4)
	return autopilot.Failure{
		Key: fmt.Sprintf("f-%d", c.n), Run: fmt.Sprintf("run-%d", c.n), Label: fmt.Sprintf("test-%d", c.n), Push: p,
		Kind: job.KindTest, Finished: p.Time.Add(time.Hour),
	}
}

// newCase returns a new case with a key, repository and label of its own. Its span is that of the
// pushes 2, 3 and 4. All cases have the signatures "sign" and "other", and are kept apart by their
// repositories.
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

// hears stores a failure that is due at once, and checks whether the store says that it is new.
func (c *check) hears(ctx context.Context, f autopilot.Failure, want bool) {
	fresh, err := c.s.Hear(ctx, f, 0)
	if c.wants("Hear", err, nil) {
		same(c, "Hear", fresh, want)
	}
}

// gives opens a case, and checks whether the store says that it is new. It returns the case that
// Open returned.
func (c *check) gives(ctx context.Context, cs autopilot.Case, spans []autopilot.Span, want bool) autopilot.Case {
	made, fresh, err := c.s.Open(ctx, cs, spans, many)
	if c.wants("Open", err, nil) {
		same(c, "Open", fresh, want)
	}
	return made
}

// claim claims everything that is due, and remembers it for drain.
func (c *check) claim(ctx context.Context, holder string, lease time.Duration) []autopilot.Claimed {
	out, err := c.s.Claim(ctx, holder, lease, many)
	c.wants("Claim", err, nil)
	c.held = append(c.held, out...)
	return out
}

// one claims the only thing that is due. Anything else than one is a finding, and false.
func (c *check) one(ctx context.Context, holder string, lease time.Duration) (autopilot.Claimed, bool) {
	out := c.claim(ctx, holder, lease)
	if len(out) != 1 {
		c.wrong("Claim", strconv.Itoa(len(out)), "1")
		return autopilot.Claimed{}, false
	}
	return out[0], true
}

// inTime calls f with a short duration, within which f must have ended for its findings to count.
// On a slow machine it forgets them and calls f again with a longer one. It returns the duration
// that was long enough. It tries 1, 4, 16 and 64 seconds; the last one counts however long it took.
func (c *check) inTime(ctx context.Context, f func(time.Duration)) time.Duration {
	for d := short; ; d *= 4 {
		errs := len(c.errs)
		began, _ := c.s.Now(ctx) // an error is found by the rule "clock"
		f(d)
		if now, err := c.s.Now(ctx); err != nil || now.Sub(began) < d || d > time.Minute {
			return d
		}
		c.errs = c.errs[:errs]
		c.drain(ctx)
	}
}

// pass waits until d has passed by the store's clock. It looks each millisecond, at most 100,000
// times: a clock that stands still is a finding.
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

// finished is what was claimed, with nothing left to do: a copy, since the original may be compared
// later.
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

// drain ends what a rule has left behind: what it holds, and then everything else, which Wake makes
// due. Its errors are no findings: a broken store would give each of them once for every rule.
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
