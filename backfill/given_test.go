package backfill_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
)

// longWorld has pushes 10 to 40, of which 31 broke the test; only its first pushes and
// the last ran it. 14 and 15 failed by chance.
func longWorld(cells map[int]string) string {
	var b strings.Builder
	b.WriteString("truth test culprit=31 before=0 after=1\npush test\n")
	for i := 10; i <= 40; i++ {
		cell := "-"
		if c, ok := cells[i]; ok {
			cell = c
		}
		fmt.Fprintf(&b, "%d a0%d %s\n", i, i, cell)
	}
	return b.String()
}

// ids are the pushes of a result's range.
func ids(r backfill.SearchResult) (out []int64) {
	for _, p := range r.Pushes {
		out = append(out, p.Push.ID)
	}
	return out
}

func bought(r backfill.SearchResult) (out []int64) {
	for _, p := range r.Pushes {
		if p.Chosen > 0 {
			out = append(out, p.Push.ID)
		}
	}
	return out
}

// Nothing older than the known good push is suspected or run, however far it is; what ran
// there tells how often the test fails by itself.
func TestSearchGood(t *testing.T) {
	ci, repo := open(t, longWorld(map[int]string{12: "pass*8", 14: "fail", 15: "fail", 40: "fail"}))
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{Good: "a016", MaxRevisions: 5, Extend: 3})
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != culprit.Found || r.Culprit.ID != 31 {
		t.Error(told(r))
	}
	if got := ids(r); got[0] != 16 || got[len(got)-1] != 40 {
		t.Errorf("the range is %v, want 16 to 40", got)
	}
	if r.Before.Failures != 2 {
		t.Errorf("before it failed %d times, want the 2 of the history: %s", r.Before.Failures, told(r))
	}
}

// With a known good push nothing older is an answer, though all that ran failed.
func TestSearchGoodIsBelieved(t *testing.T) {
	ci, repo := open(t, "truth test culprit=2 before=0 after=1\npush test\n"+
		"1 a0c0 not-scheduled\n2 a0c1 fail*3\n3 a0c2 fail*3\n4 a0c3 fail")
	for good, want := range map[string]culprit.Outcome{"": culprit.Older, "a0c0": culprit.Undecided} {
		r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &backfill.SearchOptions{Good: good})
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome == culprit.Found || good != "" && (r.Outcome != want || r.Pushes[1].Probability < 0.9) {
			t.Errorf("good %q: %s", good, told(r))
		}
	}
}

// A known good push that is none is told, before much is spent on it.
func TestSearchGoodIsWrong(t *testing.T) {
	ci, repo := open(t, longWorld(map[int]string{10: "pass", 35: "fail,fail,pass", 36: "fail*3", 40: "fail"}))
	for good, want := range map[string]error{
		"tip": job.ErrInvalid, "a040": job.ErrInvalid, "feedfeedfeed": job.ErrNotFound,
	} {
		_, err := backfill.Search(t.Context(), repo, ci, "test", "a040", &backfill.SearchOptions{Good: good})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "good") {
			t.Errorf("good %s: %v, want %v", good, err, want)
		}
	}
	r, err := backfill.Search(t.Context(), repo, ci, "test", "a040", &backfill.SearchOptions{Good: "a036"})
	if err != nil || r.Outcome != culprit.Undecided || r.Runs != 0 ||
		!strings.Contains(r.Why, "was given as good, but failed in 3 of 3 runs") {
		t.Errorf("%v, %s", err, told(r))
	}
	r, err = backfill.Search(t.Context(), repo, ci, "test", "a040",
		&backfill.SearchOptions{Good: "a035", DryRun: true})
	if err != nil || !hasWords(r.Warnings, "2 of 3 runs") {
		t.Errorf("%v, %q", err, r.Warnings)
	}
}

// On a push that is to be skipped nothing runs, and what ran there tells.
func TestSearchSkip(t *testing.T) {
	cells := map[int]string{10: "pass*5", 30: "pass*4", 38: "fail", 40: "fail"}
	ci, repo := open(t, longWorld(cells))
	o := &backfill.SearchOptions{Skip: []string{"a031", "a030", "a025", "a040"}}
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", o)
	if err != nil {
		t.Fatal(err)
	}
	var class []int64
	for _, p := range r.Class {
		class = append(class, p.ID)
	}
	if r.Outcome != culprit.Found || fmt.Sprint(class) != "[31 32]" {
		t.Errorf("%v %s", class, told(r))
	}
	for _, p := range r.Pushes {
		asked := p.Push.ID == 31 || p.Push.ID == 30 || p.Push.ID == 25 || p.Push.ID == 40
		if asked && (p.Chosen > 0 || p.Untestable != "skipped as asked") || !asked && p.Untestable != "" {
			t.Errorf("push %d: %d runs chosen, %q", p.Push.ID, p.Chosen, p.Untestable)
		}
	}
	if len(bought(r)) == 0 || r.Before.Runs < 9 {
		t.Errorf("bought on %v, %d runs before", bought(r), r.Before.Runs)
	}
	_, err = backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{Skip: []string{"feedfeedfeed"}})
	if !errors.Is(err, job.ErrNotFound) || !strings.Contains(err.Error(), "skip") {
		t.Errorf("an unknown push to skip: %v", err)
	}
}

// What was broken before the known good push is no answer, though the history looks like it.
func TestSearchGoodIsNotOlder(t *testing.T) {
	ci, repo := open(t, "truth test culprit=1 before=0 after=1\npush test\n"+
		"1 a0c0 fail*2\n2 a0c1 fail*5\n3 a0c2 fail*5\n4 a0c3 fail")
	var sums []float64
	for _, good := range []string{"", "a0c0"} {
		r, err := backfill.Search(t.Context(), repo, ci, "test", "tip",
			&backfill.SearchOptions{Good: good, DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, p := range r.Pushes {
			sum += p.Probability
		}
		if sums = append(sums, sum); r.Outcome == culprit.Found {
			t.Error(told(r))
		}
	}
	if sums[1] < 2*sums[0] {
		t.Errorf("the pushes have %v without a known good push, and %v with one", sums[0], sums[1])
	}
}
