package backfill_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// hasWords reports whether one of the warnings holds each of the words.
func hasWords(warnings []string, words ...string) bool {
	return slices.ContainsFunc(warnings, func(w string) bool {
		return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(w, word) })
	})
}

// The test is in no run up to push 12: nothing older is asked for or suspected.
func TestBornTest(t *testing.T) {
	world := string(testenv.Read(t, "cases", "triggering", "born2.txt"))
	const label = "linux64/opt/xpcshell-1"
	ci, repo := open(t, world)
	found, err := backfill.Find(t.Context(), repo, ci, label, "tip", &backfill.FindOptions{Test: "test"})
	if err != nil || found.Born == nil || found.Born.ID != 15 {
		t.Fatalf("%v, born %v", err, found.Born)
	}
	for _, s := range found.Plan.Steps {
		if s.Push.ID < 13 && s.Action != "nothing" {
			t.Errorf("%s on %s", s.Action, s.Push)
		}
	}
	if found.Plan.Total() != 1 || !hasWords(found.Warnings, "the test test did not exist up to push", "12", "15") {
		t.Errorf("%d runs, %q", found.Plan.Total(), found.Warnings)
	}
	if len(found.Untestable) != 6 || len(found.Unclear) != 0 || len(found.Missing) != 1 {
		t.Errorf("untestable %v, unclear %v, missing %v", found.Untestable, found.Unclear, found.Missing)
	}

	for culpritOf, want := range map[string]string{
		"truth " + label + " culprit=13 before=0 after=1\n": "culprit [13]", // it failed since it exists
		"truth " + label + " culprit=15 before=0 after=1\n": "culprit [15]",
		"": "not_a_regression []",
	} {
		ci, repo := open(t, culpritOf+world)
		r, err := backfill.Search(t.Context(), repo, ci, label, "tip", &backfill.SearchOptions{Test: "test"})
		if err != nil {
			t.Fatal(err)
		}
		var class []int64
		for _, p := range r.Class {
			class = append(class, p.ID)
		}
		// A flake is known by runs of the failing push alone, and push 13 has none then.
		first, words := int64(13), "the test test did not exist before push autoland 13"
		if culpritOf == "" {
			first, words = 15, "the test test did not exist up to push autoland 12"
		}
		if got := fmt.Sprint(r.Outcome, " ", class); got != want || r.Born == nil || r.Born.ID != first {
			t.Errorf("%s: %s, born %v\n%s", culpritOf, got, r.Born, told(r))
		}
		if ids(r)[0] != 12 || bought(r)[0] < 13 ||
			!hasWords(r.Warnings, words) {
			t.Errorf("%s: range %v, bought on %v, %q", culpritOf, ids(r), bought(r), r.Warnings)
		}
	}
}

// Where pushes since the birth cannot be run, the answer is all of those that can have
// brought the failure with the test.
func TestBornAndBroken(t *testing.T) {
	ci, repo := open(t, `
truth test culprit=13 before=0 after=1
push  test
10 a0c0 -
11 a1c0 pass:no-test
12 a2c0 not-scheduled
13 a3c0 fail`)
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &backfill.SearchOptions{Test: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != culprit.Found || len(r.Class) != 2 || r.Class[0].ID != 12 || r.Born.ID != 13 ||
		!strings.Contains(r.Why, "did not exist before") {
		t.Errorf("%v %s", r.Class, told(r))
	}
	if !hasWords(r.Warnings, "did not exist before push autoland 13") {
		t.Errorf("%q", r.Warnings)
	}
}

// A test that was there before is not born, whatever is between; a push that did not
// run it is no evidence; nor is a run that was lost.
func TestNotBorn(t *testing.T) {
	for name, grid := range map[string]string{
		"it was there before": "10 a0c0 pass\n11 a1c0 pass:no-test\n12 a2c0 -\n13 a3c0 -\n14 a4c0 fail",
		"it did not run":      "10 a0c0 -\n11 a1c0 coalesced\n12 a2c0 not-scheduled\n13 a3c0 -\n14 a4c0 fail",
		"infrastructure":      "10 a0c0 exception\n11 a1c0 exception\n12 a2c0 -\n13 a3c0 -\n14 a4c0 fail",
		"it is newer":         "10 a0c0 pass\n11 a1c0 -\n12 a2c0 -\n13 a3c0 pass:no-test\n14 a4c0 fail",
	} {
		ci, repo := open(t, "truth test culprit=13 before=0 after=1\npush test\n"+grid)
		found, err := backfill.Find(t.Context(), repo, ci, "test", "tip", &backfill.FindOptions{Test: "test"})
		if err != nil || found.Born != nil {
			t.Errorf("%s: %v, born %v", name, err, found.Born)
		}
		r, err := backfill.Search(t.Context(), repo, ci, "test", "tip",
			&backfill.SearchOptions{Test: "test", DryRun: true})
		if err != nil || r.Born != nil || ids(r)[0] != 10 {
			t.Errorf("%s: %v, born %v, range %v", name, err, r.Born, ids(r))
		}
	}
}

// catalogFrom is a CI whose catalog has a label from a push on.
type catalogFrom struct {
	*jobtest.CI
	label string
	from  int64
	asked []int64
}

func (c *catalogFrom) Catalog(ctx context.Context, p job.Push, labels ...string) ([]job.Runnable, error) {
	all, err := c.CI.Catalog(ctx, p, labels...)
	if len(labels) == 0 {
		c.asked = append(c.asked, p.ID)
	}
	return slices.DeleteFunc(all, func(e job.Runnable) bool { return e.Label == c.label && p.ID < c.from }), err
}

// A label that the catalogs of older pushes do not have came into being after them;
// one that they have merely did not run.
func TestBornLabel(t *testing.T) {
	var grid strings.Builder
	grid.WriteString("truth test culprit=50 before=0 after=1\npush other test\n")
	for i := 10; i <= 60; i++ {
		switch {
		case i%10 == 3:
			fmt.Fprintf(&grid, "%d a0%d not-scheduled\n", i, i)
		case i == 60:
			fmt.Fprintf(&grid, "%d a0%d pass fail\n", i, i)
		default:
			fmt.Fprintf(&grid, "%d a0%d pass -\n", i, i)
		}
	}
	for _, from := range []int64{1, 31, 34, 50, 60} {
		world, repo := open(t, grid.String())
		ci := &catalogFrom{CI: world, label: "test", from: from}
		found, err := backfill.Find(t.Context(), repo, ci, "test", "tip", &backfill.FindOptions{MaxRevisions: 60})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range found.Plan.Steps {
			if s.Push.ID < from {
				t.Errorf("from %d: %s on %s", from, s.Action, s.Push)
			}
		}
		if (found.Born != nil) != (from > 10) || len(ci.asked) > 12 {
			t.Errorf("from %d: born %v, after asking %d catalogs", from, found.Born, len(ci.asked))
		}
		r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &backfill.SearchOptions{MaxRevisions: 60})
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome != culprit.Found || r.Culprit.ID != max(50, from) {
			t.Errorf("from %d: %s", from, told(r))
		}
		if (r.Born != nil) != (from > 10) {
			t.Errorf("from %d: born %v", from, r.Born)
		}
		for _, id := range bought(r) {
			if id < from {
				t.Errorf("from %d: run on %d", from, id)
			}
		}
	}
}

// A judge may say that a test was not in a run, which is then unclear.
func TestJudgeWithoutTest(t *testing.T) {
	ci, repo := open(t, "push test\n1 a1c0 pass:no-test\n2 a2c0 fail")
	r, err := backfill.Find(t.Context(), repo, ci, "test", "tip", &backfill.FindOptions{
		Judge: jobtest.TestJudge(analysis.ByStatus, analysis.NoTest),
	})
	if err != nil || r.Born == nil || r.History[1].Verdict != analysis.Unclear || r.History[1].Runs.NoTest != 1 ||
		r.History[1].Runs.String() != "1 without the test" {
		t.Errorf("%v, %+v", err, r.History)
	}
}
