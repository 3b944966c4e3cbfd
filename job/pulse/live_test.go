package pulse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/pulse"
)

// stage is a Live around a CI in memory, with a listener and a decoder that do what the
// test says.
type stage struct {
	t     *testing.T
	live  *pulse.Live
	ci    *jobtest.CI
	store pulse.Store // the one that the listener writes into
	on    func(pulse.State)
	log   *logged

	mu         sync.Mutex
	reconnects []string
	tried      map[string]int // how often each body was decoded
	flying     map[string]int // and is now
	err        error          // of the listener
}

// logged is a log that a test reads.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// count is how many lines say it.
func (l *logged) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), what)
}

const history = `
push      test   build
17 a1c0   pass   pass
18 b2d1   -      pass
19 c3e2   pass   pass
`

func newStage(t *testing.T, s pulse.Store, change func(*pulse.LiveOptions)) *stage {
	t.Helper()
	w, err := jobtest.ParseWorld("world", strings.NewReader(history))
	if err != nil {
		t.Fatal(err)
	}
	out := &stage{t: t, ci: jobtest.NewCI(w, nil), log: &logged{}, tried: map[string]int{}, flying: map[string]int{}}
	o := pulse.LiveOptions{
		Store: s, Decode: out.decode, Queue: "q", CI: "ci", Logger: out.liveLogger(),
		Consumer: func(s pulse.Store, on func(pulse.State)) (pulse.Listener, error) {
			out.store, out.on = s, on
			return out, nil
		},
	}
	if change != nil {
		change(&o)
	}
	if out.live, err = pulse.NewLive(out.ci, o); err != nil {
		t.Fatal(err)
	}
	return out
}

// Run implements pulse.Listener.
func (s *stage) Run(ctx context.Context) error {
	if s.err != nil {
		return s.err
	}
	<-ctx.Done()
	return ctx.Err()
}

// Reconnect implements pulse.Listener.
func (s *stage) Reconnect(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reconnects = append(s.reconnects, why)
}

// decode reads bodies such as "a running b pending": runs and their statuses. The first
// word can be a behaviour.
func (s *stage) decode(ctx context.Context, m pulse.Message) ([]job.Event, error) {
	body := string(m.Body)
	s.mu.Lock()
	s.tried[body]++
	n := s.tried[body]
	s.mu.Unlock()
	words := strings.Fields(body)
	switch words[0] {
	case "malformed":
		return nil, fmt.Errorf("%w: \x1b[31m %s", job.ErrMalformed, body)
	case "unknown": // push, twice
		if words = words[1:]; n < 3 {
			return nil, job.ErrUnavailable
		}
	case "never":
		return nil, job.ErrUnavailable
	case "panic":
		panic(body)
	case "unnamed":
		return []job.Event{{}}, nil
	case "hangs":
		s.fly(body, 1)
		<-ctx.Done()
		s.fly(body, -1)
		if words = words[1:]; n < 2 {
			return nil, fmt.Errorf("asking: %w", ctx.Err())
		}
	case "half":
		words = words[1:]
		return s.events(words), job.ErrUnknownWord
	}
	return s.events(words), nil
}

// fly notes that a message is being decoded: no other one may do so meanwhile.
func (s *stage) fly(body string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flying[body] += n; s.flying[body] > 1 {
		s.t.Errorf("%q is decoded twice at once", body)
	}
}

func (s *stage) events(words []string) (out []job.Event) {
	for pair := range slices.Chunk(words, 2) {
		status, err := job.ParseStatus(pair[1])
		if err != nil {
			s.t.Error(err)
		}
		out = append(out, job.Event{CI: "ci", Job: job.New(job.Fields{ID: pair[0], Name: "test", Status: status})})
	}
	return out
}

// start runs the Live until the test ends, or stop is called.
func (s *stage) start() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.live.Run(ctx); err != nil {
			s.t.Error(err)
		}
	})
	stop = func() {
		cancel()
		wg.Wait()
	}
	s.t.Cleanup(stop)
	return stop
}

// hears stores messages, as the listener does, and waits until what can be done is.
func (s *stage) hears(bodies ...string) {
	s.t.Helper()
	var in []pulse.Message
	for _, b := range bodies {
		in = append(in, pulse.Message{Exchange: "e", RoutingKey: "k", Body: []byte(b)})
	}
	if err := s.store.Put(s.t.Context(), "q", in); err != nil {
		s.t.Error(err)
	}
	synctest.Wait()
}

// ear is a listener that notes what it hears.
type ear struct {
	mu   sync.Mutex
	said []string
}

// watch listens until the test ends. Where hold is not nil it takes the next event only
// when that lets it.
func (s *stage) watch(hold <-chan struct{}) *ear {
	out := &ear{}
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for e, err := range job.Watch(ctx, s.live) {
			if err != nil {
				s.t.Error(err)
			}
			out.note(e)
			if hold != nil {
				<-hold
			}
		}
	})
	s.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	synctest.Wait()
	return out
}

func (o *ear) note(e job.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.Missed {
		o.said = append(o.said, "missed: "+e.Note)
		return
	}
	o.said = append(o.said, e.Job.ID()+" "+e.Job.Status().String())
}

// since returns what was heard since the last call.
func (o *ear) since() []string {
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.said
	o.said = nil
	return out
}

// is reports what was heard, where it is not this. A word that ends with … stands for
// all that begin so.
func (s *stage) is(o *ear, want ...string) {
	s.t.Helper()
	got := o.since()
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		if begin, cut := strings.CutSuffix(want[i], "…"); cut {
			same = strings.HasPrefix(got[i], begin)
		} else {
			same = got[i] == want[i]
		}
	}
	if !same {
		s.t.Errorf("heard %q, want %q", got, want)
	}
}

func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// Each listener hears each change once, in its order, and nothing that is further back.
func TestLiveTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, pulse.NewMemory(), nil)
		s.start()
		s.on(pulse.State{Kind: pulse.StateListening})
		one, two := s.watch(nil), s.watch(nil)
		s.is(one, "missed: watching begins…")
		s.is(two, "missed: watching begins…")
		s.hears("a pending", "b running", "a running")
		s.hears("a running", "a pending", "a success b success", "a running")
		for _, o := range []*ear{one, two} {
			s.is(o, "a pending", "b running", "a running", "a success", "b success")
		}
		if left, err := s.store.Take(t.Context(), "q", "test", time.Hour, 10); err != nil || len(left) > 0 {
			t.Errorf("%d messages are left, %v", len(left), err)
		}
		if got := s.live.Stats(); got.Events != 5 || got.Known != 3 || got.Messages != 7 || got.Listeners != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// What is stored when it begins, or is stored by another process, is told as well.
func TestLiveFindsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := pulse.NewMemory()
		s := newStage(t, store, nil)
		o := s.watch(nil)
		s.hears("a running")
		s.is(o, "missed: watching…")
		s.start()
		s.is(o, "a running")
		if err := store.Put(t.Context(), "q", []pulse.Message{{Body: []byte("a success")}}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		s.is(o, "a success")
	})
}

// A listener that does not take its events is told to look, and holds up nobody.
func TestSlowListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, pulse.NewMemory(), nil)
		s.start()
		s.on(pulse.State{Kind: pulse.StateListening})
		hold := make(chan struct{})
		slow, quick := s.watch(hold), s.watch(nil)
		s.is(slow, "missed: watching…")
		s.is(quick, "missed: watching…")
		for i := range 1300 {
			s.hears(fmt.Sprintf("a%d running", i))
		}
		if got := quick.since(); len(got) != 1300 || got[0] != "a0 running" || got[1299] != "a1299 running" {
			t.Errorf("the quick one heard %d", len(got))
		}
		close(hold)
		got := slow.since()
		if len(got) != 300 || got[0] != "missed: 1001 events were dropped: they were not read in time" ||
			got[1] != "a1001 running" || got[299] != "a1299 running" {
			t.Errorf("the slow one heard %d: %.3q", len(got), got)
		}
		if n := s.live.Stats().Behind; n != 1 {
			t.Errorf("behind %d times", n)
		}
	})
}

// While Pulse is down listeners are told to look each minute, and each ten minutes while
// it is up; each switch is told at once, and logged once.
func TestUpAndDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, pulse.NewMemory(), nil)
		s.start()
		o := s.watch(nil)
		const down, up, connected = "missed: Pulse is down", "missed: Pulse may have lost messages",
			"missed: Pulse is connected…"
		after := func(d time.Duration, want ...string) {
			t.Helper()
			time.Sleep(d)
			s.is(o, want...)
		}
		after(0, "missed: watching…")
		after(59 * time.Second)
		after(2*time.Minute, down, down) // it never was up
		s.on(pulse.State{Kind: pulse.StateListening})
		after(0, connected)
		if !s.live.Up() || s.log.count("Pulse is") != 0 {
			t.Error("it is up for the first time: nothing to say")
		}
		after(9 * time.Minute)
		after(11*time.Minute, up, up)
		after(3 * time.Minute)
		for range 3 {
			s.on(pulse.State{Kind: pulse.StateLost, Err: errors.New("refused")})
		}
		after(0, down) // the last look is 3 minutes ago
		after(3*time.Minute+time.Second, down, down, down)
		if s.live.Up() ||
			s.log.count(`level=WARN msg="Pulse is down: asking the CI instead" queue=q every=1m0s error=refused`) != 1 {
			t.Error("that it is down must be said once:", s.log.String())
		}
		s.on(pulse.State{Kind: pulse.StateListening})
		after(0, connected)
		if s.log.count("Pulse is back") != 1 {
			t.Error("that it is back must be said once")
		}
		from := time.Date(2026, 11, 1, 2, 3, 4, 0, time.UTC)
		s.on(pulse.State{Kind: pulse.StateMissing, From: from, To: from.Add(time.Hour)})
		after(0, "missed: messages from 2026-11-01T02:03:04Z to 2026-11-01T03:03:04Z are missing")
		s.on(pulse.State{Kind: pulse.StateMissing, To: from})
		after(0, "missed: messages until 2026-11-01T02:03:04Z are missing")
		after(10*time.Minute, up)
		if got := s.live.Stats(); got.Gaps != 2 || got.Connects != 2 || !got.Up {
			t.Errorf("%+v", got)
		}
	})
}

// One message that cannot be decoded holds up no other.
func TestBadMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := pulse.NewMemory()
		s := newStage(t, store, func(o *pulse.LiveOptions) { o.Decoders = 3 })
		s.start()
		s.on(pulse.State{Kind: pulse.StateListening})
		o := s.watch(nil)
		s.is(o, "missed: watching…")
		s.hears("malformed 1", "panic now", "unnamed", "half h running", "malformed 2", "unknown u running",
			"hangs x running", "a running", "b running")
		time.Sleep(time.Second)
		s.is(o, "h running", "a running", "b running")
		time.Sleep(3 * time.Second)
		s.is(o)
		s.hears("c running") // behind one that hangs
		time.Sleep(26 * time.Second)
		s.is(o, "c running")
		time.Sleep(2 * time.Minute)
		s.is(o, "x running", "u running")
		aside, err := store.SetAside(t.Context(), "q", 100)
		var why []string
		for _, a := range aside {
			why = append(why, string(a.Message.Body)+": "+a.Why)
		}
		all := strings.Join(why, "\n")
		if err != nil || len(aside) != 5 || !strings.Contains(all, "panic now: the decoder panicked: panic now") ||
			!strings.Contains(all, "unnamed: malformed answer: an event without a run") ||
			!strings.Contains(all, "half h running: unknown word") {
			t.Errorf("%v, %s", err, all)
		}
		if n := s.log.count("a message was set aside"); n != 1 {
			t.Errorf("said %d times", n)
		}
		if strings.Contains(s.log.String(), "\x1b") {
			t.Error("an escape sequence is in the log")
		}
		time.Sleep(10 * time.Minute)
		if s.log.count(`"more messages were set aside" queue=q messages=4`) != 1 {
			t.Error("the others must be counted:", s.log.String())
		}
	})
}

// What never can be decoded is tried more and more seldom, and given up after a day.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := pulse.NewMemory()
		s := newStage(t, store, nil)
		s.start()
		s.hears("never")
		tries := func() int {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.tried["never"]
		}
		time.Sleep(time.Minute)
		if n := tries(); n != 4 { // after 5, 10, 20 seconds
			t.Errorf("tried %d times within a minute", n)
		}
		time.Sleep(12 * time.Hour)
		if n := tries(); n < 70 || n > 90 {
			t.Errorf("tried %d times within 12 hours", n)
		}
		time.Sleep(24 * time.Hour)
		aside, err := store.SetAside(t.Context(), "q", 100)
		if err != nil || len(aside) != 1 || !strings.HasPrefix(aside[0].Why, "given up after 151 tries") {
			t.Errorf("%+v, %v", aside, err)
		}
	})
}

// A killed process has done nothing with what it took: another does it.
func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := pulse.NewMemory()
		dead := newStage(t, store, nil)
		stop := dead.start()
		dead.hears("hangs a running")
		stop()
		s := newStage(t, store, nil)
		s.tried["hangs a running"] = 1
		s.start()
		o := s.watch(nil)
		time.Sleep(90 * time.Second)
		s.is(o, "missed: watching…", "missed: Pulse is down")
		time.Sleep(time.Minute + 30*time.Second)
		s.is(o, "missed: Pulse is down", "a running", "missed: Pulse is down")
		if s.live.Stats().Messages != 1 {
			t.Errorf("%+v", s.live.Stats())
		}
	})
}

// Of processes that share a store one tells each event.
func TestSharedStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := pulse.NewMemory()
		one, two := newStage(t, store, nil), newStage(t, store, nil)
		one.start()
		two.start()
		a, b := one.watch(nil), two.watch(nil)
		for i := range 100 {
			one.hears(fmt.Sprintf("a%d running", i))
			two.hears(fmt.Sprintf("a%d running", i))
		}
		heard := slices.DeleteFunc(append(a.since(), b.since()...),
			func(s string) bool { return strings.HasPrefix(s, "missed") })
		slices.Sort(heard)
		if n := len(heard); n != 100 || len(slices.Compact(heard)) != 100 {
			t.Errorf("%d events", n)
		}
	})
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, pulse.NewMemory(), nil)
		stop := s.start()
		synctest.Wait()
		if err := s.live.Run(t.Context()); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("run twice: %v", err)
		}
		s.on(pulse.State{Kind: pulse.StateListening})
		stop()
		if s.live.Up() || s.log.count("Pulse is") > 0 {
			t.Error("it does not run: Pulse is down, and nothing is to be said")
		}
		s.err = job.ErrDenied
		if err := s.live.Run(t.Context()); !errors.Is(err, job.ErrDenied) || s.log.count("Pulse is down") != 1 {
			t.Errorf("denied: %v", err)
		}
		o := s.watch(nil)
		time.Sleep(61 * time.Second)
		s.is(o, "missed: watching…", "missed: Pulse is down")
	})
}

func TestNewLiveRefuses(t *testing.T) {
	for name, change := range map[string]func(*pulse.LiveOptions){
		"store":    func(o *pulse.LiveOptions) { o.Store = nil },
		"decoder":  func(o *pulse.LiveOptions) { o.Decode = nil },
		"queue":    func(o *pulse.LiveOptions) { o.Queue = "" },
		"name":     func(o *pulse.LiveOptions) { o.CI = "" },
		"consumer": func(o *pulse.LiveOptions) { o.Consumer = nil },
		"none": func(o *pulse.LiveOptions) {
			o.Consumer = func(pulse.Store, func(pulse.State)) (pulse.Listener, error) { return nil, job.ErrInvalid }
		},
	} {
		s := &stage{}
		o := pulse.LiveOptions{
			Store: pulse.NewMemory(), Decode: s.decode, Queue: "q", CI: "ci",
			Consumer: func(pulse.Store, func(pulse.State)) (pulse.Listener, error) { return s, nil },
		}
		change(&o)
		if _, err := pulse.NewLive(&jobtest.CI{}, o); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A Live is the CI that it is around.
func TestLiveIsAScheduler(t *testing.T) {
	s := newStage(t, pulse.NewMemory(), nil)
	r, err := s.ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Push(t.Context(), "tip")
	if err != nil {
		t.Fatal(err)
	}
	err = jobtest.CheckScheduler(t.Context(), s.live, jobtest.SchedulerCase{
		Push: p, Labels: []string{"test", "build"}, Runs: 1, Keys: true, Hang: s.ci.Hang,
		Settle: func() { s.ci.Advance(24 * time.Hour) },
	})
	if err != nil {
		t.Error(err)
	}
}

func (s *stage) liveLogger() *slog.Logger { return slog.New(slog.NewTextHandler(s.log, nil)) }
