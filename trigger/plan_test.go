package trigger_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
)

// Times is a total: whatever has a result or will have one counts.
func TestTimesIsATotal(t *testing.T) {
	_, _, plan := setup(t, `
push    test
10 a1c0 pass
11 a2c0 fail,fail,fail
12 a3c0 pending,running
13 a4c0 unscheduled,unknown,busted
14 a5c0 coalesced,skipped
15 a6c0 exception,retry,pass
16 a7c0 cancelled
17 a8c0 exception*4
18 a9c0 -
19 aac0 not-scheduled
20 -    stripped
21 abc0 cancelled,pass*3
`, 3, nil)
	wantTrace(t, "plan", `
21 nothing test 0: 3 of 3 runs (3 passed, 1 cancelled)
18 trigger test 3: 0 of 3 runs
15 trigger test 2: 1 of 3 runs (1 passed, 1 exception, 1 retried)
14 trigger test 3: 0 of 3 runs (1 coalesced, 1 skipped)
13 nothing test 0: 3 of 3 runs (1 failed, 1 waiting, 1 in an unknown state)
12 trigger test 1: 2 of 3 runs (1 running, 1 queued)
11 nothing test 0: 3 of 3 runs (3 failed)
10 trigger test 2: 1 of 3 runs (1 passed)
20 left out test 3: not testable: no changesets are left in it
19 left out test 3: not testable: nothing is scheduled on it
17 left out test 3: infrastructure ended 4 runs here, more than 3
16 left out test 3: a person cancelled it here, so mozci leaves it alone
total 11
`, trace(plan))
}

// ActionBuild first: working > under way > expired > failed > missing, one build for
// each push.
func TestBuildFirst(t *testing.T) {
	_, _, plan := setup(t, `
needs test build
push    test    build
10 a1c0 -       pass
11 a2c0 -       running
12 a3c0 -       pass:expired
13 a4c0 -       busted
14 a5c0 -       -
15 a6c0 -       cancelled
16 a7c0 -       busted,pass
17 a8c0 -       pass:expired,pending
18 a9c0 -       busted,pass:expired
19 aac0 pass    -
20 abc0 -       exception
`, 1, nil)
	wantTrace(t, "plan", `
20 build build 1: test needs it, and no run of it built anything
20 wait test 1: 0 of 1 run; waiting for build, triggered above
19 nothing test 0: 1 of 1 run (1 passed)
18 build build 1: test needs it, and its files are gone
18 wait test 1: 0 of 1 run; waiting for build, triggered above
17 wait test 1: 0 of 1 run; waiting for build, under way
16 trigger test 1: 0 of 1 run
14 build build 1: test needs it, and it never ran here
14 wait test 1: 0 of 1 run; waiting for build, triggered above
12 build build 1: test needs it, and its files are gone
12 wait test 1: 0 of 1 run; waiting for build, triggered above
11 wait test 1: 0 of 1 run; waiting for build, under way
10 trigger test 1: 0 of 1 run
15 left out test 1: a person cancelled its build build here
13 left out test 1: its build build failed here
total 12
`, trace(plan))
}

// Two labels that need one build ask for it once on each push.
func TestOneBuildForEachPush(t *testing.T) {
	w := jobtest.MustParse("needs test build\nneeds other build\npush test other build\n1 a1c0 - - -\n2 b2d1 - - -\n")
	plan, err := trigger.Make(t.Context(), jobtest.NewCI(w, nil), w.Pushes("autoland"), []string{"test", "other"}, 1,
		nil)
	if err != nil {
		t.Fatal(err)
	}
	builds := 0
	for _, s := range plan.Steps {
		if s.Action == trigger.ActionBuild {
			builds++
		}
	}
	if builds != 2 || plan.Total() != 6 {
		t.Errorf("%d builds, total %d; expected 2 builds for 2 pushes, 6 runs in all", builds, plan.Total())
	}
}

// A label that is asked for and is also another's build is asked for once.
func TestBuildThatIsAlsoWanted(t *testing.T) {
	w := jobtest.MustParse("needs test build\npush test build\n1 a1c0 - -\n")
	plan, err := trigger.Make(t.Context(), jobtest.NewCI(w, nil), w.Pushes("autoland"), []string{"test", "build"}, 2,
		nil)
	if err != nil {
		t.Fatal(err)
	}
	wantTrace(t, "plan", `
1 trigger build 2: 0 of 2 runs
1 wait test 2: 0 of 2 runs; waiting for build, triggered above
total 4
`, trace(plan))
}

func TestPlansThatMakeNoSense(t *testing.T) {
	w := jobtest.MustParse("push linux64/opt/xpcshell-1 linux64/opt/reftest-3\n1 a1c0 - -\n")
	ci := jobtest.NewCI(w, nil)
	pushes := w.Pushes("autoland")
	label := []string{"linux64/opt/xpcshell-1"}
	for name, c := range map[string]struct {
		pushes []job.Push
		labels []string
		times  int
		want   error
		says   string
	}{
		"times 0":   {pushes, label, 0, job.ErrInvalid, "0, expected 1 or more"},
		"times -1":  {pushes, label, -1, job.ErrInvalid, "-1, expected 1 or more"},
		"no pushes": {nil, label, 1, job.ErrInvalid, "no pushes in the range"},
		"no labels": {pushes, nil, 1, job.ErrInvalid, "none given"},
		"unknown label": {
			pushes,
			[]string{"linux64/opt/xpshell-1"},
			1, job.ErrNotFound,
			"did you mean linux64/opt/xpcshell-1,",
		},
	} {
		_, err := trigger.Make(t.Context(), ci, c.pushes, c.labels, c.times, nil)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, expected %v with %q", name, err, c.want, c.says)
		}
	}
}

// A push that cannot be read is left out and said; the others are planned.
func TestOnePushThatFailsDoesNotLoseTheOthers(t *testing.T) {
	w := jobtest.MustParse("push test\n1 a1c0 -\n2 b2d1 -\n3 c3e2 -\n")
	ci := jobtest.Failing(jobtest.NewCI(w, nil), func(p job.Push) bool { return p.ID == 2 })
	plan, err := trigger.Make(t.Context(), ci, w.Pushes("autoland"), []string{"test"}, 1, nil)
	if !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("error %v, expected ErrUnavailable", err)
	}
	if len(plan.Steps) != 2 || len(plan.LeftOut) != 1 || plan.LeftOut[0].Push.ID != 2 {
		t.Errorf("plan:\n%s", trace(plan))
	}
}

func TestPlanJSON(t *testing.T) {
	ci, _, plan := setup(t, "needs test build\npush test build\n1 a1c0 - -\n2 b2d1 pass -\n3 c3e2 cancelled -\n", 1,
		nil)
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var back trigger.Plan
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(trace(plan), trace(back)); d != "" {
		t.Errorf("read back (-want +got):\n%s", d)
	}
	done := runPlan(t, ci, back, nil)
	text, err = json.Marshal(done)
	if err != nil || !strings.Contains(string(text), `"receipt":{"ids":["run-3"],"state":"created"}`) {
		t.Errorf("after acting: %s, %v", text, err)
	}
	for edit, says := range map[string][2]string{
		"count": {`"count":1,"times"`, `"count":-1,"times"`},
		"more":  {`"count":1,"times"`, `"count":2,"times"`},
		"label": {
			`"label":"test","push":{"repo":"autoland","id":1,`,
			`"label":"best","push":{"repo":"autoland","id":1,`,
		},
		"repo":   {`"repo":"autoland","id":1`, `"repo":"try","id":1`},
		"action": {`"action":"wait"`, `"action":"destroy"`},
		"torn":   {`"left_out"`, ``},
	} {
		torn := strings.Replace(string(text), says[0], says[1], 1)
		if torn == string(text) {
			t.Fatalf("%s: nothing was edited in %s", edit, text)
		}
		if err := json.Unmarshal([]byte(torn), &back); err == nil {
			t.Errorf("%s: an edited plan is read without an error", edit)
		}
	}
}
