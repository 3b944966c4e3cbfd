package jobtest_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// Every feature of the grammar, once; the package comment has the same.
const everything = `
# A line that begins with # is a comment.
start 2026-02-01T08:00:00Z
every 5m
seed 42
repo autoland
kind linux64/opt/smoke build
can linux64/opt/marionette
needs linux64/opt/xpcshell-1 linux64/opt/smoke
takes linux64/opt/smoke 40m
truth linux64/opt/xpcshell-1 culprit=19 before=0.25 after=1 infra=0.5 until=30 sig=a flake=b
push      linux64/opt/xpcshell-1   linux64/opt/smoke
17 a1c0   pass                     success:expired            user=dev@mozilla.example
18 b2d1   -                        pass
19 c3e2   pass:no-test,fail*2:sig=dom/a=b.html:by=x      busted:class=fixed:v=-1.5e3
20 d4f3   pending,running,unknown,unscheduled   pass          undoes=19
21 e5a4   not-scheduled
22 -      stripped
30 f6b5   coalesced,skipped,cancelled,exception,retry   pass
repo mozilla-central
push linux64/opt/xpcshell-1
5 0a1b    pass
6 0b2c    fail   merge=autoland:17..20
`

func TestWorldHoldsItsHistory(t *testing.T) {
	w := jobtest.MustParse(everything)
	ci := jobtest.NewCI(w, nil)
	var got []string
	for _, p := range w.Pushes("autoland") {
		jobs, err := ci.Jobs(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprint(p.Time.Format("15:04 "), p.ID, " ", p.Revision[:min(4, len(p.Revision))])
		for _, j := range jobs {
			line += " " + j.Status().String()
			if !jobtest.RanTest(j) {
				line += "(no test)"
			}
		}
		got = append(got, line)
	}
	want := []string{
		"08:00 17 a1c0 success success",
		"08:05 18 b2d1 success",
		"08:10 19 c3e2 success(no test) test_failed test_failed busted",
		"08:15 20 d4f3 pending running unknown unscheduled success",
		"08:20 21 e5a4",
		"08:25 22 ",
		"08:30 30 f6b5 coalesced skipped cancelled exception retry success",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
}

func TestWorldMergesAndBackouts(t *testing.T) {
	w := jobtest.MustParse(everything)
	ci := jobtest.NewCI(w, nil)
	central, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	merge, err := central.Push(t.Context(), "0b2c")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(merge.Changesets); n != 5 || len(merge.Changesets[4].Parents) != 2 {
		t.Errorf("the merge push has %d changesets, its tip %q as parents; expected 5 and two", n,
			merge.Changesets[n-1].Parents)
	}
	origins, err := job.Origins(t.Context(), central, merge)
	if err != nil || len(origins) != 1 || len(origins[0].Pushes) != 4 || origins[0].Pushes[0].ID != 17 {
		t.Errorf("origins = %v, %v; expected autoland 17 to 20", origins, err)
	}
	autoland, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	undone, err := autoland.Push(t.Context(), "c3e2")
	if err != nil {
		t.Fatal(err)
	}
	by, err := job.Backouts(t.Context(), autoland, undone)
	if err != nil || len(by) != 1 || by[0].ID != 20 {
		t.Errorf("backouts of 19 = %v, %v; expected push 20", by, err)
	}
}

// Each torn line says file, line, column and what was expected there.
func TestTornWorlds(t *testing.T) {
	grid := "push a b\n1 a1c0 pass pass\n"
	for text, want := range map[string]string{
		"":                                      "w:1:1: the world is empty",
		"1 a1c0 pass":                           "w:1:1: a push before the line",
		"what is this":                          `w:1:1: "what": expected a push id, or one of`,
		grid + "2 b2d1 pass":                    "w:3:1: push 2 has 1 cells, expected 2",
		grid + "2 b2d1 pass pass fail":          "w:3:18: push 2 has 3 cells, expected 2",
		grid + "2 b2d1 pass purple":             `w:3:13: "purple": expected -, pass, fail`,
		grid + "2 b2d1 pass pass,fail*0":        `w:3:18: "fail*0": expected a number from 1`,
		grid + "2 b2d1 pass pass:blue":          `w:3:13: flag "blue"`,
		grid + "2 xyz pass pass":                `w:3:3: revision "xyz"`,
		grid + "2 a1 pass pass":                 `w:3:3: revision "a1"`,
		grid + "2 a1c0 pass pass":               `w:3:3: revision "a1c0" is also the start of push 1's`,
		grid + "1 b2d1 pass pass":               "w:3:1: push 1 after push 1",
		grid + "2x b2d1 pass pass":              `w:3:1: "2x": expected a push id`,
		grid + "99999999999999999999 b2d1 - -":  "w:3:1:",
		grid + "2 b2d1":                         "w:3:1: push 2 has 0 cells",
		grid + "2":                              "w:3:1: expected: ID REVISION",
		grid + "2 - pass pass":                  "w:3:1: a push with the revision - must say",
		grid + "2 b2d1 stripped":                "w:3:8: a stripped push",
		grid + "2 b2d1 - - merge=x:1..2":        "w:3:12: merge of pushes 1..2 of x",
		grid + "2 b2d1 - - merge=x":             "w:3:12:",
		grid + "2 b2d1 - - undoes=7":            "w:3:12:",
		grid + "2 b2d1 - - colour=7":            `w:3:12: attribute "colour"`,
		grid + "seed 7":                         "w:3:1: seed comes before the first push",
		grid + "needs a b":                      "w:3:1: needs comes before",
		grid + "push c":                         "w:3:1: repository autoland has a line",
		"seed -1\n" + grid:                      "w:1:6:",
		"seed 1\nseed 1\n" + grid:               "w:2:1: seed is given twice",
		"every 0s\n" + grid:                     "w:1:7:",
		"start yesterday\n" + grid:              "w:1:7:",
		"kind a blue\n" + grid:                  "w:1:8:",
		"kind c build\n" + grid:                 "label c of repository autoland",
		"needs a a\n" + grid:                    "w:1:9: a cannot need itself",
		"needs a b\nneeds b a\n" + grid:         "one level is all there is",
		"can a\n" + grid:                        "w:2:6: label a is given twice",
		"truth a before=1\n" + grid:             "w:1:1: a truth needs culprit",
		"truth a culprit=9\n" + grid:            "w:1:7: the truth of a: repository autoland has no push 9",
		"truth a culprit=1 before=2\n" + grid:   "w:1:19:",
		"truth a culprit=1 before=NaN\n" + grid: "w:1:19:",
		"repo x\nrepo x\n" + grid:               "w:2:6: repository x is described twice",
		"repo x\n":                              "repository x has no line",
		"push a=b\n":                            "w:1:6: label",
		strings.Repeat("a", 1<<20+1):            "w:1:1: a line is longer",
	} {
		isTorn(t, text, want)
	}
}

func isTorn(t *testing.T, text, want string) {
	t.Helper()
	_, err := jobtest.ParseWorld("w", strings.NewReader(text))
	var torn *jobtest.SyntaxError
	switch {
	case !errors.As(err, &torn) || !errors.Is(err, job.ErrInvalid):
		t.Errorf("%.60q: error %v, expected a SyntaxError that is ErrInvalid", text, err)
	case !strings.Contains(err.Error(), want):
		t.Errorf("%.60q:\n got %v\nwant %s", text, err, want)
	}
}

// So does what is said of a cell, and of a truth.
func TestTornFlagsAndTruths(t *testing.T) {
	grid := "push a b\n1 a1c0 pass pass\n"
	for text, want := range map[string]string{
		grid + "2 b2d1 pass fail:sig":              `w:3:13: flag "sig": expected no-test`,
		grid + "2 b2d1 pass fail:sig=":             `w:3:13: sig="": expected a name`,
		grid + "2 b2d1 pass fail:by=":              `w:3:13: by="": expected a name`,
		grid + "2 b2d1 fail:by=\xff fail":          `w:3:8: by="\xff": expected a name`,
		grid + "2 b2d1 pass fail,fail:sig=a:sig=b": `w:3:18: flag sig is given twice`,
		grid + "2 b2d1 pass pass:v=":               `w:3:13: value "": expected a number`,
		grid + "2 b2d1 pass pass:v=Inf":            `w:3:13: value "Inf"`,
		grid + "2 b2d1 pass pass:v=nan":            `w:3:13: value "nan"`,
		grid + "2 b2d1 pass pass:v=1e999":          `w:3:13: value "1e999"`,
		grid + "2 b2d1 pass fail:class=blue":       `w:3:13: class "blue": expected intermittent`,
		grid + "2 b2d1 pass pass:class=fixed":      `w:3:13: a run that ends as success is not classified`,
		grid + "2 b2d1 cancelled:class=auto -":     `w:3:8: a run that ends as cancelled is not`,
		grid + "2 b2d1 - fail:no-test=1":           `w:3:10: flag "no-test=1"`,
		grid + "2 b2d1 - fail:sig=" + strings.Repeat("a", 301): `w:3:10: sig="` + strings.Repeat("a", 40) +
			`": expected`,
		"truth a culprit=1 until=1\n" + grid: "w:1:1: until=1: the break of push 1 ends with a newer",
		"truth a culprit=1 until=0\n" + grid: `w:1:19: "until=0": expected until=ID`,
		"truth a culprit=1 until=2\n" +
			grid: "w:1:7: the truth of a: repository autoland has no push 2",
		"truth a culprit=1 sig=\n" + grid:        `w:1:19: sig="": expected a name`,
		"truth a culprit=1 flake=a,b\n" + grid:   `w:1:19: "flake=a,b": a name has no comma`,
		"truth a culprit=1 sig=a sig=b\n" + grid: "w:1:25: sig is given twice",
		"truth a culprit=1 other=1.5\n" + grid:   "w:1:19:",
		"truth a culprit=1 colour=a\n" + grid:    `w:1:19: "colour=a": expected culprit=ID, until=ID`,
	} {
		isTorn(t, text, want)
	}
}

// Later runs depend on the seed and the push alone: asking in another order,
// or on another day, changes nothing.
func TestTruthIsDeterministic(t *testing.T) {
	w := jobtest.MustParse(`
seed 3
truth flaky culprit=3 before=0.1 after=0.6
push flaky
1 a1c0 -
2 b2d1 -
3 c3e2 -
4 d4f3 -
`)
	failures := func(order []int) map[int64]int {
		ci := jobtest.NewCI(w, nil)
		out := map[int64]int{}
		for _, i := range order {
			p := w.Pushes("autoland")[i]
			if _, err := ci.Trigger(t.Context(), job.Request{Label: "flaky", Push: p, Count: 500}); err != nil {
				t.Fatal(err)
			}
			for e, err := range ci.Watch(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Job.Status() == job.StatusTestFailed {
					out[p.ID]++
				}
			}
		}
		return out
	}
	a, b := failures([]int{0, 1, 2, 3}), failures([]int{3, 1, 0, 2})
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("another order gives other results:\n%s", d)
	}
	for id, n := range a {
		want := 50
		if id >= 3 {
			want = 300
		}
		if n < want-40 || n > want+40 {
			t.Errorf("push %d failed %d times of 500, expected about %d", id, n, want)
		}
	}
}

func FuzzParseWorld(f *testing.F) {
	f.Add(everything)
	f.Add(kitWorld)
	f.Add("push a\n1 a1c0 pass*2:no-test:expired,-\n")
	f.Add("truth a culprit=1 until=2 sig=x flake=y\npush a\n" +
		"1 a1c0 fail*2:sig=a:by=x:class=auto:v=1,retry user=a:b\n2 b2d1 -\n")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := jobtest.ParseWorld("w", strings.NewReader(text))
		if err != nil {
			var torn *jobtest.SyntaxError
			if !errors.As(err, &torn) || torn.Line < 1 || torn.Column < 1 {
				t.Fatalf("error %v does not say where", err)
			}
			return
		}
		if len(text) < 2000 { // it plays to its end, as nothing in it is for ever
			jobtest.NewCI(w, &jobtest.CIOptions{Play: true}).Advance(1 << 62)
		}
		for _, name := range w.Repositories() {
			last := int64(0)
			for _, p := range w.Pushes(name) {
				if p.ID <= last || (p.Revision != "" && len(p.Revision) != 40) {
					t.Fatalf("push %+v after %d", p, last)
				}
				last = p.ID
			}
		}
	})
}

// What labels of a world are made of, and which tests its manifests have.
func TestPartsAndLists(t *testing.T) {
	w := jobtest.MustParse(`
repo autoland
needs linux64/opt/xpcshell-4 linux64-asan/opt/build
lists dom/a.toml dom/test_a.html dom/test_b.html
push linux64/opt/xpcshell-4 linux64-asan/opt/build test-linux/debug-gtest mine
1 a001 pass pass pass pass
`)
	ci := jobtest.NewCI(w, nil)
	push := pushOf(t, ci, "autoland")
	entries, err := ci.Catalog(t.Context(), push)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]job.Parts{}
	for _, e := range entries {
		got[e.Label] = e.Parts
	}
	want := map[string]job.Parts{
		"linux64/opt/xpcshell-4": {
			BuildType: "opt", Platform: "linux64-asan", TestPlatform: "linux64", Suite: "xpcshell", Chunk: 4,
		},
		"linux64-asan/opt/build": {BuildType: "opt", Platform: "linux64-asan"},
		"test-linux/debug-gtest": {BuildType: "debug", TestPlatform: "linux", Suite: "gtest"},
		"mine":                   {},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	lists, err := job.TestsByManifest(t.Context(), ci, push)
	listed := map[string][]string{"dom/a.toml": {"dom/test_a.html", "dom/test_b.html"}}
	if d := cmp.Diff(listed, lists); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	other := jobtest.NewCI(jobtest.MustParse("push x\n1 a001 pass\n"), nil)
	_, err = job.TestsByManifest(t.Context(), other, pushOf(t, other, "autoland"))
	if !errors.Is(err, job.ErrNotFound) {
		t.Errorf("of a world without lists: %v", err)
	}
	for _, text := range []string{"lists a\npush x\n", "push x\nlists a b\n", "lists a b\nlists a c\npush x\n"} {
		if _, err := jobtest.ParseWorld("w", strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func pushOf(t *testing.T, ci *jobtest.CI, name string) job.Push {
	t.Helper()
	repo, err := ci.Repository(name)
	if err != nil {
		t.Fatal(err)
	}
	push, err := repo.Push(t.Context(), "a001")
	if err != nil {
		t.Fatal(err)
	}
	return push
}

// Beside the truth's own failures there are others, at their rate, of which the logs say
// that they are others; without them nothing else changes.
func TestTruthWithOthers(t *testing.T) {
	of := func(others string) (truths, other int, ended string) {
		w := jobtest.MustParse("seed 3\ntruth l culprit=2 before=0 after=0.5 sig=broke " + others +
			"\npush l\n1 a1c0 -\n2 b2d1 -\n")
		ci := jobtest.NewCI(w, nil)
		for _, p := range w.Pushes("autoland") {
			if _, err := ci.Trigger(t.Context(), job.Request{Label: "l", Push: p, Count: 400}); err != nil {
				t.Fatal(err)
			}
		}
		ci.Advance(time.Hour)
		for _, p := range w.Pushes("autoland") {
			jobs, err := ci.Jobs(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range jobs {
				log, err := ci.OpenLog(t.Context(), j, job.LogText)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(log)
				if err != nil {
					t.Fatal(err)
				}
				word := "."
				switch {
				case strings.Contains(string(text), "UNEXPECTED-FAIL | broke"):
					truths++
					word = "x"
				case strings.Contains(string(text), "UNEXPECTED-FAIL | other"):
					other++
				}
				ended += word
			}
		}
		return truths, other, ended
	}
	truths, other, ended := of("other=0.3")
	alone, none, without := of("")
	if truths < 170 || truths > 230 || other < 140 || other > 220 { // 200, and 0.3 of 600
		t.Errorf("%d broke, %d others failed", truths, other)
	}
	if alone != truths || none != 0 || ended != without {
		t.Errorf("without others: %d broke instead of %d, %d others", alone, truths, none)
	}
}
