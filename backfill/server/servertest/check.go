// Package servertest checks whether an implementation of server.Store keeps its contract. Start
// with [CheckStore], which takes no *testing.T and returns what it finds:
//
//	err := servertest.CheckStore(ctx, func() (server.Store, error) { return NewMyStore(file) })
//	if err != nil {
//		t.Error(err)
//	}
//
// A finding names the rule, the call, what it returned and what it should have returned:
//
//	prune: Prune(1h0m0s) returned 1, want 0, because all are younger
//
// The kit is itself tested on the broken stores of [Mutants], each of which it must catch.
package servertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// CheckStore returns all misbehaviour that it finds in a store, joined, one finding a line: the
// name of the broken rule, the call with its arguments, what it returned, and what it should have
// returned. open opens the store, which must be empty the first time. Later calls of open return
// the same store as another process would see it, where that is possible. CheckStore waits for
// leases and lifetimes of some milliseconds by the store's own clock, so that clock must move.
func CheckStore(ctx context.Context, open func() (server.Store, error)) error {
	s, err := open()
	if err != nil {
		return err
	}
	c := &check{s: s, open: open}
	if c.other, err = open(); err != nil {
		return err
	}
	// Each rule leaves closed records behind, which later rules neither claim nor list: they ask
	// for projects, labels and ids of their own.
	for _, r := range []struct {
		name string
		run  func(*check, context.Context)
	}{
		{"empty", (*check).empty},
		{"clock", (*check).clock},
		{"add", (*check).add},
		{"kept", (*check).kept},
		{"key", (*check).key},
		{"lifetime", (*check).lifetime},
		{"list", (*check).list},
		{"page", (*check).page},
		{"versions", (*check).versions},
		{"claim", (*check).claims},
		{"lease", (*check).lease},
		{"renew", (*check).renew},
		{"save", (*check).save},
		{"end", (*check).end},
		{"freed", (*check).freed},
		{"release", (*check).release},
		{"cancel", (*check).cancel},
		{"prune", (*check).prune},
		{"unknown", (*check).unknown},
		{"done context", (*check).doneContext},
		{"at once", (*check).atOnce},
	} {
		c.rule = r.name
		r.run(c, ctx)
		c.clear(ctx)
	}
	return errors.Join(c.errs...)
}

// check is one run of CheckStore. Calls that change something mostly go to s, and reads to other,
// so that what only one process would know is found out. mu guards errs; the rest is used by one
// goroutine at a time.
type check struct {
	s     server.Store
	other server.Store // the same store, as another process sees it
	open  func() (server.Store, error)
	rule  string
	n     int      // number of records made
	ids   []string // ids of the current rule's records

	mu   sync.Mutex
	errs []error
}

const (
	// Long enough that the calls between its begin and its end fit in, also on a slow machine.
	short = 300 * time.Millisecond // a lease whose end is waited for
	long  = time.Hour              // a lease that does not end during the check
)

// record returns a new record with an id, key, project and label of its own. The first is id-1,
// with key-1, project-1 and label-1.
func (c *check) record(state server.State) server.Record {
	c.n++
	id := fmt.Sprintf("id-%d", c.n)
	c.ids = append(c.ids, id)
	return server.Record{
		Backfill: server.Backfill{
			ID: id, State: state, By: "hazel", Via: server.ViaToken, Answer: "Accepted",
			Ask: server.Ask{
				Project: fmt.Sprintf("project-%d", c.n), Label: fmt.Sprintf("label-%d", c.n), Mode: server.Linear,
				Revision: fmt.Sprintf("%040x", 0xa1c0+c.n),
			},
		},
		Key:    fmt.Sprintf("key-%d", c.n),
		Caller: server.Caller{Name: "hazel", Via: server.ViaToken, Scopes: []string{"a:b:c", "*"}},
	}
}

// rich returns a record with a value in every field. The texts have what a store may damage: HTML,
// an escape character, and a character outside the basic plane. Times have microseconds, the finest
// unit that a store must keep.
func (c *check) rich() server.Record {
	r := c.record(server.Waiting)
	at := time.Date(2026, 1, 5, 7, 8, 9, 123456000, time.UTC)
	push := job.Push{Repo: "autoland", ID: 17, Revision: "a1c0" + fmt.Sprintf("%036x", 1)}
	ref, p, text := push.Ref(), 0.25, "it <b>failed</b> \u001b[31m \U0001f600"
	r.Caller.Expires = at.Add(time.Hour)
	r.DryRun, r.Why, r.Reason, r.Confirmed, r.Flaky = true, server.Text(text), server.Internal, true, true
	r.Start, r.LastGood, r.FirstBad = &ref, &ref, &ref
	r.Culprit, r.Credible = &server.Culprit{Push: ref, Probability: p}, []server.Suspect{{Push: ref, Probability: p}}
	r.Outcome, r.Probability, r.FailRate = "culprit", &p, server.Rates{Before: &p}
	r.Plan = trigger.Plan{
		Steps: []trigger.Step{{
			Key: "k", Label: "l", Push: push, Action: trigger.ActionNothing, Times: 2, Seen: 2,
			Why: text,
		}},
		LeftOut: []trigger.LeftOut{{Label: "l", Push: push, Count: 3, Why: text, Untestable: true}},
	}
	r.Steps = []server.Step{{
		Key: "k", Label: "l", Push: ref, Action: trigger.ActionTrigger, Count: 2, Why: text, Round: 3, Time: at,
		Receipt: &server.Receipt{IDs: []string{"run-1", "run-2"}, State: "created"}, Error: &text,
	}}
	r.Rows = []server.Row{{
		Push: ref, Label: "l", Author: "ann", Subject: text, Time: at, Passed: 1, Probability: p,
		Runs: []server.Run{{ID: "run-1", Result: server.Passed, Status: "success", Ours: true, Seconds: 1.5}},
	}}
	r.Log = []server.Entry{{Time: at, Kind: "triggered", Text: text, Why: "why", Link: "https://x.example/"}}
	r.Cost = server.Cost{Runs: 1, Ended: 2, Red: 3, Most: 4, Rounds: 5, Forecast: 6, Machine: 7.5, Left: &p, Usual: 8}
	r.Warnings = []string{text}
	r.Links = server.Links{
		Self: "/v1/backfills/x", Page: "/p", Events: "/e", Job: "https://j.example",
		Range: "https://r.example",
	}
	return r
}

// added adds a record, which any caller can claim while it is open, and returns it.
func (c *check) added(ctx context.Context, state server.State) server.Record {
	return c.adds(ctx, c.record(state), long)
}

// adds calls Add with a record that must be new.
func (c *check) adds(ctx context.Context, r server.Record, lifetime time.Duration) server.Record {
	got, added, err := c.s.Add(ctx, r, lifetime)
	if c.wants(adding(r, lifetime), err, nil) && (!added || got.ID != r.ID) {
		c.wrong(adding(r, lifetime), fmt.Sprintf("%q, %t", got.ID, added), "%q, true", r.ID)
	}
	return got
}

// meets calls Add with a record for which the living one with id want must be returned. Living must
// return the same one.
func (c *check) meets(ctx context.Context, r server.Record, want string) {
	got, added, err := c.other.Add(ctx, r, long)
	if c.wants(adding(r, long), err, nil) && (added || got.ID != want) {
		c.wrong(adding(r, long), fmt.Sprintf("%q, %t", got.ID, added), "%q, false", want)
	}
	l, err := c.other.Living(ctx, r.Key)
	if c.wants(living(r.Key), err, nil) && l.ID != want {
		c.wrong(living(r.Key), fmt.Sprintf("%q", l.ID), "%q", want)
	}
}

// dead checks that no record lives under a key.
func (c *check) dead(ctx context.Context, key string) {
	_, err := c.other.Living(ctx, key)
	c.wants(living(key), err, job.ErrNotFound)
}

// claim claims records, and checks that it gets these ids in this order. Without any id it must get
// nothing. It returns what it got.
func (c *check) claim(ctx context.Context, holder string, lease time.Duration, n int, want ...string) []server.Record {
	got, err := c.s.Claim(ctx, holder, lease, n)
	called := claiming(holder, lease, n)
	c.wants(called, err, nil)
	ids := []string{}
	for _, g := range got {
		ids = append(ids, g.ID)
	}
	if err == nil && fmt.Sprint(ids) != fmt.Sprint(want) {
		c.wrong(called, idsOf(ids), "%s in this order", idsOf(want))
	}
	return got
}

// held adds a record and claims it. If the claim fails, which is reported, it returns the record as
// it was added.
func (c *check) held(ctx context.Context, lease time.Duration) server.Record {
	const holder = "holder"
	r := c.added(ctx, server.Waiting)
	if got := c.claim(ctx, holder, lease, 5, r.ID); len(got) > 0 {
		return got[0]
	}
	return r
}

// saves calls Save for a record whose lease the holder has. It returns what the store returned, the
// zero Record after an error.
func (c *check) saves(ctx context.Context, r server.Record, holder string) server.Record {
	got, err := c.s.Save(ctx, r, holder)
	c.wants(saving(r, holder), err, nil)
	return got
}

// read returns a record as another process sees it.
func (c *check) read(ctx context.Context, id string) server.Record {
	r, err := c.other.Get(ctx, id)
	c.wants(getting(id), err, nil)
	return r
}

// stays checks that the stored record equals want. after says what was done before, for the report.
func (c *check) stays(ctx context.Context, after string, want server.Record) {
	if got := c.read(ctx, want.ID); text(got) != text(want) {
		c.wrong(getting(want.ID)+" after "+after, text(got), "%s", text(want))
	}
}

// now is the store's clock; the zero time after an error.
func (c *check) now(ctx context.Context) time.Time {
	now, err := c.s.Now(ctx)
	c.wants("Now()", err, nil)
	return now
}

// pass waits until d has passed by the store's clock, which need not run like this machine's. A
// clock that stands still is reported after 20,000 looks, 20 seconds or more.
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
	c.wrong("Now()", "the same time again and again", "a clock that moves")
}

// clear ends what a rule has left open, so that the next rule claims only its own records. The
// store does not say who holds a lease, so it tries all holders that the rules use; heldBy takes
// what nobody holds. Errors are not reported: the rules have found them.
func (c *check) clear(ctx context.Context) {
	for _, id := range c.ids {
		r, err := c.s.Get(ctx, id)
		if err != nil || !r.State.Open() {
			continue
		}
		for _, holder := range []string{"holder", "other", "third", c.heldBy(ctx)} {
			r.State = server.Failed
			if _, err := c.s.Save(ctx, r, holder); err == nil {
				break
			}
		}
	}
	c.ids = nil
}

// heldBy claims what is not leased, and returns the holder's name.
func (c *check) heldBy(ctx context.Context) string {
	_, _ = c.s.Claim(ctx, "clear", long, 1000) // an error here shows up in the rules too
	return "clear"
}

// text is a record with all its fields. Two records are equal if their texts are: JSON has no time
// zones of its own and no unexported fields.
func text(r server.Record) string {
	b, err := json.Marshal(struct {
		Backfill server.Backfill
		Key      string
		Caller   server.Caller
	}{r.Backfill, r.Key, r.Caller})
	if err != nil {
		return errorText(err)
	}
	return string(b)
}
