package servertest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// The rules, in the order of CheckStore. Each makes the records that it needs, so it does not
// matter which others ran before. "holder", "other" and "third" are instances of the service.

// A new store has nothing, and its calls with nothing to do are no errors.
func (c *check) empty(ctx context.Context) {
	c.claim(ctx, "holder", long, 5)
	all, err := c.s.List(ctx, server.Query{})
	if c.wants(listing(server.Query{}), err, nil) && len(all) > 0 {
		c.wrong(listing(server.Query{}), strconv.Itoa(len(all)), "none: open gives an empty store at first")
	}
	n, err := c.s.Prune(ctx, 0)
	if c.wants(pruning(0), err, nil) && n != 0 {
		c.wrong(pruning(0), strconv.Itoa(n), "0")
	}
	v, err := c.s.Versions(ctx)
	if c.wants(versioning(), err, nil) && len(v) > 0 {
		c.wrong(versioning(), fmt.Sprint(v), "none")
	}
}

// The clock moves and is in UTC: everything else that a store says about time follows from it.
func (c *check) clock(ctx context.Context) {
	first := c.now(ctx)
	c.pass(ctx, time.Millisecond)
	second := c.now(ctx)
	if first.Location() != time.UTC || !second.After(first) {
		c.wrong("Now()", fmt.Sprint(first, " and then ", second), "times in UTC that grow")
	}
}

// A new record has version 1 and the store's times, whatever the caller has set.
func (c *check) add(ctx context.Context) {
	for _, state := range server.States() {
		r := c.record(state)
		// What a caller may send by mistake, for instance with a record that it has read before.
		at := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
		r.Version, r.Created, r.Updated, r.Ended, r.CancelledBy = 7, at, at, &at, "somebody"
		before := c.now(ctx)
		got := c.adds(ctx, r, long)
		after := c.now(ctx)
		called := adding(r, long)
		if got.Version != 1 || got.CancelledBy != "" {
			c.wrong(called, fmt.Sprintf("version %d, cancelled by %q", got.Version, got.CancelledBy),
				"version 1, not cancelled")
		}
		// The times lie between two readings of the same clock.
		if got.Created.Before(before) || got.Created.After(after) || !got.Updated.Equal(got.Created) ||
			got.Created.Location() != time.UTC {
			c.wrong(called, fmt.Sprintf("created %s, updated %s", got.Created, got.Updated),
				"both between %s and %s, in UTC", before, after)
		}
		if state.Open() != (got.Ended == nil) || got.Ended != nil && !got.Ended.Equal(got.Created) {
			c.wrong(called, fmt.Sprintf("ended %v", got.Ended), "an end, which is now, because it is not open")
		}
		c.stays(ctx, called, got)
	}
	// The second Add has another key, so it is not the same backfill, but the id is taken.
	r := c.record(server.Waiting)
	first := c.adds(ctx, r, long)
	r.Key, r.Answer = r.Key+"/b", "another"
	if _, added, err := c.s.Add(ctx, r, long); err == nil || added {
		c.wrong(adding(r, long), fmt.Sprintf("%t and no error", added), "an error, because this id exists")
	}
	c.stays(ctx, adding(r, long), first)
	c.dead(ctx, r.Key)
}

// The store keeps a copy of what it was given, and returns copies.
func (c *check) kept(ctx context.Context) {
	r := c.rich()
	// want shares its slices with r. The text is taken before these are changed.
	want := r
	got := c.adds(ctx, r, long)
	want.Version, want.Created, want.Updated = got.Version, got.Created, got.Updated
	if text(got) != text(want) {
		c.wrong(adding(r, long), text(got), "%s", text(want))
	}
	c.stays(ctx, adding(r, long), want)
	whole := text(want)
	// Change what was given and what was returned: neither may reach the store.
	r.Steps[0].Why, r.Warnings[0], r.Caller.Scopes[0] = "changed", "changed", "changed"
	for i := range got.Rows {
		got.Rows[i].Author = "changed"
	}
	read := c.read(ctx, r.ID)
	if text(read) != whole {
		c.wrong(getting(r.ID)+" after what was given was changed", text(read), "%s", whole)
	}
	// A store that has lost the warnings was reported above, and has none to change.
	if len(read.Warnings) > 0 {
		read.Warnings[0] = "changed"
	}
	if again := c.read(ctx, r.ID); text(again) != whole {
		c.wrong(getting(r.ID)+" after what was returned was changed", text(again), "%s", whole)
	}
	c.unreadable(ctx)
}

// A record that cannot be read again must not be stored, because it would make every list fail. The
// record has an action that package trigger does not know.
func (c *check) unreadable(ctx context.Context) {
	broken := trigger.Plan{Steps: []trigger.Step{{Key: "k", Action: "no such action", Count: -1}}}
	r := c.record(server.Waiting)
	r.Plan = broken
	if _, added, err := c.s.Add(ctx, r, long); err == nil || added {
		c.wrong(adding(r, long)+" of one that cannot be read again", fmt.Sprintf("%t, %s", added, errorText(err)),
			"an error")
	}
	// An error is not enough: the record must not be there either.
	_, err := c.s.Get(ctx, r.ID)
	c.wants(getting(r.ID), err, job.ErrNotFound)
	held := c.record(server.Waiting)
	was := c.adds(ctx, held, long)
	c.heldBy(ctx)
	held.Plan = broken
	if _, err := c.s.Save(ctx, held, "clear"); err == nil {
		c.wrong(saving(held, "clear")+" of one that cannot be read again", "no error", "an error")
	}
	c.stays(ctx, saving(held, "clear"), was)
}

// The same key is the same record while it lives. It lives while it is open, and for its lifetime
// if it is Done, Undecided or Planned. One that was cancelled, refused or failed makes room for a
// new one.
func (c *check) key(ctx context.Context) {
	for _, state := range server.States() {
		first := c.record(state)
		c.adds(ctx, first, long)
		second := c.record(server.Waiting)
		second.Key = first.Key
		switch state {
		case server.Cancelled, server.Refused, server.Failed:
			c.dead(ctx, first.Key)
			c.adds(ctx, second, long)
			third := c.record(server.Waiting)
			third.Key = first.Key
			c.meets(ctx, third, second.ID)
		default:
			c.meets(ctx, second, first.ID)
			if _, err := c.s.Get(ctx, second.ID); err == nil {
				c.wrong(getting(second.ID), "one", "none: it was not added")
			}
		}
	}
	// An empty key is no key: both are added.
	for range 2 {
		r := c.record(server.Waiting)
		r.Key = ""
		c.adds(ctx, r, long)
	}
	c.dead(ctx, "")
}

// A record that has ended lives for the lifetime given to Add; an open one lives until it ends.
func (c *check) lifetime(ctx context.Context) {
	open, over, now := c.record(server.Running), c.record(server.Done), c.record(server.Planned)
	c.adds(ctx, open, short)
	c.adds(ctx, over, short)
	c.adds(ctx, now, 0)
	c.pass(ctx, short)
	again := c.record(server.Waiting)
	again.Key = open.Key
	// The lifetime of the open one is over as well, and it still lives.
	c.meets(ctx, again, open.ID)
	for _, r := range []server.Record{over, now} {
		c.dead(ctx, r.Key)
		again := c.record(server.Waiting)
		again.Key = r.Key
		c.adds(ctx, again, long)
	}
	r := c.record(server.Waiting) // its lifetime counts from when it was added
	c.adds(ctx, r, short)
	c.heldBy(ctx)
	r.State = server.Done
	c.pass(ctx, short)
	c.saves(ctx, r, "clear")
	c.dead(ctx, r.Key)
}

// A list has what fits all fields that are set, the newest first. "list-%" and "LIST-A" are there
// for stores that compare with LIKE, or without regard to case.
//
//	index  state    project  label    by
//	0      waiting  list-a   list-x   list-hazel
//	1      done     list-b   list-x   list-hazel
//	2      done     list-a   list-%   list-hazel
//	3      failed   list-b   list-x   list-rowan
//	4      running  list-a   list-x   list-rowan
func (c *check) list(ctx context.Context) {
	var ids []string
	for i, state := range []server.State{server.Waiting, server.Done, server.Done, server.Failed, server.Running} {
		r := c.record(state)
		r.Ask.Project = []string{"list-a", "list-b"}[i%2]
		r.Ask.Label = []string{"list-x", "list-x", "list-%"}[i%3]
		r.By = []string{"list-hazel", "list-rowan"}[i/3]
		c.adds(ctx, r, long)
		ids = append(ids, r.ID)
	}
	last := c.record(server.Waiting)
	last.Ask = server.Ask{Project: "LIST-A", Label: "list-X"}
	c.adds(ctx, last, long)
	pick := func(at ...int) (out []string) {
		for _, i := range at {
			out = append(out, ids[i])
		}
		return out
	}
	for _, l := range []struct {
		q    server.Query
		want []string
	}{
		{server.Query{Project: "list-a"}, pick(4, 2, 0)},
		{server.Query{Project: "list-b"}, pick(3, 1)},
		{server.Query{Label: "list-x"}, pick(4, 3, 1, 0)},
		{server.Query{Label: "list-%"}, pick(2)},
		{server.Query{By: "list-hazel"}, pick(2, 1, 0)},
		{server.Query{By: "list-rowan", Project: "list-a"}, pick(4)},
		{server.Query{Project: "list-a", States: []server.State{server.Done}}, pick(2)},
		{server.Query{Label: "list-x", States: []server.State{server.Done, server.Running}}, pick(4, 1)},
		// Before is exclusive, and need not fit the query itself: ids[2] has another label.
		{server.Query{Label: "list-x", Before: ids[3]}, pick(1, 0)},
		{server.Query{Label: "list-x", Before: ids[2]}, pick(1, 0)},
		{server.Query{Label: "list-x", Before: last.ID, Limit: 1}, pick(4)},
		{server.Query{Label: "list-x", Before: ids[0]}, nil},
		{server.Query{Project: "list-c"}, nil},
	} {
		c.lists(ctx, l.q, l.want)
	}
	c.heldBy(ctx) // it does not matter who holds it
	c.lists(ctx, server.Query{Project: "list-b"}, pick(3, 1))
	got, err := c.s.List(ctx, server.Query{Project: "list-a", Limit: 1})
	if c.wants(listing(server.Query{Project: "list-a", Limit: 1}), err, nil) && len(got) == 1 {
		// List returns no Key and Caller, so these are filled in to compare the rest: "id-7" has
		// "key-7".
		c.stays(ctx, "List", server.Record{Backfill: got[0], Key: "key" + got[0].ID[2:], Caller: last.Caller})
	}
}

// lists checks what a query returns, and the order.
func (c *check) lists(ctx context.Context, q server.Query, want []string) {
	got, err := c.other.List(ctx, q)
	var ids []string
	for _, b := range got {
		ids = append(ids, b.ID)
	}
	if c.wants(listing(q), err, nil) && fmt.Sprint(ids) != fmt.Sprint(want) {
		c.wrong(listing(q), idsOf(ids), "%s in this order", idsOf(want))
	}
}

// A list without a limit has at most 50 records, and no list more than 500.
func (c *check) page(ctx context.Context) {
	const there = 510
	var ids []string
	for range there {
		r := c.record(server.Done)
		r.Ask.Label = "page"
		c.adds(ctx, r, long)
		// The newest first, as a list has them.
		ids = append([]string{r.ID}, ids...)
	}
	for _, l := range []struct{ limit, want int }{
		{0, 50},
		{-1, 50},
		{1, 1},
		{200, 200},
		{500, 500},
		{501, 500},
		{1 << 30, 500},
	} {
		c.lists(ctx, server.Query{Label: "page", Limit: l.limit}, ids[:l.want])
	}
	// The next page begins after the last of the page before: 500 and then 10.
	c.lists(ctx, server.Query{Label: "page", Before: ids[499], Limit: 100}, ids[500:])
}

// Versions has each record that exists once, whatever the list of ids: unknown ones, one given
// twice, and one that would break a list joined with commas and quotation marks.
func (c *check) versions(ctx context.Context) {
	a, b := c.held(ctx, long), c.added(ctx, server.Done)
	c.saves(ctx, a, "holder")
	ids := []string{a.ID, b.ID, "nobody", a.ID, `","`}
	got, err := c.other.Versions(ctx, ids...)
	if c.wants(versioning(ids...), err, nil) && (len(got) != 2 || got[a.ID] != 2 || got[b.ID] != 1) {
		c.wrong(versioning(ids...), fmt.Sprint(got), "%q: 2, %q: 1", a.ID, b.ID)
	}
}

// Claim gives out each open record once, the oldest first, at most n of them, with everything in
// it. With n 0 or below it gives out none.
func (c *check) claims(ctx context.Context) {
	var ids []string
	for _, state := range server.States() {
		if r := c.added(ctx, state); state.Open() {
			ids = append(ids, r.ID)
		}
	}
	for range 5 {
		ids = append(ids, c.added(ctx, server.Waiting).ID)
	}
	// There are 7 open ones: the Waiting and the Running one of the first loop, and 5 more. Index 0
	// goes to the first claim, 1 to 3 to the second, 4 to 6 to the third, and nothing is left.
	c.claim(ctx, "holder", long, 0)
	c.claim(ctx, "holder", long, -1)
	c.claim(ctx, "holder", long, 1, ids[0])
	c.claim(ctx, "holder", long, 3, ids[1:4]...)
	c.claim(ctx, "other", long, 100, ids[4:]...)
	for _, holder := range []string{"holder", "other", "third"} {
		c.claim(ctx, holder, long, 100)
	}
	r := c.rich()
	want := c.adds(ctx, r, long)
	if got := c.claim(ctx, "holder", long, 1, r.ID); len(got) == 1 && text(got[0]) != text(want) {
		c.wrong(claiming("holder", long, 1), text(got[0]), "%s", text(want))
	}
}

// When a lease has ended another holder can claim, and the first one has lost the record.
func (c *check) lease(ctx context.Context) {
	r := c.held(ctx, short)
	c.pass(ctx, short)
	c.claim(ctx, "other", long, 5, r.ID)
	// Whatever the first holder does now changes nothing.
	lost := r
	lost.Answer = "lost"
	got, err := c.s.Save(ctx, lost, "holder")
	c.wants(saving(lost, "holder"), err, server.ErrLost)
	if got.ID != "" {
		c.wrong(saving(lost, "holder"), "a record", "no record together with an error")
	}
	_, err = c.s.Renew(ctx, r.ID, "holder", long)
	c.wants(renewing(r.ID, "holder", long), err, server.ErrLost)
	c.wants(releasing(r.ID, "holder"), c.s.Release(ctx, r.ID, "holder"), nil)
	c.claim(ctx, "third", long, 5)
	c.stays(ctx, saving(lost, "holder")+", which is leased to another", r)
	ended := lost
	ended.State = server.Failed
	_, err = c.s.Save(ctx, ended, "holder")
	c.wants(saving(ended, "holder"), err, server.ErrLost)
	c.stays(ctx, saving(ended, "holder")+", which is leased to another", r)
	// A lost save that ends the record must not free its key either.
	again := c.record(server.Waiting)
	again.Key = r.Key
	c.meets(ctx, again, r.ID)
	c.saves(ctx, r, "other")
}

// Renew makes the lease last from now, longer or shorter than before; only the holder can, and the
// version stays.
func (c *check) renew(ctx context.Context) {
	r := c.held(ctx, short)
	by, err := c.s.Renew(ctx, r.ID, "holder", long)
	if c.wants(renewing(r.ID, "holder", long), err, nil) && by != "" {
		c.wrong(renewing(r.ID, "holder", long), fmt.Sprintf("%q", by), "not cancelled")
	}
	// The lease of Claim would be over now; the one of Renew is not.
	c.pass(ctx, short)
	c.claim(ctx, "other", long, 5)
	c.stays(ctx, renewing(r.ID, "holder", long), r)
	// Another instance cannot renew, and its attempt must not take the lease.
	_, err = c.s.Renew(ctx, r.ID, "other", long)
	c.wants(renewing(r.ID, "other", long), err, server.ErrLost)
	_, err = c.s.Renew(ctx, r.ID, "holder", short) // from this moment
	c.wants(renewing(r.ID, "holder", short), err, nil)
	c.pass(ctx, short)
	c.claim(ctx, "other", long, 5, r.ID)
}

// A save makes a new version and keeps the lease. What the store knows better stays.
func (c *check) save(ctx context.Context) {
	r := c.held(ctx, long)
	full := c.rich()
	// The record of rich is not added itself: only its values are used.
	c.ids = c.ids[:len(c.ids)-1]
	change := full
	// Every field changes, but the key and what was asked.
	change.ID, change.Key, change.Ask, change.State = r.ID, r.Key, r.Ask, server.Running
	at := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	change.Version, change.Created, change.Updated, change.Ended, change.CancelledBy = 77, at, at, &at, "somebody"
	c.pass(ctx, time.Millisecond)
	before := c.now(ctx)
	got := c.saves(ctx, change, "holder")
	after := c.now(ctx)
	called := saving(change, "holder")
	if got.Updated.Before(before) || got.Updated.After(after) || got.Updated.Location() != time.UTC {
		c.wrong(called, fmt.Sprintf("updated %s", got.Updated), "between %s and %s, in UTC", before, after)
	}
	want := change
	want.Version, want.Created, want.Updated, want.Ended, want.CancelledBy = 2, r.Created, got.Updated, nil, ""
	if text(got) != text(want) {
		c.wrong(called, text(got), "%s", text(want))
	}
	c.stays(ctx, called, want)
	c.claim(ctx, "other", long, 5)
	// A save of the same once more is a version of its own.
	if got := c.saves(ctx, change, "holder"); got.Version != 3 {
		c.wrong(called+" again", fmt.Sprintf("version %d", got.Version), "3")
	}
	// List filters by what was saved, not by what was added.
	q := server.Query{Label: r.Ask.Label, States: []server.State{server.Running}}
	c.lists(ctx, q, []string{r.ID})
	_, err := c.s.Save(ctx, change, "other")
	c.wants(saving(change, "other"), err, server.ErrLost)
	// Nobody holds it. An empty holder must not match the empty holder that it is stored with.
	free := c.added(ctx, server.Waiting)
	for _, holder := range []string{"holder", ""} {
		_, err = c.s.Save(ctx, free, holder)
		c.wants(saving(free, holder)+", which is not leased", err, server.ErrLost)
	}
	c.stays(ctx, saving(free, "holder"), free)
}

// A record that has ended loses its lease, has its end, and cannot be claimed again.
func (c *check) end(ctx context.Context) {
	for _, state := range server.States() {
		if state.Open() {
			continue
		}
		r := c.held(ctx, short)
		r.State = state
		c.pass(ctx, time.Millisecond)
		got := c.saves(ctx, r, "holder")
		called := saving(r, "holder")
		if got.Ended == nil || !got.Ended.Equal(got.Updated) || !got.Ended.After(got.Created) || got.Version != 2 {
			c.wrong(called, fmt.Sprintf("ended %v, updated %s, version %d", got.Ended, got.Updated, got.Version),
				"its end now, and version 2")
		}
		c.stays(ctx, called, got)
		// The old lease would have ended by now, and must not make it claimable.
		c.pass(ctx, short)
		c.claim(ctx, "holder", long, 5)
		// Neither the holder of then nor an empty name, which is what the store keeps as its holder
		// now, may open it again.
		for _, holder := range []string{"holder", ""} {
			again := got
			again.Answer, again.State = "again", server.Running
			_, err := c.s.Save(ctx, again, holder)
			c.wants(saving(again, holder)+" of one that has ended", err, server.ErrLost)
		}
		_, err := c.s.Renew(ctx, r.ID, "holder", long)
		c.wants(renewing(r.ID, "holder", long)+" of one that has ended", err, server.ErrLost)
		c.stays(ctx, called, got)
	}
}

// A record that was cancelled, refused or failed frees its key at once: the same request may be
// made again. Any other end keeps the key for the record's lifetime.
func (c *check) freed(ctx context.Context) {
	for _, state := range server.States() {
		if state.Open() {
			continue
		}
		r := c.held(ctx, long)
		r.State = state
		c.saves(ctx, r, "holder")
		again := c.record(server.Waiting)
		again.Key = r.Key
		switch state {
		case server.Cancelled, server.Refused, server.Failed:
			c.dead(ctx, r.Key)
			c.adds(ctx, again, long)
			c.claim(ctx, "holder", long, 5, again.ID)
		default:
			c.meets(ctx, again, r.ID)
		}
	}
}

// Release gives a lease back, once and by its holder only. Nothing else changes, and another holder
// can claim at once.
func (c *check) release(ctx context.Context) {
	r := c.held(ctx, long)
	// What another says about the lease changes nothing, and is no error.
	for _, holder := range []string{"other", ""} {
		c.wants(releasing(r.ID, holder), c.s.Release(ctx, r.ID, holder), nil)
		c.claim(ctx, "other", long, 5)
	}
	c.wants(releasing(r.ID, "holder"), c.s.Release(ctx, r.ID, "holder"), nil)
	c.stays(ctx, releasing(r.ID, "holder"), r)
	_, err := c.s.Save(ctx, r, "holder")
	c.wants(saving(r, "holder")+" of one that was released", err, server.ErrLost)
	c.claim(ctx, "other", long, 5, r.ID)
	// The first holder releases again, after "other" has claimed: that lease is not its own.
	c.wants(releasing(r.ID, "holder"), c.s.Release(ctx, r.ID, "holder"), nil)
	c.claim(ctx, "holder", long, 5)
}

// The first caller who cancels is recorded. The record stays open until its holder ends it. Cancel
// makes a new version, which Renew, Claim and Save all show.
func (c *check) cancel(ctx context.Context) {
	r := c.held(ctx, long)
	c.pass(ctx, time.Millisecond)
	got, err := c.other.Cancel(ctx, r.ID, "hazel")
	called := cancelling(r.ID, "hazel")
	if c.wants(called, err, nil) && (got.CancelledBy != "hazel" || got.Version != 2 || got.State != r.State ||
		got.Ended != nil || !got.Updated.After(r.Updated)) {
		c.wrong(called, text(got), "%q cancelled by hazel, version 2, updated, otherwise unchanged", r.ID)
	}
	c.stays(ctx, called, got)
	// The second caller gets the record as the first one left it, in the same version.
	again, err := c.s.Cancel(ctx, r.ID, "rowan")
	if c.wants(cancelling(r.ID, "rowan"), err, nil) && text(again) != text(got) {
		c.wrong(cancelling(r.ID, "rowan"), text(again), "%s", text(got))
	}
	by, err := c.s.Renew(ctx, r.ID, "holder", long)
	if c.wants(renewing(r.ID, "holder", long), err, nil) && by != "hazel" {
		c.wrong(renewing(r.ID, "holder", long), fmt.Sprintf("%q", by), `"hazel"`)
	}
	// A cancelled record is still leased to the one that works on it.
	c.claim(ctx, "other", long, 5)
	r.CancelledBy = "" // the holder does not know of it yet
	saved := c.saves(ctx, r, "holder")
	if saved.CancelledBy != "hazel" || saved.Version != 3 {
		c.wrong(saving(r, "holder")+" after "+called, text(saved), "cancelled by hazel, version 3")
	}
	r.State = server.Cancelled
	ended := c.saves(ctx, r, "holder")
	last, err := c.s.Cancel(ctx, r.ID, "rowan")
	if c.wants(cancelling(r.ID, "rowan"), err, nil) && text(last) != text(ended) {
		c.wrong(cancelling(r.ID, "rowan")+" of one that has ended", text(last), "%s", text(ended))
	}
	done := c.added(ctx, server.Done)
	if got, err := c.s.Cancel(ctx, done.ID, "rowan"); c.wants(cancelling(done.ID, "rowan"), err, nil) &&
		text(got) != text(done) {
		c.wrong(cancelling(done.ID, "rowan")+" of one that has ended", text(got), "%s", text(done))
	}
	// Nobody works on this one, so whoever claims it learns of the cancellation from Claim.
	free := c.added(ctx, server.Waiting)
	_, err = c.s.Cancel(ctx, free.ID, "rowan")
	c.wants(cancelling(free.ID, "rowan"), err, nil)
	if got := c.claim(ctx, "holder", long, 5, free.ID); len(got) == 1 && got[0].CancelledBy != "rowan" {
		c.wrong(claiming("holder", long, 5), text(got[0]), "the record that rowan cancelled")
	}
}

// A record that ended long ago is deleted with its key, and nothing else is.
func (c *check) prune(ctx context.Context) {
	var old, open, young server.Record
	var keep time.Duration
	// The old record must be older than keep, and the young one younger, when Prune runs. On a slow
	// machine the calls in between may take longer than gap; then it tries again with 4 times the
	// gap, up to a minute or so.
	for gap := time.Second; ; gap *= 4 { // longer than what the machine needs between two calls
		old, open = c.added(ctx, server.Done), c.added(ctx, server.Waiting)
		c.pass(ctx, 2*gap)
		young = c.added(ctx, server.Failed)
		n, err := c.s.Prune(ctx, long)
		if c.wants(pruning(long), err, nil) && n != 0 {
			c.wrong(pruning(long), strconv.Itoa(n), "0, because all are younger")
		}
		began := c.now(ctx)
		keep = began.Sub(young.Created) + gap
		n, err = c.s.Prune(ctx, keep)
		if c.now(ctx).Sub(began) >= gap && gap < time.Minute {
			continue // the young record may have become too old meanwhile
		}
		// Records of earlier rules may be pruned with it, so the number is only a minimum.
		if c.wants(pruning(keep), err, nil) && n < 1 {
			c.wrong(pruning(keep), strconv.Itoa(n), "1 or more")
		}
		break
	}
	_, err := c.other.Get(ctx, old.ID)
	c.wants(getting(old.ID)+" after "+pruning(keep), err, job.ErrNotFound)
	c.dead(ctx, old.Key)
	again := c.record(server.Waiting)
	again.Key = old.Key
	c.adds(ctx, again, long)
	c.stays(ctx, pruning(keep), open)
	c.stays(ctx, pruning(keep), young)
	meets := c.record(server.Waiting)
	meets.Key = open.Key
	c.meets(ctx, meets, open.ID)
}

// What does not exist is job.ErrNotFound, never created by the way. Release alone has nothing to
// say about it.
func (c *check) unknown(ctx context.Context) {
	const id = "nobody"
	_, err := c.s.Get(ctx, id)
	c.wants(getting(id), err, job.ErrNotFound)
	_, err = c.s.Living(ctx, id)
	c.wants(living(id), err, job.ErrNotFound)
	_, err = c.s.List(ctx, server.Query{Before: id})
	c.wants(listing(server.Query{Before: id}), err, job.ErrNotFound)
	_, err = c.s.Renew(ctx, id, "holder", long)
	c.wants(renewing(id, "holder", long), err, job.ErrNotFound)
	r := c.record(server.Waiting)
	_, err = c.s.Save(ctx, r, "holder")
	c.wants(saving(r, "holder"), err, job.ErrNotFound)
	_, err = c.s.Get(ctx, r.ID)
	c.wants(getting(r.ID), err, job.ErrNotFound)
	_, err = c.s.Cancel(ctx, id, "hazel")
	c.wants(cancelling(id, "hazel"), err, job.ErrNotFound)
	c.wants(releasing(id, "holder"), c.s.Release(ctx, id, "holder"), nil)
}

// A call with a done context returns the context's error and writes nothing. Calls that would do
// nothing anyway, such as Claim of 0 records, return it too.
func (c *check) doneContext(ctx context.Context) {
	held, free := c.held(ctx, long), c.added(ctx, server.Waiting)
	done, stop := context.WithCancel(ctx)
	stop()
	const with = " with a context that is done"
	fresh := c.record(server.Waiting)
	_, added, err := c.s.Add(done, fresh, long)
	if c.wants(adding(fresh, long)+with, err, context.Canceled); added {
		c.wrong(adding(fresh, long)+with, "true", "false")
	}
	change := held
	change.State, change.Answer = server.Failed, "changed"
	for called, call := range map[string]func() error{
		living(held.Key):            func() error { _, err := c.s.Living(done, held.Key); return err },
		getting(held.ID):            func() error { _, err := c.s.Get(done, held.ID); return err },
		listing(server.Query{}):     func() error { _, err := c.s.List(done, server.Query{}); return err },
		versioning(held.ID):         func() error { _, err := c.s.Versions(done, held.ID); return err },
		claiming("holder", long, 5): func() error { _, err := c.s.Claim(done, "holder", long, 5); return err },
		claiming("holder", long, 0): func() error { _, err := c.s.Claim(done, "holder", long, 0); return err },
		renewing(held.ID, "holder", long): func() error {
			_, err := c.s.Renew(done, held.ID, "holder", long)
			return err
		},
		saving(change, "holder"):     func() error { _, err := c.s.Save(done, change, "holder"); return err },
		releasing(held.ID, "holder"): func() error { return c.s.Release(done, held.ID, "holder") },
		cancelling(held.ID, "hazel"): func() error { _, err := c.s.Cancel(done, held.ID, "hazel"); return err },
		"Now()":                      func() error { _, err := c.s.Now(done); return err },
		pruning(0):                   func() error { _, err := c.s.Prune(done, 0); return err },
	} {
		c.wants(called+with, call(), context.Canceled)
	}
	c.stays(ctx, "calls"+with, held)
	_, err = c.other.Get(ctx, fresh.ID)
	c.wants(getting(fresh.ID), err, job.ErrNotFound)
	// The claims above must not have leased it.
	c.claim(ctx, "other", long, 5, free.ID)
}
