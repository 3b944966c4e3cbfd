package backfill_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// history writes a world of pushes 1 to n with the cells that are given.
func history(truth string, n int, cell func(int) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "truth test %s\npush test\n", truth)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "%d %04x %s\n", i, 0xa000+i, cell(i))
	}
	return b.String()
}

// What broke it was backed out two pushes after the start: that all newer pushes pass does
// not make a flake of it, and does not count as what it does since.
func TestSearchOfWhatWasBackedOut(t *testing.T) {
	for _, failing := range []int{44, 45} { // the last push that failed
		ci, repo := open(t, history("culprit=40 until=46 before=0 after=1", 90, func(i int) string {
			switch {
			case i >= 44 && i <= failing:
				return "fail"
			case i < 36 && i%2 == 1, i >= 46:
				return "pass"
			}
			return "-"
		}))
		r, err := backfill.Search(t.Context(), repo, ci, "test", "a02c", nil)
		if err != nil || r.Outcome != culprit.Found || r.Culprit == nil || r.Culprit.ID != 40 || r.After.Rate < 1 {
			t.Errorf("%v, %s %+v", err, told(r), r.After)
		}
	}
}

// Newer runs still tell how often it fails, those before the last failure: seldom, here, which
// takes more runs than what is believed beforehand.
func TestSearchNewerRuns(t *testing.T) {
	var forecasts []float64
	for _, newer := range []int{0, 30} {
		ci, repo := open(t, history("culprit=40 before=0 after=0.4", 50+newer, func(i int) string {
			switch {
			case i == 50, i > 50 && i%3 == 0:
				return "fail"
			case i < 36 && i%2 == 1, i > 50:
				return "pass"
			}
			return "-"
		}))
		r, err := backfill.Search(t.Context(), repo, ci, "test", "a032", &backfill.SearchOptions{DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		forecasts = append(forecasts, r.Forecast.Runs)
	}
	if forecasts[1] < 1.3*forecasts[0] {
		t.Errorf("expected %.1f without newer runs and %.1f with them", forecasts[0], forecasts[1])
	}
}

// It was broken long before the range, and mended: that says nothing of how often it fails
// without the culprit, and one rate does not explain all runs.
func TestSearchOfWhatWasBrokenBefore(t *testing.T) {
	ci, repo := open(t, history("culprit=100 before=0 after=0.5", 110, func(i int) string {
		switch {
		case i >= 20 && i < 40, i == 110:
			return "fail"
		case i < 100 && i%3 == 1:
			return "pass"
		}
		return "-"
	}))
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", nil)
	if err != nil || r.Outcome != culprit.Found || r.Culprit == nil || r.Culprit.ID != 100 ||
		!strings.Contains(strings.Join(r.Warnings, "\n"), "it failed in 20 of 31 runs on pushes before the range") {
		t.Errorf("%v, %s %q", err, told(r), r.Warnings)
	}
}

// A flake fails as often before the range as in it: all of that counts.
func TestSearchOlderRuns(t *testing.T) {
	ci, repo := open(t, history("culprit=1 before=0.2 after=0.2", 110, func(i int) string {
		if i%5 == 0 {
			return "fail"
		}
		return "pass"
	}))
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", nil)
	if err != nil || r.Outcome != culprit.NotARegression || len(r.Warnings) > 0 || r.Before.Runs < 100 {
		t.Errorf("%v, %s %q %+v", err, told(r), r.Warnings, r.Before)
	}
}

// The last failure among newer runs only says where to stop: with it alone nothing is known
// that was not known without newer pushes.
func TestSearchLastNewerFailure(t *testing.T) {
	forecast := func(n int) float64 {
		ci, repo := open(t, history("culprit=40 before=0 after=1", n, func(i int) string {
			switch {
			case i == 50, i == 51:
				return "fail"
			case i < 36 && i%2 == 1, i > 51:
				return "pass"
			}
			return "-"
		}))
		r, err := backfill.Search(t.Context(), repo, ci, "test", "a032", &backfill.SearchOptions{DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		return r.Forecast.Runs
	}
	if without, with := forecast(50), forecast(60); without != with {
		t.Errorf("expected %.3f without newer pushes, and %.3f", without, with)
	}
}

// What was backed out and landed again within the range has two culprits: the later one is
// sought. What was spent before that is known still counts, and a budget holds for all.
func TestSearchOfWhatLandedAgain(t *testing.T) {
	landed := func(from, to, again int) func(int) string {
		return func(i int) string {
			switch {
			case i == 110, i >= from && i < to && i < 80:
				return "fail"
			case i < again && i%2 == 0, i < to && i%2 == 0:
				return "pass"
			}
			return "-"
		}
	}
	for name, after := range map[string]string{"always": "1", "often": "0.6"} {
		ci, repo := open(t, history("culprit=100 before=0 after="+after, 110, landed(62, 80, 100)))
		requested := 0
		r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &backfill.SearchOptions{
			OnStep: func(s trigger.Step) { requested += s.Count },
		})
		if err != nil || r.Outcome != culprit.Found || r.Culprit == nil || r.Culprit.ID != 100 ||
			!strings.Contains(strings.Join(r.Warnings, "\n"), "broken and fixed more than once") {
			t.Errorf("%s: %v, %s %q", name, err, told(r), r.Warnings)
		}
		if r.Runs != requested {
			t.Errorf("%s: %d runs, and the CI was asked for %d", name, r.Runs, requested)
		}
	}
}

// Passes among the failures of a culprit that fails only now and then are no mending.
func TestSearchOfFewPassesSince(t *testing.T) {
	ci, repo := open(t, history("culprit=70 before=0 after=0.5", 110, func(i int) string {
		switch {
		case i == 110, i >= 70 && i%4 == 0:
			return "fail"
		case i%2 == 0, i >= 90 && i < 95:
			return "pass"
		}
		return "-"
	}))
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", nil)
	if err != nil || r.Outcome != culprit.Found || strings.Contains(fmt.Sprint(r.Warnings), "more than once") {
		t.Errorf("%v, %s %q", err, told(r), r.Warnings)
	}
}

// Stopped after each request and called again with the same ledger, a search asks for nothing
// twice and ends as one that was never stopped, also where its range has become smaller.
func TestSearchStoppedAndCalledAgain(t *testing.T) {
	for seed := range 4 {
		world := history("culprit=100 before=0 after=0.8", 110, func(i int) string {
			switch {
			case i == 110, i >= 62 && i < 80:
				return "fail"
			case i%2 == 0 && i < 100:
				return "pass"
			}
			return "-"
		})
		ci, repo := open(t, fmt.Sprintf("seed %d\n%s", seed, world))
		o := backfill.SearchOptions{Ledger: ledger.NewMemory(), MaxRuns: 60}
		requested := 0
		var r backfill.SearchResult
		var err error
		for again := true; again; {
			again = false
			ctx, stop := context.WithCancel(t.Context())
			o.OnStep = func(s trigger.Step) {
				requested += s.Count
				again = true
				stop()
			}
			r, err = backfill.Search(ctx, repo, ci, "test", "tip", &o)
			stop()
			if requested > 60 {
				t.Fatalf("%d runs of 60", requested)
			}
		}
		if err != nil || r.Outcome != culprit.Found || r.Culprit.ID != 100 || r.Runs != requested {
			t.Errorf("seed %d: %v, %d requested, %s", seed, err, requested, told(r))
		}
	}
}
