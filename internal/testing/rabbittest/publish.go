package rabbittest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// publisher is the administrator's connection, which is opened when it is needed.
type publisher struct {
	conn    *amqp.Connection
	channel *amqp.Channel
}

// open is the channel, in the mode in which the broker confirms each message.
func (p *publisher) open(url string) (*amqp.Channel, error) {
	if p.channel != nil && !p.channel.IsClosed() {
		return p.channel, nil
	}
	p.close()
	conn, err := amqp.DialConfig(url, amqp.Config{SASL: []amqp.Authentication{
		&amqp.PlainAuth{Username: "admin", Password: "admin"},
	}})
	if err != nil {
		return nil, err
	}
	p.conn = conn
	if p.channel, err = conn.Channel(); err != nil {
		return nil, err
	}
	return p.channel, p.channel.Confirm(false)
}

func (p *publisher) close() {
	if p.conn != nil {
		_ = p.conn.CloseDeadline(time.Now().Add(time.Second))
	}
	p.conn, p.channel = nil, nil
}

// Declare declares durable topic exchanges.
func (b *Broker) Declare(exchanges ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch, err := b.publish.open(b.URL())
	if err != nil {
		return err
	}
	for _, name := range exchanges {
		if err := ch.ExchangeDeclare(name, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
			return err
		}
	}
	return nil
}

// Publish sends persistent messages, and returns when the broker has taken them.
func (b *Broker) Publish(exchange, key string, bodies ...[]byte) error {
	return b.publishAll(exchange, amqp.Publishing{DeliveryMode: amqp.Persistent}, key, slices.Values(bodies))
}

// PublishRouted is Publish by further routing keys, as Taskcluster sends a message by the
// routes of its task. It is delivered with the first key, whichever was bound.
func (b *Broker) PublishRouted(exchange, key string, routes []string, bodies ...[]byte) error {
	all := make([]any, len(routes))
	for i, r := range routes {
		all[i] = r
	}
	how := amqp.Publishing{DeliveryMode: amqp.Persistent, Headers: amqp.Table{"CC": all}}
	return b.publishAll(exchange, how, key, slices.Values(bodies))
}

// PublishMany is Publish of messages that are made as they are sent, and that need not
// outlive the broker, which is several times as fast.
func (b *Broker) PublishMany(exchange, key string, bodies iter.Seq[[]byte]) error {
	return b.publishAll(exchange, amqp.Publishing{DeliveryMode: amqp.Transient}, key, bodies)
}

// inFlight is how many messages are published before the first of them is confirmed.
const inFlight = 1000

func (b *Broker) publishAll(exchange string, how amqp.Publishing, key string, bodies iter.Seq[[]byte]) error {
	how.ContentType = "application/json"
	b.mu.Lock()
	defer b.mu.Unlock()
	ch, err := b.publish.open(b.URL())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	waiting := make(chan *amqp.DeferredConfirmation, inFlight)
	confirm := func() error {
		ok, err := (<-waiting).WaitContext(ctx)
		if err != nil || !ok {
			return errors.Join(errors.New("the broker did not take a message"), err)
		}
		return nil
	}
	for body := range bodies {
		how.Body = body
		w, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, how)
		if err != nil {
			return fmt.Errorf("publishing to %s: %w", exchange, err)
		}
		if waiting <- w; len(waiting) == inFlight {
			if err := confirm(); err != nil {
				return err
			}
		}
	}
	for len(waiting) > 0 {
		if err := confirm(); err != nil {
			return err
		}
	}
	return nil
}
