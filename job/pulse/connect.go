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

// opening names the step of connecting in errors; see [Consumer.failed].
const opening = "connecting"

// errSilent says that the broker did not answer within CallTimeout.
var errSilent = errors.New("the broker did not answer")

// link is one connection to the broker.
type link struct {
	conn   *amqp.Connection
	socket net.Conn
	within time.Duration // the maximum wait for an answer
	// overdue says that an answer did not come in time, and that the socket was closed
	// because of that.
	overdue atomic.Bool
	gone    chan struct{} // closed when the connection has ended
	why     *amqp.Error   // why it ended; set before gone is closed; nil when this end closed it
}

// login is the user and password of a connection. It also sets the capability
// authentication_failure_close: without it the broker ends the connection without a word when
// the password is wrong, and with it, it says so. The AMQP library fills in its capabilities
// just before it calls Response and has no option for this one, so Response adds it.
type login struct {
	user, password string
	properties     amqp.Table
}

func (login) Mechanism() string { return "PLAIN" }

// Response is the answer of the mechanism PLAIN (RFC 4616): NUL user NUL password.
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
	stop := func() bool { return true } // ends the watch over ctx, which lasts until the connection is open
	conf := amqp.Config{                // Recovery stays nil: it would acknowledge messages that were not handled
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
		l.drop() // the library leaves the socket open
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

// attend reads the library's notices about a connection until it has ended. Somebody must
// always read them, or the library blocks. The library sends at most one error on ended and then
// closes it; when this end closed the connection, it only closes it, so why stays nil. attend
// ends when both channels are closed.
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

// drop ends the connection at once, by closing its socket.
func (l *link) drop() {
	if l.socket != nil {
		_ = l.socket.Close()
	}
}

// close ends the connection in an orderly way, or drops it when that takes too long.
func (l *link) close() {
	_ = l.call(func() error { return l.conn.CloseDeadline(time.Now().Add(l.within)) })
	l.drop()
}

// call runs one call of the AMQP library with a time limit. The library itself waits for an
// answer for ever. When the time is up, call closes the socket, which ends the library's
// wait, and returns at once, since the library may be stuck in another place. The channel has
// room for one result, so that the goroutine ends even if nobody reads it any more.
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

// cause is err, or the reason why the connection ended when err says only that it has.
// "channel/connection is not open" (amqp.ErrClosed) says nothing, while why may be "320
// CONNECTION_FORCED".
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

// with runs f with a channel of its own. The broker closes a channel after an error on it,
// and another channel must not suffer from that.
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
