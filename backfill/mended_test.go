package backfill_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// fixWorld has pushes 10 to 40; 13 broke the test, and with push 33 it is mended.
func fixWorld(before, after float64, cells map[int]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "truth test culprit=13 until=33 before=%v after=%v\npush test\n", before, after)
	for i := 10; i <= 40; i++ {
		cell := "-"
		if c, ok := cells[i]; ok {
			cell = c
		}
		fmt.Fprintf(&b, "%d a0%d %s\n", i, i, cell)
	}
	return b.String()
}

// The push that mended a test is found between pushes on which it still fails and
// newer ones; what is older than the start is not asked about.
func TestFindFix(t *testing.T) {
	for name, c := range map[string]struct {
		before, after float64
		o             backfill.SearchOptions
		class         string
	}{
		"permanent":       {0, 1, backfill.SearchOptions{}, "[33]"},
		"intermittent":    {0, 0.5, backfill.SearchOptions{MaxRuns: 200}, "[33]"},
		"range grows":     {0, 1, backfill.SearchOptions{MaxRevisions: 6}, "[33]"},
		"known good":      {0, 1, backfill.SearchOptions{Good: "a036"}, "[33]"},
		"newest is good":  {0, 1, backfill.SearchOptions{Good: "tip", Batch: 4}, "[33]"},
		"without the fix": {0, 1, backfill.SearchOptions{Skip: []string{"a033", "a034"}}, "[33 34 35]"},
		"its parent":      {0, 1, backfill.SearchOptions{Skip: []string{"a032"}}, "[32 33]"},
	} {
		ci, repo := open(t, fixWorld(c.before, c.after, map[int]string{10: "pass", 11: "fail", 20: "fail"}))
		c.o.FindFix = true
		sums := 0.0
		c.o.Observe = func(p backfill.Progress) {
			for _, x := range p.Decision.Next {
				if p.Pushes[x].Push.ID < 20 || p.Pushes[x].Untestable != "" {
					t.Errorf("%s: next is %s", name, p.Pushes[x].Push)
				}
			}
			sums = 0
			for _, t := range p.Pushes {
				sums += t.Probability
			}
		}
		r, err := backfill.Search(t.Context(), repo, ci, "test", "a020", &c.o)
		if err != nil {
			t.Fatal(name, err)
		}
		var class []int64
		for _, p := range r.Class {
			class = append(class, p.ID)
		}
		if r.Outcome != culprit.Found || fmt.Sprint(class) != c.class || !r.FindFix {
			t.Errorf("%s: %v %s", name, class, told(r))
		}
		if got := ids(r); got[0] != 20 || sums < 0.9 || sums > 1.001 {
			t.Errorf("%s: the range begins at %d, and its probabilities make %v", name, got[0], sums)
		}
		best := r.Pushes[0]
		for _, p := range r.Pushes {
			if p.Probability > best.Probability {
				best = p
			}
		}
		if !strings.Contains(c.class, fmt.Sprint(best.Push.ID)) || r.Credible[0].Probability != best.Probability {
			t.Errorf("%s: the most probable push is %s, and %s", name, best.Push, r.Credible[0].Push)
		}
		if r.Before.Failures == 0 || r.After.Failures != 0 || r.After.Runs == 0 {
			t.Errorf("%s: before %+v, after %+v", name, r.Before, r.After)
		}
		saidOfMending(t, name, r)
	}
}

// saidOfMending checks that nothing is said of what broke it.
func saidOfMending(t *testing.T, name string, r backfill.SearchResult) {
	t.Helper()
	said := strings.Join(append(r.Warnings, r.Why), "\n")
	for _, word := range []string{"culprit", "broke it", "older", "oldest", "failed on the push that fixed"} {
		if strings.Contains(said, word) {
			t.Errorf("%s: %q says %q", name, said, word)
		}
	}
}

// What is not mended, and what nothing mended, is told so.
func TestFindFixOtherEnds(t *testing.T) {
	ci, repo := open(t, strings.Replace(fixWorld(0, 1, map[int]string{10: "pass", 20: "fail"}), "until=33", "", 1))
	r, err := backfill.Search(t.Context(), repo, ci, "test", "a020", &backfill.SearchOptions{FindFix: true})
	if err != nil || r.Outcome == culprit.Found || !strings.Contains(r.Why, "fixed") {
		t.Errorf("%v, %s", err, told(r))
	}
	saidOfMending(t, "not mended", r)

	cells := map[int]string{20: "fail"}
	for i := 21; i <= 40; i++ {
		cells[i] = []string{"pass*3,fail", "pass*2,fail*2", "pass*4"}[i%3]
	}
	ci, repo = open(t, fixWorld(0.3, 0.3, cells))
	r, err = backfill.Search(t.Context(), repo, ci, "test", "a020",
		&backfill.SearchOptions{FindFix: true, PriorNothing: 0.4, MaxRevisions: 8, MaxRuns: 200})
	if err != nil || r.Outcome != culprit.NotARegression {
		t.Errorf("%v, %s", err, told(r))
	}
	saidOfMending(t, "a flake", r)
}

// A search for the fix and one for the culprit from the same push share nothing in
// the ledger, and each goes on with what it asked for.
func TestFindFixGoesOn(t *testing.T) {
	ci, repo := open(t, fixWorld(0, 1, map[int]string{10: "pass", 20: "fail"}))
	o := backfill.SearchOptions{FindFix: true, Ledger: ledger.NewMemory()}
	first, err := backfill.Search(t.Context(), repo, ci, "test", "a020", &o)
	if err != nil || first.Outcome != culprit.Found {
		t.Fatal(err, told(first))
	}
	again, err := backfill.Search(t.Context(), repo, ci, "test", "a020", &o)
	if err != nil || again.Runs != first.Runs || again.Rounds != 0 || again.Culprit.ID != 33 {
		t.Errorf("%v, %s", err, told(again))
	}
	o.FindFix = false
	broke, err := backfill.Search(t.Context(), repo, ci, "test", "a020", &o)
	if err != nil || broke.Outcome != culprit.Found || broke.Culprit.ID != 13 {
		t.Errorf("%v, %s", err, told(broke))
	}
	for _, p := range broke.Pushes {
		if p.Push.ID < 20 && p.Chosen == 0 && p.Failed+p.Passed > 1 {
			t.Errorf("push %d has %d runs that nobody chose", p.Push.ID, p.Failed+p.Passed)
		}
	}
}

// Weights are those of pushes, also where the search goes over them the other way.
func TestFindFixWeights(t *testing.T) {
	ci, repo := open(t, fixWorld(0, 1, map[int]string{20: "fail"}))
	r, err := backfill.Search(t.Context(), repo, ci, "test", "a020", &backfill.SearchOptions{
		FindFix: true, DryRun: true, Weight: func(p job.Push) float64 {
			if p.ID == 33 {
				return 1
			}
			return 0
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Pushes {
		if (p.Probability > 0.5) != (p.Push.ID == 33) {
			t.Errorf("push %d has %v", p.Push.ID, p.Probability)
		}
	}
}
