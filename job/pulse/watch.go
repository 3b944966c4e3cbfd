package pulse

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mozci/mozci/internal/pause"
)

// watch looks at the queue regularly, on a channel of its own, and stores that the queue exists
// and that this Consumer listens (Queue.Heard). It ends with the connection.
func (s *session) watch(ctx context.Context) {
	defer close(s.watched)
	ch, err := s.l.channel()
	for err == nil {
		if err = s.look(ch); err != nil {
			break
		}
		if err := s.c.remember(ctx, s.c.o.Bindings); err != nil && ctx.Err() == nil {
			s.c.log.Warn("the state of the queue could not be stored", "queue", s.c.o.Queue, "error", err)
		}
		if pause.For(ctx, s.c.pace.look) != nil {
			return
		}
	}
	s.trouble <- s.c.failed("looking at the queue", err)
}

// look reads the length of the queue.
func (s *session) look(ch *amqp.Channel) error {
	var q amqp.Queue
	err := s.l.call(func() error {
		var err error
		q, err = s.c.look(ch)
		return err
	})
	if err != nil {
		return err
	}
	var backlog int
	s.c.count.change(func(st *ConsumerStats) {
		backlog = q.Messages + st.Held
		st.Backlog, st.Others, st.Looked = backlog, max(0, q.Consumers-1), time.Now()
	})
	s.c.measure(backlog)
	return nil
}

// measure logs when the queue becomes too long, once each time it does. The queue counts as
// shorter again only below nine tenths of the limit that it had passed; otherwise a length that
// varies around the limit would fill the log. With Warn 2,000 it warns above 2,000 and is calm
// again at 1,800.
//
// With Most 8,000 the levels are 0, 1 above 2,000 and 2 above 6,000. From level 2 it goes down
// only at 5,400 or fewer: 5,500 is still 2, and 5,400 is 1.
func (c *Consumer) measure(backlog int) {
	near := c.o.Most * 3 / 4
	now := 0
	switch {
	case backlog > near:
		now = 2
	case backlog > c.o.Warn:
		now = 1
	}
	if now < c.length && backlog > []int{0, c.o.Warn, near}[c.length]*9/10 {
		return // hardly shorter: no change yet
	}
	was := c.length
	c.length = now
	attributes := []any{"queue", c.o.Queue, "messages", backlog, "warned_above", c.o.Warn, "deleted_above", c.o.Most}
	switch {
	case now == 2 && was < 2:
		c.log.Error("the queue is so long that PulseGuardian will soon delete it", attributes...)
	case now == 1 && was < 1:
		c.log.Warn("the queue is long", attributes...)
	case now == 0 && was > 0:
		c.log.Info("the queue is short again", attributes...)
	}
}
