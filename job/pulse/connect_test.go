package pulse_test

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

// How listening ends, and begins again.
var ending = []law{
	{"the queue is deleted", func(w *world) {
		s := &store{}
		r := w.start(s, w.options(), func(p *pulse.Pace) { p.Look = 10 * time.Millisecond })
		_, saves := s.heard(r.Queue())
		w.until("it is written down that it listens", func() bool { _, n := s.heard(r.Queue()); return n > saves+1 })
		from, _ := s.heard(r.Queue())
		w.must(w.b.DeleteQueue(r.Queue()))
		// It is heard of by the consumer's cancelling, by its deliveries, or by a look.
		r.await(pulse.StateLost)
		m := r.await(pulse.StateMissing)
		last, _ := s.heard(r.Queue())
		if m.From.Before(from) || !m.To.After(m.From) || m.To.After(last.Add(time.Minute)) {
			w.Errorf("missing are %s to %s; heard at %s", m.From, m.To, from)
		}
		r.await(pulse.StateListening)
		w.publish("a", "1")
		w.until("it is stored", func() bool { return s.count() == 1 })
		if st := r.Stats(); st.Missing != 1 {
			w.Errorf("the figures are %+v", st)
		}
	}},
	{"the queue is deleted between two looks", func(w *world) {
		r := w.start(&store{}, w.options(), nil)
		w.until("it has looked", func() bool { return !r.Stats().Looked.IsZero() })
		w.must(w.b.DeleteQueue(r.Queue()))
		if err := r.await(pulse.StateLost).Err; err == nil || !strings.Contains(err.Error(), "the queue was deleted") {
			w.Errorf("lost with %v", err)
		}
		r.await(pulse.StateListening)
	}},
	{"the broker closes the connection", func(w *world) {
		s := &store{}
		r := w.start(s, w.options(), nil)
		_, err := w.b.CloseConnections(w.user, "going down\x1b[31m")
		w.must(err)
		err = r.await(pulse.StateLost).Err
		if !errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "320 CONNECTION_FORCED - going down") {
			w.Errorf("lost with %v", err)
		}
		r.await(pulse.StateListening)
		w.publish("a", "1")
		w.until("it is stored", func() bool { return s.count() == 1 })
		if st := r.Stats(); st.Connects != 2 || st.Missing != 0 {
			w.Errorf("the figures are %+v", st)
		}
	}},
	{"the link hangs, and no call waits", func(w *world) {
		p := newProxy(w.T, strings.TrimPrefix(w.b.URL(), "amqp://"))
		o := w.options()
		o.URL, o.Heartbeat = p.url(), time.Second
		s := &store{}
		r := w.start(s, o, nil)
		p.freeze(true)
		w.publish("a", "1")
		r.await(pulse.StateLost)
		p.freeze(false)
		r.await(pulse.StateListening)
		w.until("it is stored", func() bool { return s.count() == 1 })
	}},
	{"the link hangs in a call", func(w *world) {
		p := newProxy(w.T, strings.TrimPrefix(w.b.URL(), "amqp://"))
		o := w.options()
		o.URL, o.CallTimeout = p.url(), time.Second
		r := w.start(&store{}, o, func(p *pulse.Pace) { p.Look = time.Millisecond })
		p.freeze(true)
		if err := r.await(pulse.StateLost).Err; !strings.Contains(err.Error(), "did not answer within 1s") {
			w.Errorf("lost with %v", err)
		}
		p.freeze(false)
		r.await(pulse.StateListening)
		p.freeze(true)
		w.must(r.end()) // though nothing answers
	}},
	{"the link hangs from the start", func(w *world) {
		p := newProxy(w.T, strings.TrimPrefix(w.b.URL(), "amqp://"))
		p.freeze(true)
		o := w.options()
		o.URL, o.CallTimeout = p.url(), time.Second
		r := w.begin(&store{}, o, nil)
		for range 3 { // it is not taken for a wrong password
			err := r.await(pulse.StateLost).Err
			if !errors.Is(err, job.ErrUnavailable) || errors.Is(err, job.ErrDenied) {
				w.Errorf("lost with %v", err)
			}
		}
		p.freeze(false)
		r.await(pulse.StateListening)
	}},
	{"the link breaks while the broker is told the password", func(w *world) {
		p := newProxy(w.T, strings.TrimPrefix(w.b.URL(), "amqp://"))
		p.cut(len("AMQP\x00\x00\x09\x01"))
		o := w.options()
		o.URL = p.url()
		r := w.begin(&store{}, o, nil)
		for range 3 { // the client says that the password is wrong, and the broker does not
			err := r.await(pulse.StateLost).Err
			if !errors.Is(err, job.ErrUnavailable) || errors.Is(err, job.ErrDenied) {
				w.Errorf("lost with %v", err)
			}
		}
		p.cut(0)
		r.await(pulse.StateListening)
	}},
	{"somebody asks for another connection", func(w *world) {
		r := w.start(&store{}, w.options(), nil)
		r.Reconnect("no messages for an hour")
		if err := r.await(pulse.StateLost).Err; !strings.Contains(err.Error(), "no messages for an hour") {
			w.Errorf("lost with %v", err)
		}
		r.await(pulse.StateListening)
		if st := r.Stats(); st.Connects != 2 || st.Connected.IsZero() {
			w.Errorf("the figures are %+v", st)
		}
	}},
	{"the broker says that it takes no messages", func(w *world) {
		p := newProxy(w.T, strings.TrimPrefix(w.b.URL(), "amqp://"))
		o := w.options()
		o.URL = p.url()
		r := w.start(&store{}, o, nil)
		w.until("it has looked", func() bool { return !r.Stats().Looked.IsZero() })
		// The broker tells only those who publish: the frames are Connection.Blocked and
		// Connection.Unblocked.
		p.inject(w.T, []byte("\x01\x00\x00\x00\x00\x00\x0f\x00\x0a\x00\x3c\x0alow memory\xce"))
		w.until("it is blocked", func() bool { return r.Stats().Blocked == "low memory" })
		p.inject(w.T, []byte("\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x3d\xce"))
		w.until("it is not blocked", func() bool { return r.Stats().Blocked == "" })
	}},
}

// What stops a Consumer for good, and what does not.
var connecting = []law{
	{"a wrong password", func(w *world) {
		o := w.options()
		o.Password = "s3cr3t"
		w.refused(o, job.ErrDenied, "refuses user "+w.user, "ACCESS_REFUSED")
	}},
	{"a wrong virtual host", func(w *world) {
		o := w.options()
		o.Vhost = "nowhere"
		w.refused(o, job.ErrDenied, "NOT_ALLOWED", "nowhere", "check User and Vhost")
	}},
	{"no permission for the exchange", func(w *world) {
		o := w.options()
		o.Bindings = append(o.Bindings, pulse.Binding{Exchange: "exchange/other/v1", Key: "k"})
		w.must(w.b.Declare("exchange/other/v1"))
		w.refused(o, job.ErrDenied, "binding exchange exchange/other/v1 with key k", "access to exchange", w.user)
	}},
	{"no such exchange", func(w *world) {
		o := w.options()
		o.Bindings = append(o.Bindings, pulse.Binding{Exchange: "exchange/" + w.user + "/v2", Key: "k"})
		w.refused(o, job.ErrNotFound, "exchange/"+w.user+"/v2", "as user "+w.user, "no exchange")
	}},
	{"no permission for the queue", func(w *world) {
		w.must(w.b.Permit(w.user, "^$", "^$", ".*"))
		w.refused(w.options(), job.ErrDenied, "declaring the queue", "access to queue", w.user)
	}},
	{"no permission to read the queue", func(w *world) {
		own := "^queue/" + w.user + "/"
		w.must(w.b.Permit(w.user, own, own, "^exchange/"))
		w.refused(w.options(), job.ErrDenied, "consuming", "access to queue", w.user)
	}},
	{"a queue that was made with other arguments", func(w *world) {
		w.must(w.start(&store{}, w.options(), nil).end())
		o := w.options()
		o.Expires = time.Hour
		w.refused(o, job.ErrRefused, "inequivalent arg 'x-expires'", "86400000", "3600000",
			"delete the queue", "1h0m0s")
	}},
	{"a certificate that nobody trusts", func(w *world) {
		o := w.options()
		o.URL = w.b.TLSURL()
		w.refused(o, job.ErrDenied, "no secure connection", "certificate", "check URL and TLS")
		o.TLS = &tls.Config{RootCAs: w.b.Roots(), MinVersion: tls.VersionTLS12}
		s := &store{}
		w.start(s, o, nil)
		w.publish("a", "1")
		w.until("it is stored", func() bool { return s.count() == 1 })
	}},
	{"TLS where there is none", func(w *world) {
		o := w.options()
		o.URL = "amqps" + strings.TrimPrefix(o.URL, "amqp")
		w.refused(o, job.ErrDenied, "no secure connection")
	}},
	{"nobody serves", func(w *world) {
		const addr = "127.0.0.1:1" // nobody is given this one meanwhile
		o := w.options()
		o.URL = "amqp://" + addr
		r := w.begin(&store{}, o, nil)
		for range 5 {
			r.await(pulse.StateLost)
		}
		if n := w.log.with("not listening, and trying again", addr, "connection refused"); n != 1 {
			w.Errorf("%d lines say so:\n%s", n, w.log)
		}
		w.must(r.end())
		r = w.begin(&store{}, o, func(p *pulse.Pace) { p.Failures = time.Nanosecond })
		for range 5 {
			r.await(pulse.StateLost)
		}
		if n := w.log.with("not listening, and trying again"); n < 5 {
			w.Errorf("%d lines say so later:\n%s", n, w.log)
		}
	}},
	{"no more connections for now", func(w *world) {
		w.must(w.b.Limit(w.user, 1))
		one := w.start(&store{}, w.options(), nil)
		o := w.options()
		o.Queue = "b"
		two := w.begin(&store{}, o, nil)
		err := two.await(pulse.StateLost).Err
		if !errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "limit") {
			w.Errorf("lost with %v", err)
		}
		w.must(one.end())
		two.await(pulse.StateListening)
	}},
	{"refused after it had worked", func(w *world) {
		right := make(chan struct{}) // a third refusal would be one too many: it waits until then
		refused := 0
		w.onState = func(s pulse.State) {
			if errors.Is(s.Err, job.ErrDenied) {
				if refused++; refused == 2 {
					<-right
				}
			}
		}
		r := w.start(&store{}, w.options(), func(p *pulse.Pace) { p.Refused = 2 })
		w.must(w.b.Password(w.user, "another"))
		_, err := w.b.CloseConnections(w.user, "by hand")
		w.must(err)
		for range 3 { // the connection, and two refusals
			r.await(pulse.StateLost)
		}
		w.must(w.b.Password(w.user, password))
		close(right)
		r.await(pulse.StateListening)
		w.must(w.b.Password(w.user, "another"))
		_, err = w.b.CloseConnections(w.user, "by hand")
		w.must(err)
		if err := r.result(); !errors.Is(err, job.ErrDenied) {
			w.Errorf("it ended with %v", err)
		}
		var refusals int
		for len(r.states) > 0 {
			if errors.Is((<-r.states).Err, job.ErrDenied) {
				refusals++
			}
		}
		if refusals != 3 {
			w.Errorf("it was refused %d times, want 2 and the last", refusals)
		}
	}},
}

// refused checks that a Consumer ends with an error that says all this.
func (w *world) refused(o pulse.Options, want error, texts ...string) {
	w.Helper()
	r := w.begin(&store{}, o, nil)
	err := r.result()
	var e *job.Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Key != w.name() {
		w.Errorf("it ended with %v, want %v", err, want)
		return
	}
	for _, text := range append(texts, w.name()) {
		if !strings.Contains(err.Error(), text) {
			w.Errorf("%q is not in %v", text, err)
		}
	}
	if said := err.Error() + w.log.String(); strings.Contains(said, "s3cr3t") || strings.Contains(said, password) {
		w.Errorf("a password is shown: %v\n%s", err, w.log)
	}
	if n := len(r.states); n != 1 {
		w.Errorf("%d states were told", n)
	}
}

// The queue and its bindings.
var queueing = []law{
	{"messages are missing when the queue was gone at the start", func(w *world) {
		s := &store{}
		r := w.start(s, w.options(), nil)
		w.must(r.end())
		for len(r.states) > 0 {
			if st := <-r.states; st.Kind == pulse.StateMissing {
				w.Errorf("at the first start messages are missing: %s", st)
			}
		}
		heard, _ := s.heard(r.Queue())
		w.must(w.b.DeleteQueue(r.Queue()))
		r = w.begin(s, w.options(), nil)
		m := r.await(pulse.StateMissing)
		if !m.From.Equal(heard) || !m.To.After(heard) || m.To.After(s.clock()) {
			w.Errorf("missing are %s to %s, want from %s", m.From, m.To, heard)
		}
		r.await(pulse.StateListening)
		w.must(r.end())
		r = w.start(s, w.options(), nil)
		if st := r.Stats(); st.Missing != 0 {
			w.Errorf("it is said again: %+v", st)
		}
	}},
	{"messages are still missing when binding failed", func(w *world) {
		s := &store{}
		w.must(w.start(s, w.options(), nil).end())
		heard, _ := s.heard(w.name())
		w.must(w.b.DeleteQueue(w.name()))
		own := "^queue/" + w.user + "/"
		w.must(w.b.Permit(w.user, own, own, own)) // the exchange cannot be read
		r := w.begin(s, w.options(), nil)
		if err := r.result(); !errors.Is(err, job.ErrDenied) {
			w.Fatalf("it ended with %v", err)
		}
		if now, _ := s.heard(w.name()); !now.Equal(heard) {
			w.Error("it was written down that it listens")
		}
		w.must(w.b.Permit(w.user, own, own, ".*"))
		go func() { r.done <- r.Run(w.Context()) }() // the queue is there now
		if m := r.await(pulse.StateMissing); !m.From.Equal(heard) {
			w.Errorf("missing are %s to %s, want from %s", m.From, m.To, heard)
		}
		r.await(pulse.StateListening)
	}},
	{"a binding list that changes", func(w *world) {
		w.must(w.b.Declare("exchange/"+w.user+"/v2", "exchange/"+w.user+"/v3"))
		s := &store{}
		bindings := func(keys ...string) {
			w.Helper()
			o := w.options()
			o.Bindings = nil
			for _, k := range keys {
				exchange, key, _ := strings.Cut(k, " ")
				exchange = "exchange/" + w.user + "/" + exchange
				o.Bindings = append(o.Bindings, pulse.Binding{Exchange: exchange, Key: key})
			}
			w.must(w.start(s, o, nil).end())
			got, err := w.b.Bindings(w.name())
			w.must(err)
			var want []string
			for _, b := range o.Bindings {
				want = append(want, b.Exchange+" "+b.Key)
			}
			if slices.Sort(want); !slices.Equal(got, slices.Compact(want)) {
				w.Errorf("bound are %q, want %q", got, want)
			}
			if q := s.queues[w.name()]; len(q.Bindings) != len(got) {
				w.Errorf("remembered are %v", q.Bindings)
			}
		}
		bindings("v1 a", "v2 b", "v2 b")
		bindings("v2 b", "v2 c")
		bindings("v3 #")
		// One that somebody else made stays, and one that is gone is no error.
		s.queues[w.name()] = pulse.Queue{Name: w.name(), Bindings: []pulse.Binding{
			{Exchange: "exchange/" + w.user + "/v1", Key: "never"},
			{Exchange: "exchange/" + w.user + "/gone", Key: "#"},
		}, Heard: time.Now()}
		o := w.options()
		o.Bindings = []pulse.Binding{{Exchange: "exchange/" + w.user + "/v1", Key: "a"}}
		w.must(w.start(s, o, nil).end())
		got, err := w.b.Bindings(w.name())
		w.must(err)
		if want := []string{"exchange/" + w.user + "/v1 a", "exchange/" + w.user + "/v3 #"}; !slices.Equal(got, want) {
			w.Errorf("bound are %q, want %q", got, want)
		}
	}},
	{"a queue without a name is gone at the end", func(w *world) {
		s := &store{}
		o := w.options()
		o.Queue = ""
		r := w.start(s, o, func(p *pulse.Pace) { p.Look = 10 * time.Millisecond })
		w.publish("a", "1")
		w.until("it is stored", func() bool { return s.count() == 1 })
		_, err := w.b.CloseConnections(w.user, "by hand")
		w.must(err)
		r.await(pulse.StateMissing)
		r.await(pulse.StateListening)
		w.publish("a", "2")
		w.until("it is stored", func() bool { return s.count() == 2 })
		w.must(r.end())
		w.until("the queue is gone", func() bool {
			has, err := w.b.HasQueue(r.Queue())
			w.must(err)
			return !has
		})
	}},
	{"two share a queue", func(w *world) {
		one, two := &store{}, &store{}
		o := w.options()
		o.Prefetch = 1
		a, b := w.start(one, o, nil), w.start(two, o, nil)
		w.publish("a", numbers(200)...)
		w.until("all are stored", func() bool { return one.count()+two.count() == 200 })
		w.depth(w.name(), 0, 0)
		if one.count() == 0 || two.count() == 0 {
			w.Errorf("one has %d and the other %d", one.count(), two.count())
		}
		w.must(a.end())
		w.publish("a", "last")
		w.until("the other one has it", func() bool { return slices.Contains(two.bodies(), "last") })
		w.must(b.end())
	}},
	{"the length of the queue is watched", func(w *world) {
		v := newValve()
		o := w.options()
		o.Warn, o.Most, o.Prefetch, o.Batch = 10, 100, 5, 5
		r := w.start(&store{gate: v.gate}, o, func(p *pulse.Pace) { p.Look = time.Millisecond })
		w.publish("a", numbers(10)...)
		w.next(v)
		w.until("it has looked", func() bool { return r.Stats().Backlog == 10 && r.Stats().Held == 5 })
		if n := w.log.with("the queue is"); n != 0 {
			w.Errorf("it is not long:\n%s", w.log)
		}
		w.publish("a", "10")
		w.until("it is long", func() bool { return w.log.with("level=WARN", "the queue is long", "messages=11") == 1 })
		w.publish("a", numbers(65)...)
		w.until("it is too long", func() bool { return w.log.with("level=ERROR", "deleted", "deleted_above=100") == 1 })
		close(v.open)
		w.until("it is short", func() bool { return w.log.with("level=INFO", "short again") >= 1 })
		// What is counted near the end of a queue is not exact: only after "short again" may it
		// be said once more.
		before, _, _ := strings.Cut(w.log.String(), "short again")
		if n := strings.Count(before, "the queue is long"); n != 1 {
			w.Errorf("it was said %d times:\n%s", n, w.log)
		}
	}},
}
