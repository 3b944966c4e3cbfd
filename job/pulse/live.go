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
	Decode Decoder // of the CI's source
	// Queue is the queue's name, at the broker and in Store. Default: the one that the
	// consumer names by a method Queue, as a Consumer does.
	Queue string
	CI    string // the CI's name, as in the events that Decode returns
	// Consumer makes what listens, as Listen does: it writes what it hears into the
	// store that it is given, which tells Live of it, and it tells its states. It is
	// called once, by NewLive.
	Consumer func(s Store, onState func(State)) (Listener, error)

	// Poll is how often listeners are told to look for themselves while Pulse is down.
	// Default 1 minute.
	Poll time.Duration
	// Safety is the same while Pulse is up: messages get lost. Default 10 minutes.
	Safety time.Duration
	// Grace is how late a message may be before it counts as missing. Default 1 minute.
	Grace time.Duration

	// Holder names this process to Store; none that runs at the same time may have the
	// same name. One that has the name of the process before it need not wait for the
	// end of its leases. Default: the host's name and a random one.
	Holder string
	Lease  time.Duration // default 2 minutes
	Batch  int           // messages that are taken at a time. Default 200
	// Decoders is how many messages are decoded at a time, as the CI may be asked for
	// each. Default 8.
	Decoders int
	// DecodeTimeout bounds the decoding of one message. Default 30 seconds.
	DecodeTimeout time.Duration

	Logger *slog.Logger // nil discards
}

// Live is a job.Scheduler around another one, and a job.Watcher by Pulse. NewLive makes
// one; it is safe for concurrent use.
//
// # What is told
//
// A message is taken from the store, decoded, and done: Store.Done forgets it and
// writes down how far its runs are, in one. Only then the events that it calls new are
// told to listeners. So an event is told once, also where several processes share a
// store, and never one that is further back than what was told. A process that is
// killed in between has told nobody; but its listeners are gone with it, and whoever
// watches next is first told to look: see Watch. Where the store did not say whether it
// wrote, events may be told twice.
//
// Processes that share a store share the events: each is told by one of them. One that
// must hear all of them itself has a store of its own, such as a Memory.
//
// # What is not
//
// Pulse is advisory. Listeners are told that they may have missed something (see
// job.Event.Missed) when they begin, after each connect, when messages are known to be
// missing, each Safety, each Poll while Pulse is down, and when they are too slow. Who
// waits for something then asks the CI.
//
// A message that cannot be decoded while the CI does not answer is tried again, for
// about a day; one that cannot be decoded at all is set aside.
//
// What the other Scheduler tells as a Watcher itself is not told: Live is for CIs that
// Pulse speaks for.
type Live struct {
	ci       job.Scheduler
	o        LiveOptions
	log      *slog.Logger
	consumer Listener
	arrived  chan struct{} // has a value when messages were stored
	told     *Once
	unheard  *flight.Cache[jobKey, job.Status] // what was counted as unheard

	mu        sync.Mutex
	running   bool
	since     time.Time // when it was connected; where it is up
	listeners map[*listener]bool
	stats     LiveStats
	lately    lately
	said      said
}

// said is what was logged and must not be logged again.
type said struct{ down, store, aside, unheard bool }

// lately is what happened since the last look at it, each Safety.
type lately struct {
	messages, unheard, aside int
	silent                   int // looks in a row that found changes and no message
}

// LiveStats are what a Live did since it was made.
type LiveStats struct {
	Up        bool
	Since     time.Time // when Up last changed; zero where it never was up
	Connects  int       // how often Pulse was connected
	Listeners int       // now
	Messages  int       // that came, or were in the store before
	Last      time.Time // when the last one came; zero for never
	Events    int       // that were told, to however many listeners
	Known     int       // that were not told, as they were known
	Later     int       // how often a message was put off
	Aside     int       // messages that were set aside
	Behind    int       // how often a listener was too slow, and was told to look instead
	Gaps      int       // how often messages were known to be missing
	// Unheard is how many changes of runs the CI showed that Pulse did not bring.
	Unheard int
	// Rebuilt is how often the connection was built anew, as it was silent.
	Rebuilt int
}

// mostTold is how many runs a Live remembers to have told of.
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

// Listen makes a Consumer with these options, for LiveOptions.Consumer. Options.OnState is
// told the states after the Live.
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

// Run listens, and does what was stored, until ctx is done; then it returns nil. An
// error with which it ends before says why it never will listen. Listeners may watch
// before, while and after it runs: where it does not, Pulse is down.
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

// Jobs asks the CI, and compares what it shows with what Pulse told.
func (l *Live) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	jobs, err := l.ci.Jobs(ctx, p, names...)
	l.compare(ctx, jobs)
	return jobs, err
}

// History asks the CI, where it can, and compares as Jobs does.
func (l *Live) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	all, err := job.History(ctx, l.ci, pushes, labels...)
	for _, of := range all {
		l.compare(ctx, of.Jobs)
	}
	return all, err
}

// Trigger asks the CI.
func (l *Live) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	return l.ci.Trigger(ctx, req)
}

// Unwrap is the CI, for its other abilities; see job.As.
func (l *Live) Unwrap() job.Scheduler { return l.ci }

// Up reports whether Pulse is connected, as far as anybody knows.
func (l *Live) Up() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats.Up
}

// Stats are what happened until now.
func (l *Live) Stats() LiveStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.stats
	out.Listeners = len(l.listeners)
	return out
}

// tapped is a store that tells Live of what is put into it.
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
	default: // it is known already
	}
}
