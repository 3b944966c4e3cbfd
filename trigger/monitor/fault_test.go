package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/monitor"
)

// faulty is a CI whose calls go through two functions, where they are set.
type faulty struct {
	job.Scheduler
	jobs    func() error
	trigger func(do func() (job.Receipt, error)) (job.Receipt, error)
}

func (f *faulty) Unwrap() job.Scheduler { return f.Scheduler }

func (f *faulty) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	if f.jobs != nil {
		if err := f.jobs(); err != nil {
			return nil, job.Wrap("faulty.jobs", p.String(), err)
		}
	}
	return f.Scheduler.Jobs(ctx, p, names...)
}

func (f *faulty) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	return jobtest.HistoryByJobs(ctx, f.Jobs, pushes, labels...)
}

func (f *faulty) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	do := func() (job.Receipt, error) { return f.Scheduler.Trigger(ctx, r) }
	if f.trigger != nil {
		return f.trigger(do)
	}
	return do()
}

// paced is a world's CI whose time is that of the process, in a bubble of synctest.
type paced struct {
	job.Cataloger
	job.AcceptedLister
	job.KeyCarrier
	job.ArtifactChecker
	job.QueueMeter
	s     *stage
	start time.Time

	reads, statuses atomic.Int32
	mute            bool // it does not tell statuses
}

// paced gives the stage a store and a CI with the clock of the process.
func (s *stage) paced() *paced {
	s.store = monitor.NewMemory(nil)
	return &paced{
		Cataloger: s.ci, AcceptedLister: s.ci, KeyCarrier: s.ci, ArtifactChecker: s.ci, QueueMeter: s.ci, s: s,
		start: time.Now(),
	}
}

func (p *paced) pace() {
	p.s.ci.Advance(max(0, time.Since(p.start)-p.s.ci.Now().Sub(p.s.began)))
}

func (p *paced) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	p.pace()
	p.reads.Add(1)
	return p.s.ci.Jobs(ctx, push, names...)
}

func (p *paced) Statuses(ctx context.Context, ids ...string) (map[string]job.Status, error) {
	p.pace()
	p.statuses.Add(1)
	if p.mute {
		return nil, job.Wrap("statuses", "", errors.ErrUnsupported)
	}
	return p.s.ci.Statuses(ctx, ids...)
}

func (p *paced) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	p.pace()
	return p.s.ci.Trigger(ctx, r)
}

const failing = truth + "push t\n1 a001 pass\n2 a002 pass\n3 a003 fail\n"

// ran is how many runs there are of a label on a push.
func (s *stage) ran(t *testing.T, id int64, label string) int {
	t.Helper()
	jobs, err := s.ci.Jobs(t.Context(), s.push(t, id), label)
	if err != nil {
		t.Fatal(err)
	}
	return len(jobs)
}

func (s *stage) run(t *testing.T, ci job.Scheduler, es ...monitor.Expectation) []monitor.Expectation {
	t.Helper()
	m := s.monitor(ci)
	for _, e := range es {
		if _, err := m.Expect(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.ended(t)
}

func (s *stage) ended(t *testing.T) []monitor.Expectation {
	t.Helper()
	out, err := s.store.Expectations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestReadsThatFail ends a watch after eight in a row only, and not as a failure.
func TestReadsThatFail(t *testing.T) {
	for _, c := range []struct {
		failures int // of the first reads
		want     monitor.Outcome
		reads    int
	}{
		{7, monitor.Met, 8},
		{8, monitor.CouldNotSee, 8},
	} {
		s := newStage(t, truth+"push t\n1 a001 pass\n2 a002 pass\n3 a003 -\n")
		reads := 0
		ci := &faulty{Scheduler: s.ci, jobs: func() error {
			if reads++; reads <= c.failures {
				return fmt.Errorf("%w: HTTP 502", job.ErrUnavailable)
			}
			return nil
		}}
		es := s.run(t, ci, monitor.Expectation{Push: s.push(t, 2), Label: "t"})
		if got := es[0].Progress; got.Outcome != c.want || reads != c.reads {
			t.Errorf("%d reads failed: %s (%s) after %d reads, want %s after %d", c.failures, got.Outcome, got.Note,
				reads, c.want, c.reads)
		}
	}
}

// TestAnswersThatAreLost: the CI triggers and answers 500. What was triggered is looked up,
// not triggered again.
func TestAnswersThatAreLost(t *testing.T) {
	s := newStage(t, failing)
	ci := &faulty{Scheduler: s.ci, trigger: func(do func() (job.Receipt, error)) (job.Receipt, error) {
		_, _ = do()
		return job.Receipt{}, job.Wrap("faulty.trigger", "t", fmt.Errorf("%w: HTTP 500", job.ErrUnavailable))
	}}
	es := s.run(t, ci, monitor.Expectation{Push: s.push(t, 3), Label: "t"})
	if got := es[0].Progress.Outcome; got != monitor.Permanent || s.ran(t, 3, "t") != 3 {
		t.Errorf("%s with %d runs, want permanent with 3", got, s.ran(t, 3, "t"))
	}
}

// TestRequestsThatAreLost: the CI answers 500, and does nothing. Where keys reach it, that
// is known as soon as nobody can be asking any more, and it is asked again.
func TestRequestsThatAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, failing)
		s.opts.Lease = 10 * time.Second
		var asked []time.Time
		ci := &faulty{Scheduler: s.paced(), trigger: func(do func() (job.Receipt, error)) (job.Receipt, error) {
			if asked = append(asked, time.Now()); len(asked) == 1 {
				return job.Receipt{}, job.Wrap("faulty.trigger", "t", fmt.Errorf("%w: HTTP 500", job.ErrUnavailable))
			}
			return do()
		}}
		es := s.run(t, ci, monitor.Expectation{Push: s.push(t, 3), Label: "t"})
		if p := es[0].Progress; p.Outcome != monitor.Permanent || s.ran(t, 3, "t") != 3 || len(asked) != 2 {
			t.Fatalf("%s with %d runs after %d requests, want permanent with 3 after 2", p.Outcome, s.ran(t, 3, "t"),
				len(asked))
		}
		if waited := asked[1].Sub(asked[0]); waited < s.opts.Lease || waited > time.Minute {
			t.Errorf("asked again after %s, want after the lease of %s and a look", waited, s.opts.Lease)
		}
	})
}

// TestRefusals end a watch with the CI's words.
func TestRefusals(t *testing.T) {
	s := newStage(t, failing)
	ci := &faulty{Scheduler: s.ci, trigger: func(func() (job.Receipt, error)) (job.Receipt, error) {
		return job.Receipt{}, job.Wrap("faulty.trigger", "t", fmt.Errorf("%w: no scope", job.ErrDenied))
	}}
	es := s.run(t, ci, monitor.Expectation{Push: s.push(t, 3), Label: "t"})
	if p := es[0].Progress; p.Outcome != monitor.Limit || !strings.Contains(p.Note, "no scope") {
		t.Errorf("%s: %s", p.Outcome, p.Note)
	}
}

// many is a world in which three labels are watched on four pushes, with what each needs: a
// coalesced run once more, a failure twice, a build first.
const many = `
seed 1
truth t culprit=3 before=0 after=1
truth u culprit=1 before=0 after=0
kind b build
needs t b
push b      t         u
1 a001 pass pass      pass
2 a002 pass coalesced exception
3 a003 pass fail      coalesced
4 a004 pass:expired coalesced pass
`

// wanted are the expectations of many and, by push and label, how many runs there should be
// in the end.
func wanted(t *testing.T, s *stage) (es []monitor.Expectation, runs string) {
	t.Helper()
	for id := range int64(4) {
		for _, l := range []string{"t", "u"} {
			es = append(es, monitor.Expectation{Push: s.push(t, id+1), Label: l})
		}
	}
	return es, `1 t 1 met
1 u 1 met
2 t 2 met
2 u 2 met
3 t 3 permanent
3 u 2 met
4 t 4 permanent
4 u 1 met
builds of 4: 2
`
}

func (s *stage) summary(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, e := range s.ended(t) {
		if e.Parent == "" {
			fmt.Fprintf(&b, "%d %s %d %s\n", e.Push.ID, e.Label, s.ran(t, e.Push.ID, e.Label), e.Progress.Outcome)
		}
	}
	fmt.Fprintf(&b, "builds of 4: %d\n", s.ran(t, 4, "b"))
	return b.String()
}

// TestKilled stops a monitor at any of its calls to the CI, before or after the call is done,
// and starts another one on the same store and ledger, again and again. In the end every
// expectation is met as without the kills, and no run was triggered twice.
func TestKilled(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) { killed(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func killed(t *testing.T, rng *rand.Rand) {
	s := newStage(t, many)
	es, want := wanted(t, s)
	world := s.paced()
	announced := s.announcements()
	for kills := 0; ; kills++ {
		ctx, kill := context.WithCancel(t.Context())
		var left atomic.Int32
		left.Store(int32(1 + rng.IntN(12)))
		if kills > 40 { // at last it lives
			left.Store(1 << 30)
		}
		before := rng.IntN(2) == 0
		call := func(do func()) error {
			n := left.Add(-1)
			if n <= 0 && before {
				kill()
				return context.Canceled
			}
			do()
			if n <= 0 {
				kill()
				return context.Canceled
			}
			return nil
		}
		ci := &faulty{
			Scheduler: world, jobs: func() error { return call(func() {}) },
			trigger: func(do func() (job.Receipt, error)) (r job.Receipt, err error) {
				if dead := call(func() { r, err = do() }); dead != nil {
					return job.Receipt{}, job.Wrap("killed", "", dead)
				}
				return r, err
			},
		}
		m := s.monitor(ci)
		for _, e := range es {
			if _, err := m.Expect(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		err := m.Run(ctx)
		kill()
		if err == nil {
			break
		}
	}
	if diff := cmp.Diff(want, s.summary(t)); diff != "" {
		t.Fatalf("-want +got:\n%s\n%s", diff, s.trace)
	}
	announced.check(t)
}

// notices counts how often each end was announced.
type notices struct {
	mu sync.Mutex
	n  map[string]int
}

func (s *stage) announcements() *notices {
	out := &notices{n: map[string]int{}}
	s.opts.Notifier = monitor.NotifyFunc(func(_ context.Context, e monitor.Expectation) error {
		out.mu.Lock()
		defer out.mu.Unlock()
		out.n[e.Key]++
		return nil
	})
	return out
}

func (n *notices) check(t *testing.T) {
	t.Helper()
	if len(n.n) == 0 {
		t.Error("nothing was announced")
	}
	for key, times := range n.n {
		if times != 1 {
			t.Errorf("the end of %s was announced %d times", key, times)
		}
	}
}

// TestSeveralMonitors share a store and a ledger: nothing is triggered twice, and each end is
// announced once.
func TestSeveralMonitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, many)
		es, want := wanted(t, s)
		ci := s.paced()
		announced := s.announcements()
		for _, e := range es {
			if _, err := s.monitor(ci).Expect(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		s.opts.OnChange = nil
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := s.monitor(ci).Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if diff := cmp.Diff(want, s.summary(t)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		announced.check(t)
	})
}

// TestNotices are repeated until one goes through, and not after it.
func TestNotices(t *testing.T) {
	s := newStage(t, truth+"push t\n1 a001 pass\n2 a002 pass\n3 a003 -\n")
	tries := 0
	s.opts.Notifier = monitor.NotifyFunc(func(context.Context, monitor.Expectation) error {
		if tries++; tries < 3 {
			return errors.New("the webhook does not answer")
		}
		return nil
	})
	s.run(t, s.ci, monitor.Expectation{Push: s.push(t, 2), Label: "t"})
	if tries != 3 {
		t.Errorf("%d tries, want 3", tries)
	}
}

// eventful is a CI without a clock of its own that tells of events.
type eventful struct {
	s      *jobtest.CI
	events chan job.Event
	fail   atomic.Bool
	blind  atomic.Bool // every read fails
	reads  atomic.Int32
	starts atomic.Int32
}

func (c *eventful) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	c.reads.Add(1)
	if c.blind.Load() {
		return nil, job.ErrUnavailable
	}
	return c.s.Jobs(ctx, p, names...)
}

func (c *eventful) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	return c.s.Trigger(ctx, r)
}

func (c *eventful) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		c.starts.Add(1)
		for {
			select {
			case e := <-c.events:
				if c.fail.Swap(false) {
					yield(job.Event{}, job.ErrUnavailable)
					return
				}
				if !yield(e, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// TestEvents: an event makes the monitor look at once, as does one that says that others were
// missed; without events it looks at each safety interval; and when they break it
// listens again.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, truth+"push t\n1 a001 pass\n2 a002 running\n3 a003 -\n")
		s.store = monitor.NewMemory(nil)
		ci := &eventful{s: s.ci, events: make(chan job.Event)}
		m := s.monitor(ci)
		if _, err := m.Expect(t.Context(), monitor.Expectation{Push: s.push(t, 2), Label: "t"}); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- m.Run(t.Context()) }()
		reads := func(want int32, when string) {
			t.Helper()
			synctest.Wait()
			if got := ci.reads.Swap(0); got != want {
				t.Errorf("%s: %d reads, want %d", when, got, want)
			}
		}
		reads(1, "at first")
		time.Sleep(9 * time.Minute)
		reads(0, "before the safety interval")
		time.Sleep(time.Minute)
		reads(1, "at the safety interval")
		jobs, _ := s.ci.Jobs(t.Context(), s.push(t, 2), "t")
		ci.events <- job.Event{Job: jobs[0]}
		reads(1, "after an event")
		other, _ := s.ci.Jobs(t.Context(), s.push(t, 1), "t")
		ci.events <- job.Event{Job: other[0]}
		reads(0, "after an event of another push")
		for _, c := range []struct {
			kind job.Kind
			want int32
		}{{job.KindTest, 0}, {job.KindPerf, 0}, {job.KindBuild, 1}, {job.KindOther, 1}} {
			ci.events <- job.Event{Job: job.New(job.Fields{ID: "u", Name: "u", Push: s.push(t, 2), Kind: c.kind})}
			reads(c.want, "after one of the same push and another label, a "+c.kind.String())
		}
		ci.events <- job.Event{Missed: true}
		reads(1, "after one that says that others were missed")
		ci.fail.Store(true)
		ci.events <- job.Event{}
		time.Sleep(2 * time.Second)
		reads(1, "when the events broke and came back")
		if n := ci.starts.Load(); n != 2 {
			t.Errorf("listened %d times, want 2", n)
		}
		s.ci.Advance(time.Hour)
		ci.events <- job.Event{Missed: true}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// TestReadsThatFailAtOnce: events that come by the second do not use up the reads that may
// fail.
func TestReadsThatFailAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, truth+"push t\n1 a001 pass\n2 a002 pass\n3 a003 -\n")
		s.store = monitor.NewMemory(nil)
		ci := &eventful{s: s.ci, events: make(chan job.Event)}
		ci.blind.Store(true)
		m := s.monitor(ci)
		if _, err := m.Expect(t.Context(), monitor.Expectation{Push: s.push(t, 2), Label: "t"}); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- m.Run(t.Context()) }()
		for range 20 {
			synctest.Wait()
			ci.events <- job.Event{Missed: true}
		}
		synctest.Wait()
		if n := ci.reads.Load(); n != 21 {
			t.Errorf("%d reads, want 21", n)
		}
		if got := s.ended(t)[0].Progress; got.Unread != 1 || got.Outcome != "" {
			t.Errorf("%d reads failed at once, of which %d count, and the outcome is %q", ci.reads.Load(), got.Unread,
				got.Outcome)
		}
		ci.blind.Store(false)
		time.Sleep(time.Minute)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := s.ended(t)[0].Progress; got.Outcome != monitor.Met || got.Unread != 0 {
			t.Errorf("in the end %s, %d unread, want met and none", got.Outcome, got.Unread)
		}
	})
}

// undoing is a repository in which a push is backed out at some moment.
type undoing struct {
	job.Repository
	by atomic.Pointer[job.Push]
}

func (u *undoing) Backouts(context.Context, job.Push) ([]job.Push, error) {
	if by := u.by.Load(); by != nil {
		return []job.Push{*by}, nil
	}
	return nil, nil
}

// TestBackout: a push that was backed out is looked for again when a new push is heard of.
func TestBackout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, truth+"push t\n1 a001 pass\n2 a002 running\n3 a003 -\n")
		s.store = monitor.NewMemory(nil)
		ci, repo := &eventful{s: s.ci, events: make(chan job.Event)}, &undoing{Repository: s.repo}
		m := monitor.New(ci, func(string) (job.Repository, error) { return repo, nil }, s.store, &s.opts)
		if _, err := m.Expect(t.Context(), monitor.Expectation{Push: s.push(t, 2), Label: "t"}); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- m.Run(t.Context()) }()
		synctest.Wait()
		look := func() monitor.Progress {
			jobs, err := s.ci.Jobs(t.Context(), s.push(t, 2), "t")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			ci.events <- job.Event{Job: jobs[0]}
			synctest.Wait()
			return s.ended(t)[0].Progress
		}
		by := s.push(t, 3)
		repo.by.Store(&by)
		if p := look(); p.Outcome != "" {
			t.Errorf("%s without a new push: asked too often", p.Outcome)
		}
		ci.events <- job.Event{Push: &job.Push{Repo: "elsewhere"}}
		if p := look(); p.Outcome != "" {
			t.Errorf("%s after a new push of another repository", p.Outcome)
		}
		ci.events <- job.Event{Push: &by}
		if p := look(); p.Outcome != monitor.Moot || p.Moot == nil || p.Moot.ID != 3 {
			t.Errorf("%+v", p)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// hanging says that nothing waits in the queue.
type hanging struct {
	eventful
	depth int
}

func (c *hanging) QueueDepth(context.Context, string) (job.QueueDepth, error) {
	return job.QueueDepth{Pending: c.depth}, nil
}

// TestPendingForNobody is said once, after three hours with an empty queue; a limit ends it.
func TestPendingForNobody(t *testing.T) {
	for _, c := range []struct {
		depth int
		limit time.Duration
		want  string
	}{
		{0, 0, "t pending\nt pending\ntimed_out"},
		{7, 0, "t pending\ntimed_out"},
		{7, 4 * time.Hour, "t pending\nlimit"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, "start 2000-01-01T00:00:00Z\n"+truth+"push t\n1 a001 pass\n2 a002 pending\n3 a003 -\n")
			s.store = monitor.NewMemory(func() time.Time { // the world's clock stands
				return s.began.Add(time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
			})
			var told []string
			s.opts.Policy.PendingLimit = c.limit
			s.opts.OnChange = func(changes []monitor.Change) {
				for _, c := range changes {
					if c.Outcome != "" {
						told = append(told, string(c.Outcome))
					} else {
						told = append(told, c.Label+" "+c.Status.String())
					}
				}
			}
			ci := &hanging{eventful{s: s.ci, events: make(chan job.Event)}, c.depth}
			s.run(t, ci, monitor.Expectation{Push: s.push(t, 2), Label: "t"})
			if diff := cmp.Diff(c.want, strings.Join(told, "\n")); diff != "" {
				t.Errorf("depth %d, limit %s: -want +got:\n%s", c.depth, c.limit, diff)
			}
		})
	}
}

// TestExpectations that make no sense are refused before anything is written.
func TestExpectations(t *testing.T) {
	s := newStage(t, failing)
	p := s.push(t, 3)
	for _, e := range []monitor.Expectation{
		{Push: p},
		{Label: "t"},
		{Label: "t", Push: job.Push{Repo: "autoland", ID: 3}},
		{Push: p, Label: "t", Count: -1},
		{Push: p, Label: "t", Deadline: -time.Second},
		{Push: p, Label: "t", UntilHit: true, Max: -1},
		{Push: p, Label: "t", UntilHit: true, WatchOnly: true},
	} {
		if _, err := s.monitor(s.ci).Expect(t.Context(), e); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%+v: %v", e, err)
		}
	}
	for _, want := range []bool{true, false} { // the same key twice is one
		got, err := s.monitor(s.ci).Expect(t.Context(), monitor.Expectation{Push: p, Label: "t"})
		if got != want || err != nil {
			t.Errorf("added %v, %v; want %v", got, err, want)
		}
	}
	if n := len(s.ended(t)); n != 1 {
		t.Errorf("%d expectations", n)
	}
}

// TestOfPlan: one expectation for each label on each push that something is triggered of.
func TestOfPlan(t *testing.T) {
	p, q := job.Push{Repo: "r", ID: 1, Revision: "a"}, job.Push{Repo: "r", ID: 2, Revision: "b"}
	got := monitor.OfPlan(trigger.Plan{Steps: []trigger.Step{
		{Push: p, Label: "b", Action: trigger.ActionBuild, Count: 1, Times: 1},
		{Push: p, Label: "t", Action: trigger.ActionWait, Count: 2, Times: 3},
		{Push: q, Label: "t", Action: trigger.ActionTrigger, Count: 1, Times: 4},
		{Push: q, Label: "u", Action: trigger.ActionNothing, Times: 4},
	}})
	want := []monitor.Expectation{
		{Push: p, Label: "b", Count: 1, FailFast: true, Files: true},
		{Push: p, Label: "t", Count: 3, Trigger: true},
		{Push: q, Label: "t", Count: 4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
