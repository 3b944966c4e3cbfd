package backfill_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

// trace is a result as text: the whole decision.
func trace(r backfill.FindResult) string {
	var b strings.Builder
	name := func(p *job.Push) string {
		if p == nil {
			return "none"
		}
		return fmt.Sprint(p.ID)
	}
	fmt.Fprintf(&b, "last good %s, first bad %s", name(r.LastGood), name(r.FirstBad))
	if r.NeverGood {
		b.WriteString(", never good")
	}
	b.WriteString("\n")
	for _, l := range []struct {
		what   string
		pushes []job.Push
	}{
		{"missing", r.Missing},
		{"mixed", r.Mixed},
		{"running", r.Running},
		{"unclear", r.Unclear},
		{"untestable", r.Untestable},
	} {
		if len(l.pushes) > 0 {
			fmt.Fprintf(&b, "%s:", l.what)
			for _, p := range l.pushes {
				fmt.Fprintf(&b, " %d", p.ID)
			}
			b.WriteString("\n")
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	for _, s := range r.Plan.Steps {
		fmt.Fprintf(&b, "  %d %s %s %d: %s\n", s.Push.ID, s.Action, s.Label, s.Count, s.Why)
	}
	for _, l := range r.Plan.LeftOut {
		fmt.Fprintf(&b, "  %d left out %d: %s\n", l.Push.ID, l.Count, l.Why)
	}
	return b.String()
}

// judgeTest looks whether the test ran at all.
var judgeTest = jobtest.TestJudge(analysis.ByStatus, analysis.Unclear)

// findCases are histories, and what Find makes of them.
var findCases = []struct {
	name, world, want string
	opts              backfill.FindOptions
}{
	{
		name: "a hole between good and bad",
		world: `
push    test
10 a1c0 pass
11 a2c0 -
12 a3c0 coalesced
13 a4c0 fail`,
		opts: backfill.FindOptions{Times: 2},
		want: `
last good 10, first bad 13
missing: 12 11
  12 trigger test 2: between last good 10 and first bad 13; 0 of 2 runs (1 coalesced)
  11 trigger test 2: between last good 10 and first bad 13; 0 of 2 runs
`,
	},
	{
		name: "last good, not last run",
		world: `
push    test
10 a1c0 pass
11 a2c0 pass:no-test
12 a3c0 exception
13 a4c0 running
14 a5c0 fail
15 a6c0 -
16 a7c0 fail`,
		want: `
last good 10, first bad 14
missing: 15
running: 13
unclear: 12 11
warning: 2 pushes have no clear result: their runs say nothing, or could not be read
  14 nothing test 0: known to be bad here (1 failed)
  13 nothing test 0: between last good 10 and first bad 14; 1 of 1 run (1 running)
  12 trigger test 1: between last good 10 and first bad 14; 0 of 1 run (1 exception)
  11 nothing test 0: between last good 10 and first bad 14; 1 of 1 run (1 passed)
  15 left out 1: newer than first bad 14, so it cannot have broken it
`,
	},
	{
		name: "never good, by hand: fill up to the maximum",
		world: `
push    test
9 a0c0  pass
10 a1c0 -
11 a2c0 fail
12 a3c0 -
13 a4c0 fail`,
		opts: backfill.FindOptions{MaxRevisions: 3},
		want: `
last good none, first bad 11, never good
missing: 12 10
  11 nothing test 0: known to be bad here (1 failed)
  10 trigger test 1: older than first bad 11; no good push is known; 0 of 1 run
  12 left out 1: newer than first bad 11, so it cannot have broken it
`,
	},
	{
		name: "never good, automatic: leave it alone",
		world: `
push    test
9 a0c0  pass
10 a1c0 -
11 a2c0 fail
12 a3c0 -
13 a4c0 fail`,
		opts: backfill.FindOptions{MaxRevisions: 3, Automatic: true},
		want: `
last good none, first bad 11, never good
missing: 12 10
  11 nothing test 0: known to be bad here (1 failed)
  12 left out 1: newer than first bad 11, so it cannot have broken it
  10 left out 1: never good in the last 3 pushes before a4c02a6970b7: unattended backfill leaves it alone
`,
	},
	{
		name: "automatic, and there is a good push",
		world: `
push    test
9 a0c0  pass
10 a1c0 -
11 a2c0 fail`,
		opts: backfill.FindOptions{Automatic: true},
		want: `
last good 9, first bad 11
missing: 10
  10 trigger test 1: between last good 9 and first bad 11; 0 of 1 run
`,
	},
	{
		name: "mixed is neither good nor bad",
		world: `
push    test
10 a1c0 pass
11 a2c0 pass,fail
12 a3c0 -
13 a4c0 fail`,
		opts: backfill.FindOptions{Times: 3},
		want: `
last good 10, first bad 13
missing: 12
mixed: 11
warning: it passed and failed on the same push, so it is flaky
warning: it failed in 2 of 3 runs since the last good push, which passed 1: a broken push looks as good with probability 0.33; 3 runs on each push would make it 0.05 or less
warning: runs on each push say little about a flaky job: search for the culprit instead (mozci culprit), which weighs every run
  12 trigger test 3: between last good 10 and first bad 13; 0 of 3 runs
  11 trigger test 1: between last good 10 and first bad 13; 2 of 3 runs (1 failed, 1 passed)
`,
	},
	{
		name: "bad, good, bad: not monotone",
		world: `
push    test
10 a1c0 pass
11 a2c0 fail
12 a3c0 pass
13 a4c0 -
14 a5c0 fail,fail`,
		want: `
last good 12, first bad 14
missing: 13
warning: it failed on push 11 too, which is older than the last good one: it is flaky, or was broken and fixed in between
warning: it failed in 2 of 2 runs since the last good push, which passed 1: a broken push looks as good with probability 0.25; 3 runs on each push would make it 0.05 or less
warning: runs on each push say little about a flaky job: search for the culprit instead (mozci culprit), which weighs every run
  13 trigger test 1: between last good 12 and first bad 14; 0 of 1 run
`,
	},
	{
		name: "a mixed start is bad enough",
		world: `
push    test
10 a1c0 pass*4
11 a2c0 -
12 a3c0 pass,fail`,
		want: `
last good 10, first bad 12
missing: 11
warning: it passed and failed on the same push, so it is flaky
warning: it failed in 1 of 2 runs since the last good push, which passed 4: a broken push looks as good with probability 0.06; 5 runs on each push would make it 0.05 or less
warning: runs on each push say little about a flaky job: search for the culprit instead (mozci culprit), which weighs every run
  11 trigger test 1: between last good 10 and first bad 12; 0 of 1 run
`,
	},
	{
		name: "untestable pushes and builds",
		world: `
needs test build
push    test build
10 a1c0 pass pass
11 a2c0 -    -
12 a3c0 not-scheduled
13 -    stripped
14 a5c0 -    busted
15 a6c0 -    running
16 a7c0 cancelled pass
17 a8c0 fail pass`,
		want: `
last good 10, first bad 17
missing: 16 15 14 11
untestable: 13 12
  15 wait test 1: between last good 10 and first bad 17; 0 of 1 run; waiting for build, under way
  11 build build 1: test needs it, and it never ran here
  11 wait test 1: between last good 10 and first bad 17; 0 of 1 run; waiting for build, triggered above
  16 left out 1: between last good 10 and first bad 17; a person cancelled it here, so mozci leaves it alone
  14 left out 1: between last good 10 and first bad 17; its build build failed here
  13 left out 1: between last good 10 and first bad 17; not testable: no changesets are left in it
  12 left out 1: between last good 10 and first bad 17; not testable: nothing is scheduled on it
`,
	},
	{
		name: "holes of a performance job",
		world: `
push    test
10 a1c0 pass
11 a2c0 -
12 a3c0 pass
13 a4c0 coalesced
14 a5c0 pass,pass`,
		opts: backfill.FindOptions{Holes: true, Times: 2},
		want: `
last good 12, first bad none
missing: 13 11
  14 nothing test 0: a hole; 2 of 2 runs (2 passed)
  13 trigger test 2: a hole; 0 of 2 runs (1 coalesced)
  12 trigger test 1: a hole; 1 of 2 runs (1 passed)
  11 trigger test 2: a hole; 0 of 2 runs
  10 trigger test 1: a hole; 1 of 2 runs (1 passed)
`,
	},
	{
		name: "newer pushes, when they are asked for",
		world: `
push    test
10 a1c0 pass
11 a2c0 -
12 a3c0 fail
13 a4c0 -
14 a5c0 fail`,
		opts: backfill.FindOptions{FillNewer: true},
		want: `
last good 10, first bad 12
missing: 13 11
  13 trigger test 1: newer than first bad 12; 0 of 1 run
  12 nothing test 0: known to be bad here (1 failed)
  11 trigger test 1: between last good 10 and first bad 12; 0 of 1 run
`,
	},
	{
		name: "nothing is missing",
		world: `
push    test
10 a1c0 pass
11 a2c0 fail`,
		want: "last good 10, first bad 11\n",
	},
}

func TestFind(t *testing.T) {
	for _, c := range findCases {
		t.Run(c.name, func(t *testing.T) {
			ci := jobtest.NewCI(jobtest.MustParse(c.world), nil)
			repo, err := ci.Repository("autoland")
			if err != nil {
				t.Fatal(err)
			}
			c.opts.Judge = judgeTest
			r, err := backfill.Find(t.Context(), repo, ci, "test", "tip", &c.opts)
			if err != nil {
				t.Fatal(err)
			}
			got := trace(r)
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestFindRefuses(t *testing.T) {
	world := jobtest.MustParse(`
push    linux64/opt/xpcshell-1  linux64/opt/reftest-3
10 a1c0 pass                    pass
11 a2c0 -                       pending
12 a3c0 pass                    fail
`)
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	label := "linux64/opt/xpcshell-1"
	for name, c := range map[string]struct {
		label, rev string
		opts       backfill.FindOptions
		want       error
		says       string
	}{
		"good": {
			label, "a3c0", backfill.FindOptions{}, backfill.ErrNotBad, label + " did not fail on push 12 (1 passed)",
		},
		"not run": {label, "a2c0", backfill.FindOptions{}, backfill.ErrNotBad, "(no runs)"},
		"pending": {
			"linux64/opt/reftest-3", "a2c0",
			backfill.FindOptions{},
			backfill.ErrNotBad,
			"1 queued",
		},
		"unknown revision": {label, "beef", backfill.FindOptions{}, job.ErrNotFound, "unknown revision"},
		"torn revision":    {label, "xyzzy", backfill.FindOptions{}, job.ErrNotFound, "xyzzy"},
		"unknown label": {
			"linux64/opt/xpcshell", "a3c0",
			backfill.FindOptions{},
			job.ErrNotFound,
			"did you mean linux64/opt/xpcshell-1,",
		},
		"no label": {"", "a3c0", backfill.FindOptions{}, job.ErrInvalid, "none given"},
		"times": {
			label, "a3c0",
			backfill.FindOptions{Times: -1},
			job.ErrInvalid,
			"times: invalid: -1, expected 1 or more",
		},
		"negative revs":     {label, "a3c0", backfill.FindOptions{MaxRevisions: -1}, job.ErrInvalid, "max revisions"},
		"negative parallel": {label, "a3c0", backfill.FindOptions{Width: -1}, job.ErrInvalid, "width"},
	} {
		_, err := backfill.Find(t.Context(), repo, ci, c.label, c.rev, &c.opts)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: error %v, expected %v with %q", name, err, c.want, c.says)
		}
	}
	// A CI without a catalog knows the labels that ran.
	_, err = backfill.Find(t.Context(), repo, jobtest.Slow(ci, 0), "linux64/opt/reftest", "a3c0", nil)
	if !errors.Is(err, job.ErrNotFound) || !strings.Contains(err.Error(), "did you mean linux64/opt/reftest-3") {
		t.Errorf("without a catalog: %v", err)
	}
}

// A push that cannot be read is said, its error comes with the result, and the
// walk goes on.
func TestOneBrokenPush(t *testing.T) {
	world := jobtest.MustParse("push test\n1 a1c0 pass\n2 a2c0 -\n3 a3c0 -\n4 a4c0 fail\n")
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	broken := jobtest.Failing(ci, func(p job.Push) bool { return p.ID == 2 })
	r, err := backfill.Find(t.Context(), repo, broken, "test", "tip", nil)
	if !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("error %v, expected ErrUnavailable", err)
	}
	want := `
last good 1, first bad 4
missing: 3
unclear: 2
warning: 1 push has no clear result: its runs say nothing, or could not be read
  3 trigger test 1: between last good 1 and first bad 4; 0 of 1 run
  2 left out 1: could not be read: jobs autoland 2 a2c0c2debe34: unavailable: made to fail
`
	if d := cmp.Diff(strings.TrimPrefix(want, "\n"), trace(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestResultJSON(t *testing.T) {
	world := jobtest.MustParse("push test\n1 a1c0 fail\n2 a2c0 fail\n")
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	r, err := backfill.Find(t.Context(), repo, ci, "test", "tip", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	first, ok := got["first_bad"].(map[string]any)
	if !ok || first["id"] != 1.0 || first["repo"] != "autoland" || got["last_good"] != nil ||
		got["never_good"] != true {
		t.Errorf("%s", text)
	}
	for _, list := range []string{"missing", "mixed", "running", "unclear", "untestable", "warnings"} {
		if _, ok := got[list].([]any); !ok {
			t.Errorf("%s is %v, expected a list", list, got[list])
		}
	}
}

// A failure that a robot's own backfill produced is not backfilled again; a
// person who asks gets what is missing.
func TestNoBackfillOfABackfill(t *testing.T) {
	world := jobtest.MustParse("push test\n1 a1c0 pass\n2 a2c0 -\n3 a3c0 fail\n")
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	memory := ledger.NewMemory()
	ours := ledger.Entry{Key: "ours", Label: "test", Push: world.Pushes("autoland")[2], Count: 1}
	accepted(t, memory, ours)
	for automatic, want := range map[bool]string{
		true:  "2 left out 1: mozci triggered the runs on a3c0",
		false: "2 trigger test 1: between",
	} {
		r, err := backfill.Find(t.Context(), repo, ci, "test", "a3c0",
			&backfill.FindOptions{Automatic: automatic, Ledger: memory})
		if err != nil || !strings.Contains(trace(r), want) {
			t.Errorf("automatic %t: %v\n%s", automatic, err, trace(r))
		}
	}
}

// accepted is a request that a CI took.
func accepted(t *testing.T, l ledger.Ledger, e ledger.Entry) {
	t.Helper()
	e, _, err := l.Intend(t.Context(), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.State = ledger.Accepted
	if err := l.Settle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}
