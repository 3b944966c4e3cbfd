package pulse_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/rabbittest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

// The laws of a Consumer, each against a real RabbitMQ. One broker is for all of them;
// those that stop it come first, alone.
func TestConsumer(t *testing.T) {
	b := rabbittest.Start(t)
	for _, law := range []struct {
		name string
		f    func(*world)
	}{
		{"a restarted broker loses nothing", restarts},
		{"what a Consumer started has ended with it", leaves},
		{"memory is bounded", bounded},
		{"publishers may be blocked", alarmed},
	} {
		t.Run(law.name, func(t *testing.T) { law.f(newWorld(t, b)) })
	}
	for _, list := range [][]law{storing, ending, connecting, queueing} {
		for _, l := range list {
			t.Run(l.name, func(t *testing.T) {
				t.Parallel()
				l.f(newWorld(t, b))
			})
		}
	}
}

type law struct {
	name string
	f    func(*world)
}

func restarts(w *world) {
	s := &store{}
	r := w.start(s, w.options(), nil)
	for i, stop := range []func() error{w.b.Restart, func() error { return errors.Join(w.b.Kill(), w.b.Run()) }} {
		n := 100 * (i + 1)
		w.publish("a", numbers(100)...)
		w.until("the messages are stored", func() bool { return s.count() >= n })
		w.must(stop())
		if err := r.await(pulse.StateLost).Err; !errors.Is(err, job.ErrUnavailable) {
			w.Errorf("lost with %v", err)
		}
		r.await(pulse.StateListening)
	}
	w.publish("b", "last")
	w.until("the last message is stored", func() bool { return slices.Contains(s.bodies(), "last") })
	w.must(r.end())
	if st := r.Stats(); st.Connects != 3 || st.Missing != 0 {
		w.Errorf("a restart hid the queue: %+v", st)
	}
}

func leaves(w *world) {
	before := runtime.NumGoroutine()
	for range 3 {
		r := w.start(&store{}, w.options(), nil)
		w.publish("a", "1")
		n, err := w.b.CloseConnections(w.user, "by hand")
		w.must(err)
		if n != 1 {
			w.Errorf("it has %d connections", n)
		}
		r.await(pulse.StateListening)
		w.must(r.end())
		w.until("the broker has forgotten the connection", func() bool {
			n, err := w.b.Connections(w.user)
			w.must(err)
			return n == 0
		})
	}
	testenv.NoMoreRoutines(w, before)
}

// 100,000 messages of 2 kB wait, and the Store is slow: no more than Prefetch of them
// are outside of the broker.
func bounded(w *world) {
	v := newValve()
	s := &store{gate: v.gate}
	r := w.start(s, w.options(), nil)
	body := []byte(strings.Repeat("x", 2000))
	w.must(w.b.PublishMany(w.exchange, "a", func(yield func([]byte) bool) {
		for range 100_000 {
			if !yield(body) {
				return
			}
		}
	}))
	w.next(v)
	w.depth(r.Queue(), 99_800, 200)
	w.until("everything that the broker sent is held", func() bool { return r.Stats().Held == 200 })
	if st := r.Stats(); st.HeldBytes != 200*2000 || st.Messages != 200 || st.Lag <= 0 {
		w.Errorf("what is held: %+v", st)
	}
	w.must(w.b.DeleteQueue(r.Queue()))
	r.await(pulse.StateLost)
	close(v.open)
}

// An alarm of the broker stops who publishes, and not who consumes.
func alarmed(w *world) {
	s := &store{}
	w.must(w.b.Block())
	r := w.start(s, w.options(), nil)
	sent := make(chan error, 1)
	go func() { sent <- w.b.Publish(w.exchange, "a", []byte("1")) }()
	w.until("listening goes on", func() bool { return !r.Stats().Looked.IsZero() })
	w.must(w.b.Unblock())
	w.must(<-sent)
	w.until("the message is stored", func() bool { return s.count() == 1 })
	w.must(r.end())
}

var storing = []law{
	{"everything is stored in order and then acknowledged", func(w *world) {
		s := &store{}
		r := w.start(s, w.options(), nil)
		w.publish("a.b", numbers(2000)...)
		w.until("all are stored", func() bool { w.balanced(r.Stats()); return s.count() == 2000 })
		w.depth(r.Queue(), 0, 0)
		w.must(r.end())
		if got := s.bodies(); !slices.Equal(got, numbers(2000)) {
			w.Errorf("%d messages, in another order", len(got))
		}
		m := s.got[7]
		if m.Exchange != w.exchange || m.RoutingKey != "a.b" || m.ID != 0 {
			w.Errorf("a message is %+v", m)
		}
		if most := slices.Max(s.puts); most > 100 {
			w.Errorf("%d messages in one Put", most)
		}
		bytes := int64(len(strings.Join(numbers(2000), "")))
		if st := r.Stats(); st.Acked != 2000 || st.Redelivered != 0 || st.Bytes != bytes {
			w.Errorf("the figures are %+v", st)
		}
	}},
	{"nothing is acknowledged before it is stored", func(w *world) {
		v := newValve()
		r := w.start(&store{gate: v.gate}, w.options(), nil)
		w.publish("a", "1", "2", "3")
		w.next(v)
		w.depth(r.Queue(), 0, 3)
		w.until("all have come", func() bool { return r.Stats().Held == 3 })
		if st := r.Stats(); st.Acked != 0 {
			w.Errorf("before it is stored: %+v", st)
		}
		w.depth(r.Queue(), 0, 3)
		close(v.open)
		w.depth(r.Queue(), 0, 0)
	}},
	{"a late acknowledgement removes nothing", late},
	{"a store that is down stops the messages and loses none", func(w *world) { storeDown(w, false) }},
	{"messages go back to the broker when the store stays down", func(w *world) { storeDown(w, true) }},
	{"the channel ends while the store is down", func(w *world) {
		s := &store{}
		r := w.start(s, w.options(), nil)
		s.fail(fmt.Errorf("%w: no database", job.ErrUnavailable))
		w.publish("a", numbers(20)...)
		r.await(pulse.StateLost) // the store, and then the connection
		_, err := w.b.CloseConnections(w.user, "by hand")
		w.must(err)
		r.await(pulse.StateLost)
		w.depth(r.Queue(), 20, 0)
		s.fail(nil)
		w.until("all are stored", func() bool { return s.count() == 20 })
		w.depth(r.Queue(), 0, 0)
	}},
	{"what nobody can use is set aside", poison},
	{"only what is stored is acknowledged, of those that came together", func(w *world) {
		v := newValve()
		s := &store{gate: v.gate}
		o := w.options()
		o.MaxBody = 5
		r := w.start(s, o, func(p *pulse.Pace) { p.StoreWait = time.Hour })
		w.publish("a", "0")
		w.next(v)
		w.publish("a", "1", "too long", "2")
		w.until("all have come", func() bool { return r.Stats().Held == 4 })
		v.open <- nil
		w.next(v) // the long one is set aside before
		v.open <- fmt.Errorf("%w: no database", job.ErrUnavailable)
		r.await(pulse.StateLost)
		w.depth(r.Queue(), 0, 2)
		if got := w.next(v); !slices.Equal(got, []string{"1", "2"}) {
			w.Errorf("%q are put again", got)
		}
		_, err := w.b.CloseConnections(w.user, "by hand")
		w.must(err)
		close(v.open)
		w.depth(r.Queue(), 0, 0)
		if got := s.bodies(); !slices.Equal(got, []string{"0", "1", "2", "1", "2"}) || len(s.asides()) != 1 {
			w.Errorf("stored are %q", got)
		}
	}},
	{"the end stores and acknowledges what is held", func(w *world) {
		v := newValve()
		s := &store{gate: v.gate}
		r := w.start(s, w.options(), nil)
		w.until("it has looked", func() bool { _, saves := s.heard(r.Queue()); return saves >= 3 })
		before, _ := s.heard(r.Queue())
		w.publish("a", numbers(50)...)
		w.depth(r.Queue(), 0, 50)
		r.cancel()
		close(v.open)
		w.must(r.result())
		if s.count() != 50 {
			w.Errorf("%d messages are stored", s.count())
		}
		w.depth(r.Queue(), 0, 0)
		if after, _ := s.heard(r.Queue()); !after.After(before) {
			w.Error("the end does not write down that it had listened until then")
		}
	}},
	{"the end does not wait for a store that stays down", func(w *world) {
		s := &store{}
		r := w.start(s, w.options(), func(p *pulse.Pace) { p.Drain = 50 * time.Millisecond })
		s.fail(fmt.Errorf("%w: no database", job.ErrUnavailable))
		w.publish("a", "1", "2")
		r.await(pulse.StateLost)
		w.must(r.end())
		w.depth(r.Queue(), 2, 0)
		if w.log.with("level=WARN", "stopped listening before all messages were written") != 1 {
			w.Errorf("nobody says so:\n%s", w.log)
		}
	}},
}

// m2 is being stored when the broker closes the connection. m2 and m3 come again, with
// the tags 1 and 2, of which 2 was m2's. When m2 is stored at last, its acknowledgement
// must not remove m3.
func late(w *world) {
	v := newValve()
	s := &store{gate: v.gate}
	o := w.options()
	o.Batch = 1
	r := w.start(s, o, nil)
	w.publish("a", "m1", "m2", "m3")
	if got := w.next(v); !slices.Equal(got, []string{"m1"}) {
		w.Fatalf("the first Put has %q", got)
	}
	v.open <- nil
	if got := w.next(v); !slices.Equal(got, []string{"m2"}) {
		w.Fatalf("the second Put has %q", got)
	}
	_, err := w.b.CloseConnections(w.user, "by hand")
	w.must(err)
	r.await(pulse.StateListening)
	w.depth(r.Queue(), 0, 2) // m2 and m3 came again
	w.until("both have come again", func() bool { return r.Stats().Redelivered == 2 })
	v.open <- nil // now the first m2 is stored
	if got := w.next(v); !slices.Equal(got, []string{"m2"}) {
		w.Fatalf("after the late acknowledgement a Put has %q", got)
	}
	w.depth(r.Queue(), 0, 2)
	if st := r.Stats(); st.LateAcks != 1 || st.Redelivered != 2 || st.Acked != 1 {
		w.Errorf("the figures are %+v", st)
	}
	close(v.open)
	w.depth(r.Queue(), 0, 0)
	if got := s.bodies(); !slices.Equal(got, []string{"m1", "m2", "m2", "m3"}) {
		w.Errorf("stored are %q", got)
	}
}

func storeDown(w *world, long bool) {
	s := &store{}
	o := w.options()
	o.Prefetch = 10
	r := w.start(s, o, func(p *pulse.Pace) {
		if long {
			p.StoreDown = 100 * time.Millisecond
		}
	})
	s.fail(fmt.Errorf("%w: no database", job.ErrUnavailable))
	w.publish("a", numbers(100)...)
	if err := r.await(pulse.StateLost).Err; !errors.Is(err, job.ErrUnavailable) {
		w.Errorf("lost with %v", err)
	}
	if long {
		w.depth(r.Queue(), 100, 0)
		w.until("none is held", func() bool { st := r.Stats(); return st.GivenBack >= 1 && st.Held == 0 })
	} else {
		// What came is held, and no more is sent.
		w.until("the store is known to be down", func() bool { return !r.Stats().StoreDown.IsZero() })
		w.publish("b", "100")
		w.depth(r.Queue(), 91, 10) // Prefetch of them, and they need not come at once
		w.until("all that came are held", func() bool { return r.Stats().Held == 10 })
	}
	s.fail(nil)
	r.await(pulse.StateListening)
	want := numbers(100)
	if !long {
		want = numbers(101)
	}
	w.until("all are stored", func() bool { return s.count() >= len(want) })
	w.depth(r.Queue(), 0, 0)
	if got := s.bodies(); !slices.Equal(got, want) {
		w.Errorf("stored are %q", got)
	}
	if st := r.Stats(); !long && (st.Redelivered != 0 || st.GivenBack != 0) || !st.StoreDown.IsZero() {
		w.Errorf("messages were given back: %+v", st)
	}
}

// The Store refuses some messages for what they are, and others are too long.
func poison(w *world) {
	v := newValve()
	s := &store{gate: func(_ context.Context, list []pulse.Message) error {
		v.came <- list
		if len(list) > 0 && string(list[0].Body) == "0" {
			if err := <-v.open; err != nil {
				return err
			}
		}
		for _, m := range list {
			switch {
			case strings.HasPrefix(string(m.Body), "bad"):
				return fmt.Errorf("%w: %s", job.ErrMalformed, m.Body)
			case strings.HasPrefix(string(m.Body), "odd"):
				return fmt.Errorf("%w: %s", job.ErrInvalid, m.Body)
			}
		}
		return nil
	}}
	o := w.options()
	o.MaxBody = 10
	r := w.start(s, o, nil)
	w.publish("a", "0")
	w.next(v) // the others are put together
	w.publish("a", "1", "2", "bad 1", "3", "0123456789", "0123456789+", "odd 2", "4", "5")
	w.depth(r.Queue(), 0, 10)
	w.until("all have come", func() bool { return r.Stats().Held == 10 })
	close(v.open)
	w.depth(r.Queue(), 0, 0)
	if got, want := s.bodies(), []string{"0", "1", "2", "3", "0123456789", "4", "5"}; !slices.Equal(got, want) {
		w.Errorf("stored are %q, want %q", got, want)
	}
	var got []string
	for _, a := range s.asides() {
		got = append(got, string(a.Message.Body)+" | "+a.Why)
		if a.Message.Exchange != w.exchange || a.Message.RoutingKey != "a" {
			w.Errorf("set aside is %+v", a.Message)
		}
	}
	want := []string{
		"0123456789 | it has 11 bytes, and Options.MaxBody is 10",
		"bad 1 | fake.put: malformed answer: bad 1", "odd 2 | fake.put: invalid: odd 2",
	}
	if !slices.Equal(got, want) {
		w.Errorf("set aside are\n%q, want\n%q", got, want)
	}
	if st := r.Stats(); st.Stored != 7 || st.SetAside != 3 || st.Acked != 10 {
		w.Errorf("the figures are %+v", st)
	}
	if n := w.log.with("a message was set aside"); n != 1 {
		w.Errorf("%d lines say so:\n%s", n, w.log)
	}
	// A store that is down is not taken for a bad message.
	s.fail(fmt.Errorf("%w: no database", job.ErrUnavailable))
	w.publish("a", "bad 3")
	r.await(pulse.StateLost)
	s.fail(nil)
	w.until("it is set aside", func() bool { return len(s.asides()) == 4 })
	w.depth(r.Queue(), 0, 0)
}
