package pulse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mozci/mozci/internal/clip"
)

// session is one channel on which messages come. Its generation is in the verdicts on its
// batches, because a delivery tag is valid on its own channel alone: on another channel the
// same number is another message.
//
// One goroutine runs the session and owns all fields. A message goes this way:
//
//	deliveries → held → c.putting → keep, in its own goroutine → c.put → acknowledged
//	                                  ↳ not written: back to the head of held
//
// At most one batch is being written, so c.put has room for one verdict and keep never waits.
// When the session ends, held is given back to the broker by not acknowledging it; the verdict
// about putting is read by the next session, or by settle.
type session struct {
	c          *Consumer
	l          *link
	ch         *amqp.Channel
	generation uint64

	deliveries <-chan amqp.Delivery // nil when the library has handed over all of them
	closed     chan *amqp.Error     // the broker closed the channel or the connection
	cancelled  chan string          // the broker deleted the queue
	trouble    chan error           // the error that ended watch

	held      []delivery       // came, and are not being written yet
	consuming bool             // the broker sends messages
	draining  bool             // Run ends: only what has come is still written
	drainEnd  <-chan time.Time // when draining is given up

	failed  time.Time        // the Store fails since then; zero while it works
	retry   <-chan time.Time // when to try to store again; nil while there is no need to wait
	wait    time.Duration    // before the next attempt to store
	giveUp  <-chan time.Time // when the messages go back to the broker
	watched chan struct{}    // closed when watch has ended
}

// open opens the channel, limits how many messages the broker sends ahead (Prefetch), and
// begins to consume. In this order, or the broker would send without a limit.
func (c *Consumer) open(l *link) (*session, error) {
	ch, err := l.channel()
	if err != nil {
		return nil, c.failed("opening a channel", err)
	}
	c.generation++
	s := &session{
		c: c, l: l, ch: ch, generation: c.generation, wait: c.o.Retry,
		closed:    ch.NotifyClose(make(chan *amqp.Error, 1)),
		cancelled: ch.NotifyCancel(make(chan string, 1)),
		trouble:   make(chan error, 1), watched: make(chan struct{}),
	}
	if err := l.call(func() error { return ch.Qos(c.o.Prefetch, 0, false) }); err != nil {
		return nil, c.failed("setting the prefetch limit", err)
	}
	return s, s.consume()
}

// tag names the consumer within its channel.
func (s *session) tag() string { return "mozci-" + strconv.FormatUint(s.generation, 10) }

// consume tells the broker to send messages.
func (s *session) consume() error {
	c := s.c
	var deliveries <-chan amqp.Delivery
	err := s.l.call(func() error {
		var err error
		deliveries, err = s.ch.Consume(c.o.Queue, s.tag(), false, false, false, false, nil)
		return err
	})
	if err != nil {
		return c.failed("consuming", err)
	}
	s.deliveries, s.consuming = deliveries, true
	c.worked, c.refused = true, 0
	c.count.change(func(st *ConsumerStats) {
		st.Connects++
		st.Connected = time.Now()
	})
	c.log.Info("listening", "queue", c.o.Queue, "broker", c.host)
	c.tell(State{Kind: StateListening})
	return nil
}

// stop tells the broker to send no more messages. Those on their way are still read from
// deliveries, which the library closes after them.
func (s *session) stop() error {
	if !s.consuming {
		return nil
	}
	s.consuming = false
	return s.l.call(func() error { return s.ch.Cancel(s.tag(), false) })
}

// run accepts messages until ctx is done; then it writes what it has and returns nil. Any other
// end of the session is an error.
func (s *session) run(ctx context.Context) error {
	watching, cancel := context.WithCancel(ctx)
	go s.watch(watching)
	defer s.end()
	defer func() { cancel(); <-s.watched }()
	done := ctx.Done()
	for {
		s.age()
		if err := s.proceed(ctx); err != nil {
			return err
		}
		if s.draining && s.empty() {
			return s.leave(ctx)
		}
		select {
		case <-done:
			done = nil
			s.draining, s.drainEnd = true, time.After(s.c.pace.drain)
			if err := s.stop(); err != nil {
				return err
			}
		default:
			if err := s.next(done); err != nil {
				return err
			}
		}
	}
}

// next waits for the next thing to happen, and handles it.
func (s *session) next(done <-chan struct{}) error {
	c := s.c
	select {
	case <-done: // run handles it
	case <-s.drainEnd:
		return describe("messages could not be written within %s; the broker keeps them", c.pace.drain)
	case d, ok := <-s.deliveries:
		if !ok && s.consuming {
			return s.reason()
		}
		if !ok {
			s.deliveries = nil
			return nil
		}
		kept := c.delivered(d)
		c.count.came(kept)
		s.held = append(s.held, kept)
	case o := <-c.put:
		return s.written(o)
	case <-s.retry:
		s.retry = nil
	case <-s.giveUp:
		return fmt.Errorf("%w for %s; the broker keeps the messages", errStore, c.pace.storeDown)
	case <-s.l.gone:
		return s.reason()
	case e := <-s.closed:
		return s.ended(e)
	case <-s.cancelled:
		return errDeleted
	case err := <-s.trouble:
		return err
	case why := <-c.again:
		c.log.Warn("connecting again", "queue", c.o.Queue, "reason", why)
		return describe("a new connection was requested: %s", why)
	}
	return nil
}

var errDeleted = describe("the broker cancelled the consumer: the queue was deleted")

// reason is why no more messages come. The library reports it in one of three ways.
func (s *session) reason() error {
	select {
	case <-s.cancelled:
		return errDeleted
	case e := <-s.closed:
		return s.ended(e)
	case <-s.l.gone:
		return s.ended(s.l.why)
	default:
		return describe("the AMQP library ended the deliveries")
	}
}

// ended is the error for a channel or connection that was closed.
func (s *session) ended(e *amqp.Error) error {
	switch {
	case s.l.overdue.Load():
		return describe("%w within %s", errSilent, s.l.within)
	case e == nil:
		return describe("the connection ended")
	}
	return describe("the connection ended: %d %s", e.Code, clip.Marked(e.Reason, longestReason))
}

// empty reports whether nothing is left to be written.
func (s *session) empty() bool {
	return s.deliveries == nil && len(s.held) == 0 && s.c.putting == nil
}

// proceed begins to write the next batch, if there is one. After a failure of the Store it
// consumes again once everything that had come before is written.
func (s *session) proceed(ctx context.Context) error {
	c := s.c
	switch {
	case c.putting != nil || s.retry != nil:
	case len(s.held) > 0:
		n := c.nextBatch(s.held)
		batch := slices.Clone(s.held[:n])
		s.held = slices.Delete(s.held, 0, n)
		c.putting = batch
		go func() { c.put <- c.keep(ctx, s.generation, batch) }()
	case !s.consuming && !s.draining && s.empty():
		return s.consume()
	}
	return nil
}

// written handles a verdict: it acknowledges what the Store has, and puts the rest back at the
// head of held. For example putting is 1, 2, 3, of which 2 was not written, and held is 4, 5:
// then 1 and 3 are acknowledged, and held is 2, 4, 5.
func (s *session) written(o verdict) error {
	c := s.c
	if o.generation != s.generation {
		c.late(o)
		return nil
	}
	var kept, rest []delivery
	for i, d := range c.putting {
		if o.fates[i] == unwritten {
			rest = append(rest, d)
		} else {
			kept = append(kept, d)
		}
	}
	puts, asides := o.kept(c.putting)
	c.putting, s.held = nil, append(rest, s.held...)
	err := s.acknowledge(kept)
	c.count.left(kept, func(st *ConsumerStats) {
		st.Stored, st.SetAside = st.Stored+puts, st.SetAside+asides
		if err != nil {
			st.LateAcks += puts + asides
		} else {
			st.Acked += puts + asides
		}
	})
	if err != nil {
		return err
	}
	if o.err != nil {
		return s.storeFails(o.err)
	}
	s.storeWorks()
	return nil
}

// acknowledge tells the broker that it may forget messages. It does so one by one: the "multiple"
// flag would also acknowledge every earlier message, and some of these may not be written.
func (s *session) acknowledge(list []delivery) error {
	if len(list) == 0 {
		return nil
	}
	err := s.l.call(func() error {
		for _, d := range list {
			if err := s.ch.Ack(d.tag, false); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, amqp.ErrClosed) {
		return s.reason()
	}
	return err
}

// storeFails stops the consuming at the first failure of the Store, and sets the time of the
// next attempt. The waits are 1, 2, 4, 8, 16, 30, 30 … seconds with the defaults, a quarter more
// or less; after 10 minutes giveUp ends the session.
func (s *session) storeFails(err error) error {
	c := s.c
	s.retry, s.wait = time.After(jitter(s.wait)), min(2*s.wait, max(c.pace.storeWait, c.o.Retry))
	if !s.failed.IsZero() {
		return nil
	}
	s.failed, s.giveUp = time.Now(), time.After(c.pace.storeDown)
	c.count.change(func(st *ConsumerStats) { st.StoreDown = s.failed })
	c.log.Error("the store fails; the broker keeps the messages", "queue", c.o.Queue, "error", err)
	if s.draining {
		return nil
	}
	c.tell(State{Kind: StateLost, Err: err})
	return s.stop()
}

// storeWorks ends what storeFails began; proceed will consume again.
func (s *session) storeWorks() {
	s.wait = s.c.o.Retry
	if s.failed.IsZero() {
		return
	}
	s.c.log.Info("the store works again", "queue", s.c.o.Queue, "failed", time.Since(s.failed))
	s.failed, s.giveUp = time.Time{}, nil
	s.c.count.change(func(st *ConsumerStats) { st.StoreDown = time.Time{} })
}

// age notes when the oldest message came that is not written yet; see ConsumerStats.Lag.
// Messages are written in the order in which they came, so it is the first of putting, or else
// of held.
func (s *session) age() {
	var oldest time.Time
	switch {
	case len(s.c.putting) > 0:
		oldest = s.c.putting[0].at
	case len(s.held) > 0:
		oldest = s.held[0].at
	}
	s.c.count.mu.Lock()
	s.c.count.oldest = oldest
	s.c.count.mu.Unlock()
}

// leave ends a session after everything was written.
func (s *session) leave(ctx context.Context) error {
	if err := s.c.remember(context.WithoutCancel(ctx), s.c.o.Bindings); err != nil {
		s.c.log.Warn("the state of the queue could not be stored", "queue", s.c.o.Queue, "error", err)
	}
	return s.l.call(s.ch.Close) // once it returns, the broker has read the acknowledgements
}

// end counts the messages that are given up with the session: the broker sends them again.
func (s *session) end() {
	s.c.count.left(s.held, func(st *ConsumerStats) {
		st.GivenBack += int64(len(s.held))
		st.StoreDown, st.Connected = time.Time{}, time.Time{}
	})
	if len(s.held) > 0 {
		s.c.log.Warn("messages are given back to the broker", "queue", s.c.o.Queue, "messages", len(s.held))
	}
	s.held = nil
	s.age()
}
