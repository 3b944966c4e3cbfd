package trigger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// hooked is a CI some of whose answers are errors.
type hooked struct {
	*jobtest.CI
	jobs     func(names []string) error
	accepted func(label string) error
}

func (h *hooked) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	if h.jobs != nil {
		if err := h.jobs(names); err != nil {
			return nil, err
		}
	}
	return h.CI.Jobs(ctx, p, names...)
}

func (h *hooked) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	return jobtest.HistoryByJobs(ctx, h.Jobs, pushes, labels...)
}

func (h *hooked) Accepted(ctx context.Context, p job.Push, label string) ([]job.Request, error) {
	if h.accepted != nil {
		if err := h.accepted(label); err != nil {
			return nil, err
		}
	}
	return h.CI.Accepted(ctx, p, label)
}

const buildWorld = "kind build build\nneeds test build\npush build test\n1 a1c0 - -\n2 a2c0 - -\n"

var errDown = &job.Error{Op: "ci", Err: job.ErrUnavailable}

// questions are those of which one is not answered once.
var questions = map[string]func(h *hooked, once func() error){
	"accepted": func(h *hooked, once func() error) {
		h.accepted = func(label string) error {
			if label != "test" {
				return nil
			}
			return once()
		}
	},
	"jobs": func(h *hooked, once func() error) {
		h.jobs = func(names []string) error {
			if len(names) != 1 || names[0] != "test" {
				return nil
			}
			return once()
		}
	},
	"jobs of the build": func(h *hooked, once func() error) {
		h.jobs = func(names []string) error {
			if len(names) != 1 || names[0] != "build" {
				return nil
			}
			return once()
		}
	},
}

// One question that the CI does not answer, as a step that waited is released, is
// asked again; the other steps go on.
func TestOneFailedQuestion(t *testing.T) {
	for name, fail := range questions {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := jobtest.MustParse(buildWorld)
				h := &hooked{CI: jobtest.NewCI(w, nil)}
				l := ledger.NewMemory()
				plan, err := trigger.Make(t.Context(), h, w.Pushes("autoland"), []string{"test"}, 1,
					&trigger.Options{Ledger: l})
				if err != nil {
					t.Fatal(err)
				}
				failed := false
				fail(h, func() error {
					if failed {
						return nil
					}
					failed = true
					return errDown
				})
				done, err := trigger.Run(t.Context(), h, plan, &trigger.RunOptions{Ledger: l})
				if err != nil || !failed {
					t.Fatalf("%v, a question failed: %t", err, failed)
				}
				for _, s := range done.Steps {
					if s.Receipt == nil || s.Err != nil {
						t.Errorf("%d %s %s: %+v, %v", s.Push.ID, s.Action, s.Label, s.Receipt, s.Err)
					}
				}
				for _, p := range w.Pushes("autoland") {
					if n := countRuns(t, h.CI, p, "test"); n != 1 {
						t.Errorf("push %d: %d runs", p.ID, n)
					}
				}
			})
		})
	}
}

// A question that the CI never answers is named on its step, when the run is
// stopped.
func TestQuestionThatNeverIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := jobtest.MustParse(buildWorld)
		h := &hooked{CI: jobtest.NewCI(w, nil)}
		plan, err := trigger.Make(t.Context(), h, w.Pushes("autoland")[:1], []string{"test"}, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.accepted = func(label string) error {
			if label == "test" {
				return errDown
			}
			return nil
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		done, err := trigger.Run(ctx, struct{ job.Scheduler }{h}, plan, nil)
		last := done.Steps[len(done.Steps)-1]
		if err == nil || last.Err == nil || last.Receipt != nil {
			t.Errorf("%v: %+v", err, last)
		}
	})
}

// breaking is a ledger that breaks at a moment.
type breaking struct {
	ledger.Ledger
	broken atomic.Bool
	reads  atomic.Int64
}

func (b *breaking) Entries(ctx context.Context, q ledger.Query) ([]ledger.Entry, error) {
	if b.broken.Load() {
		b.reads.Add(1)
		return nil, errors.New("disk full")
	}
	return b.Ledger.Entries(ctx, q)
}

// A ledger that breaks while builds are waited for ends the run at once.
func TestLedgerBreaksMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := jobtest.MustParse("kind build build\nneeds test build\npush build test\n1 a1c0 running -\n" +
			"2 a2c0 running -\n")
		l := &breaking{Ledger: ledger.NewMemory()}
		ci := struct{ job.Scheduler }{jobtest.NewCI(w, nil)} // no events: it polls
		plan, err := trigger.Make(t.Context(), jobtest.NewCI(w, nil), w.Pushes("autoland"), []string{"test"}, 1,
			&trigger.Options{Ledger: l})
		if err != nil {
			t.Fatal(err)
		}
		for i := range plan.Steps { // what has to be waited for is not known without a catalog
			plan.Steps[i].Action, plan.Steps[i].Builds = trigger.ActionWait, []string{"build"}
		}
		began := time.Now()
		time.AfterFunc(90*time.Second, func() { l.broken.Store(true) })
		_, err = trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: l})
		if err == nil || strings.Count(err.Error(), "disk full") != 1 {
			t.Errorf("%v; expected the ledger's error, once", err)
		}
		if took := time.Since(began); took > 3*time.Minute || l.reads.Load() > 1 {
			t.Errorf("it ended after %s and %d failed reads", took, l.reads.Load())
		}
	})
}

// A ledger that is broken from the start ends the run before anything is asked.
func TestBrokenBeforeAnything(t *testing.T) {
	ci, pushes, plan := setup(t, "push test\n1 a1c0 -\n2 b2d1 -\n", 1, nil)
	l := &breaking{Ledger: ledger.NewMemory()}
	l.broken.Store(true)
	if _, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: l}); err == nil ||
		!strings.Contains(err.Error(), "disk full") {
		t.Errorf("%v", err)
	}
	for _, p := range pushes {
		if n := countRuns(t, ci, p, "test"); n > 0 {
			t.Errorf("push %d: %d runs were asked for", p.ID, n)
		}
	}
}

// The clock of the host that wrote an entry does not matter.
func TestClockOfAnotherHost(t *testing.T) {
	for _, off := range []time.Duration{40 * time.Minute, -40 * time.Minute, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			ci, _, plan := setup(t, "push test\n1 a1c0 -\n", 1, nil)
			l, s := ledger.NewMemory(), plan.Steps[0]
			e := ledger.Entry{
				Key: s.Key, Push: s.Push, Label: s.Label, Count: 1, Asked: time.Now().Add(off), Age: -off,
				Holder: "another", Lease: time.Minute,
			}
			if _, _, err := l.Intend(t.Context(), e, nil); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err := trigger.Run(t.Context(), blind{ci}, plan, &trigger.RunOptions{Ledger: l})
			took := time.Since(began)
			if !errors.Is(err, job.ErrUnavailable) || took > time.Minute {
				t.Errorf("a clock that is off by %s: %v after %s; the other may still be asking", off, err, took)
			}
			time.Sleep(ledger.UnsureExpires)
			if done, err := trigger.Run(t.Context(), blind{ci}, plan, &trigger.RunOptions{Ledger: l}); err != nil ||
				done.Steps[0].Receipt.State != job.ReceiptCreated {
				t.Errorf("a clock that is off by %s: %v; by now it can be asked for again", off, err)
			}
		})
	}
}

// sparing takes one run less than it is asked for.
type sparing struct{ *jobtest.CI }

func (s sparing) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	if req.Count == 1 {
		return s.CI.Trigger(ctx, req)
	}
	all := req.Count
	req.Count--
	receipt, err := s.CI.Trigger(ctx, req)
	if err != nil {
		return receipt, err
	}
	return job.Receipt{}, job.Wrap("sparing.trigger", req.Label, &job.PartialError{
		Taken: req.Count, Count: all, Receipt: receipt, Err: job.ErrRefused,
	})
}

// What the CI took in part is remembered: the next plan asks for the rest only.
func TestTakenInPart(t *testing.T) {
	w := jobtest.MustParse("push test\n1 a1c0 -\n")
	ci := sparing{jobtest.NewCI(w, &jobtest.CIOptions{Visible: time.Hour})}
	l := ledger.NewMemory()
	plan := func() trigger.Plan {
		p, err := trigger.Make(t.Context(), blind{ci.CI}, w.Pushes("autoland"), []string{"test"}, 3,
			&trigger.Options{Ledger: l})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	done, err := trigger.Run(t.Context(), ci, plan(), &trigger.RunOptions{Ledger: l})
	if !errors.Is(err, job.ErrRefused) || !strings.Contains(err.Error(), "2 of 3 runs were triggered") {
		t.Errorf("%v", err)
	}
	if s := done.Steps[0]; s.Receipt == nil || s.Err == nil {
		t.Errorf("the step has the receipt %+v and the error %v", s.Receipt, s.Err)
	}
	if rest := plan(); rest.Total() != 1 {
		t.Errorf("the next plan asks for %d runs: %+v", rest.Total(), rest.Steps)
	}
	if _, err := trigger.Run(t.Context(), ci, plan(), &trigger.RunOptions{Ledger: l}); err != nil {
		t.Error(err)
	}
	if rest := plan(); rest.Total() != 0 {
		t.Errorf("in the end %d runs are missing", rest.Total())
	}
}

// Pushes of two repositories may have the same id: each has a build of its own.
func TestTwoRepositoriesWithOneID(t *testing.T) {
	w := jobtest.MustParse("kind build build\nneeds test build\npush build test\n1 a1c0 - -\n" +
		"repo central\nkind build build\nneeds test build\npush build test\n1 b1c0 - -\n")
	pushes := append(w.Pushes("autoland"), w.Pushes("central")...)
	five := 5
	plan, err := trigger.Make(t.Context(), jobtest.NewCI(w, nil), pushes, []string{"test"}, 1,
		&trigger.Options{Budgets: trigger.Budgets{Push: &five}})
	if err != nil {
		t.Fatal(err)
	}
	builds := map[string]int{}
	for _, s := range plan.Steps {
		if s.Action == trigger.ActionBuild {
			builds[s.Push.Repo]++
		}
	}
	if builds["autoland"] != 1 || builds["central"] != 1 || plan.Total() != 4 {
		t.Errorf("builds %v in\n%s", builds, trace(plan))
	}
}

// As many runs as the limit says may end in an exception, and no more.
func TestExceptionLimit(t *testing.T) {
	for runs, left := range map[int]bool{2: false, 3: false, 4: true} {
		world := fmt.Sprintf("push test\n1 a1c0 exception*%d\n", runs)
		_, _, plan := setup(t, world, 1, nil)
		if got := len(plan.LeftOut) == 1; got != left || left == (plan.Total() == 1) {
			t.Errorf("%d exceptions, the default limit is %d:\n%s", runs, trigger.DefaultExceptions, trace(plan))
		}
		none := 0
		if _, _, plan := setup(t, world, 1, &trigger.Options{Exceptions: &none}); plan.Total() != 0 {
			t.Errorf("%d exceptions, the limit is none:\n%s", runs, trace(plan))
		}
		unlimited := -1
		if _, _, plan := setup(t, world, 1, &trigger.Options{Exceptions: &unlimited}); plan.Total() != 1 {
			t.Errorf("%d exceptions without a limit:\n%s", runs, trace(plan))
		}
	}
}

// A build that a push's budget pays for is not there for another label's runs.
func TestPushBudgetPaysForBuilds(t *testing.T) {
	w := jobtest.MustParse("needs one build\nneeds two build2\npush build build2 one two\n1 a1c0 - - - -\n")
	four := 4
	plan, err := trigger.Make(t.Context(), jobtest.NewCI(w, nil), w.Pushes("autoland"), []string{"one", "two"}, 2,
		&trigger.Options{Budgets: trigger.Budgets{Push: &four}})
	if err != nil || plan.Total() != 3 && plan.Total() != 4 {
		t.Fatalf("%v, a total of %d", err, plan.Total())
	}
	runs := map[string]int{}
	for _, s := range plan.Steps {
		runs[s.Label] += s.Count
	}
	if runs["build"] != 1 || runs["one"] != 2 || runs["two"] > 0 || runs["build2"] > 0 {
		t.Errorf("%v: a build and two runs leave one, which is for a build alone no use\n%s", runs, trace(plan))
	}
}

// A plan that was carried out long ago is asked for again where the CI shows none
// of its runs, and not where it does.
func TestOldPlanOnceMore(t *testing.T) {
	for name, c := range map[string]struct {
		visible bool
		want    job.ReceiptState
	}{"swallowed": {false, job.ReceiptCreated}, "made": {true, job.ReceiptAlreadyAsked}} {
		synctest.Test(t, func(t *testing.T) {
			ci, _, plan := setup(t, "push test\n1 a1c0 -\n", 2, nil)
			l, s := ledger.NewMemory(), plan.Steps[0]
			if c.visible {
				if _, err := ci.Trigger(t.Context(),
					job.Request{Key: "other", Label: s.Label, Push: s.Push, Count: 2}); err != nil {
					t.Fatal(err)
				}
			}
			e, _, err := l.Intend(t.Context(), ledger.Entry{Key: s.Key, Push: s.Push, Label: s.Label, Count: 2}, nil)
			if err != nil {
				t.Fatal(err)
			}
			e.State = ledger.Accepted
			if err := l.Settle(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			time.Sleep(ledger.AcceptedExpires + time.Minute)
			done, err := trigger.Run(t.Context(), blind{ci}, plan, &trigger.RunOptions{Ledger: l})
			if err != nil || done.Steps[0].Receipt.State != c.want {
				t.Errorf("%s: %v, %+v; expected %s", name, err, done.Steps[0].Receipt, c.want)
			}
		})
	}
}
