package trigger_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

func n(v int) *int { return &v }

// budgetCases are budgets, and what they leave of a plan for three runs on three pushes.
var budgetCases = []struct {
	name    string
	budgets trigger.Budgets
	want    string
}{
	{"none", trigger.Budgets{Call: n(0)}, `
12 left out test 3: the budget of this call is spent
11 left out test 3: the budget of this call is spent
10 left out test 3: the budget of this call is spent
total 0
`},
	{"call", trigger.Budgets{Call: n(5)}, `
12 trigger test 3: 0 of 3 runs
11 build build 1: test needs it, and it never ran here
11 wait test 1: 0 of 3 runs; waiting for build, triggered above
11 left out test 2: the budget of this call is spent
10 left out test 3: the budget of this call is spent
total 5
`},
	{"a build alone is no use", trigger.Budgets{Call: n(4)}, `
12 trigger test 3: 0 of 3 runs
10 trigger test 1: 0 of 3 runs
11 left out test 3: the budget of this call is spent
10 left out test 2: the budget of this call is spent
total 4
`},
	{"push", trigger.Budgets{Push: n(2)}, `
12 trigger test 2: 0 of 3 runs
11 build build 1: test needs it, and it never ran here
11 wait test 1: 0 of 3 runs; waiting for build, triggered above
10 trigger test 2: 0 of 3 runs
12 left out test 1: the budget of 2 on one push is spent
11 left out test 2: the budget of 2 on one push is spent
10 left out test 1: the budget of 2 on one push is spent
total 6
`},
	{"day", trigger.Budgets{LabelDay: n(4)}, `
12 trigger test 3: 0 of 3 runs
11 build build 1: test needs it, and it never ran here
11 wait test 1: 0 of 3 runs; waiting for build, triggered above
11 left out test 2: the budget of 4 in a day is spent
10 left out test 3: the budget of 4 in a day is spent
total 5
`},
	{"no limit", trigger.Budgets{Call: n(-1), Push: n(-1), LabelDay: n(-1), Queue: n(-1)}, `
12 trigger test 3: 0 of 3 runs
11 build build 1: test needs it, and it never ran here
11 wait test 3: 0 of 3 runs; waiting for build, triggered above
10 trigger test 3: 0 of 3 runs
total 10
`},
}

// What does not fit a budget is left out, and says which one it was; builds are
// paid for with the test that needs them, and not without it.
func TestBudgets(t *testing.T) {
	const world = `
needs test build
push    test   build
10 a1c0 -      pass
11 a2c0 -      -
12 a3c0 -      pass
`
	for _, c := range budgetCases {
		_, _, plan := setup(t, world, 3, &trigger.Options{Budgets: c.budgets})
		wantTrace(t, c.name, c.want, trace(plan))
	}
	_, _, plan := setup(t, world, 3, &trigger.Options{
		Budgets:  trigger.Budgets{Call: n(3)},
		Priority: func(p job.Push) int { return int(-p.ID) },
	})
	if len(plan.Steps) != 1 || plan.Steps[0].Push.ID != 10 {
		t.Errorf("the oldest first:\n%s", trace(plan))
	}
}

// What the ledger saw today counts; what it saw yesterday, or what was refused,
// does not.
func TestBudgetOfADay(t *testing.T) {
	w := jobtest.MustParse("push test\n1 a1c0 -\n2 b2d1 -\n3 c3e2 -\n")
	pushes := w.Pushes("autoland")
	synctest.Test(t, func(t *testing.T) {
		l := ledger.NewMemory()
		for _, e := range []struct {
			key   string
			count int
			state ledger.State
			later time.Duration // than the one before
		}{
			{"yesterday", 50, ledger.Accepted, 0},
			{"today", 3, ledger.Accepted, 23 * time.Hour},
			{"refused", 50, ledger.Refused, time.Hour},
		} {
			time.Sleep(e.later)
			intended, _, err := l.Intend(t.Context(),
				ledger.Entry{Key: e.key, Count: e.count, Label: "test", Push: pushes[2]}, nil)
			if err != nil {
				t.Fatal(err)
			}
			intended.State = e.state
			if err := l.Settle(t.Context(), intended); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		plan, err := trigger.Make(t.Context(), jobtest.NewCI(w, nil), pushes, []string{"test"},
			1, &trigger.Options{Ledger: l, Budgets: trigger.Budgets{LabelDay: n(5)}})
		if err != nil || plan.Total() != 2 || len(plan.LeftOut) != 1 || !plan.LeftOut[0].Budget {
			t.Errorf("%v\n%s", err, trace(plan))
		}
	})
}

// A full queue stops everything that would wait in it.
func TestQueueDepth(t *testing.T) {
	_, _, plan := setup(t, "push test other\n1 a1c0 - -\n2 b2d1 pending*7 -\n", 1,
		&trigger.Options{Budgets: trigger.Budgets{Queue: n(6)}})
	wantTrace(t, "plan", `
2 nothing test 0: 7 runs, 1 wanted (7 queued)
1 left out test 1: 7 runs wait in its queue, more than 6
total 0
`, trace(plan))
}

// A robot leaves alone what the ledger knows to be its own doing; a person's
// word goes further.
func TestOffspring(t *testing.T) {
	w := jobtest.MustParse("push test\n1 a1c0 coalesced\n2 b2d1 coalesced\n")
	pushes := w.Pushes("autoland")
	ci := jobtest.NewCI(w, nil)
	l := ledger.NewMemory()
	first, err := trigger.Make(t.Context(), ci, pushes[:1], []string{"test"}, 1, &trigger.Options{Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	runPlan(t, ci, first, &trigger.RunOptions{Ledger: l})
	for automatic, want := range map[bool]int{true: 2, false: 3} {
		plan, err := trigger.Make(t.Context(), ci, pushes, []string{"test"}, 2,
			&trigger.Options{Ledger: l, Automatic: automatic})
		if err != nil || plan.Total() != want {
			t.Errorf("automatic %t: %v\n%s", automatic, err, trace(plan))
		}
	}
}

func TestExistingBuildsOnly(t *testing.T) {
	_, _, plan := setup(t, "needs test build\npush test build\n1 a1c0 - pass\n2 b2d1 - -\n3 c3e2 - running\n"+
		"4 d4f3 - pass:expired\n", 1, &trigger.Options{ExistingOnly: true})
	wantTrace(t, "plan", `
3 wait test 1: 0 of 1 run; waiting for build, under way
1 trigger test 1: 0 of 1 run
4 left out test 1: its build build is expired, and only builds that exist are used
2 left out test 1: its build build is missing, and only builds that exist are used
total 2
`, trace(plan))
}

// having is a filter by what labels are called: they have all of the parts.
func having(parts ...string) func([]job.Runnable) []string {
	return func(catalog []job.Runnable) (out []string) {
		for _, e := range catalog {
			has := func(part string) bool { return strings.Contains(e.Label, strings.ToLower(part)) }
			if !slices.ContainsFunc(parts, func(part string) bool { return !has(part) }) {
				out = append(out, e.Label)
			}
		}
		return out
	}
}

// A filter sees each label once, with what the catalog says of it, or else its name. What
// it returns besides, or twice, makes no difference.
func TestFilter(t *testing.T) {
	build := job.Runnable{Label: "build-linux64/debug", Kind: job.KindBuild}
	test := job.Runnable{
		Label: "test-linux64/debug-xpcshell-4", Kind: job.KindTest, Upstreams: []string{build.Label},
		Parts: job.Parts{BuildType: "debug", Platform: "linux64", Suite: "xpcshell", Chunk: 4},
	}
	barred := job.Runnable{Label: "test-mac/opt-gtest", Kind: job.KindTest, Barred: "the pool is gone"}
	gone := "test-linux64/opt-xpcshell-2"
	unbarred, named := barred, job.Runnable{Label: gone, Kind: job.KindTest, Parts: job.PartsOfLabel(gone)}
	unbarred.Barred = ""
	for _, c := range []struct {
		labels     []string
		sees       []job.Runnable
		give, want []string
	}{
		{nil, []job.Runnable{build, test, barred}, []string{test.Label, "another", build.Label, test.Label}, []string{
			build.Label, test.Label,
		}},
		{nil, []job.Runnable{build, test, barred}, nil, []string{}},
		{
			[]string{barred.Label, gone, gone},
			[]job.Runnable{build, test, named, unbarred},
			[]string{barred.Label, test.Label},
			[]string{barred.Label},
		},
	} {
		catalog := []job.Runnable{test, barred, build}
		got := trigger.Choose(c.labels, catalog, nil, trigger.Choice{Filter: func(saw []job.Runnable) []string {
			if d := cmp.Diff(c.sees, saw); d != "" {
				t.Errorf("%q: the filter sees (-want +got):\n%s", c.labels, d)
			}
			return c.give
		}})
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", c.labels, d)
		}
		if catalog[1].Barred == "" {
			t.Error("the caller's catalog was changed")
		}
	}
}

func TestChoose(t *testing.T) {
	w := jobtest.MustParse(`
can linux64/opt/marionette
push    linux64/opt/xpcshell-1  linux64/opt/xpcshell-2  linux64/debug/mochitest-1  linux64/opt/build
1 a1c0  coalesced,coalesced     coalesced,pass          fail,pass                  pass
`)
	ci := jobtest.NewCI(w, nil)
	p := w.Pushes("autoland")[0]
	jobs, err := ci.Jobs(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := ci.Catalog(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	x1, x2, m1, b, mn := "linux64/opt/xpcshell-1", "linux64/opt/xpcshell-2", "linux64/debug/mochitest-1",
		"linux64/opt/build", "linux64/opt/marionette"
	for _, c := range []struct {
		name   string
		labels []string
		choice trigger.Choice
		want   []string
	}{
		{"all", nil, trigger.Choice{}, []string{m1, b, mn, x1, x2}},
		{"by name", nil, trigger.Choice{Filter: having("OPT", "xpcshell")}, []string{x1, x2}},
		{"coalesced", nil, trigger.Choice{Coalesced: true}, []string{x1}},
		{"missing", nil, trigger.Choice{Missing: true}, []string{mn}},
		{"failed", nil, trigger.Choice{Failed: true}, []string{m1}},
		{"of these", []string{x1, m1}, trigger.Choice{Failed: true}, []string{m1}},
		{"none", nil, trigger.Choice{Failed: true, Coalesced: true}, nil},
	} {
		got := trigger.Choose(c.labels, catalog, jobs, c.choice)
		if len(got) == 0 {
			got = nil
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	if got := trigger.Choose(nil, nil, jobs, trigger.Choice{Filter: having("xpcshell")}); len(got) != 2 {
		t.Errorf("without a catalog, of what ran: %q", got)
	}
}

// Labels chosen on each push, planned in one go.
func TestMakeChooses(t *testing.T) {
	w := jobtest.MustParse("push a b build\n1 a1c0 coalesced pass pass\n2 b2d1 fail coalesced pass\n" +
		"3 c3e2 not-scheduled\n")
	plan, err := trigger.Make(t.Context(), jobtest.NewCI(w, nil), w.Pushes("autoland"), nil,
		1, &trigger.Options{Choose: &trigger.Choice{Coalesced: true}})
	if err != nil {
		t.Fatal(err)
	}
	wantTrace(t, "plan", `
2 trigger b 1: 0 of 1 run (1 coalesced)
1 trigger a 1: 0 of 1 run (1 coalesced)
total 2
`, trace(plan))
	_, err = trigger.Make(context.Background(), blind{jobtest.NewCI(w, nil)}, w.Pushes("autoland"), nil,
		1, &trigger.Options{Choose: &trigger.Choice{Missing: true}})
	if err == nil {
		t.Error("what is missing is said without a catalog")
	}
}
