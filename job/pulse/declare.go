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

// prepare makes sure that the queue exists with its bindings. If the queue should have existed
// and did not, it reports since when messages are missing.
//
// Known are the bindings a and b, and the options want b and c. The Store gets a, b and c; the
// broker gets b and c; a is unbound; and the Store gets b and c. A crash at any point leaves no
// binding that the Store does not have, so the next run removes what is left of a.
func (c *Consumer) prepare(ctx context.Context, l *link, known Queue) error {
	there, err := c.exists(l)
	if err != nil {
		return err
	}
	if !there && !known.Heard.IsZero() && c.missing.IsZero() {
		c.missing = known.Heard
	}
	if c.missing.IsZero() {
		// The new bindings are written down before they are made, so that a crash leaves no
		// binding that the Store does not know. SaveQueue also sets Heard to now, which would
		// hide since when messages are missing; so it must wait while that is not reported.
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

// exists asks for the queue without making it. Declaring it at once would hide that it was
// deleted, and so that messages are missing.
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

// look is a passive declaration, which makes nothing: the broker checks the name alone, and
// returns the queue's length.
func (c *Consumer) look(ch *amqp.Channel) (amqp.Queue, error) {
	return ch.QueueDeclarePassive(c.o.Queue, c.named, !c.named, !c.named, false, nil)
}

// declare makes the queue, or checks that it exists with the same arguments: the broker refuses
// other ones.
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

// arguments are those of the queue, which cannot change while it exists. For 24 hours it is
// {"x-expires": 86400000}, in milliseconds.
func (c *Consumer) arguments() amqp.Table {
	if !c.named {
		return nil
	}
	return amqp.Table{"x-expires": c.o.Expires.Milliseconds()}
}

// bind makes all bindings. One that exists already stays as it is.
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

// unbind removes a binding that this Consumer made earlier and no longer wants. It is no error
// if the binding, or its exchange, no longer exists.
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

// tellMissing reports the span of time whose messages are lost, if there is one.
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
	c.log.Warn("the queue did not exist: messages are missing", "queue", c.o.Queue, "from", c.missing, "to", now)
	c.tell(State{Kind: StateMissing, From: c.missing, To: now})
	c.missing = time.Time{}
	return nil
}

// remember stores which bindings this Consumer made, and that the queue exists now.
func (c *Consumer) remember(ctx context.Context, list []Binding) error {
	ctx, cancel := context.WithTimeout(ctx, c.pace.storeCall)
	defer cancel()
	return c.storeFailed(c.store.SaveQueue(ctx, Queue{Name: c.o.Queue, Bindings: list}))
}

// errStore marks errors of the Store, which may pass with time.
var errStore = errors.New("the store failed")

func (c *Consumer) storeFailed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errStore, err)
}
