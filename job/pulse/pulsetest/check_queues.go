package pulsetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

// setAside reads what is set aside, and reports what is not wanted.
func (c *check) setAside(ctx context.Context, why, queue string, n int, want ...string) []pulse.Aside {
	got, err := c.s.SetAside(ctx, queue, n)
	called := asides(queue, n) + why
	if c.failed(called, err) {
		return nil
	}
	var have []string
	for _, a := range got {
		have = append(have, a.Message.RoutingKey+": "+a.Why)
	}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		c.wrong(called, fmt.Sprintf("%q", have), "%q in this order", want)
	}
	return got
}

// aside: it is out of the way, and kept with its reason.
func (c *check) aside(ctx context.Context) {
	queue := c.filled(ctx, 3)
	c.setAside(ctx, "", queue, 10)
	got := c.taken(ctx, "", queue, "me", short, 2, 0, 1)
	if len(got) != 2 {
		return
	}
	bad := pulse.Aside{
		Message: pulse.Message{Exchange: "e", RoutingKey: "new", Body: []byte{0, 255}},
		Why:     "never stored",
	}
	c.failed(putsAside(queue, nil), c.s.PutAside(ctx, queue, nil))
	in := []pulse.Aside{{Message: got[1], Why: "no JSON"}, bad}
	c.failed(putsAside(queue, in), c.s.PutAside(ctx, queue, in))
	all := c.setAside(ctx, "", queue, 10, "new: never stored", "key.1: no JSON")
	c.setAside(ctx, "", queue, 1, "new: never stored")
	c.setAside(ctx, "", queue, 0)
	c.setAside(ctx, " of another", c.queue(), 10)
	if len(all) == 2 && (!bytes.Equal(all[0].Message.Body, bad.Message.Body) || all[0].Message.Received.IsZero() ||
		!bytes.Equal(all[1].Message.Body, got[1].Body) || all[1].Message.ID != got[1].ID ||
		all[1].Message.Exchange != got[1].Exchange || !all[1].Message.Received.Equal(got[1].Received)) {
		c.wrong(asides(queue, 10), fmt.Sprintf("%+v", all), "the messages as they were: %+v", in)
	}
	if !over(ctx, short) {
		return
	}
	c.taken(ctx, " after "+putsAside(queue, in)+" of one of them", queue, "you", time.Hour, 10, 0, 2)
}

// A message is set aside once, and not when it is done.
func (c *check) asideOnce(ctx context.Context) {
	queue := c.filled(ctx, 2)
	got := c.taken(ctx, "", queue, "me", time.Hour, 2, 0, 1)
	if len(got) != 2 {
		return
	}
	in := []pulse.Aside{{Message: got[0], Why: "first"}}
	c.failed(putsAside(queue, in), c.s.PutAside(ctx, queue, in))
	c.finished(ctx, "", []pulse.Told{told(got[1], c.id())})
	again := []pulse.Aside{{Message: got[0], Why: "second"}, {Message: got[1], Why: "done"}}
	c.failed(putsAside(queue, again), c.s.PutAside(ctx, queue, again))
	c.setAside(ctx, " after "+putsAside(queue, again)+" of what is done, and aside already", queue, 10, "key.0: first")
}

// What is too long, or no text, is set aside too.
func (c *check) cut(ctx context.Context) {
	queue := c.queue()
	const long = 4 << 20
	in := []pulse.Aside{
		{
			Message: pulse.Message{Exchange: "e", RoutingKey: "k", Body: bytes.Repeat([]byte("b"), long)},
			Why:     string(bytes.Repeat([]byte("w"), long)),
		},
		{
			Message: pulse.Message{Exchange: "nul\x00", RoutingKey: "\xff", Body: []byte("\x00")},
			Why:     "nul\x00, no utf-8 \xff",
		},
	}
	called := putsAside(queue, in) + " of which one is too long"
	if c.failed(called, c.s.PutAside(ctx, queue, in)) {
		return
	}
	got, err := c.s.SetAside(ctx, queue, 10)
	if c.failed(asides(queue, 10)+" after "+called, err) {
		return
	}
	if len(got) != 2 {
		c.wrong(asides(queue, 10)+" after "+called, fmt.Sprintf("%d messages", len(got)), "2")
		return
	}
	if body, why := len(got[1].Message.Body), len(got[1].Why); body < 1000 || body >= long || why < 100 || why >= long {
		c.wrong(asides(queue, 10)+" after "+called, fmt.Sprintf("a body of %d bytes and a reason of %d", body, why),
			"fewer than %d, and enough to read", long)
	}
}

// remembered: what is known of a queue.
func (c *check) remembered(ctx context.Context) {
	name := c.queue()
	q, err := c.s.Queue(ctx, name)
	if err != nil || q.Name != name || len(q.Bindings) != 0 || !q.Heard.IsZero() {
		c.wrong(queues(name), fmt.Sprintf("%+v, %v", q, err), "its name alone")
	}
	for _, bindings := range [][]pulse.Binding{
		{{Exchange: "exchange/a/v1/x", Key: "primary.#"}, {Exchange: "exchange/b", Key: "a.*.\"ö\""}},
		{{Exchange: "exchange/c", Key: "#"}},
		nil,
	} {
		in := pulse.Queue{Name: name, Bindings: bindings}
		c.failed(saves(in), c.s.SaveQueue(ctx, in))
		got, err := c.s.Queue(ctx, name)
		now, nowErr := c.s.Now(ctx)
		if err != nil || nowErr != nil || got.Name != name || len(got.Bindings) != len(bindings) ||
			len(bindings) > 0 && !reflect.DeepEqual(got.Bindings, bindings) {
			c.wrong(queues(name)+" after "+saves(in), fmt.Sprintf("%+v, %v", got, err), "the bindings %+v", bindings)
		}
		if off := now.Sub(got.Heard).Abs(); off > time.Minute {
			c.wrong(queues(name)+" after "+saves(in), fmt.Sprintf("heard at %s", got.Heard), "now: %s", now)
		}
	}
	c.taken(ctx, " after the queue was saved", name, "me", time.Hour, 1)
}

// clock: what the caller says of the time does not count.
func (c *check) clock(ctx context.Context) {
	const off = 400 * time.Hour
	for _, by := range []time.Duration{-off, off} {
		queue := c.queue()
		in := numbered(1)
		in[0].Received, in[0].Tries, in[0].ID = time.Now().Add(by), 5, 1
		c.failed(puts(queue, 1), c.s.Put(ctx, queue, in))
		got := c.taken(ctx, "", queue, "me", time.Hour, 1, 0)
		now, err := c.s.Now(ctx)
		if c.failed("Now()", err) || len(got) != 1 {
			return
		}
		if age := now.Sub(got[0].Received).Abs(); age > time.Minute || got[0].Tries != 0 {
			c.wrong(takes(queue, "me", time.Hour, 1)+" after Put of a message that says it is old or new",
				fmt.Sprintf("one that was received at %s with %d tries", got[0].Received, got[0].Tries), "now: %s", now)
		}
		q := pulse.Queue{Name: queue, Heard: time.Now().Add(by)}
		c.failed(saves(q), c.s.SaveQueue(ctx, q))
		if q, err := c.s.Queue(ctx, queue); err != nil || now.Sub(q.Heard).Abs() > time.Minute {
			c.wrong(queues(queue), fmt.Sprintf("heard at %s, %v", q.Heard, err), "now: %s", now)
		}
	}
}

// A context that is done ends each call, which writes nothing.
func (c *check) doneContext(ctx context.Context) {
	queue, id := c.filled(ctx, 2), c.id()
	got := c.taken(ctx, "", queue, "me", time.Hour, 1, 0)
	if len(got) != 1 {
		return
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	in, aside := []pulse.Told{told(got[0], id, job.StatusRunning)}, []pulse.Aside{{Message: got[0], Why: "why"}}
	q := pulse.Queue{Name: queue, Bindings: []pulse.Binding{{Exchange: "e", Key: "k"}}}
	for _, call := range []struct {
		text string
		do   func() error
	}{
		{puts(queue, 1), func() error { return c.s.Put(done, queue, numbered(1)) }},
		{takes(queue, "you", time.Hour, 1), func() error {
			_,
				err := c.s.Take(done, queue, "you", time.Hour, 1)
			return err
		}},
		{dones(in), func() error { _, err := c.s.Done(done, in); return err }},
		{laters(got[0], 0), func() error { return c.s.Later(done, got[0], 0) }},
		{putsAside(queue, aside), func() error { return c.s.PutAside(done, queue, aside) }},
		{asides(queue, 1), func() error { _, err := c.s.SetAside(done, queue, 1); return err }},
		{queues(queue), func() error { _, err := c.s.Queue(done, queue); return err }},
		{saves(q), func() error { return c.s.SaveQueue(done, q) }},
		{"Now()", func() error { _, err := c.s.Now(done); return err }},
	} {
		err := call.do()
		var typed *job.Error
		if !errors.Is(err, context.Canceled) || !errors.As(err, &typed) {
			c.wrong(call.text+" with a cancelled context", errorText(err), "a *job.Error that wraps %q",
				context.Canceled)
		}
	}
	const after = " after the calls with a cancelled context"
	c.taken(ctx, after, queue, "third", time.Hour, 10, 1)
	c.setAside(ctx, after, queue, 10)
	if q, err := c.s.Queue(ctx, queue); err != nil || len(q.Bindings) > 0 {
		c.wrong(queues(queue)+after, fmt.Sprintf("%+v, %v", q, err), "its name alone")
	}
	c.finished(ctx, after, in, id+" running")
}
