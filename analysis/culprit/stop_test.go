package culprit_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
)

func made(t *testing.T, n int, o culprit.Options) *culprit.Search {
	t.Helper()
	s, err := culprit.New(n, &o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rehearsed plays a search, and counts the runs by push.
func rehearsed(t *testing.T, s *culprit.Search, run func(int) culprit.RunEnd) (culprit.Decision, map[int]int) {
	t.Helper()
	asked, total := map[int]int{}, 0
	d, err := culprit.Rehearse(s, func(x int) culprit.RunEnd {
		if total++; total > 1000 {
			t.Fatal("it does not end")
		}
		asked[x]++
		return run(x)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d, asked
}

// Infrastructure ends every run of the failing push, or it can be run no more: that does
// not clear it, and accuses none of those before it. All others pass.
func TestFailingPushDies(t *testing.T) {
	untestable := make([]bool, 11)
	untestable[10] = true
	for _, o := range []culprit.Options{
		{},
		{Newer: culprit.Counts{Failed: 20}},
		{Newer: culprit.Counts{Failed: 5, Passed: 5}},
		{Newer: culprit.Counts{Failed: 20}, Untestable: untestable},
	} {
		for _, o.Batch = range []int{1, 4} {
			o.PriorNothing = 0.4
			s := made(t, 10, o)
			d, asked := rehearsed(t, s, func(x int) culprit.RunEnd {
				if x == 10 {
					return culprit.RunInfra
				}
				return culprit.RunPassed
			})
			if d.Outcome != culprit.Undecided || s.Runs() > 60 || o.Untestable != nil && asked[10] > 0 ||
				o.Newer.Failed > 0 && (d.Culprit != 10 || !strings.Contains(d.Why, "never ran")) {
				t.Errorf("newer %v, batch %d, %d runs: %s %v, %v: %s", o.Newer, o.Batch, s.Runs(), d.Outcome,
					d.Probability, d.Class, d.Why)
			}
		}
	}
}

// Nothing fails again: without older runs that, too, is no regression, while one rate in
// the whole range may be older.
func TestNothingWithoutHistory(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for name, c := range map[string]struct {
		older culprit.Counts
		rate  float64
		want  culprit.Outcome
	}{
		"passes":               {culprit.Counts{}, 0, culprit.NotARegression},
		"flaky":                {culprit.Counts{}, 0.5, culprit.OlderOrNothing},
		"flaky with a history": {culprit.Counts{Failed: 20, Passed: 20}, 0.5, culprit.NotARegression},
	} {
		s := made(t, 10, culprit.Options{PriorNothing: 0.4, Batch: 4, Older: c.older})
		d, _ := rehearsed(t, s, func(int) culprit.RunEnd {
			if rng.Float64() < c.rate {
				return culprit.RunFailed
			}
			return culprit.RunPassed
		})
		if d.Outcome != c.want {
			t.Errorf("%s: %s after %d runs: %s", name, d.Outcome, s.Runs(), d.Why)
		}
	}
}

// A search that finds nothing ends when it took much more than was expected at first,
// and says how much that was.
func TestWeary(t *testing.T) {
	ended := 0
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 5))
		s := made(t, 30, culprit.Options{PriorNothing: 0.4, MinEffect: 0.1, MinOdds: 2.5})
		expected := s.Forecast().Runs
		d, _ := rehearsed(t, s, func(int) culprit.RunEnd {
			if rng.Float64() < 0.1 {
				return culprit.RunFailed
			}
			return culprit.RunPassed
		})
		if float64(s.Runs()) > 3*expected {
			t.Errorf("%d runs, expected were %.0f: %s", s.Runs(), expected, d.Why)
		}
		if strings.Contains(d.Why, "more runs will not help") {
			ended++
			if want := fmt.Sprintf("where about %.0f were expected", expected); !strings.Contains(d.Why, want) {
				t.Errorf("%s: %s", d.Why, want)
			}
		}
	}
	if ended == 0 {
		t.Error("no search was given up")
	}
}

// Where a run had a result before, infrastructure must end twice as many in a row.
func TestSilence(t *testing.T) {
	for _, heard := range []bool{false, true} {
		s, most := made(t, 60, culprit.Options{}), 10
		if heard {
			most = 20
			tell(t, 30, culprit.RunPassed, true, s)
		}
		for i := range most {
			if d := s.Decide(1); d.Done {
				t.Fatalf("heard %t: %s after %d: %s", heard, d.Outcome, i, d.Why)
			}
			if err := s.ObserveInfra(2*i, true); err != nil {
				t.Fatal(err)
			}
		}
		if d := s.Decide(1); !d.Done || d.Outcome != culprit.Infra {
			t.Errorf("heard %t: %s after %d: %s", heard, d.Outcome, most, d.Why)
		}
	}
}

// A push on which nothing had a result yet is left alone sooner than one that had one.
func TestLeftAlone(t *testing.T) {
	asked := map[bool]int{}
	closed := []bool{true, true, true, true, false, true, true, true, true}
	for _, had := range []bool{false, true} {
		s := made(t, 8, culprit.Options{Closed: closed, Newer: culprit.Counts{Failed: 9}})
		for _, x := range []int{0, 1, 2, 6, 7, 8} {
			observe(t, s, x, 1, x > 4)
		}
		if had {
			observe(t, s, 4, 1, false)
		}
		for d := s.Decide(1); !d.Done; d = s.Decide(1) {
			asked[had]++
			if err := s.ObserveInfra(4, true); err != nil || len(d.Next) != 1 || asked[had] > 20 {
				t.Fatal(err, d)
			}
		}
	}
	if asked[false] < 1 || asked[true] <= asked[false] {
		t.Errorf("asked for %d times where nothing had a result, and %d times where one had", asked[false], asked[true])
	}
}

// Infrastructure leaves one push of three: two stay, and what is said is not that the
// others cannot be tested.
func TestOneOfThree(t *testing.T) {
	s := made(t, 2, culprit.Options{})
	d, _ := rehearsed(t, s, func(x int) culprit.RunEnd {
		if x < 2 {
			return culprit.RunInfra
		}
		return culprit.RunFailed
	})
	if d.Outcome == culprit.Found || strings.Contains(d.Why, "can be tested") {
		t.Errorf("%s: %s", d.Outcome, d.Why)
	}
}

// Failures that nobody chose raise what the stated probability is trusted with; in rounds,
// those of the failing push count with them. Passes do not.
func TestTrust(t *testing.T) {
	trust := func(batch int, newer culprit.Counts, start int) float64 {
		s := made(t, 10, culprit.Options{
			Batch: batch, Newer: newer, Older: culprit.Counts{Passed: 50}, LeastTrust: 0.5,
		})
		observe(t, s, 5, 2, false)
		for range 2 {
			tell(t, 6, culprit.RunFailed, true, s)
		}
		for range start {
			tell(t, 10, culprit.RunFailed, true, s)
		}
		return s.TrustAt(6)
	}
	for _, c := range []struct {
		batch int
		newer culprit.Counts
		start int
		want  float64
	}{
		{1, culprit.Counts{}, 0, 0.5},
		{1, culprit.Counts{}, 6, 0.5},
		{4, culprit.Counts{}, 6, 1},
		{1, culprit.Counts{Failed: 8}, 0, 1},
		{1, culprit.Counts{Passed: 1}, 0, 0.5},
	} {
		if got := trust(c.batch, c.newer, c.start); got != c.want {
			t.Errorf("batch %d, newer %v, %d failures of the start: %v, expected %v", c.batch, c.newer, c.start, got,
				c.want)
		}
	}
}
