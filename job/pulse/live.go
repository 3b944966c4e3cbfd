package pulse

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
)

// LiveOptions say what a Live listens to. Store, Decode, CI and Consumer are required.
type LiveOptions struct {
	Store  Store   // keeps the messages until they are done
	Decode Decoder // the decoder of the CI's source
	// Queue is the queue's name, at the broker and in Store. Default: the name that the
	// consumer's method Queue returns, if it has one; a Consumer has.
	Queue string
	CI    string // the CI's name, as in the events that Decode returns
	// Consumer makes the listener, as Listen does. The listener must write its messages
	// into the store s, which is Store with a tap by which Live notices them, and report
	// its states to onState. NewLive calls it once.
	Consumer func(s Store, onState func(State)) (Listener, error)

	// Poll is how often watchers get an event with Missed while Pulse is down, so that
	// they ask the CI. Default 1 minute.
	Poll time.Duration
	// Safety is how often they get one while Pulse is up, since messages get lost even
	// then. Default 10 minutes.
	Safety time.Duration
	// Grace is how late a message may be before it counts as missing. Default 1 minute.
	Grace time.Duration

	// Holder is the name of this process in Store. No two processes that run at the same
	// time may have the same one. A process that starts with the name of the one before
	// it need not wait for that one's leases to end. Default: the host's name and a
	// random text.
	Holder string
	Lease  time.Duration // how long a taken message is this process's own; default 2 minutes
	Batch  int           // the maximum number of messages taken at a time; default 200
	// Decoders is the number of messages decoded at the same time; decoding may need
	// requests to the CI. Default 8.
	Decoders int
	// DecodeTimeout limits the decoding of one message. Default 30 seconds.
	DecodeTimeout time.Duration

	Logger *slog.Logger // nil discards
}

// Live wraps a job.Scheduler and adds a job.Watcher whose events come from Pulse. NewLive
// makes one; it is safe for concurrent use.
//
// # Which events come
//
// Live takes a message from the store, decodes it, and calls Store.Done, which forgets the
// message and stores the new statuses of its runs in one transaction. Only then do watchers
// get the events that Done returned as new. So an event comes once, even where several
// processes share a store, and no event sets a run back behind an earlier one.
//
// A process that is killed after Done has not passed the events on. But its watchers end with
// it, and every new watcher first gets an event with Missed. When the store did not say
// whether it wrote, events may come twice.
//
// Processes that share a store also share the events: each event comes in one of them. A
// process that needs all events must have a store of its own, such as a Memory.
//
// # Which events may be missing
//
// Pulse loses messages. Watchers get an event with job.Event.Missed set, and must then ask the
// CI, in these cases: when they begin, after each connect, when messages are known to be
// missing, each Safety, each Poll while Pulse is down, and when they read too slowly.
//
// A message that cannot be decoded because the CI does not answer is tried again, for about a
// day. One that cannot be decoded at all is set aside.
//
// The wrapped Scheduler's own events, if it is a Watcher, do not come: Live is for CIs whose
// events are on Pulse.
type Live struct {
	ci       job.Scheduler
	o        LiveOptions
	log      *slog.Logger
	consumer Listener
	arrived  chan struct{}                     // has a value when messages were stored
	told     *Once                             // the events that watchers got
	unheard  *flight.Cache[jobKey, job.Status] // the changes that were counted as unheard

	mu        sync.Mutex // guards the fields below; not held during calls of the store or the CI
	running   bool
	since     time.Time // when it was connected last; of use only while it is up
	listeners map[*listener]bool
	stats     LiveStats
	lately    lately
	said      said
}

// said has what was logged already, so that it is not logged again and again.
type said struct{ down, store, aside, unheard bool }

// lately counts what happened since the last look; there is one each Safety.
type lately struct {
	messages, unheard, aside int
	silent                   int // consecutive looks that found unheard changes and no messages
}

// LiveStats are a Live's figures since it was made.
type LiveStats struct {
	Up        bool      // Pulse is connected
	Since     time.Time // when Up last changed; zero if it never was up
	Connects  int       // connections to Pulse
	Listeners int       // the present number of watchers
	Messages  int       // messages that came, or were in the store before
	Last      time.Time // when the last one came; zero for never
	Events    int       // events passed on; each counts once, however many watchers there are
	Known     int       // events not passed on, since they were known
	Later     int       // times that a message was put off
	Aside     int       // messages set aside
	Behind    int       // times that a watcher was too slow, and got an event with Missed instead
	Gaps      int       // times that messages were known to be missing
	// Unheard is the number of changes of runs that the CI showed and Pulse did not
	// bring.
	Unheard int
	// Rebuilt is how often the connection was replaced because it was silent.
	Rebuilt int
}

// mostTold is the number of runs whose last events a Live remembers.
const mostTold = 200_000

// NewLive returns a Live around a CI. It does no I/O: see Run.
func NewLive(ci job.Scheduler, o LiveOptions) (*Live, error) {
	const op = "pulse.live"
	if ci == nil || o.Store == nil || o.Decode == nil || o.CI == "" || o.Consumer == nil {
		return nil, job.Wrap(op, o.Queue, fmt.Errorf(
			"%w: a CI, and the options Store, Decode, CI and Consumer, must be given", job.ErrInvalid))
	}
	o = o.defaults()
	l := &Live{
		ci: ci, o: o, log: o.Logger, arrived: make(chan struct{}, 1), listeners: map[*listener]bool{},
		told:    NewOnce(mostTold),
		unheard: flight.New[jobKey, job.Status](mostTold),
	}
	var err error
	l.consumer, err = o.Consumer(tapped{o.Store, l}, l.onState)
	if err != nil {
		return nil, job.Wrap(op, o.Queue, err)
	}
	if named, ok := l.consumer.(interface{ Queue() string }); ok && l.o.Queue == "" {
		l.o.Queue = named.Queue()
	}
	if l.o.Queue == "" {
		return nil, job.Wrap(op, "", fmt.Errorf("%w: neither the options nor the consumer name the queue",
			job.ErrInvalid))
	}
	return l, nil
}

// Listen returns a function for LiveOptions.Consumer that makes a Consumer with these options.
// Options.OnState gets each state after the Live.
func Listen(o Options) func(Store, func(State)) (Listener, error) {
	return func(s Store, onState func(State)) (Listener, error) {
		also := o.OnState
		o.OnState = func(st State) {
			onState(st)
			if also != nil {
				also(st)
			}
		}
		return NewConsumer(s, o)
	}
}

func (o LiveOptions) defaults() LiveOptions {
	for _, d := range []struct {
		of        *time.Duration
		otherwise time.Duration
	}{
		{&o.Poll, time.Minute},
		{&o.Safety, 10 * time.Minute},
		{&o.Grace, time.Minute},
		{&o.Lease, 2 * time.Minute},
		{&o.DecodeTimeout, 30 * time.Second},
	} {
		if *d.of <= 0 {
			*d.of = d.otherwise
		}
	}
	if o.Batch <= 0 {
		o.Batch = 200
	}
	if o.Decoders <= 0 {
		o.Decoders = 8
	}
	if o.Holder == "" {
		host, _ := os.Hostname() // without one the random name is enough
		o.Holder = host + " " + rand.Text()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Run listens to Pulse and handles stored messages until ctx is done; then it returns nil. If
// it ends earlier, its error says why it can never listen. Watchers may begin before, during
// and after Run; while it does not run, they see Pulse as down.
func (l *Live) Run(ctx context.Context) error {
	const op = "pulse.run"
	l.mu.Lock()
	twice := l.running
	l.running = true
	l.mu.Unlock()
	if twice {
		return job.Wrap(op, l.o.Queue, fmt.Errorf("%w: it runs already", job.ErrInvalid))
	}
	inner, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer func() {
		cancel()
		wg.Wait()
		l.mu.Lock()
		l.running = false
		l.mu.Unlock()
	}()
	wg.Go(func() { l.process(inner) })
	wg.Go(func() { l.mind(inner) })
	err := l.consumer.Run(inner)
	if ctx.Err() != nil {
		err = nil
	} else if err == nil {
		err = fmt.Errorf("%w: the consumer ended by itself", job.ErrUnavailable)
	}
	l.stopped(err)
	return job.Wrap(op, l.o.Queue, err)
}

// Jobs asks the CI, and counts the changes in its answer that Pulse did not bring.
func (l *Live) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	jobs, err := l.ci.Jobs(ctx, p, names...)
	l.compare(ctx, jobs)
	return jobs, err
}

// History asks the CI, if it has a History, and counts as Jobs does.
func (l *Live) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	all, err := job.History(ctx, l.ci, pushes, labels...)
	for _, of := range all {
		l.compare(ctx, of.Jobs)
	}
	return all, err
}

// Trigger passes the request to the CI.
func (l *Live) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	return l.ci.Trigger(ctx, req)
}

// Unwrap is the CI, for its other abilities; see job.As.
func (l *Live) Unwrap() job.Scheduler { return l.ci }

// Up reports whether Pulse is connected, as far as the listener has reported.
func (l *Live) Up() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats.Up
}

// Stats returns the present figures.
func (l *Live) Stats() LiveStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.stats
	out.Listeners = len(l.listeners)
	return out
}

// tapped is a store that notifies Live when messages are put into it.
type tapped struct {
	Store
	live *Live
}

func (t tapped) Put(ctx context.Context, queue string, messages []Message) error {
	err := t.Store.Put(ctx, queue, messages)
	if err == nil && len(messages) > 0 {
		t.live.heard(len(messages))
	}
	return err
}

// heard notes that messages came.
func (l *Live) heard(n int) {
	l.mu.Lock()
	l.lately.messages += n
	l.stats.Last = time.Now()
	l.mu.Unlock()
	select {
	case l.arrived <- struct{}{}:
	default: // a notice is waiting already
	}
}
