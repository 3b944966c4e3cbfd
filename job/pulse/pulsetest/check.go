// Package pulsetest tells whether an implementation of pulse.Store keeps its contract.
// Start with [CheckStore]. It is itself tested on the broken implementations of
// [Mutants], each of which it must catch.
package pulsetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

// CheckStore returns every misbehaviour that it finds in a store, joined, one a line:
// the name of the broken rule, what was called with what, what came back and what is
// wanted. open opens the store, empty at first; what it returns later is the same store
// as another process sees it, where there can be one. CheckStore waits for leases of a
// second.
func CheckStore(ctx context.Context, open func() (pulse.Store, error)) error {
	s, err := open()
	if err != nil {
		return err
	}
	c := &check{s: s, open: open}
	for _, r := range []struct {
		name string
		run  func(*check, context.Context)
	}{
		{"put", (*check).put},
		{"queues", (*check).queues},
		{"take", (*check).take},
		{"lease", (*check).lease},
		{"later", (*check).later},
		{"done", (*check).done},
		{"law", (*check).law},
		{"batch", (*check).batch},
		{"missed", (*check).missed},
		{"odd names", (*check).oddNames},
		{"aside", (*check).aside},
		{"aside once", (*check).asideOnce},
		{"cut", (*check).cut},
		{"remembered", (*check).remembered},
		{"clock", (*check).clock},
		{"shared", (*check).shared},
		{"once", (*check).once},
		{"done context", (*check).doneContext},
	} {
		c.rule = r.name
		r.run(c, ctx)
	}
	return errors.Join(c.errs...)
}

type check struct {
	s    pulse.Store
	open func() (pulse.Store, error)
	rule string
	errs []error
	n    int // names that were used
}

// wrong reports what a call returned that it should not have.
func (c *check) wrong(called, returned, want string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s returned %s, want %s", c.rule, called, returned,
		fmt.Sprintf(want, args...)))
}

// failed reports an error of a call that should have none.
func (c *check) failed(called string, err error) bool {
	if err != nil {
		c.wrong(called, errorText(err), "no error")
	}
	return err != nil
}

// queue is a name that nobody used before.
func (c *check) queue() string {
	c.n++
	return fmt.Sprintf("queue/user/%d", c.n)
}

// id is that of a run that nobody named before.
func (c *check) id() string {
	c.n++
	return fmt.Sprintf("task%d/0", c.n)
}

// numbered are n messages, numbered from 0.
func numbered(n int) []pulse.Message {
	var out []pulse.Message
	for i := range n {
		out = append(out, pulse.Message{
			Exchange: "exchange/kit", RoutingKey: fmt.Sprintf("key.%d", i), Body: fmt.Appendf(nil, `{"n":%d}`, i),
		})
	}
	return out
}

// filled is a new queue with n messages.
func (c *check) filled(ctx context.Context, n int) string {
	queue := c.queue()
	c.failed(puts(queue, n), c.s.Put(ctx, queue, numbered(n)))
	return queue
}

// taken takes messages, and reports those that are not wanted: their numbers.
func (c *check) taken(
	ctx context.Context, why, queue, holder string, lease time.Duration, n int, want ...int,
) []pulse.Message {
	got, err := c.s.Take(ctx, queue, holder, lease, n)
	called := takes(queue, holder, lease, n) + why
	if c.failed(called, err) {
		return nil
	}
	var keys []string
	for _, i := range want {
		keys = append(keys, fmt.Sprintf("key.%d", i))
	}
	if have := routingKeys(got); fmt.Sprint(have) != fmt.Sprint(keys) {
		c.wrong(called, fmt.Sprintf("the messages %q", have), "%q in this order", keys)
	}
	return got
}

// told is a message that told of a run of the CI "kit".
func told(m pulse.Message, id string, statuses ...job.Status) pulse.Told {
	out := pulse.Told{Message: m}
	for _, s := range statuses {
		out.Events = append(out.Events, event("kit", id, s))
	}
	return out
}

func event(ci, id string, s job.Status) job.Event {
	return job.Event{Time: time.Unix(1_760_000_000, 0).UTC(), CI: ci, Job: job.New(job.Fields{
		ID: id, Name: "linux64/opt/test-1", Status: s, Kind: job.KindTest,
		Push:  job.Push{Repo: "autoland", ID: 7, Revision: "a1c0a1c0a1c0"},
		Times: job.Times{Requested: time.Unix(1_760_000_000, 0)},
	})}
}

// finished is done with messages, and reports what is not wanted of the news.
func (c *check) finished(ctx context.Context, why string, in []pulse.Told, want ...string) {
	fresh, err := c.s.Done(ctx, in)
	called := dones(in) + why
	if c.failed(called, err) {
		return
	}
	if got := news(fresh); fmt.Sprint(got) != fmt.Sprint(want) {
		c.wrong(called, fmt.Sprintf("the events %q", got), "%q in this order", want)
	}
}
