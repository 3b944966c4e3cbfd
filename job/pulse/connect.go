package pulse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// opening is what is done until a connection is open, for [Consumer.failed].
const opening = "connecting"

// errSilent says that the broker did not answer in time.
var errSilent = errors.New("the broker did not answer")

// link is one connection to the broker.
type link struct {
	conn   *amqp.Connection
	socket net.Conn
	within time.Duration // of the answer to a call
	// overdue is that an answer did not come in time, and that the socket was closed.
	overdue atomic.Bool
	gone    chan struct{} // is closed when the connection has ended
	why     *amqp.Error   // is set before gone is closed; nil when we closed it
}

// login is a user and password, who wants to hear it when they are wrong: only then does
// the broker say so, rather than end the connection without a word. The client tells the
// broker what it is capable of by properties that it fills in just before it asks for
// the response, and leaves this one out.
type login struct {
	user, password string
	properties     amqp.Table
}

func (login) Mechanism() string { return "PLAIN" }

func (l login) Response() string {
	if capabilities, ok := l.properties["capabilities"].(amqp.Table); ok {
		capabilities["authentication_failure_close"] = true
	}
	return "\x00" + l.user + "\x00" + l.password
}

// dial opens a connection, within CallTimeout.
func (c *Consumer) dial(ctx context.Context) (*link, error) {
	l := &link{within: c.o.CallTimeout, gone: make(chan struct{})}
	scheme := "amqp"
	if c.secure {
		scheme = "amqps"
	}
	properties := amqp.NewConnectionProperties()
	properties["connection_name"] = "mozci " + c.o.Queue
	stop := func() bool { return true } // watching ctx, until the connection is open
	conf := amqp.Config{                // Recovery stays nil: it acknowledges messages that nobody handled
		SASL:       []amqp.Authentication{login{c.o.User, string(c.o.Password), properties}},
		Vhost:      c.o.Vhost,
		Heartbeat:  c.o.Heartbeat,
		Properties: properties,
		Dial: func(network, address string) (net.Conn, error) {
			d := net.Dialer{Timeout: l.within}
			socket, err := d.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			l.socket, stop = socket, context.AfterFunc(ctx, func() { _ = socket.Close() })
			return socket, socket.SetDeadline(time.Now().Add(l.within)) // until the connection is open
		},
		TLSClientConfig: c.o.TLS.Clone(),
	}
	conn, err := amqp.DialConfig(scheme+"://"+c.host, conf)
	stop()
	if err != nil {
		l.drop() // the client leaves it open
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			err = fmt.Errorf("%w within %s: %w", errSilent, l.within, err)
		}
		return nil, c.failed(opening, err)
	}
	l.conn = conn
	ended := conn.NotifyClose(make(chan *amqp.Error, 1))
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	go l.attend(ended, blocked, c.blocked)
	return l, nil
}

// attend always reads what the client tells of a connection, until it has ended.
func (l *link) attend(ended chan *amqp.Error, blocked chan amqp.Blocking, tell func(amqp.Blocking)) {
	for ended != nil || blocked != nil {
		select {
		case e, ok := <-ended:
			if ok {
				l.why = e
				continue
			}
			close(l.gone)
			ended = nil
		case b, ok := <-blocked:
			if !ok {
				blocked = nil
				tell(amqp.Blocking{})
				continue
			}
			tell(b)
		}
	}
}

// drop ends the connection at once.
func (l *link) drop() {
	if l.socket != nil {
		_ = l.socket.Close()
	}
}

// close ends the connection in an orderly way, if it is quick.
func (l *link) close() {
	_ = l.call(func() error { return l.conn.CloseDeadline(time.Now().Add(l.within)) })
	l.drop()
}

// call is one call of the client, which waits for an answer for ever: after a while
// the socket is closed, which ends the call. It is not waited for then, for the client
// may be stuck.
func (l *link) call(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	limit := time.NewTimer(l.within)
	defer limit.Stop()
	select {
	case err := <-done:
		return l.cause(err)
	case <-limit.C:
		l.overdue.Store(true)
		l.drop()
		return fmt.Errorf("%w within %s", errSilent, l.within)
	}
}

// cause is err, or why the connection ended where err only says that it has.
func (l *link) cause(err error) error {
	switch {
	case err == nil:
		return nil
	case l.overdue.Load():
		return fmt.Errorf("%w within %s", errSilent, l.within)
	case !errors.Is(err, amqp.ErrClosed):
		return err
	}
	select {
	case <-l.gone:
		if l.why != nil {
			return l.why
		}
	default:
	}
	return err
}

// channel opens a channel.
func (l *link) channel() (*amqp.Channel, error) {
	var ch *amqp.Channel
	err := l.call(func() error {
		var err error
		ch, err = l.conn.Channel()
		return err
	})
	if err != nil {
		return nil, err
	}
	return ch, nil
}

// with runs f with a channel of its own: an error of the broker's closes it.
func (l *link) with(f func(*amqp.Channel) error) error {
	ch, err := l.channel()
	if err != nil {
		return err
	}
	if err := f(ch); err != nil {
		return err
	}
	return l.call(ch.Close)
}
