package trigger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// maker is a CI that makes runs by jobs of its own, as in-tree actions do: it
// accepts a request, and what becomes of it is told later. It carries no keys.
type maker struct {
	blindCI
	outcomes map[string]job.Outcome // by the job that makes the runs
	asked    []job.Request
	stopped  []string
	running  bool // the jobs are under way until they are cancelled
}

// blindCI hides the abilities of a CI that it wraps.
type blindCI struct{ job.Scheduler }

func (m *maker) Trigger(_ context.Context, q job.Request) (job.Receipt, error) {
	m.asked = append(m.asked, q)
	by := fmt.Sprintf("action-%d", len(m.asked))
	if m.running {
		m.outcomes[by] = job.Outcome{IDs: []string{"early"}}
	}
	return job.Receipt{State: job.ReceiptAccepted, By: by, Link: "https://ci.example/" + by}, nil
}

func (m *maker) Outcome(_ context.Context, _ job.Push, _ string, r job.Receipt) (job.Outcome, error) {
	return m.outcomes[r.By], nil
}

func (m *maker) Cancel(_ context.Context, id string) error {
	m.stopped = append(m.stopped, id)
	if o, ok := m.outcomes[id]; ok {
		o.Done, o.Why = true, "was cancelled"
		m.outcomes[id] = o
	}
	return nil
}

func made(t *testing.T, m *maker, l ledger.Ledger, w *jobtest.World) trigger.Plan {
	t.Helper()
	plan, err := trigger.Make(t.Context(), m, w.Pushes("autoland"), []string{"test"}, 3, &trigger.Options{Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// What the CI took and nothing came of is said at once, and asked for again
// under the same key; what can still come is not.
func TestNothingCame(t *testing.T) {
	w := jobtest.MustParse("push test\n1 a1c0 -\n")
	for name, c := range map[string]struct {
		outcome job.Outcome
		again   bool
	}{
		"under way":       {job.Outcome{}, false},
		"made":            {job.Outcome{IDs: []string{"a", "b", "c"}, Done: true}, false},
		"failed":          {job.Outcome{Done: true, Why: "action-1 failed"}, true},
		"made fewer":      {job.Outcome{IDs: []string{"a"}, Done: true, Why: "action-1 failed"}, true},
		"done, not known": {job.Outcome{Done: true}, false},
		"stopped":         {job.Outcome{Done: true, Why: "action-1 was cancelled", Cancelled: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := &maker{blindCI: blindCI{jobtest.NewCI(w, nil)}, outcomes: map[string]job.Outcome{}}
			l := ledger.NewMemory()
			first := made(t, m, l, w)
			run := func(p trigger.Plan) trigger.Plan {
				done, err := trigger.Run(t.Context(), m, p, &trigger.RunOptions{Ledger: l})
				if err != nil {
					t.Fatal(err)
				}
				return done
			}
			if r := run(first).Steps[0].Receipt; r.By != "action-1" || r.Link == "" {
				t.Errorf("the receipt does not name the job: %+v", r)
			}
			m.outcomes["action-1"] = c.outcome
			second := made(t, m, l, w)
			if c.outcome.Cancelled { // a person's will: the plan leaves it out, and an old plan is refused
				if len(second.Steps) > 0 || len(second.LeftOut) != 1 ||
					!strings.Contains(second.LeftOut[0].Why, "was cancelled, so mozci leaves it alone") {
					t.Errorf("the next plan: %+v", second)
				}
				if _, err := trigger.Run(t.Context(), m, first,
					&trigger.RunOptions{Ledger: l}); !errors.Is(err, job.ErrRefused) || len(m.asked) != 1 {
					t.Errorf("the old plan once more: %v, asked %d times", err, len(m.asked))
				}
				return
			}
			total, why := second.Total(), second.Steps[0].Why
			if c.again != (total == 3) || c.again != strings.Contains(why, "action-1 failed") {
				t.Errorf("the next plan asks for %d runs: %s", total, why)
			}
			done := run(second)
			if n := len(m.asked); c.again != (n == 2) {
				t.Errorf("asked %d times", n)
			}
			if c.again && (done.Steps[0].Key != first.Steps[0].Key || done.Steps[0].Receipt.By != "action-2") {
				t.Errorf("asked again as %+v", done.Steps[0])
			}
			run(first) // the old plan, once more: the second request is under way
			if n := len(m.asked); n > 2 || !c.again && n > 1 {
				t.Errorf("asked %d times in the end", n)
			}
		})
	}
}

// A CI that keys do not reach is told the total, so that it can look once more.
func TestTimesReachTheCI(t *testing.T) {
	w := jobtest.MustParse("push test\n1 a1c0 pass\n")
	m := &maker{blindCI: blindCI{jobtest.NewCI(w, nil)}, outcomes: map[string]job.Outcome{}}
	if _, err := trigger.Run(t.Context(), m, made(t, m, nil, w), nil); err != nil || len(m.asked) != 1 ||
		m.asked[0].Times != 3 || m.asked[0].Count != 2 {
		t.Errorf("%v: %+v", err, m.asked)
	}
}

// Cancelling stops what a job of the CI has made, and the job itself, first,
// while it is under way.
func TestCancelWhatWasMade(t *testing.T) {
	w := jobtest.MustParse("push test\n1 a1c0 -\n")
	for name, c := range map[string]struct {
		running bool
		outcome job.Outcome
		stopped []string
		why     string
	}{
		"under way": {true, job.Outcome{IDs: []string{"early"}}, []string{"action-1", "early"}, ""},
		"done":      {false, job.Outcome{IDs: []string{"a", "b", "c"}, Done: true}, []string{"a", "b", "c"}, ""},
		"failed":    {false, job.Outcome{Done: true, Why: "action-1 failed"}, nil, "action-1 failed"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &maker{blindCI: blindCI{jobtest.NewCI(w, nil)}, outcomes: map[string]job.Outcome{}, running: c.running}
			l := ledger.NewMemory()
			plan := made(t, m, l, w)
			if _, err := trigger.Run(t.Context(), m, plan, &trigger.RunOptions{Ledger: l}); err != nil {
				t.Fatal(err)
			}
			if !c.running {
				m.outcomes["action-1"] = c.outcome
			}
			ids, left, err := trigger.Cancel(t.Context(), m, l, plan)
			if err != nil || !slices.Equal(ids, c.stopped) || !slices.Equal(m.stopped, c.stopped) {
				t.Errorf("stopped %q, %v; the CI heard %q, expected %q", ids, err, m.stopped, c.stopped)
			}
			if why := fmt.Sprint(left); (c.why != "") != (len(left) == 1) || !strings.Contains(why, c.why) {
				t.Errorf("left %s, expected %q", why, c.why)
			}
		})
	}
}

// makesBuilds is a CI whose requests make the builds that are missing.
type makesBuilds struct{ *jobtest.CI }

func (m makesBuilds) Catalog(ctx context.Context, p job.Push, labels ...string) ([]job.Runnable, error) {
	all, err := m.CI.Catalog(ctx, p, labels...)
	for i := range all {
		all[i].MakesUpstreams = true
	}
	return all, err
}

// The builds that the CI makes with a test are lines of the plan, in its total
// and in the budgets, and nothing is asked for them. A build that ended without
// files is asked for: the CI would wait for it for ever.
func TestBuildsThatTheCIMakes(t *testing.T) {
	w := jobtest.MustParse(`
needs test build
needs other build
push    test other build
10 a1c0 -    -     pass
11 a2c0 -    -     -
12 a3c0 -    -     exception
13 a4c0 -    -     running
`)
	ci := makesBuilds{jobtest.NewCI(w, nil)}
	plan, err := trigger.Make(t.Context(), ci, w.Pushes("autoland"), []string{"test", "other"}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	var with []string
	for _, s := range plan.Steps {
		if s.Action == trigger.ActionBuild {
			with = append(with, fmt.Sprint(s.Push.ID, " ", s.With))
		}
	}
	if want := []string{"12 ", "11 test"}; !slices.Equal(with, want) || plan.Total() != 10 {
		t.Errorf("builds %q, expected %q; %d runs in all\n%s", with, want, plan.Total(), trace(plan))
	}
	budget := 3
	bounded, err := trigger.Make(t.Context(), ci, w.Pushes("autoland")[1:2], []string{"test"}, 3,
		&trigger.Options{Budgets: trigger.Budgets{Push: &budget}})
	if err != nil || bounded.Total() != 3 || len(bounded.LeftOut) != 1 || bounded.LeftOut[0].Count != 1 {
		t.Errorf("%v: a budget of 3 on one push, the build included:\n%s", err, trace(bounded))
	}
	if _, err := trigger.Run(t.Context(), ci, trigger.Plan{Steps: bounded.Steps[:1]},
		nil); !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), "step 1") {
		t.Errorf("a build without what it comes with: %v", err)
	}
	rec := &recorder{makesBuilds: ci}
	done, err := trigger.Run(t.Context(), rec, bounded, nil)
	if errors.Is(err, job.ErrNoBuild) { // the world is strict; what was asked for is what counts here
		err = nil
	}
	if err != nil || !slices.Equal(rec.labels, []string{"test"}) {
		t.Errorf("%v: asked for %q", err, rec.labels)
	}
	if b, s := done.Steps[0], done.Steps[1]; b.Receipt != s.Receipt || b.Err != s.Err { //nolint:errorlint // the same error
		t.Errorf("the build has %+v, %v; its test %+v, %v", b.Receipt, b.Err, s.Receipt, s.Err)
	}
}

type recorder struct {
	makesBuilds
	labels []string
}

func (r *recorder) Trigger(ctx context.Context, q job.Request) (job.Receipt, error) {
	r.labels = append(r.labels, q.Label)
	return r.makesBuilds.Trigger(ctx, q)
}
