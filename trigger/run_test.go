package trigger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

const waitWorld = `
needs test build
takes build 40m
push    test    build
10 a1c0 -       pass
11 a2c0 -       running
12 a3c0 pass    pass:expired
13 a4c0 -       -
`

// The test that waits for its build is carried out, never a line "run again".
func TestRunWaitsForBuilds(t *testing.T) {
	ci, pushes, plan := setup(t, waitWorld, 2, nil)
	done := runPlan(t, ci, plan, nil)
	wantTrace(t, "done", `
13 build build 1: test needs it, and it never ran here => created 1
13 wait test 2: 0 of 2 runs; waiting for build, triggered above => created 2
12 build build 1: test needs it, and its files are gone => created 1
12 wait test 1: 1 of 2 runs (1 passed); waiting for build, triggered above => created 1
11 wait test 2: 0 of 2 runs; waiting for build, under way => created 2
10 trigger test 2: 0 of 2 runs => created 2
total 9
`, trace(done))
	for _, p := range pushes {
		if n := countRuns(t, ci, p, "test"); n != 2 {
			t.Errorf("push %d has %d runs, expected 2", p.ID, n)
		}
	}
}

// A plan that was carried out asks for nothing and waits for nothing when it is
// carried out again, also where its build cannot be seen any more.
func TestPlanTwice(t *testing.T) {
	const world = "needs test build\npush test build\n1 a1c0 - -\n2 b2d1 - pass\n"
	ci, _, plan := setup(t, world, 1, nil)
	opts := &trigger.RunOptions{Ledger: ledger.NewMemory()}
	runPlan(t, ci, plan, opts)
	forgetful := jobtest.NewCI(jobtest.MustParse(world), nil)
	wantTrace(t, "again", `
2 trigger test 1: 0 of 1 run => already_asked 1
1 build build 1: test needs it, and it never ran here => already_asked 1
1 wait test 1: 0 of 1 run; waiting for build, triggered above => already_asked 1
total 3
`, trace(runPlan(t, forgetful, plan, opts)))
}

// Planned again from what is there now, nothing is missing; the old plan
// carried out again asks for nothing.
func TestTwiceDoesOnce(t *testing.T) {
	for name, visible := range map[string]time.Duration{"visible": 0, "not visible yet": time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := jobtest.MustParse("push test\n1 a1c0 pass\n2 b2d1 coalesced\n")
			ci := jobtest.NewCI(w, &jobtest.CIOptions{Visible: visible})
			memory := ledger.NewMemory()
			opts := &trigger.Options{Ledger: memory}
			plan, err := trigger.Make(t.Context(), blind{ci}, w.Pushes("autoland"), []string{"test"}, 2, opts)
			if err != nil || plan.Total() != 3 {
				t.Fatalf("%v\n%s", err, trace(plan))
			}
			for range 2 {
				runPlan(t, blind{ci}, plan, &trigger.RunOptions{Ledger: memory})
			}
			again, err := trigger.Make(t.Context(), blind{ci}, w.Pushes("autoland"), []string{"test"}, 2, opts)
			if err != nil || again.Total() != 0 {
				t.Errorf("planned again: %v\n%s", err, trace(again))
			}
			ci.Advance(2 * time.Hour)
			if a, b := countRuns(t, ci, w.Pushes("autoland")[0], "test"),
				countRuns(t, ci, w.Pushes("autoland")[1], "test"); a != 2 || b != 3 {
				t.Errorf("%d and %d runs, expected 2 and 3", a, b)
			}
		})
	}
}

// blind is a CI that carries no keys and shows nothing but its visible jobs.
type blind struct{ ci job.Scheduler }

func (b blind) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	return b.ci.Jobs(ctx, p, names...)
}

func (b blind) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	r.Key = ""
	return b.ci.Trigger(ctx, r)
}

// lossy acts, and loses its answer.
type lossy struct {
	job.Scheduler
	lost int // answers that it still loses
	acts bool
}

func (l *lossy) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	if l.lost == 0 {
		return l.Scheduler.Trigger(ctx, r)
	}
	l.lost--
	if l.acts {
		if _, err := l.Scheduler.Trigger(ctx, r); err != nil {
			return job.Receipt{}, err
		}
	}
	return job.Receipt{}, &job.Error{Op: "trigger", Err: job.ErrUnavailable}
}

// An answer that was lost is looked up. Where the CI shows that it acted, all
// is well; where nothing tells, it is not repeated blindly, and after ten
// minutes without a trace it is.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := "push test\n1 a1c0 -\n"
		for name, c := range map[string]struct {
			acts    bool
			visible time.Duration
			fails   bool
		}{
			"acted, visible":      {true, 0, false},
			"acted, not visible":  {true, time.Minute, true},
			"did not act at all":  {false, 0, true},
			"did not act, hidden": {false, time.Minute, true},
		} {
			w := jobtest.MustParse(world)
			world := jobtest.NewCI(w, &jobtest.CIOptions{Visible: c.visible})
			ci := &lossy{Scheduler: blind{world}, lost: 1, acts: c.acts}
			p := w.Pushes("autoland")[0]
			opts := &trigger.RunOptions{Ledger: ledger.NewMemory()}
			plan, err := trigger.Make(t.Context(), ci, []job.Push{p}, []string{"test"}, 2, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = trigger.Run(t.Context(), ci, plan, opts); (err != nil) != c.fails {
				t.Errorf("%s: error %v", name, err)
			}
			if c.fails {
				time.Sleep(time.Minute) // of the bubble
				_, err := trigger.Run(t.Context(), ci, plan, opts)
				if !errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "unclear until 00:") {
					t.Errorf("%s: a minute later: %v, expected unknown", name, err)
				}
			}
			world.Advance(time.Hour)
			time.Sleep(11 * time.Minute)
			if _, err := trigger.Run(t.Context(), ci, plan, opts); err != nil {
				t.Errorf("%s: at last: %v", name, err)
			}
			world.Advance(time.Hour)
			if n := countRuns(t, world, p, "test"); n != 2 {
				t.Errorf("%s: %d runs, expected 2", name, n)
			}
		}
	})
}

// Two that plan at the same time for different totals get the larger one, not
// the sum.
func TestPlansOfDifferentTotals(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		w := jobtest.MustParse("push test\n1 a1c0 pass\n")
		ci := jobtest.NewCI(w, nil)
		memory := ledger.NewMemory()
		var plans []trigger.Plan
		for _, times := range []int{3, 5} {
			plan, err := trigger.Make(t.Context(), ci, w.Pushes("autoland"), []string{"test"}, times,
				&trigger.Options{Ledger: memory})
			if err != nil {
				t.Fatal(err)
			}
			plans = append(plans, plan)
		}
		for _, i := range order {
			runPlan(t, ci, plans[i], &trigger.RunOptions{Ledger: memory})
		}
		if n := countRuns(t, ci, w.Pushes("autoland")[0], "test"); n != 5 {
			t.Errorf("order %v: %d runs, expected 5", order, n)
		}
	}
}

// A refusal is an answer: it is said, it stops nothing else, and it may be
// asked again.
func TestRefusals(t *testing.T) {
	w := jobtest.MustParse("push test\n1 a1c0 -\n2 b2d1 -\n")
	ci := jobtest.NewCI(w, nil)
	plan, err := trigger.Make(t.Context(), ci, w.Pushes("autoland"), []string{"test"}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	memory := ledger.NewMemory()
	no := refuse{Scheduler: ci, id: 2, err: job.ErrRefused}
	done, err := trigger.Run(t.Context(), no, plan, &trigger.RunOptions{Ledger: memory})
	if !errors.Is(err, job.ErrRefused) || done.Steps[0].Err == nil || done.Steps[1].Receipt == nil {
		t.Errorf("%v\n%s", err, trace(done))
	}
	if _, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: memory}); err != nil {
		t.Errorf("once it is allowed: %v", err)
	}
	for _, p := range w.Pushes("autoland") {
		if n := countRuns(t, ci, p, "test"); n != 1 {
			t.Errorf("push %d has %d runs", p.ID, n)
		}
	}
}

type refuse struct {
	job.Scheduler
	id  int64 // 0 for every push
	err error

	asked *int
}

func (r refuse) Trigger(ctx context.Context, q job.Request) (job.Receipt, error) {
	if r.asked != nil {
		*r.asked++
	}
	if q.Push.ID == r.id || r.id == 0 {
		return job.Receipt{}, job.Wrap("trigger", q.Label, r.err)
	}
	return r.Scheduler.Trigger(ctx, q)
}

// What the CI denies it denies for every step: it is asked once, and the error is
// told once.
func TestDenied(t *testing.T) {
	w := jobtest.MustParse("push test\n1 a1c0 -\n2 b2d1 -\n3 c3e2 -\n")
	ci := jobtest.NewCI(w, nil)
	plan, err := trigger.Make(t.Context(), ci, w.Pushes("autoland"), []string{"test"}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	no := refuse{
		Scheduler: ci, err: fmt.Errorf("%w: the scope hooks:trigger-hook:x is missing", job.ErrDenied),
		asked: &asked,
	}
	done, err := trigger.Run(t.Context(), no, plan, nil)
	if asked != 1 || !errors.Is(err, job.ErrDenied) || strings.Count(err.Error(), "hooks:trigger-hook:x") != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	for i, s := range done.Steps {
		if s.Receipt != nil || errors.Is(s.Err, trigger.ErrNotTried) != (i > 0) || !errors.Is(s.Err, job.ErrDenied) {
			t.Errorf("step %d: %v", i+1, s.Err)
		}
	}
}

// A build that fails ends the waiting of its test, with the reason.
func TestBuildThatFails(t *testing.T) {
	ci, _, plan := setup(t, "needs test build\ntruth build culprit=1 after=1\npush test build\n1 a1c0 - -\n", 1, nil)
	done, err := trigger.Run(t.Context(), ci, plan, nil)
	if !errors.Is(err, job.ErrNoBuild) {
		t.Errorf("error %v, expected ErrNoBuild", err)
	}
	wantTrace(t, "done", `
1 build build 1: test needs it, and it never ran here => created 1
1 wait test 1: 0 of 1 run; waiting for build, triggered above => trigger.wait test: the build it needs has no files: the build is failed
total 2
`, trace(done))
}

// Without events builds are polled, and others' runs meanwhile count.
func TestPollingAndOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, pushes, plan := setup(t, "needs test build\npush test build\n1 a1c0 - running\n", 2, nil)
		go func() {
			time.Sleep(90 * time.Second)
			ci.Advance(time.Hour)
			if _, err := ci.Trigger(t.Context(), job.Request{Label: "test", Push: pushes[0], Count: 1}); err != nil {
				t.Error(err)
			}
		}()
		done := runPlan(t, blind{ci}, plan, nil)
		if n := countRuns(t, ci, pushes[0], "test"); n != 2 {
			t.Errorf("%d runs, expected 2: one by somebody else\n%s", n, trace(done))
		}
	})
}

func TestRunIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, _, plan := setup(t, "needs test build\npush test build\n1 a1c0 - running\n", 2, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		done, err := trigger.Run(ctx, blind{ci}, plan, nil)
		if !errors.Is(err, context.DeadlineExceeded) || done.Steps[0].Err == nil {
			t.Errorf("%v\n%s", err, trace(done))
		}
	})
}

// A ledger that fails stops everything before anything is asked for.
func TestBrokenLedger(t *testing.T) {
	ci, pushes, plan := setup(t, "push test\n1 a1c0 -\n2 b2d1 -\n", 1, nil)
	_, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: brokenLedger{ledger.NewMemory()}})
	if err == nil || strings.Count(err.Error(), "disk is full") != 1 {
		t.Errorf("error %v, expected the ledger's, once", err)
	}
	for _, p := range pushes {
		if n := countRuns(t, ci, p, "test"); n != 0 {
			t.Errorf("push %d: %d runs were asked for without a ledger", p.ID, n)
		}
	}
}

type brokenLedger struct{ ledger.Ledger }

func (brokenLedger) Intend(context.Context, ledger.Entry, *ledger.Entry) (ledger.Entry, bool, error) {
	return ledger.Entry{}, false, errors.New("disk is full")
}
