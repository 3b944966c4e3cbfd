package pulsetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mozci/mozci/job/pulse"
)

// put: what is stored comes back as it was, whatever bytes it is, in its order.
func (c *check) put(ctx context.Context) {
	queue := c.queue()
	in := []pulse.Message{
		{
			Exchange: "exchange/taskcluster-queue/v1/task-running", RoutingKey: "primary.a.0._.",
			Body: []byte(`{"a":"ö"}`),
		},
		{Exchange: "", RoutingKey: "", Body: nil},
		{Exchange: "e", RoutingKey: "binary ' \" ? $1", Body: []byte{0, 255, 0, '\'', 254, '"', '\\', 0}},
		{Exchange: "e", RoutingKey: "long", Body: bytes.Repeat([]byte("0123456789abcdef"), 1<<16)},
		{Exchange: "e", RoutingKey: "after", Body: []byte("after")},
	}
	mine := append([]byte{}, in[0].Body...)
	c.failed(puts(queue, 0), c.s.Put(ctx, queue, nil))
	c.failed(puts(queue, len(in)), c.s.Put(ctx, queue, in))
	clear(in[0].Body) // it is the caller's again
	got, err := c.s.Take(ctx, queue, "me", time.Hour, 100)
	called := takes(queue, "me", time.Hour, 100) + " after " + puts(queue, len(in))
	if c.failed(called, err) {
		return
	}
	if len(got) != len(in) {
		c.wrong(called, fmt.Sprintf("%d messages", len(got)), "%d", len(in))
		return
	}
	last := int64(0)
	for i, m := range got {
		want := in[i].Body
		if i == 0 {
			want = mine
		}
		if m.Exchange != in[i].Exchange || m.RoutingKey != in[i].RoutingKey || !bytes.Equal(m.Body, want) {
			c.wrong(called, fmt.Sprintf("message %d from %q with the key %q and %d bytes", i, m.Exchange, m.RoutingKey,
				len(m.Body)), "what was put: %q, %q, %d bytes", in[i].Exchange, in[i].RoutingKey, len(want))
		}
		if m.ID <= last || m.Tries != 0 {
			c.wrong(called, fmt.Sprintf("message %d with the ID %d and %d tries", i, m.ID, m.Tries),
				"an ID above %d, and none", last)
		}
		last = m.ID
	}
}

// Queues do not see each other's messages.
func (c *check) queues(ctx context.Context) {
	one, other := c.filled(ctx, 2), c.queue()
	c.taken(ctx, "", other, "me", time.Hour, 10)
	c.taken(ctx, "", one, "me", time.Hour, 10, 0, 1)
}

func (c *check) take(ctx context.Context) {
	queue := c.filled(ctx, 5)
	c.taken(ctx, "", queue, "me", time.Hour, 0)
	c.taken(ctx, "", queue, "me", time.Hour, 2, 0, 1)
	c.taken(ctx, " after another took 2", queue, "you", time.Hour, 2, 2, 3)
	for _, m := range c.taken(ctx, " once more", queue, "me", time.Hour, 2, 0, 1) { // they are its own
		clear(m.Body)
	}
	for _, m := range c.taken(ctx, " after who took them changed them", queue, "me", time.Hour, 2, 0, 1) {
		if !bytes.HasPrefix(m.Body, []byte(`{"n"`)) {
			c.wrong(takes(queue, "me", time.Hour, 2)+" after who took them changed them", fmt.Sprintf("%q", m.Body),
				"the body as it was put")
		}
	}
	c.failed(puts(queue, 1), c.s.Put(ctx, queue, numbered(1)))
	c.taken(ctx, " when all but two are held", queue, "third", time.Hour, 10, 4, 0)
	c.taken(ctx, " when all are held", queue, "fourth", time.Hour, 10)
	c.taken(ctx, " when all are held", queue, "", time.Hour, 10)
}

// When a lease is over others may take the message.
func (c *check) lease(ctx context.Context) {
	var queue string
	lease := c.inTime(ctx, func(lease time.Duration) {
		queue = c.filled(ctx, 2)
		c.taken(ctx, "", queue, "me", lease, 1, 0)
		c.taken(ctx, "", queue, "you", time.Hour, 10, 1)
	})
	if !over(ctx, lease) {
		return
	}
	c.taken(ctx, " when the lease is over", queue, "third", time.Hour, 10, 0)
	c.taken(ctx, " of which the lease was over, and another took it", queue, "me", time.Hour, 10)
}

func (c *check) later(ctx context.Context) {
	var queue string
	var got []pulse.Message
	put := c.inTime(ctx, func(put time.Duration) {
		queue = c.filled(ctx, 3)
		got = c.taken(ctx, "", queue, "me", time.Hour, 3, 0, 1, 2)
		if len(got) != 3 {
			return
		}
		c.failed(puts(queue, 1), c.s.Put(ctx, queue, numbered(1)))
		c.failed(laters(got[0], put), c.s.Later(ctx, got[0], put))
		c.failed(laters(got[1], 0), c.s.Later(ctx, got[1], 0))
		c.taken(ctx, " after "+laters(got[1], 0)+", which is older than another", queue, "you", time.Hour, 1, 1)
		c.failed(laters(got[1], 0), c.s.Later(ctx, got[1], 0))
		c.failed(laters(got[2], time.Hour), c.s.Later(ctx, got[2], time.Hour))
		c.failed(laters(pulse.Message{ID: 1 << 40}, put), c.s.Later(ctx, pulse.Message{ID: 1 << 40}, put))
		c.taken(ctx, " after "+laters(got[0], put), queue, "me", time.Hour, 10, 1, 0)
		c.taken(ctx, " after "+laters(got[0], put), queue, "", time.Hour, 10)
	})
	if len(got) != 3 || !over(ctx, put) {
		return
	}
	after := c.taken(ctx, " when the wait is over", queue, "you", time.Hour, 10, 0)
	if len(after) == 1 && (after[0].Tries != 1 || after[0].ID != got[0].ID) {
		c.wrong(takes(queue, "you", time.Hour, 10)+" after one "+laters(got[0], put),
			fmt.Sprintf("message %d with %d tries", after[0].ID, after[0].Tries), "message %d with 1", got[0].ID)
	}
}

// short is a lease that the kit waits for.
const short = time.Second

// inTime calls f with a short time, before the end of which it must have ended: where the
// machine was too slow it is called again with a longer one, and what it found is forgotten.
// It returns the time that was long enough.
func (c *check) inTime(ctx context.Context, f func(time.Duration)) time.Duration {
	for d := short; ; d *= 4 {
		errs := len(c.errs)
		began, _ := c.s.Now(ctx) // an error is for the rule of the clock
		f(d)
		if now, err := c.s.Now(ctx); err != nil || now.Sub(began) < d || d > time.Minute {
			return d
		}
		c.errs = c.errs[:errs]
	}
}

// over waits until a short time is over; false where ctx was done before.
func over(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d + d/10)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// What one process puts another takes.
func (c *check) shared(ctx context.Context) {
	queue := c.filled(ctx, 2)
	c.taken(ctx, "", queue, "me", time.Hour, 1, 0)
	s, err := c.open()
	if c.failed("open()", err) {
		return
	}
	mine := c.s
	c.s = s
	c.taken(ctx, " in another process", queue, "you", time.Hour, 10, 1)
	c.s = mine
}

// Of many takers at once each message goes to one.
func (c *check) once(ctx context.Context) {
	const takers, messages = 8, 200
	queue := c.filled(ctx, messages)
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen, fresh := map[int64]int{}, 0
	id := c.id()
	for i := range takers {
		s, err := c.open()
		if c.failed("open()", err) {
			return
		}
		wg.Go(func() {
			for range messages {
				got, err := s.Take(ctx, queue, fmt.Sprintf("taker %d", i), time.Hour, 7)
				in := []pulse.Told{told(pulse.Message{}, id, 1)}
				for _, m := range got {
					in = append(in, told(m, id, 1))
				}
				news, doneErr := s.Done(ctx, in)
				mu.Lock()
				c.failed(takes(queue, "a taker", time.Hour, 7), err)
				c.failed(dones(in), doneErr)
				for _, m := range got {
					seen[m.ID]++
				}
				fresh += len(news)
				mu.Unlock()
				if len(got) == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	twice := 0
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	if len(seen) != messages || twice > 0 {
		c.wrong(takes(queue, "a taker", time.Hour, 7)+
			fmt.Sprintf(" by %d takers at once", takers),
			fmt.Sprintf("%d messages, %d of them to more than one", len(seen), twice), "%d, each to one", messages)
	}
	if fresh != 1 {
		c.wrong(dones([]pulse.Told{told(pulse.Message{}, id, 1)})+fmt.Sprintf(" by %d at once", takers),
			fmt.Sprintf("it as new %d times", fresh), "once")
	}
}
