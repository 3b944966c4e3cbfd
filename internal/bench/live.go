package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mozci/mozci/internal/testing/rabbittest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

var liveOnly = flag.String("live-only", "", "live: one section, such as throughput")

// pulsing measures listening to Pulse, on a real RabbitMQ: its speed beside a bare client; what is
// left of 10,000 messages when processes are killed and servers restarted; its memory; a burst of
// messages; a broker that is away; and queues that are deleted.
func pulsing(t *testing.T) {
	l := &bay{T: t, quick: flag.Lookup("quick").Value.String() == "true"}
	if why := rabbittest.Missing(); why != "" {
		fmt.Println("live: skipped: " + why)
		testenv.Lacking(t, "%s", why)
	}
	l.broker = rabbittest.Start(t)
	l.must(l.broker.AddUser(liveUser, livePassword, ".*", ".*", ".*"))
	l.templates = liveTemplates(l)
	took := ""
	for _, section := range []struct {
		name string
		run  func(*bay)
	}{
		{"throughput", throughput},
		{"reliability", reliability},
		{"memory", flatness},
		{"burst", burst},
		{"prefetch", prefetch},
		{"acks", lateAcks},
		{"deletion", deletion},
		{"away", away},
	} {
		if *liveOnly == "" || *liveOnly == section.name {
			began := time.Now()
			section.run(l)
			took += fmt.Sprintf(" %s %.0f,", section.name, time.Since(began).Seconds())
		}
	}
	fmt.Printf("\nseconds:%s\n", strings.TrimSuffix(took, ","))
}

// The broker's user. It exists only on this machine's loopback interface.
const (
	liveUser     = "bench"
	livePassword = "bench" // #nosec G101 -- of a broker that ends with the bench
)

// liveLimit is the maximum time to wait for anything.
const liveLimit = 5 * time.Minute

// bay is the environment of a section.
type bay struct {
	*testing.T
	quick     bool
	broker    *rabbittest.Broker
	database  *testenv.Database // started when a section first needs it
	templates []template
	queues    int
}

func (l *bay) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// sized chooses between the usual number of something and that of a quick run.
func (l *bay) sized(usual, quick int) int {
	if l.quick {
		return quick
	}
	return usual
}

// until waits for a condition that no event announces.
func (l *bay) until(what string, ok func() bool) {
	l.Helper()
	end := time.Now().Add(liveLimit)
	for !ok() {
		if time.Now().After(end) {
			l.Fatalf("%s: not within %s", what, liveLimit)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// newQueue declares a queue as a Consumer does, bound to all messages of the exchanges, and returns
// its name.
func (l *bay) newQueue(exchanges ...string) string {
	l.Helper()
	l.queues++
	name := fmt.Sprintf("queue/%s/%d", liveUser, l.queues)
	l.declare(name, exchanges...)
	return name
}

// declare is newQueue with a given name.
func (l *bay) declare(name string, exchanges ...string) {
	l.Helper()
	l.must(l.broker.Declare(exchanges...))
	conn, err := dialBare(l.broker.URL())
	l.must(err)
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	l.must(err)
	_, err = ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-expires": (24 * time.Hour).Milliseconds()})
	l.must(err)
	for _, e := range exchanges {
		l.must(ch.QueueBind(name, "#", e, false, nil))
	}
}

// dialBare connects the bare client.
func dialBare(url string) (*amqp.Connection, error) {
	return amqp.DialConfig(url, amqp.Config{SASL: []amqp.Authentication{
		&amqp.PlainAuth{Username: liveUser, Password: livePassword},
	}})
}

// listening is a Live with a Consumer, running until they are stopped.
type listening struct {
	l        *bay
	live     *pulse.Live
	consumer *pulse.Consumer
	began    chan struct{} // closed at the first message
	since    time.Time     // set before began is closed
	decoded  atomic.Int64  // messages that were decoded
	events   atomic.Int64  // events in these messages
	heard    atomic.Int64  // events that a listener received
	missed   atomic.Int64  // events that told the listener to look
	states   func(pulse.State)
	stop     func()
}

// listen runs a Live and a watcher of it.
func (l *bay) listen(s pulse.Store, queue string, decode pulse.Decoder, exchanges ...string) *listening {
	l.Helper()
	r := l.prepare(s, queue, decode, exchanges, nil)
	r.start()
	return r
}

// prepare makes a Live that start runs. tune may change its options.
func (l *bay) prepare(
	s pulse.Store, queue string, decode pulse.Decoder, exchanges []string,
	tune func(*pulse.Options, *pulse.LiveOptions),
) *listening {
	l.Helper()
	r := &listening{l: l, began: make(chan struct{})}
	o := pulse.Options{URL: l.broker.URL(), User: liveUser, Password: livePassword, Queue: queue}
	for _, e := range exchanges {
		o.Bindings = append(o.Bindings, pulse.Binding{Exchange: e, Key: "#"})
	}
	lo := pulse.LiveOptions{Store: s, CI: liveCI}
	lo.Decode = func(ctx context.Context, m pulse.Message) ([]job.Event, error) {
		events, err := decode(ctx, m)
		r.decoded.Add(1)
		r.events.Add(int64(len(events)))
		return events, err
	}
	if tune != nil {
		tune(&o, &lo)
	}
	lo.Consumer = func(s pulse.Store, onState func(pulse.State)) (pulse.Listener, error) {
		o.OnState = func(s pulse.State) {
			onState(s)
			if r.states != nil {
				r.states(s)
			}
			if s.Kind == pulse.StateListening && r.since.IsZero() {
				r.since = time.Now()
				close(r.began)
			}
		}
		var err error
		r.consumer, err = pulse.NewConsumer(s, o)
		return r.consumer, err
	}
	var err error
	r.live, err = pulse.NewLive(noCI{}, lo)
	l.must(err)
	return r
}

// liveCI is the name of the CI of all events here.
const liveCI = "taskcluster"

func (r *listening) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- r.live.Run(ctx) }()
	go func() {
		for e, err := range r.live.Watch(ctx) {
			if err != nil {
				done <- err
				return
			}
			if e.Missed {
				r.missed.Add(1)
				continue
			}
			r.heard.Add(1)
		}
		done <- nil
	}()
	r.stop = func() {
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			r.l.Error(err)
		}
	}
}

// done reports whether n messages were stored, acknowledged, decoded and recorded.
func (r *listening) done(n int) bool {
	s := r.live.Stats()
	return r.consumer.Stats().Acked >= int64(n) && r.decoded.Load() >= int64(n) &&
		int64(s.Events+s.Known) >= r.events.Load()
}

// noCI is a CI that must not be asked anything.
type noCI struct{}

func (noCI) Jobs(context.Context, job.Push, ...string) ([]job.Job, error) { return nil, nil }

func (noCI) Trigger(context.Context, job.Request) (job.Receipt, error) {
	return job.Receipt{}, errors.ErrUnsupported
}

// sqliteStore is a store in a new file.
func (l *bay) sqliteStore() (pulse.Store, func()) {
	l.Helper()
	db, err := openSQLite(filepath.Join(l.TempDir(), "pulse.db"))
	l.must(err)
	return pulse.NewSQL(db, pulse.SQLite), func() { _ = db.Close() }
}
