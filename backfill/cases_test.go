package backfill_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// Small histories that went wrong once: a class is told as a class, what is blocked stays
// evidence, a flake without history and one that is broken everywhere end before the budget
// is spent.
func TestSearchCases(t *testing.T) {
	for _, c := range []struct {
		dir, file, label string
		want             string // outcome, culprit, class
		why              string
		most             int // runs
		before, after    float64
	}{
		{"logs", "w3.txt", "linux64/opt/m-1", "culprit - [21 22 23 24 25]", "confirmed", 16, 0, 1},
		{"logs", "w8.txt", "linux64/opt/m-1", "infra - []", "infrastructure ended", 20, 0, 1},
		{"triggering", "three.txt", "linux64/opt/xpcshell-1", "culprit - [18 19 20]", "confirmed", 8, 0, 1},
		{"triggering", "fl.txt", "linux64/opt/xpcshell-1", "undecided - []", "more runs will not help", 26, -1, -1},
		{
			"triggering", "nobase.txt", "linux64/opt/xpcshell-1", "older_or_nothing - []",
			"before the range, or nothing broke it", 12, 1, -1,
		},
	} {
		ci, repo := open(t, string(testenv.Read(t, "cases", c.dir, c.file)))
		r, err := backfill.Search(t.Context(), repo, ci, c.label, "tip", nil)
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		culpritOf, class := "-", []int64{}
		if r.Culprit != nil {
			culpritOf = fmt.Sprint(r.Culprit.ID)
		}
		for _, p := range r.Class {
			class = append(class, p.ID)
		}
		if got := fmt.Sprintf("%s %s %v", r.Outcome, culpritOf, class); got != c.want ||
			!strings.Contains(r.Why, c.why) || r.Runs > c.most {
			t.Errorf("%s: %s in %d runs: %s\n%s", c.file, got, r.Runs, r.Why, told(r))
		}
		sum := 0.0
		for _, p := range r.Credible {
			sum += p.Probability
		}
		if len(class) > 1 && (sum < 0.95 || len(r.Credible) < len(class)) {
			t.Errorf("%s: %d pushes are credible, with %.3f", c.file, len(r.Credible), sum)
		}
		for want, got := range map[float64]float64{c.before: r.Before.Rate, c.after: r.After.Rate} {
			if want >= 0 && want != got {
				t.Errorf("%s: a rate of %v, expected %v", c.file, got, want)
			}
		}
		if r.Forecast.Runs <= 0 || float64(r.Runs) > 3*r.Forecast.Runs || r.Forecast.Rounds > r.Forecast.Runs {
			t.Errorf("%s: %d runs, and %+v were expected", c.file, r.Runs, r.Forecast)
		}
	}
}
