// Package ledgertest checks whether an implementation of ledger.Ledger keeps its
// contract. Start with [Check]. It is itself tested on the broken implementations
// of [Mutants], each of which it must catch.
package ledgertest

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// Check returns every misbehaviour that it finds in a ledger, joined, one a line: the
// name of the broken rule, what was called with what, what came back and what is
// wanted. open opens the ledger, empty at first; what it returns later is the same ledger
// as another process sees it, where there can be one. Check waits for leases of a second.
func Check(ctx context.Context, open func() (ledger.Ledger, error)) error {
	l, err := open()
	if err != nil {
		return err
	}
	c := &check{l: l, open: open}
	for _, r := range []struct {
		name string
		run  func(*check, context.Context)
	}{
		{"intend", (*check).intend},
		{"instead", (*check).instead},
		{"again", (*check).again},
		{"settle", (*check).settle},
		{"superseded", (*check).superseded},
		{"clock", (*check).clock},
		{"lease", (*check).lease},
		{"renewed", (*check).renewed},
		{"kept", (*check).kept},
		{"queries", (*check).queries},
		{"done context", (*check).doneContext},
		{"once", (*check).once},
		{"prune", (*check).prune},
	} {
		c.rule = r.name
		r.run(c, ctx)
	}
	return errors.Join(c.errs...)
}

type check struct {
	l    ledger.Ledger
	open func() (ledger.Ledger, error)
	rule string
	errs []error
	n    int // keys that were used
}

// wrong reports what a call returned that it should not have.
func (c *check) wrong(called, returned, want string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s returned %s, want %s", c.rule, called, returned,
		fmt.Sprintf(want, args...)))
}

// failed reports an error of a call that should have none.
func (c *check) failed(called string, err error) {
	if err != nil {
		c.wrong(called, errorText(err), "no error")
	}
}

// entry is an entry with a key of its own.
func (c *check) entry() ledger.Entry {
	c.n++
	return ledger.Entry{
		Key: fmt.Sprintf("autoland/%d/test/%d", c.n, c.n), Label: "test", Count: 2, Seen: 1, Who: "me",
		Purpose: "a plan",
		Push:    job.Push{Repo: "autoland", ID: int64(c.n), Revision: fmt.Sprintf("%012x%028x", 0xa1c0<<32+c.n, 0)},
	}
}

// intended is an entry that was just intended.
func (c *check) intended(ctx context.Context) ledger.Entry {
	e := c.entry()
	got, fresh, err := c.l.Intend(ctx, e, nil)
	if err != nil || !fresh {
		c.wrong(intends(e, nil), given(got, fresh, err), "fresh: the key is new")
	}
	return got
}

// to settles an entry.
func (c *check) to(ctx context.Context, e ledger.Entry, s ledger.State) ledger.Entry {
	e.State = s
	c.failed(settles(e), c.l.Settle(ctx, e))
	return e
}

// read is the entry as another process sees it.
func (c *check) read(ctx context.Context, key string) ledger.Entry {
	l, err := c.open()
	if err != nil {
		c.failed("open()", err)
		return ledger.Entry{}
	}
	q := ledger.Query{Key: key}
	es, err := l.Entries(ctx, q)
	if err != nil || len(es) != 1 {
		c.wrong(selects(q), fmt.Sprintf("%d entries, %v", len(es), err), "one entry and no error")
		return ledger.Entry{}
	}
	return es[0]
}
