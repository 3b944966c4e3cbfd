package pulse

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
)

// Consumer listens to a queue of the broker: it writes messages into a [Store], and
// then acknowledges them. [NewConsumer] makes one. It is safe for concurrent use.
//
// A message that the Store does not take because of what it is (job.ErrInvalid,
// job.ErrMalformed), or that is too long, is set aside. While the Store fails nothing
// is acknowledged and nothing is given back: the broker keeps the messages.
type Consumer struct {
	store  Store
	o      Options
	named  bool
	host   string // host and port
	secure bool
	log    *slog.Logger
	pace   pace

	running atomic.Bool
	again   chan string // why somebody wants another connection
	count   counters

	// These belong to the goroutine of Run.
	generation uint64 // of the channel; deliveries of older ones cannot be acknowledged
	putting    []delivery
	put        chan verdict
	missing    time.Time // since when messages are missing, until that is told
	worked     bool      // listening began once
	refused    int       // how often the broker refused since listening began last
	length     int       // how bad the backlog was found: 0 to 2
	lost       seldom    // lines that say that connecting fails
	bad        seldom    // lines that say that a message was set aside; belongs to keep
}

// seldom keeps lines of a log apart.
type seldom struct {
	last time.Time
	more int // that were not logged since
}

// tell calls f if the last call is that long ago, with how many were left out since.
func (s *seldom) tell(apart time.Duration, f func(more int)) {
	if !s.last.IsZero() && time.Since(s.last) < apart {
		s.more++
		return
	}
	f(s.more)
	s.last, s.more = time.Now(), 0
}

// pace is how long things take that nobody needs to set.
type pace struct {
	look      time.Duration // between two looks at the queue
	storeCall time.Duration // for one call of the Store
	storeDown time.Duration // until messages are given back to the broker
	storeWait time.Duration // between two attempts to store, at most
	drain     time.Duration // for the end
	steady    time.Duration // after which a connection counts as one that works
	failures  time.Duration // between two lines that say that connecting fails
	refused   int           // attempts after a refusal, where it worked before
}

var usualPace = pace{
	look: 30 * time.Second, storeCall: 30 * time.Second, storeDown: 10 * time.Minute, storeWait: 30 * time.Second,
	drain: 30 * time.Second, steady: time.Minute, failures: 30 * time.Second, refused: 5,
}

// NewConsumer checks the options; it does not connect. Its errors wrap job.ErrInvalid,
// and show neither the password nor the URL.
func NewConsumer(s Store, o Options) (*Consumer, error) {
	if s == nil {
		return nil, invalid("no Store")
	}
	full, err := o.settled()
	if err != nil {
		return nil, err
	}
	c := &Consumer{
		store: s, o: full, named: o.named(), log: full.Logger, pace: usualPace,
		again: make(chan string, 1), put: make(chan verdict, 1),
	}
	c.host, c.secure = full.address()
	return c, nil
}

var _ Listener = (*Consumer)(nil)

// Queue is the name of the queue, queue/USER/NAME, under which the Store has its
// messages.
func (c *Consumer) Queue() string { return c.o.Queue }

// String names the queue and the broker; a Consumer holds a password.
func (c *Consumer) String() string { return c.o.Queue + " at " + c.host }

// GoString is String.
func (c *Consumer) GoString() string { return c.String() }

// Stats are the figures of this moment.
func (c *Consumer) Stats() ConsumerStats { return c.count.snapshot() }

// Reconnect drops the connection and makes another one, as when it is open and yet
// nothing comes. It does not wait for it. It does nothing while there is none.
func (c *Consumer) Reconnect(why string) {
	select {
	case c.again <- why:
	default: // somebody else has asked already
	}
}

// Run listens until ctx is done: then it takes no more messages, writes and
// acknowledges those that it has, and returns nil. It returns an error, of type
// *job.Error, when waiting will not mend it: a wrong password or virtual host, a
// refused permission, a certificate that nobody trusts, an exchange that does not
// exist, or a queue that was made with other arguments. Where it had listened before,
// it tries such a thing a few times more. After all else it connects anew, for ever.
// It can run once at a time.
func (c *Consumer) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return invalid("this Consumer of %s is running already", c.o.Queue)
	}
	defer c.running.Store(false)
	defer c.settle()
	c.worked, c.refused = false, 0
	if !c.secure && !local(c.host) {
		c.log.Warn("the password is sent without TLS", "queue", c.o.Queue, "broker", c.host)
	}
	wait := c.o.Retry
	for {
		began := time.Now()
		err := c.session(ctx)
		if ctx.Err() != nil {
			if err != nil && c.worked {
				c.log.Warn("stopped listening in a hurry", "queue", c.o.Queue, "error", err)
			}
			return nil
		}
		c.tell(State{Kind: StateLost, Err: err})
		if c.gaveUp(err) {
			c.log.Error("stopped listening for good", "queue", c.o.Queue, "error", err)
			return cause(err)
		}
		switch {
		case isFinal(err):
			wait = c.o.RetryMost
		case time.Since(began) >= c.pace.steady:
			wait = c.o.Retry
		}
		c.logFailure(err, wait)
		if err := pause.For(ctx, jitter(wait)); err != nil {
			return nil //nolint:nilerr // ctx is done
		}
		wait = min(2*wait, c.o.RetryMost)
	}
}

// local reports whether a host and port are on this machine.
func local(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// jitter is d, a quarter more or less.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2)) // #nosec G404 -- no secret
}

// gaveUp reports whether the error ends it all.
func (c *Consumer) gaveUp(err error) bool {
	if !isFinal(err) {
		return false
	}
	c.refused++
	return !c.worked || c.refused > c.pace.refused
}

// logFailure logs at most a line each half minute.
func (c *Consumer) logFailure(err error, wait time.Duration) {
	c.lost.tell(c.pace.failures, func(more int) {
		c.log.Warn("not listening, and trying again", "queue", c.o.Queue, "broker", c.host, "error", err, "wait", wait,
			"others_before", more)
	})
}

// tell tells of a change.
func (c *Consumer) tell(s State) {
	c.count.change(func(st *ConsumerStats) {
		if s.Kind == StateLost {
			st.Connected = time.Time{}
		}
	})
	if c.o.OnState != nil {
		c.o.OnState(s)
	}
}

// blocked notes whether the broker takes messages; see ConsumerStats.Blocked.
func (c *Consumer) blocked(b amqp.Blocking) {
	was := ""
	c.count.change(func(s *ConsumerStats) {
		was, s.Blocked = s.Blocked, ""
		if b.Active {
			s.Blocked = job.Visible(b.Reason)
		}
	})
	switch {
	case b.Active:
		c.log.Warn("the broker takes no messages", "queue", c.o.Queue, "reason", job.Visible(b.Reason))
	case was != "":
		c.log.Info("the broker takes messages again", "queue", c.o.Queue)
	}
}

// session is one connection, from asking the Store to its end.
func (c *Consumer) session(ctx context.Context) error {
	select { // what was asked of an earlier connection
	case <-c.again:
	default:
	}
	select { // what was written, or not, when the last connection ended
	case o := <-c.put:
		c.late(o)
	default:
	}
	known, err := c.recall(ctx)
	if err != nil {
		return err
	}
	l, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	stop := context.AfterFunc(ctx, l.drop) // until there is something to drain
	if err := c.prepare(ctx, l, known); err != nil {
		stop()
		return err
	}
	s, err := c.open(l)
	stop()
	if err != nil {
		return err
	}
	return s.run(ctx)
}

// recall asks the Store before the broker: without it, nothing can be taken.
func (c *Consumer) recall(ctx context.Context) (Queue, error) {
	ctx, cancel := context.WithTimeout(ctx, c.pace.storeCall)
	defer cancel()
	q, err := c.store.Queue(ctx, c.o.Queue)
	return q, c.storeFailed(err)
}

// settle waits for what is being written when Run ends.
func (c *Consumer) settle() {
	if c.putting != nil {
		c.late(<-c.put)
	}
}

// late counts what was written when its channel had ended.
func (c *Consumer) late(o verdict) {
	stored, aside := o.kept(c.putting)
	c.count.left(c.putting, func(s *ConsumerStats) {
		s.Stored += stored
		s.SetAside += aside
		s.LateAcks += stored + aside
		s.GivenBack += int64(len(c.putting)) - stored - aside
	})
	if stored+aside > 0 {
		c.log.Warn("messages were written after their connection had ended, and come again",
			"queue", c.o.Queue, "messages", stored+aside)
	}
	c.putting = nil
}

// describe names what ended a session.
func describe(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{job.ErrUnavailable}, args...)...)
}
