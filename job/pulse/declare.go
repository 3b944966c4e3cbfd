package pulse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mozci/mozci/job"
)

// prepare makes sure that the queue is there with its bindings, and tells since when
// messages are missing if it was not.
func (c *Consumer) prepare(ctx context.Context, l *link, known Queue) error {
	there, err := c.exists(l)
	if err != nil {
		return err
	}
	if !there && !known.Heard.IsZero() && c.missing.IsZero() {
		c.missing = known.Heard
	}
	if c.missing.IsZero() {
		// What is bound next is written down first, so that a crash leaves no binding that
		// nobody knows of. This also says that the queue is there, which would hide since
		// when messages are missing.
		if err := c.remember(ctx, unique(slices.Concat(known.Bindings, c.o.Bindings))); err != nil {
			return err
		}
	}
	if err := c.declare(l); err != nil {
		return err
	}
	if err := c.bind(l); err != nil {
		return err
	}
	for _, b := range known.Bindings {
		if !slices.Contains(c.o.Bindings, b) {
			if err := c.unbind(l, b); err != nil {
				return err
			}
		}
	}
	if err := c.tellMissing(ctx); err != nil {
		return err
	}
	return c.remember(ctx, c.o.Bindings)
}

// exists asks for the queue without making it. A queue that was deleted and made anew
// looks healthy, and hides that messages are missing.
func (c *Consumer) exists(l *link) (bool, error) {
	err := l.with(func(ch *amqp.Channel) error {
		return l.call(func() error {
			_, err := c.look(ch)
			return err
		})
	})
	if code, _, said := refusal(err); said && code == amqp.NotFound {
		return false, nil
	}
	if err != nil {
		return false, c.failed("looking for the queue", err)
	}
	return true, nil
}

// look is a passive declaration: the broker looks at the name only.
func (c *Consumer) look(ch *amqp.Channel) (amqp.Queue, error) {
	return ch.QueueDeclarePassive(c.o.Queue, c.named, !c.named, !c.named, false, nil)
}

// declare makes the queue. Its arguments must never change.
func (c *Consumer) declare(l *link) error {
	err := l.with(func(ch *amqp.Channel) error {
		return l.call(func() error {
			_, err := ch.QueueDeclare(c.o.Queue, c.named, !c.named, !c.named, false, c.arguments())
			return err
		})
	})
	if err != nil {
		return c.failed("declaring the queue", err)
	}
	return nil
}

// arguments are fixed for as long as the queue exists.
func (c *Consumer) arguments() amqp.Table {
	if !c.named {
		return nil
	}
	return amqp.Table{"x-expires": c.o.Expires.Milliseconds()}
}

// bind makes all bindings; those that are there stay.
func (c *Consumer) bind(l *link) error {
	var b Binding
	err := l.with(func(ch *amqp.Channel) error {
		for _, b = range c.o.Bindings {
			key, exchange := b.Key, b.Exchange
			if err := l.call(func() error { return ch.QueueBind(c.o.Queue, key, exchange, false, nil) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return nil
	}
	doing := fmt.Sprintf("binding exchange %s with key %s", b.Exchange, b.Key)
	if code, reason, said := refusal(err); said && code == amqp.NotFound {
		return final{job.Wrap("pulse.connect", c.o.Queue, fmt.Errorf(
			"%w: %s, as user %s: the broker says: %s", job.ErrNotFound, doing, c.o.User, reason))}
	}
	return c.failed(doing, err)
}

// unbind takes a binding of ours away. It may be gone, and its exchange too.
func (c *Consumer) unbind(l *link, b Binding) error {
	err := l.with(func(ch *amqp.Channel) error {
		return l.call(func() error { return ch.QueueUnbind(c.o.Queue, b.Key, b.Exchange, nil) })
	})
	if code, _, said := refusal(err); said && code == amqp.NotFound {
		return nil
	}
	if err != nil {
		return c.failed(fmt.Sprintf("unbinding exchange %s with key %s", b.Exchange, b.Key), err)
	}
	c.log.Info("unbound an exchange", "queue", c.o.Queue, "exchange", b.Exchange, "key", b.Key)
	return nil
}

// tellMissing tells of the span of which no messages will come, if there is one.
func (c *Consumer) tellMissing(ctx context.Context) error {
	if c.missing.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.pace.storeCall)
	defer cancel()
	now, err := c.store.Now(ctx)
	if err != nil {
		return c.storeFailed(err)
	}
	c.count.change(func(s *ConsumerStats) { s.Missing++ })
	c.log.Warn("the queue was not there: messages are missing", "queue", c.o.Queue, "from", c.missing, "to", now)
	c.tell(State{Kind: StateMissing, From: c.missing, To: now})
	c.missing = time.Time{}
	return nil
}

// remember writes down which bindings are ours, and that the queue is there now.
func (c *Consumer) remember(ctx context.Context, list []Binding) error {
	ctx, cancel := context.WithTimeout(ctx, c.pace.storeCall)
	defer cancel()
	return c.storeFailed(c.store.SaveQueue(ctx, Queue{Name: c.o.Queue, Bindings: list}))
}

// errStore marks errors of the Store's, which time may mend.
var errStore = errors.New("the store failed")

func (c *Consumer) storeFailed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errStore, err)
}
