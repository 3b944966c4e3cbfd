// Package ledgertest tells whether an implementation of ledger.Ledger keeps its
// contract. Start with [Check]. It is itself tested on the broken implementations
// of [Mutants], each of which it must catch.
package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// Check returns every misbehaviour that it finds in a ledger, joined, each
// beginning with the name of the broken rule. open opens the ledger, empty at
// first; what it returns later is the same ledger as another process sees it,
// where there can be one. Check waits for leases of a second.
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

func (c *check) fail(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(c.rule+": "+format, args...))
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
	e, fresh, err := c.l.Intend(ctx, c.entry(), nil)
	if err != nil || !fresh {
		c.fail("a first intention: %t, %v", fresh, err)
	}
	return e
}

// to settles an entry.
func (c *check) to(ctx context.Context, e ledger.Entry, s ledger.State) ledger.Entry {
	e.State = s
	if err := c.l.Settle(ctx, e); err != nil {
		c.fail("settling as %s: %v", s, err)
	}
	return e
}

// read is the entry as another process sees it.
func (c *check) read(ctx context.Context, key string) ledger.Entry {
	l, err := c.open()
	if err != nil {
		c.fail("%v", err)
		return ledger.Entry{}
	}
	es, err := l.Entries(ctx, ledger.Query{Key: key})
	if err != nil || len(es) != 1 {
		c.fail("%d entries with the key %s, %v; expected one", len(es), key, err)
		return ledger.Entry{}
	}
	return es[0]
}

func (c *check) intend(ctx context.Context) {
	first := c.intended(ctx)
	if first.State != ledger.Intended || first.Attempt != 1 {
		c.fail("it is %s, attempt %d; expected intended, attempt 1", first.State, first.Attempt)
	}
	other := first
	other.Count, other.Push.ID = 7, 99
	prior, fresh, err := c.l.Intend(ctx, other, nil)
	if err != nil || fresh || prior.Count != first.Count || prior.Push.ID != first.Push.ID {
		c.fail("a second one with its key: %+v, %t, %v; expected the first", prior, fresh, err)
	}
	if now := c.read(ctx, first.Key); now.Count != first.Count || now.Attempt != 1 {
		c.fail("a second one changed the first: %+v", now)
	}
}

func (c *check) instead(ctx context.Context) {
	e := c.to(ctx, c.intended(ctx), ledger.Accepted)
	stale := e
	stale.State = ledger.Unsure
	if _, fresh, err := c.l.Intend(ctx, e, &stale); err != nil || fresh {
		c.fail("instead of another state: %t, %v", fresh, err)
	}
	now, fresh, err := c.l.Intend(ctx, e, &e)
	if err != nil || !fresh || now.Attempt != e.Attempt+1 {
		c.fail("instead of what is there: %t, attempt %d, %v; expected attempt %d", fresh, now.Attempt, err,
			e.Attempt+1)
	}
	c.to(ctx, now, ledger.Accepted)
	if _, fresh, err := c.l.Intend(ctx, e, &e); err != nil || fresh {
		c.fail("instead of an attempt that is there no more: %t, %v", fresh, err)
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
		now, fresh, err := c.l.Intend(ctx, next, nil)
		if err != nil || fresh != s.Again() {
			c.fail("after %s: %t, %v", s, fresh, err)
			continue
		}
		read := c.read(ctx, e.Key)
		for what, got := range map[string]ledger.Entry{"returned": now, "written": read} {
			switch {
			case !s.Again():
			case got.State != ledger.Intended || got.Attempt != 2 || !reflect.DeepEqual(got.Receipt, job.Receipt{}):
				c.fail("after %s: %s attempt %d, %s with the receipt %+v; expected attempt 2, intended, with none", s,
					what, got.Attempt, got.State, got.Receipt)
			case got.Who != next.Who || got.Purpose != next.Purpose || got.Count != next.Count ||
				got.Seen != next.Seen || got.Push.ID != next.Push.ID:
				c.fail("after %s: %s %+v; expected what is asked for now", s, what, got)
			}
		}
	}
}

func (c *check) settle(ctx context.Context) {
	e := c.intended(ctx)
	e.Count = 1 // the CI took one of two
	e.Receipt = job.Receipt{
		IDs: []string{"x", "y"}, State: job.ReceiptCreated, By: "action/0",
		Link: "https://ci.example", Note: "by another way",
	}
	c.to(ctx, e, ledger.Accepted)
	if now := c.read(ctx, e.Key); now.State != ledger.Accepted || now.Count != 1 ||
		!reflect.DeepEqual(now.Receipt, e.Receipt) {
		c.fail("%+v; expected %+v", now, e)
	}
	none := c.entry()
	none.Attempt = 1
	if err := c.l.Settle(ctx, none); !errors.Is(err, job.ErrNotFound) {
		c.fail("what was not intended: %v", err)
	}
}

// A process that stood still must not write over what another has done since.
func (c *check) superseded(ctx context.Context) {
	old := c.to(ctx, c.intended(ctx), ledger.Failed)
	now, fresh, err := c.l.Intend(ctx, old, nil)
	if err != nil || !fresh {
		c.fail("%t, %v", fresh, err)
	}
	old.State = ledger.Ended
	if err := c.l.Settle(ctx, old); !errors.Is(err, ledger.ErrSuperseded) {
		c.fail("settling attempt %d while attempt %d is under way: %v", old.Attempt, now.Attempt, err)
	}
	if e := c.read(ctx, old.Key); e.State != ledger.Intended {
		c.fail("it was written over: %s", e.State)
	}
}

// What the caller says of the time does not count.
func (c *check) clock(ctx context.Context) {
	const off = 400 * time.Hour
	for _, by := range []time.Duration{-off, off} {
		e := c.entry()
		e.Asked, e.Age = time.Now().Add(by), by
		got, _, err := c.l.Intend(ctx, e, nil)
		if err != nil {
			c.fail("%v", err)
		}
		for _, at := range []ledger.Entry{got, c.read(ctx, e.Key)} {
			if at.Age < -time.Minute || at.Age > time.Minute {
				c.fail("an entry of a host whose clock is off by %s is %s old", by, at.Age)
			}
		}
	}
}

func (c *check) lease(ctx context.Context) {
	const lease = time.Second
	e := c.entry()
	e.Holder, e.Lease = "holder", lease
	held, _, err := c.l.Intend(ctx, e, nil)
	if err != nil || held.Lease <= 0 || held.Lease > lease {
		c.fail("it is leased for %s, %v; expected up to %s", held.Lease, err, lease)
	}
	other := held
	other.Holder = "another"
	for _, s := range []ledger.State{ledger.Intended, ledger.Unsure} {
		held.Lease = lease
		held = c.to(ctx, held, s)
		prior, fresh, err := c.l.Intend(ctx, other, &held)
		if err != nil || fresh || prior.Lease <= 0 || prior.Holder != e.Holder {
			c.fail("%s, it was given away while it is leased: %t, %v, %s left of %s", s, fresh, err, prior.Lease,
				prior.Holder)
		}
	}
	mine, fresh, err := c.l.Intend(ctx, e, &held)
	if err != nil || !fresh {
		c.fail("not given to its holder: %t, %v", fresh, err)
	}
	for deadline := time.Now().Add(time.Minute); c.read(ctx, e.Key).Lease > 0; {
		if time.Now().After(deadline) {
			c.fail("a lease of %s is not over after a minute", lease)
			return
		}
		select {
		case <-time.After(lease / 10):
		case <-ctx.Done():
			return
		}
	}
	if _, fresh, err := c.l.Intend(ctx, other, &mine); err != nil || !fresh {
		c.fail("not given away when the lease is over: %t, %v", fresh, err)
	}
}

// Settling as intended renews the lease; settling as anything else ends it.
func (c *check) renewed(ctx context.Context) {
	e := c.entry()
	e.Holder = "holder"
	held, _, err := c.l.Intend(ctx, e, nil)
	if err != nil || held.Lease > 0 {
		c.fail("it is leased for %s, %v; expected not at all", held.Lease, err)
	}
	held.Lease = time.Hour
	held = c.to(ctx, held, ledger.Intended)
	if left := c.read(ctx, e.Key).Lease; left < 59*time.Minute {
		c.fail("renewed for an hour: %s are left", left)
	}
	held.Lease = 0
	c.to(ctx, held, ledger.Unsure)
	if left := c.read(ctx, e.Key).Lease; left > 0 {
		c.fail("settled: %s are left", left)
	}
}

// kept: every field comes back as it was written.
func (c *check) kept(ctx context.Context) {
	e := c.entry()
	e.Push.Git, e.Push.Hg = fmt.Sprintf("%040x", 1), fmt.Sprintf("%040x", 2)
	e.Label, e.Who, e.Purpose, e.Holder = "linux64/opt/xpcshell-1 \"ö\" %_?", "a person", "a search", "a holder"
	if _, _, err := c.l.Intend(ctx, e, nil); err != nil {
		c.fail("%v", err)
	}
	got := c.read(ctx, e.Key)
	if got.Asked.IsZero() {
		c.fail("it does not say when")
	}
	got.Asked, got.Age = e.Asked, e.Age
	e.Attempt, e.State = 1, ledger.Intended
	if !reflect.DeepEqual(got, e) {
		c.fail("written %+v, read %+v", e, got)
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
		if err != nil {
			c.fail("%v", err)
		}
		es = append(es, got)
	}
	is := func(name string, q ledger.Query, want ...int) {
		got, err := c.l.Entries(ctx, q)
		keys, wanted := []string{}, []string{}
		for _, e := range got {
			keys = append(keys, e.Key)
		}
		for _, i := range want {
			wanted = append(wanted, es[i].Key)
		}
		if err != nil || !slices.Equal(keys, wanted) {
			c.fail("%s: %q, %v; expected %q in this order", name, keys, err, wanted)
		}
	}
	first, second, nameless := es[0].Push, es[1].Push, es[3].Push
	is("the labels of a repository", ledger.Query{Repo: "queried", Labels: []string{"two", "one", "one"}}, 0, 1, 3)
	is("a repository", ledger.Query{Repo: "queried"}, 0, 1, 3)
	is("a push", ledger.ForPush(first, "one"), 0)
	is("a push by 12 digits", ledger.ForPush(job.Push{Repo: "queried", Revision: first.Revision[:12]}, "one"), 0)
	is("pushes", ledger.Query{Repo: "queried", Pushes: []job.Push{first, second, nameless}}, 0, 1, 3)
	is("a push without a revision", ledger.ForPush(nameless, "one"), 3)
	is("another one", ledger.ForPush(job.Push{Repo: "queried", ID: nameless.ID + 1}, "one"))
	is("another label", ledger.ForPush(first, "two"))
	is("an owner", ledger.Query{Repo: "queried", Who: "another"}, 1)
	is("a purpose", ledger.Query{Purpose: "a search", Labels: []string{"two"}}, 1)
	is("a key", ledger.Query{Key: es[2].Key}, 2)
	is("a key elsewhere", ledger.Query{Key: es[2].Key, Repo: "queried"})
	is("within an hour", ledger.Query{Repo: "queried", Within: time.Hour}, 0, 1, 3)
	time.Sleep(time.Millisecond) // what is asked at one moment has no order but that of the keys
	if _, _, err := c.l.Intend(ctx, c.to(ctx, es[0], ledger.Refused), nil); err != nil {
		c.fail("%v", err)
	}
	is("after asking anew, it is the latest", ledger.Query{Repo: "queried"}, 1, 3, 0)
}

func (c *check) doneContext(ctx context.Context) {
	e := c.entry()
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := c.l.Intend(done, e, nil); !errors.Is(err, context.Canceled) {
		c.fail("Intend: %v", err)
	}
	if _, err := c.l.Entries(done, ledger.Query{}); !errors.Is(err, context.Canceled) {
		c.fail("Entries: %v", err)
	}
	if es, err := c.l.Entries(ctx, ledger.Query{Key: e.Key}); err != nil || len(es) > 0 {
		c.fail("it was written all the same: %+v, %v", es, err)
	}
	var typed *job.Error
	if _, _, err := c.l.Intend(done, e, nil); !errors.As(err, &typed) {
		c.fail("%T is no *job.Error", err)
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
			if err != nil {
				c.fail("%v", err)
			}
			if fresh {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		c.fail("%d of %d callers with one key may ask, expected one", won, callers)
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
		c.fail("%d entries were forgotten, %v; all are young", n, err)
	}
	c.read(ctx, e.Key)
	if _, err := ledger.Prune(ctx, c.l, time.Hour); !errors.Is(err, job.ErrInvalid) {
		c.fail("keeping less than a day: %v", err)
	}
}
