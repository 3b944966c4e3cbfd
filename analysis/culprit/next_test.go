package culprit_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
)

// In rounds the failing push is run first: four times, and up to eight times where these do
// not all end alike; no more than a round has place for, and not beside other runs.
func TestProbe(t *testing.T) {
	probes := func(d culprit.Decision) int {
		if !strings.HasPrefix(d.Why, "measures how often") {
			return 0
		}
		if len(d.Next) > 0 && slices.Min(d.Next) != 20 {
			t.Errorf("%v: %s", d.Next, d.Why)
		}
		return len(d.Next)
	}
	run := func(s *culprit.Search, x, failed, passed int) *culprit.Search {
		for range failed {
			tell(t, x, culprit.RunFailed, true, s)
		}
		for range passed {
			tell(t, x, culprit.RunPassed, true, s)
		}
		return s
	}
	o := culprit.Options{Batch: 4}
	for name, c := range map[string]struct {
		s       *culprit.Search
		k       int
		running []int
		want    int
	}{
		"the first round":      {made(t, 20, o), 4, nil, 4},
		"fewer places":         {made(t, 20, o), 3, nil, 3},
		"all failed":           {run(made(t, 20, o), 20, 4, 0), 4, nil, 0},
		"some passed":          {run(made(t, 20, o), 20, 2, 2), 4, nil, 4},
		"eight did":            {run(made(t, 20, o), 20, 4, 4), 4, nil, 0},
		"some are under way":   {made(t, 20, o), 4, []int{20, 20, 20}, 1},
		"others are under way": {made(t, 20, o), 4, []int{3}, 0},
		"the search has begun": {run(made(t, 20, o), 9, 1, 0), 4, nil, 0},
		"newer pushes tell": {
			made(t, 20, culprit.Options{Batch: 4, Newer: culprit.Counts{Failed: 4}}), 4, nil, 0,
		},
		"always, as is known":     {made(t, 20, culprit.Options{Batch: 4, Permanent: true}), 4, nil, 0},
		"one at a time":           {made(t, 20, culprit.Options{}), 1, nil, 0},
		"no more than the budget": {made(t, 20, culprit.Options{Batch: 4, MaxRuns: 2}), 4, nil, 2},
	} {
		if got := probes(c.s.Decide(c.k, c.running...)); got != c.want {
			t.Errorf("%s: %d runs of the failing push, expected %d", name, got, c.want)
		}
	}
}

// A budget holds for a round of any kind.
func TestBudgetOfARound(t *testing.T) {
	s := made(t, 20, culprit.Options{Batch: 4, MaxRuns: 6, Newer: culprit.Counts{Failed: 9}})
	_, asked := rehearsed(t, s, func(x int) culprit.RunEnd {
		if x >= 13 {
			return culprit.RunFailed
		}
		return culprit.RunPassed
	})
	total := 0
	for _, n := range asked {
		total += n
	}
	if total > 6 || s.Runs() != total {
		t.Errorf("%d runs of 6", total)
	}
}

// The half of a confirmation that is under way is not asked for again.
func TestHalfConfirmed(t *testing.T) {
	known := &culprit.Rates{After: 1}
	for _, under := range []int{3, 4} {
		weights := []float64{0, 0, 0, 0, 1, 0, 0}
		s := made(t, 6, culprit.Options{Known: known, Weights: weights, PriorOlder: -1, PriorNothing: -1})
		if d := s.Decide(4, under); !slices.Equal(d.Next, []int{7 - under}) {
			t.Errorf("%d is under way, and %v is to be run: %s", under, d.Next, d.Why)
		}
	}
}

// Where some pushes are silent and the others can be run no more, it is not
// infrastructure that ended the search.
func TestNowhere(t *testing.T) {
	for _, closed := range [][]bool{{true, false, true}, {true, true, true}, nil} {
		s := made(t, 2, culprit.Options{Closed: closed})
		if closed != nil {
			tell(t, 0, culprit.RunPassed, true, s)
		}
		d, _ := rehearsed(t, s, func(int) culprit.RunEnd { return culprit.RunInfra })
		want := culprit.Undecided
		if closed == nil {
			want = culprit.Infra
		}
		if d.Outcome != want {
			t.Errorf("closed %v: %s: %s", closed, d.Outcome, d.Why)
		}
	}
}

// Where a round costs something, it ends where more runs tell less for what they cost;
// and the forecast of a search in rounds has fewer rounds than one of single runs.
func TestRoundsAreWorthIt(t *testing.T) {
	o := culprit.Options{Batch: 8, Newer: culprit.Counts{Failed: 20}, Older: culprit.Counts{Passed: 50}}
	free := made(t, 64, o)
	if got := len(free.Decide(8).Next); got != 8 {
		t.Errorf("a round that costs nothing has %d runs of 8", got)
	}
	o.RoundCost = 0.1
	cheap := len(made(t, 64, o).Decide(8).Next)
	o.RoundCost = 4
	dear := len(made(t, 64, o).Decide(8).Next)
	if cheap >= dear || dear >= 8 {
		t.Errorf("%d runs where a round costs little, %d where it costs much, of 8", cheap, dear)
	}
	one := made(t, 64, culprit.Options{Newer: o.Newer, Older: o.Older}).Forecast()
	f := free.Forecast()
	if f.Rounds > 0.6*one.Rounds || f.Rounds < 0.2*one.Rounds || f.Runs < one.Runs {
		t.Errorf("expected are %v in rounds of 8 and %v one at a time", f, one)
	}
}
