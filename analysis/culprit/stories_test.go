package culprit_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
)

// story is a job whose culprit is known, and what its runs do.
type story struct {
	name    string
	n       int
	culprit int // n+1 for none
	rates   culprit.Rates
	infra   float64
	opts    culprit.Options
	k       int
	free    map[int]string // runs that nobody bought, by push: f and p
}

// oracle draws how runs end, each push from a stream of its own.
func (y story) oracle(seed uint64) func(int) culprit.RunEnd {
	streams := map[int]*rand.Rand{}
	return func(x int) culprit.RunEnd {
		if streams[x] == nil {
			streams[x] = rand.New(rand.NewPCG(seed, uint64(x)))
		}
		r := y.rates.Before
		if x >= y.culprit {
			r = y.rates.After
		}
		switch u := streams[x].Float64(); {
		case streams[x].Float64() < y.infra:
			return culprit.RunInfra
		case u < r:
			return culprit.RunFailed
		}
		return culprit.RunPassed
	}
}

func (y story) search(t *testing.T) *culprit.Search {
	t.Helper()
	y.opts.Batch = y.k
	s, err := culprit.New(y.n, &y.opts)
	if err != nil {
		t.Fatal(err)
	}
	for x := range y.n + 1 {
		for _, c := range y.free[x] {
			if err := s.Observe(x, c == 'f', false); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// trace is every decision, and every run, as text.
func (y story) trace(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	run := y.oracle(1)
	last, err := culprit.Rehearse(y.search(t), func(x int) culprit.RunEnd {
		r := run(x)
		fmt.Fprintf(&b, "    %d %s\n", x, []string{"passed", "failed", "infra"}[r])
		return r
	}, func(d culprit.Decision) {
		fmt.Fprintf(&b, "%.2f bits; most probable %d with %.3f, older %.3f, nothing %.3f; %.2f against %.2f\n",
			d.Bits, d.Culprit, d.Probability, d.Older, d.Nothing, d.Rates.After, d.Rates.Before)
		if len(d.Next) > 0 {
			fmt.Fprintf(&b, "  run %v: %s\n", d.Next, d.Why)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%s: %s\n", last.Outcome, last.Why)
	for _, c := range last.Credible {
		fmt.Fprintf(&b, "  %d %.3f\n", c.Push, c.Probability)
	}
	for _, w := range last.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", w)
	}
	return b.String()
}

var stories = []story{
	{
		name: "permanent", n: 20, culprit: 13, rates: culprit.Rates{After: 1},
		opts: culprit.Options{Older: culprit.Counts{Passed: 50}},
	},
	{
		name: "permanent-only", n: 20, culprit: 13, rates: culprit.Rates{After: 1},
		opts: culprit.Options{Permanent: true},
	},
	{
		name: "intermittent", n: 16, culprit: 11, rates: culprit.Rates{After: 0.5, Before: 0.01},
		opts: culprit.Options{
			Older: culprit.Counts{Failed: 1, Passed: 99},
			Newer: culprit.Counts{Failed: 4, Passed: 5},
		},
	},
	{
		name: "flake", n: 12, culprit: 13, rates: culprit.Rates{Before: 0.2},
		opts: culprit.Options{Older: culprit.Counts{Failed: 20, Passed: 80}, PriorNothing: 0.4},
	},
	{name: "older", n: 8, culprit: 0, rates: culprit.Rates{After: 1}, opts: culprit.Options{PriorOlder: 0.2}},
	{
		name: "four-at-a-time", n: 40, culprit: 9, rates: culprit.Rates{After: 0.8}, k: 4,
		opts: culprit.Options{Older: culprit.Counts{Passed: 100}, Newer: culprit.Counts{Failed: 8, Passed: 2}},
	},
	{
		name: "infra", n: 10, culprit: 4, rates: culprit.Rates{After: 1}, infra: 0.3,
		opts: culprit.Options{Older: culprit.Counts{Passed: 30}},
	},
	{name: "all-infra", n: 4, culprit: 2, rates: culprit.Rates{After: 1}, infra: 1, opts: culprit.Options{MaxInfra: 2}},
	{
		name: "untestable", n: 9, culprit: 5, rates: culprit.Rates{After: 1},
		opts: culprit.Options{
			Older:      culprit.Counts{Passed: 30},
			Untestable: []bool{false, false, false, false, true, true, false, false, false, false},
		},
	},
	{
		name: "budget", n: 64, culprit: 30, rates: culprit.Rates{After: 0.2, Before: 0.1},
		opts: culprit.Options{MaxRuns: 5},
	},
	{
		name: "free-evidence", n: 12, culprit: 7, rates: culprit.Rates{After: 0.6},
		free: map[int]string{0: "pp", 3: "ppp", 9: "pf", 10: "ffp", 12: "f"},
		opts: culprit.Options{Older: culprit.Counts{Passed: 40}},
	},
	{
		name: "cheap-builds", n: 8, culprit: 5, rates: culprit.Rates{After: 1},
		opts: culprit.Options{Older: culprit.Counts{Passed: 30}, RunCost: []float64{1, 9, 1, 9, 9, 9, 1, 9, 1}},
	},
}
