package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// kept: every field comes back as it was written.
func (c *check) kept(ctx context.Context) {
	e := c.entry()
	e.Push.Git, e.Push.Hg = fmt.Sprintf("%040x", 1), fmt.Sprintf("%040x", 2)
	e.Label, e.Who, e.Purpose, e.Holder = "linux64/opt/xpcshell-1 \"ö\" %_?", "a person", "a search", "a holder"
	_, _, err := c.l.Intend(ctx, e, nil)
	c.failed(intends(e, nil), err)
	got := c.read(ctx, e.Key)
	called := selects(ledger.Query{Key: e.Key}) + " after " + intends(e, nil)
	if got.Asked.IsZero() {
		c.wrong(called, "an entry with no Asked", "the time by the ledger's clock")
	}
	got.Asked, got.Age = e.Asked, e.Age
	e.Attempt, e.State = 1, ledger.Intended
	if !reflect.DeepEqual(got, e) {
		c.wrong(called, fmt.Sprintf("%+v", got), "%+v", e)
	}
}

func (c *check) queries(ctx context.Context) {
	var es []ledger.Entry
	for _, f := range []func(*ledger.Entry){
		func(e *ledger.Entry) { e.Label = "one" },
		func(e *ledger.Entry) { e.Label, e.Who, e.Purpose = "two", "another", "a search" },
		func(e *ledger.Entry) { e.Label, e.Push.Repo = "one", "mozilla-central" },
		func(e *ledger.Entry) { e.Label, e.Push.Revision = "one", "" },
	} {
		e := c.entry()
		e.Push.Repo = "queried"
		f(&e)
		got, _, err := c.l.Intend(ctx, e, nil)
		c.failed(intends(e, nil), err)
		es = append(es, got)
	}
	is := func(q ledger.Query, want ...int) {
		got, err := c.l.Entries(ctx, q)
		keys, wanted := []string{}, []string{}
		for _, e := range got {
			keys = append(keys, e.Key)
		}
		for _, i := range want {
			wanted = append(wanted, es[i].Key)
		}
		if err != nil || !slices.Equal(keys, wanted) {
			c.wrong(selects(q), fmt.Sprintf("the keys %q, %v", keys, err), "%q in this order", wanted)
		}
	}
	first, second, nameless := es[0].Push, es[1].Push, es[3].Push
	is(ledger.Query{Repo: "queried", Labels: []string{"two", "one", "one"}}, 0, 1, 3)
	is(ledger.Query{Repo: "queried"}, 0, 1, 3)
	is(ledger.ForPush(first, "one"), 0)
	is(ledger.ForPush(job.Push{Repo: "queried", Revision: first.Revision[:12]}, "one"), 0)
	is(ledger.Query{Repo: "queried", Pushes: []job.Push{first, second, nameless}}, 0, 1, 3)
	is(ledger.ForPush(nameless, "one"), 3)
	is(ledger.ForPush(job.Push{Repo: "queried", ID: nameless.ID + 1}, "one"))
	is(ledger.ForPush(first, "two"))
	is(ledger.Query{Repo: "queried", Who: "another"}, 1)
	is(ledger.Query{Purpose: "a search", Labels: []string{"two"}}, 1)
	is(ledger.Query{Key: es[2].Key}, 2)
	is(ledger.Query{Key: es[2].Key, Repo: "queried"})
	is(ledger.Query{Repo: "queried", Within: time.Hour}, 0, 1, 3)
	time.Sleep(time.Millisecond) // what is asked at one moment has no order but that of the keys
	_, _, err := c.l.Intend(ctx, c.to(ctx, es[0], ledger.Refused), nil)
	c.failed(intends(es[0], nil)+" after it was refused", err)
	// Asked for anew, it is the latest.
	is(ledger.Query{Repo: "queried"}, 1, 3, 0)
}

func (c *check) doneContext(ctx context.Context) {
	e := c.entry()
	done, cancel := context.WithCancel(ctx)
	cancel()
	const with = " with a cancelled context"
	_, _, err := c.l.Intend(done, e, nil)
	if !errors.Is(err, context.Canceled) {
		c.wrong(intends(e, nil)+with, errorText(err), "one that wraps %q", context.Canceled)
	}
	if _, err := c.l.Entries(done, ledger.Query{}); !errors.Is(err, context.Canceled) {
		c.wrong(selects(ledger.Query{})+with, errorText(err), "one that wraps %q", context.Canceled)
	}
	q := ledger.Query{Key: e.Key}
	if es, err := c.l.Entries(ctx, q); err != nil || len(es) > 0 {
		c.wrong(selects(q)+" after "+intends(e, nil)+with, fmt.Sprintf("%d entries, %v", len(es), err),
			"none and no error")
	}
	var typed *job.Error
	if err != nil && !errors.As(err, &typed) {
		c.wrong(intends(e, nil)+with, errorText(err), "a *job.Error")
	}
}

// What is younger than the time to keep is kept; a ledger need not forget.
func (c *check) prune(ctx context.Context) {
	e := c.intended(ctx)
	n, err := ledger.Prune(ctx, c.l, ledger.LeastKept)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return
	case err != nil || n > 0:
		c.wrong(prunes(ledger.LeastKept), fmt.Sprintf("%d, %v", n, err), "0 and no error: all entries are young")
	}
	c.read(ctx, e.Key)
	if _, err := ledger.Prune(ctx, c.l, time.Hour); !errors.Is(err, job.ErrInvalid) {
		c.wrong(prunes(time.Hour), errorText(err), "one that wraps %q: it is less than a day", job.ErrInvalid)
	}
}
