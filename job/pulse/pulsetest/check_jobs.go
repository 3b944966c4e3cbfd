package pulsetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

func (c *check) done(ctx context.Context) {
	queue, a, b := c.filled(ctx, 3), c.id(), c.id()
	got := c.taken(ctx, "", queue, "me", short, 3, 0, 1, 2)
	if len(got) != 3 {
		return
	}
	c.finished(ctx, "", nil)
	c.finished(ctx, "", []pulse.Told{
		told(got[0], b, job.StatusRunning),
		told(got[1], a, job.StatusPending),
	}, b+" running", a+" pending")
	c.finished(ctx, " once more", []pulse.Told{told(got[0], b, job.StatusRunning)})
	c.finished(ctx, " of a message that told nothing", []pulse.Told{told(got[2], a)})
	c.failed(laters(got[0], 0)+" of a message that is done", c.s.Later(ctx, got[0], 0))
	c.taken(ctx, " when all are done", queue, "me", time.Hour, 10)
	if !over(ctx, short) {
		return
	}
	c.taken(ctx, " when all are done and the leases are over", queue, "you", time.Hour, 10)
	other := told(pulse.Message{}, a, job.StatusPending)
	other.Events[0].CI = "another"
	c.finished(ctx, " of another CI", []pulse.Told{other}, a+" pending")
}

// law: what is told after what, one message after the other.
func (c *check) law(ctx context.Context) {
	for _, first := range job.Statuses() {
		for _, second := range job.Statuses() {
			id := c.id()
			c.finished(ctx, "", []pulse.Told{told(pulse.Message{}, id, first)}, id+" "+first.String())
			var want []string
			if pulse.After(first, second) {
				want = append(want, id+" "+second.String())
			}
			c.finished(ctx, " after "+first.String(), []pulse.Told{told(pulse.Message{}, id, second)}, want...)
		}
	}
}

// batch: the same within one call, and over several, in whatever order they come.
func (c *check) batch(ctx context.Context) {
	a, b := c.id(), c.id()
	c.finished(ctx, "", []pulse.Told{
		told(pulse.Message{}, a, job.StatusPending, job.StatusRunning, job.StatusPending),
		told(pulse.Message{}, b, job.StatusSuccess),
		told(pulse.Message{}, a, job.StatusRunning),
		told(pulse.Message{}, b, job.StatusRunning),
		told(pulse.Message{}, a, job.StatusException, job.StatusRetry, job.StatusSuccess),
	}, a+" pending", a+" running", b+" success", a+" exception", a+" retry")
	c.finished(ctx, " once more", []pulse.Told{
		told(pulse.Message{}, a, job.StatusRunning, job.StatusException, job.StatusRetry),
		told(pulse.Message{}, b, job.StatusPending, job.StatusSuccess),
	})
	late := c.id()
	c.finished(ctx, "", []pulse.Told{told(pulse.Message{}, late, job.StatusException)}, late+" exception")
	c.finished(ctx, " after exception", []pulse.Told{
		told(pulse.Message{}, late, job.StatusSuccess, job.StatusRetry),
	}, late+" retry")
	var many []pulse.Told
	var want []string
	for range 600 {
		id := c.id()
		many = append(many, told(pulse.Message{}, id, job.StatusRunning))
		want = append(want, id+" running")
	}
	c.finished(ctx, "", many, want...)
	c.finished(ctx, " once more", many)
}

// An event that says that others were missed is of no run, and always new.
func (c *check) missed(ctx context.Context) {
	id := c.id()
	in := told(pulse.Message{}, id, job.StatusRunning)
	in.Events = append(in.Events, job.Event{Missed: true, Note: "cut off"}, job.Event{})
	c.finished(ctx, "", []pulse.Told{in}, id+" running", "missed")
	c.finished(ctx, " once more", []pulse.Told{in}, "missed")
}

// What a server names runs must not get in the way of others.
func (c *check) oddNames(ctx context.Context) {
	long := strings.Repeat("x", 5000)
	for i, id := range []string{
		long, long + "y", "nul\x00", "no utf-8 \xff", "' OR 1=1 --", `{"a":"\u0000"}`, "ö?$1",
		strings.Repeat("ö", 200),
	} {
		e := event("kit", id, job.StatusRunning)
		e.Job = job.New(job.Fields{
			ID: id, Name: id, Status: job.StatusRunning, Push: job.Push{Repo: id, Revision: id},
			Times: job.Times{Started: time.Unix(-1<<60, 0), Finished: time.Unix(1<<60, 0)},
		})
		in := []pulse.Told{{Events: []job.Event{e}}}
		c.finished(ctx, "", in, news(in[0].Events)...)
		c.finished(ctx, " once more", in)
		queue := c.queue()
		m := []pulse.Message{{Exchange: "e", RoutingKey: id}, {Exchange: "e", RoutingKey: "after"}}
		c.failed(puts(queue, 2)+fmt.Sprintf(" with the odd key %d", i), c.s.Put(ctx, queue, m))
		got, err := c.s.Take(ctx, queue, "me", time.Hour, 10)
		if !c.failed(takes(queue, "me", time.Hour, 10), err) && len(got) != 2 {
			c.wrong(takes(queue, "me", time.Hour, 10), fmt.Sprintf("%d messages", len(got)), "2")
		}
	}
	none := told(pulse.Message{}, "", job.StatusRunning)
	c.finished(ctx, " of a run without a name", []pulse.Told{none})
	c.finished(ctx, " of no status", []pulse.Told{told(pulse.Message{}, c.id(), 0, 99)})
}
