package pulse_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/rabbittest"
	"github.com/mozci/mozci/job/pulse"
)

// patience is how long a test waits for what must come: it only ends a test that hangs.
const patience = 5 * time.Minute

var users atomic.Int64

// world is one user of the broker, with an exchange.
type world struct {
	*testing.T
	b              *rabbittest.Broker
	user, exchange string
	log            *lines
	onState        func(pulse.State) // may hold a Consumer up; nil for nothing
}

const password = "p?s/s:w@rd#1 &%zz" //nolint:gosec // a URL could not hold it

func newWorld(t *testing.T, b *rabbittest.Broker) *world {
	t.Helper()
	user := fmt.Sprintf("u%d", users.Add(1))
	w := &world{T: t, b: b, user: user, exchange: "exchange/" + user + "/v1", log: &lines{}}
	own := "^queue/" + user + "/"
	w.must(b.AddUser(user, password, own, own, own+"|^exchange/"+user+"/"))
	w.must(b.Declare(w.exchange))
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) name() string { return "queue/" + w.user + "/a" }

// options are those of a named queue that gets everything.
func (w *world) options() pulse.Options {
	return pulse.Options{
		URL: w.b.URL(), User: w.user, Password: password, Queue: "a",
		Bindings: []pulse.Binding{{Exchange: w.exchange, Key: "#"}},
		Retry:    10 * time.Millisecond, RetryMost: 100 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	}
}

// run is a Consumer that runs.
type run struct {
	*world
	*pulse.Consumer
	states chan pulse.State
	done   chan error
	cancel context.CancelFunc
}

// start runs a Consumer until the test ends, and waits until it listens.
func (w *world) start(s *store, o pulse.Options, hurry func(*pulse.Pace)) *run {
	w.Helper()
	r := w.begin(s, o, hurry)
	r.await(pulse.StateListening)
	return r
}

// begin is start that does not wait.
func (w *world) begin(s *store, o pulse.Options, hurry func(*pulse.Pace)) *run {
	w.Helper()
	r := &run{world: w, states: make(chan pulse.State, 10000), done: make(chan error, 1)}
	o.OnState = func(s pulse.State) {
		r.states <- s
		if w.onState != nil {
			w.onState(s)
		}
	}
	c, err := pulse.NewConsumer(s, o)
	w.must(err)
	if hurry != nil {
		pulse.Hurry(c, hurry)
	}
	r.Consumer = c
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	ended := make(chan struct{})
	go func() { defer close(ended); r.done <- c.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(patience):
			w.Error("Run does not end")
		}
		w.balanced(c.Stats())
	})
	return r
}

// balanced checks that no message is unaccounted for.
func (w *world) balanced(s pulse.ConsumerStats) {
	w.Helper()
	if s.Messages != s.Stored+s.SetAside+s.GivenBack+int64(s.Held) || s.Stored+s.SetAside != s.Acked+s.LateAcks {
		w.Errorf("the figures do not add up: %+v", s)
	}
}

// await is the next state of a kind.
func (r *run) await(kind pulse.StateKind) pulse.State {
	r.Helper()
	limit := time.After(patience)
	for {
		select {
		case s := <-r.states:
			if s.Kind == kind {
				return s
			}
		case <-limit:
			r.Fatalf("no state %s came\n%s", pulse.State{Kind: kind}, r.log)
		}
	}
}

// end stops the Consumer, and returns what Run did.
func (r *run) end() error {
	r.cancel()
	return r.result()
}

// result is what Run returns by itself.
func (r *run) result() error {
	r.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(patience):
		r.Fatalf("Run does not end\n%s", r.log)
		return nil
	}
}

// until waits for something that nobody tells.
func (w *world) until(what string, ok func() bool) {
	w.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; !ok(); <-tick.C {
		if time.Now().After(end) {
			w.Fatalf("it did not become so: %s\n%s", what, w.log)
		}
	}
}

// depth waits until so many messages of the queue wait and are not acknowledged.
func (w *world) depth(queue string, ready, unacked int) {
	w.Helper()
	var r, u int
	end := time.Now().Add(patience)
	for {
		var err error
		r, u, err = w.b.Depth(queue)
		w.must(err)
		if r == ready && u == unacked {
			return
		}
		if time.Now().After(end) {
			w.Fatalf("%d messages wait and %d are not acknowledged, want %d and %d\n%s", r, u, ready, unacked, w.log)
		}
	}
}

// publish sends messages whose bodies are the words.
func (w *world) publish(key string, words ...string) {
	w.Helper()
	bodies := make([][]byte, len(words))
	for i, b := range words {
		bodies[i] = []byte(b)
	}
	w.must(w.b.Publish(w.exchange, key, bodies...))
}

// numbers are words from 0 on.
func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// with counts the lines that hold all these texts.
func (l *lines) with(texts ...string) int {
	n := 0
	for line := range strings.Lines(l.String()) {
		all := true
		for _, t := range texts {
			all = all && strings.Contains(line, t)
		}
		if all {
			n++
		}
	}
	return n
}

// valve lets each Put wait until it is opened for it.
type valve struct {
	came chan []pulse.Message // what a Put has
	open chan error           // lets one Put go on
}

func newValve() *valve {
	return &valve{make(chan []pulse.Message, 10000), make(chan error, 10000)}
}

func (v *valve) gate(_ context.Context, messages []pulse.Message) error {
	v.came <- messages
	return <-v.open
}

// next is what the next Put has.
func (w *world) next(v *valve) []string {
	w.Helper()
	select {
	case list := <-v.came:
		var out []string
		for _, m := range list {
			out = append(out, string(m.Body))
		}
		return out
	case <-time.After(patience):
		w.Fatalf("nothing is put\n%s", w.log)
		return nil
	}
}
