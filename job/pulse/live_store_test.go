package pulse_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

// failing is a store that fails as the test says.
type failing struct {
	pulse.Store
	mu     sync.Mutex
	down   bool
	poison string // of a body: Done of it fails
	after  int    // how often Done writes, and says that it failed
}

func (f *failing) is(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *failing) fails() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return job.Wrap("pulse.test", "", job.ErrUnavailable)
	}
	return nil
}

func (f *failing) Now(ctx context.Context) (time.Time, error) {
	if err := f.fails(); err != nil {
		return time.Time{}, err
	}
	return f.Store.Now(ctx)
}

func (f *failing) Take(ctx context.Context, queue, holder string, lease time.Duration, n int) ([]pulse.Message, error) {
	if err := f.fails(); err != nil {
		return nil, err
	}
	return f.Store.Take(ctx, queue, holder, lease, n)
}

func (f *failing) Done(ctx context.Context, told []pulse.Told) ([]job.Event, error) {
	if err := f.fails(); err != nil {
		return nil, err
	}
	for _, t := range told {
		if f.poison != "" && strings.Contains(string(t.Message.Body), f.poison) {
			return nil, job.ErrUnavailable
		}
	}
	fresh, err := f.Store.Done(ctx, told)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.after > 0 {
		f.after--
		return nil, job.ErrUnavailable
	}
	return fresh, err
}

// While the store does not answer, messages wait; it is said once, and so is its return.
func TestStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: pulse.NewMemory()}
		s := newStage(t, store, nil)
		s.start()
		s.on(pulse.State{Kind: pulse.StateListening})
		o := s.watch(nil)
		s.is(o, "missed: watching…")
		for i := range 2 {
			store.is(true)
			time.Sleep(time.Minute)
			s.hears("a running", "b running")
			time.Sleep(4 * time.Minute)
			s.is(o, [][]string{nil, {"missed: Pulse may…"}}[i]...)
			store.is(false)
			time.Sleep(time.Minute)
			s.hears("a success")
			s.is(o, [][]string{{"a running", "b running", "a success"}, nil}[i]...)
		}
		if down, up := s.log.count("does not answer"), s.log.count("answers again"); down != 2 || up != 2 {
			t.Errorf("down was said %d times, up %d times", down, up)
		}
	})
}

// A store that wrote, and did not say so: told nevertheless, and once.
func TestStoreDoesNotSay(t *testing.T) {
	for _, after := range []int{1, 3, 5} { // 5: it seems to refuse one of them
		synctest.Test(t, func(t *testing.T) {
			store := &failing{Store: pulse.NewMemory()}
			s := newStage(t, store, nil)
			s.start()
			s.on(pulse.State{Kind: pulse.StateListening})
			o := s.watch(nil)
			s.hears("a running")
			store.after = after
			s.hears("a running b running", "b success")
			time.Sleep(time.Minute)
			s.is(o, "missed: watching…", "a running", "b running", "b success")
		})
	}
}

// What takes longer than the lease is taken again, by the same process, before another
// one may take it.
func TestLeaseHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := pulse.NewMemory()
		slow := func(o *pulse.LiveOptions) { o.Decoders = 1 }
		one := newStage(t, store, slow)
		one.start()
		var bodies []string
		for i := range 8 { // of 30 seconds
			bodies = append(bodies, fmt.Sprintf("hangs a%d running", i))
		}
		one.hears(bodies...)
		time.Sleep(2*time.Minute + 5*time.Second)
		got, err := store.Take(t.Context(), "q", "another", time.Hour, 10)
		if err != nil || len(got) != 1 || string(got[0].Body) != bodies[2] { // it was put off
			t.Errorf("another one takes %d messages, %v", len(got), err)
		}
	})
}

// A message that the store cannot write down holds up no other.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: pulse.NewMemory(), poison: "poison"}
		s := newStage(t, store, nil)
		s.start()
		s.on(pulse.State{Kind: pulse.StateListening})
		o := s.watch(nil)
		s.hears("a running", "b running", "poison running", "c running", "d running")
		time.Sleep(2 * time.Minute)
		s.is(o, "missed: watching…", "a running", "b running", "c running", "d running")
		aside, err := store.SetAside(t.Context(), "q", 10)
		if err != nil || len(aside) != 1 || !strings.HasPrefix(aside[0].Why,
			"its events cannot be stored") {
			t.Errorf("%+v, %v", aside, err)
		}
	})
}

// Where the store is down nothing is thought to be poison.
func TestDownIsNoPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: pulse.NewMemory()}
		s := newStage(t, store, nil)
		s.start()
		o := s.watch(nil)
		s.on(pulse.State{Kind: pulse.StateListening})
		s.hears("hangs a running", "b running") // it goes down while they are decoded
		store.is(true)
		time.Sleep(9 * time.Minute)
		store.is(false)
		time.Sleep(90 * time.Second)
		s.is(o, "missed: watching…", "missed: Pulse is conn…", "b running", "a running", "missed: Pulse may…")
		if aside, err := store.SetAside(t.Context(), "q", 10); err != nil || len(aside) > 0 {
			t.Errorf("%+v, %v", aside, err)
		}
	})
}

// shows is a CI that shows what the test says.
type shows struct {
	job.Scheduler
	jobs []job.Job
	err  error
}

func (c *shows) Jobs(context.Context, job.Push, ...string) ([]job.Job, error) { return c.jobs, c.err }

func runOf(id string, s job.Status, times job.Times) job.Job {
	return job.New(job.Fields{ID: id, Name: "test", Status: s, Times: times})
}

// silence is a Live around a CI that shows what the test says, connected for 5 minutes.
func silence(t *testing.T, store pulse.Store) (*stage, *shows, *pulse.Live) {
	t.Helper()
	ci := &shows{}
	s := newStage(t, store, nil)
	o := pulse.LiveOptions{
		Store: store, Decode: s.decode, Queue: "q", CI: "ci", Logger: s.liveLogger(),
		Consumer: func(st pulse.Store, on func(pulse.State)) (pulse.Listener, error) {
			s.store, s.on = st, on
			return s, nil
		},
	}
	var err error
	if s.live, err = pulse.NewLive(ci, o); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.on(pulse.State{Kind: pulse.StateListening})
	time.Sleep(5 * time.Minute)
	return s, ci, s.live
}

// Changes that the CI shows and Pulse did not bring are counted, each once; others are
// none.
func TestUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := pulse.NewMemory()
		s, ci, l := silence(t, store)
		now := time.Now()
		ended := func(ago time.Duration) job.Times { return job.Times{Finished: now.Add(-ago)} }
		began := func(ago time.Duration) job.Times { return job.Times{Started: now.Add(-ago)} }
		s.hears("told success", "begun running", "other exception", "odd unknown", "ahead success")
		if _, err := store.Done(t.Context(), []pulse.Told{{Events: s.events([]string{
			"elsewhere",
			"success",
		})}}); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			j    job.Job
			want int
		}{
			"ended":                       {runOf("ended", job.StatusSuccess, ended(2*time.Minute)), 1},
			"began":                       {runOf("began", job.StatusRunning, began(2*time.Minute)), 1},
			"told, and ended since":       {runOf("begun", job.StatusBusted, ended(2*time.Minute)), 1},
			"told":                        {runOf("told", job.StatusSuccess, ended(2*time.Minute)), 0},
			"told, not yet shown":         {runOf("ahead", job.StatusRunning, began(2*time.Minute)), 0},
			"ended another way":           {runOf("other", job.StatusRetry, ended(2*time.Minute)), 0},
			"ended, and now it knows how": {runOf("odd", job.StatusSuccess, ended(2*time.Minute)), 0},
			"told by another process":     {runOf("elsewhere", job.StatusSuccess, ended(2*time.Minute)), 0},
			"just now":                    {runOf("new", job.StatusSuccess, ended(59*time.Second)), 0},
			"before it was connected":     {runOf("old", job.StatusSuccess, ended(5*time.Minute)), 0},
			"just after":                  {runOf("after", job.StatusSuccess, ended(4*time.Minute)), 0},
			"pending": {runOf("pending", job.StatusPending,
				job.Times{Requested: now.Add(-2 * time.Minute)}), 0},
			"nobody knows when": {runOf("when", job.StatusSuccess, job.Times{}), 0},
		} {
			ci.jobs, ci.err = []job.Job{c.j}, job.ErrUnknownWord // of another job
			before := l.Stats().Unheard
			for range 2 {
				got, err := l.Jobs(t.Context(), job.Push{})
				if !errors.Is(err, job.ErrUnknownWord) || len(got) != 1 {
					t.Errorf("%s: %v, %v", name, got, err)
				}
			}
			if n := l.Stats().Unheard - before; n != c.want {
				t.Errorf("%s: %d are unheard, want %d", name, n, c.want)
			}
		}
		s.on(pulse.State{Kind: pulse.StateLost})
		ci.jobs = []job.Job{runOf("down", job.StatusSuccess, ended(2*time.Minute))}
		_, _ = l.Jobs(t.Context(), job.Push{})
		if n := l.Stats().Unheard; n != 3 || s.log.count("changes that Pulse did not bring") != 1 {
			t.Errorf("%d are unheard, said %d times", n, s.log.count("did not bring"))
		}
	})
}

// Connected and silent: after two looks in a row that found changes, and no message, the
// connection is built anew; not where messages come, or nothing happens.
func TestSilent(t *testing.T) {
	for name, c := range map[string]struct {
		changes, messages []int // in which interval
		connects          []int // at its end
		want              int
	}{
		"silent twice":       {changes: []int{0, 1}, want: 1},
		"silent for long":    {changes: []int{0, 1, 2, 3}, want: 2},
		"nothing happens":    {},
		"silent once":        {changes: []int{1}},
		"connected between":  {changes: []int{0, 1}, connects: []int{0}},
		"not in a row":       {changes: []int{0, 2}},
		"messages come":      {changes: []int{0, 1, 2, 3}, messages: []int{0, 1, 2, 3}},
		"a message came":     {changes: []int{0, 1, 2}, messages: []int{1}},
		"and then none came": {changes: []int{0, 1, 2}, messages: []int{0}, want: 1},
	} {
		inBubble(t, name, func(t *testing.T) {
			s, ci, l := silence(t, pulse.NewMemory())
			for i := range 4 {
				if slices.Contains(c.messages, i) {
					s.hears("malformed") // also one that means nothing
				}
				if slices.Contains(c.changes, i) {
					ci.jobs = append(ci.jobs, runOf(string(rune('a'+i)), job.StatusSuccess,
						job.Times{Finished: time.Now().Add(-2 * time.Minute)}))
				}
				if _, err := l.Jobs(t.Context(), job.Push{}); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Minute)
				if slices.Contains(c.connects, i) {
					s.on(pulse.State{Kind: pulse.StateListening})
					time.Sleep(time.Minute * 4)
				}
			}
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.reconnects) != c.want || l.Stats().Rebuilt != c.want {
				t.Errorf("connected anew: %q", s.reconnects)
			}
			for _, why := range s.reconnects {
				if why != "Pulse was silent for 20m0s, while the CI showed changes" {
					t.Error(why)
				}
			}
		})
	}
}
