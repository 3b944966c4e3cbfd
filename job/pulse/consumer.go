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

// Consumer listens to a queue of the broker: it writes messages into a [Store], and only
// then acknowledges them. So a message is lost only when the broker loses it. [NewConsumer]
// makes one. It is safe for concurrent use.
//
// A message is set aside when it is too long, or when the Store refuses its content
// (job.ErrInvalid, job.ErrMalformed). While the Store fails in any other way, nothing is
// acknowledged, and the broker keeps the messages.
type Consumer struct {
	store  Store
	o      Options
	named  bool   // the queue has a name of the caller's, and outlives the connection
	host   string // host and port, such as pulse.mozilla.org:5671
	secure bool
	log    *slog.Logger
	pace   pace

	running atomic.Bool
	again   chan string // the reason of a Reconnect; has room for one
	count   counters

	// These belong to the goroutine of Run.
	generation uint64       // counts the channels; deliveries of an older one cannot be acknowledged
	putting    []delivery   // the batch that is being written; nil for none
	put        chan verdict // gets what became of putting
	missing    time.Time    // messages are missing since then, and that is not reported yet; zero for none
	worked     bool         // Run has listened at least once
	refused    int          // refusals by the broker since it listened last
	length     int          // how long the queue was last: 0 fine, 1 above Warn, 2 above ¾ of Most
	lost       seldom       // log lines about failed connections
	bad        seldom       // log lines about messages set aside; belongs to the goroutine of keep
}

// seldom limits how often a kind of line is logged.
type seldom struct {
	last time.Time
	more int // lines that were left out since then
}

// tell calls f with the number of lines left out since the last call, unless that call was less
// than apart ago. With apart 30 s and lines at 0, 10, 20 and 40 s, the lines at 0 and 40 s are
// logged, the latter with more = 2.
func (s *seldom) tell(apart time.Duration, f func(more int)) {
	if !s.last.IsZero() && time.Since(s.last) < apart {
		s.more++
		return
	}
	f(s.more)
	s.last, s.more = time.Now(), 0
}

// pace has the durations that callers do not need to set. Tests change them.
type pace struct {
	look      time.Duration // between two looks at the queue's length
	storeCall time.Duration // the maximum for one call of the Store
	storeDown time.Duration // a Store that fails for longer gives the messages back to the broker
	storeWait time.Duration // the maximum between two attempts to store
	drain     time.Duration // the maximum for writing what is left when Run ends
	steady    time.Duration // a connection that lasted this long resets the wait before the next one
	failures  time.Duration // the minimum between two log lines of one kind
	refused   int           // attempts after a refusal, if it has worked before
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

// Reconnect drops the connection and makes another one. Call it when the connection is open
// but no messages come. It returns at once, and does nothing while there is no connection.
// why goes into the log.
func (c *Consumer) Reconnect(why string) {
	select {
	case c.again <- why:
	default: // a Reconnect is waiting already
	}
}

// Run listens until ctx is done. Then it accepts no more messages, writes and acknowledges
// those that it has, and returns nil.
//
// It returns an error, of type *job.Error, when waiting will not help: for a wrong password or
// virtual host, a refused permission, an untrusted certificate, an exchange that does not
// exist, or a queue that was made with other arguments. If it has listened before, it first
// tries a few times more. After every other failure it connects again, for ever, with growing
// waits. Only one Run at a time is allowed.
//
// With the defaults the waits are 1, 2, 4, 8, 16, 32, 60, 60 … seconds, each a quarter more or
// less. After a connection that lasted a minute they begin at 1 second again; after a refusal
// that may pass they are 1 minute.
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
				c.log.Warn("stopped listening before all messages were written", "queue", c.o.Queue, "error", err)
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

// jitter is d, up to a quarter more or less at random, so that many clients do not come back
// at the same moment.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2)) // #nosec G404 -- no secret
}

// gaveUp reports whether Run must end with this error. When Run has listened before, it bears
// the first 5 refusals in a row.
func (c *Consumer) gaveUp(err error) bool {
	if !isFinal(err) {
		return false
	}
	c.refused++
	return !c.worked || c.refused > c.pace.refused
}

// logFailure logs a failed connection, at most one line each half minute.
func (c *Consumer) logFailure(err error, wait time.Duration) {
	c.lost.tell(c.pace.failures, func(more int) {
		c.log.Warn("not listening, and trying again", "queue", c.o.Queue, "broker", c.host, "error", err, "wait", wait,
			"others_before", more)
	})
}

// tell reports a change of state.
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

// blocked notes whether the broker accepts messages from publishers; see
// ConsumerStats.Blocked.
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
		c.log.Warn("the broker accepts no messages", "queue", c.o.Queue, "reason", job.Visible(b.Reason))
	case was != "":
		c.log.Info("the broker accepts messages again", "queue", c.o.Queue)
	}
}

// session is one connection from beginning to end. Each Reconnect and verdict left from the
// connection before is handled first.
//
//	recall → dial → prepare (queue, bindings) → open (channel, limit, consume) → run
//
// Until run begins, the end of ctx drops the socket, since there is nothing to write yet. From
// then on run itself ends in an orderly way.
func (c *Consumer) session(ctx context.Context) error {
	select { // a Reconnect that was meant for an earlier connection
	case <-c.again:
	default:
	}
	select { // the batch that was being written when the last connection ended
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
	stop := context.AfterFunc(ctx, l.drop) // the end of Run need not wait, while there are no messages to write
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

// recall reads what the Store knows of the queue. It comes before the connection to the
// broker: without the Store, no message can be accepted.
func (c *Consumer) recall(ctx context.Context) (Queue, error) {
	ctx, cancel := context.WithTimeout(ctx, c.pace.storeCall)
	defer cancel()
	q, err := c.store.Queue(ctx, c.o.Queue)
	return q, c.storeFailed(err)
}

// settle waits for the batch that is being written when Run ends.
func (c *Consumer) settle() {
	if c.putting != nil {
		c.late(<-c.put)
	}
}

// late counts a batch whose channel ended before it was acknowledged.
func (c *Consumer) late(o verdict) {
	stored, aside := o.kept(c.putting)
	c.count.left(c.putting, func(s *ConsumerStats) {
		s.Stored += stored
		s.SetAside += aside
		s.LateAcks += stored + aside
		s.GivenBack += int64(len(c.putting)) - stored - aside
	})
	if stored+aside > 0 {
		c.log.Warn("messages were written after their connection had ended, so the broker will send them again",
			"queue", c.o.Queue, "messages", stored+aside)
	}
	c.putting = nil
}

// describe is an ErrUnavailable that says what ended a session.
func describe(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{job.ErrUnavailable}, args...)...)
}
