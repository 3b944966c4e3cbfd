package culprit_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
)

// draw is a search of random options, with what its runs do.
type draw struct {
	n       int
	o       culprit.Options
	culprit int // n+1 for none, 0 for older
	rates   culprit.Rates
	infra   float64
	dead    []bool // pushes on which infrastructure ends every run
}

func drawn(rng *rand.Rand) draw {
	d := draw{n: rng.IntN(40), infra: []float64{0, 0, 0.2, 0.6, 1}[rng.IntN(5)]}
	d.culprit = rng.IntN(d.n + 2)
	d.rates.After = []float64{1, 0.7, 0.2}[rng.IntN(3)]
	d.rates.Before = []float64{0, 0.01, 0.15}[rng.IntN(3)]
	marks := func(p float64) []bool {
		out := make([]bool, d.n+1)
		for x := range out {
			out[x] = rng.Float64() < p
		}
		return out
	}
	d.dead = marks([]float64{0, 0.2, 0.7}[rng.IntN(3)])
	d.o = culprit.Options{
		Batch: 1 + rng.IntN(9), MaxRuns: []int{0, 1, 7, 60}[rng.IntN(4)], Permanent: rng.IntN(8) == 0,
		PriorNothing: []float64{0, -1, 0.4}[rng.IntN(3)], PriorOlder: []float64{0, -1, 0.2}[rng.IntN(3)],
		RoundCost: []float64{0, 0, 4}[rng.IntN(3)],
	}
	if rng.IntN(2) == 0 {
		d.o.Untestable = marks(0.3)
	}
	if rng.IntN(2) == 0 {
		d.o.Closed = marks(0.2)
	}
	if rng.IntN(3) == 0 {
		d.o.Older = culprit.Counts{Failed: rng.IntN(3), Passed: rng.IntN(60)}
		d.o.Newer = culprit.Counts{Failed: rng.IntN(9), Passed: rng.IntN(9)}
	}
	if rng.IntN(3) == 0 {
		for range d.n + 1 {
			d.o.Weights = append(d.o.Weights, []float64{0, 1, 5}[rng.IntN(3)])
			d.o.RunCost = append(d.o.RunCost, 1+9*rng.Float64())
		}
	}
	if rng.IntN(8) == 0 {
		d.o.Known = &d.rates
	}
	return d
}

// run draws how a run ends.
func (d draw) run(rng *rand.Rand, x int) culprit.RunEnd {
	rate := d.rates.Before
	if x >= d.culprit {
		rate = d.rates.After
	}
	switch {
	case d.dead[x], rng.Float64() < d.infra:
		return culprit.RunInfra
	case rng.Float64() < rate:
		return culprit.RunFailed
	}
	return culprit.RunPassed
}

// tell tells searches of the same run.
func tell(t *testing.T, x int, end culprit.RunEnd, chosen bool, to ...*culprit.Search) {
	t.Helper()
	for _, s := range to {
		var err error
		if end == culprit.RunInfra {
			err = s.ObserveInfra(x, chosen)
		} else {
			err = s.Observe(x, end == culprit.RunFailed, chosen)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever it is asked: it ends, runs nothing that cannot be run, says the same again,
// keeps its probabilities together, and accuses nobody without a confirmation.
func TestProperties(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 7))
		d := drawn(rng)
		s, err := culprit.New(d.n, &d.o)
		if err != nil {
			t.Fatal(err)
		}
		twin, _ := culprit.New(d.n, &d.o)
		for x := range d.n + 1 {
			if (d.o.Untestable == nil || !d.o.Untestable[x]) && rng.IntN(4) == 0 {
				tell(t, x, d.run(rng, x), false, s, twin)
			}
		}
		silent := make([]int, d.n+1)
		for runs := 0; ; {
			forecast, again := s.Forecast(), s.Decide(0)
			now := s.Decide(d.o.Batch)
			d.check(t, seed, s, now, forecast)
			if got, same := fmt.Sprintf("%+v", twin.Decide(d.o.Batch)), fmt.Sprintf("%+v", now); got != same {
				t.Fatalf("seed %d: not asked in between it says\n%s\nand else\n%s", seed, got, same)
			}
			if again.Done && !now.Done || again.Probability != now.Probability {
				t.Fatalf("seed %d: %+v, asked for nothing %+v", seed, now, again)
			}
			if now.Done {
				break
			}
			if runs += len(now.Next); runs > 3000 {
				t.Fatalf("seed %d: it does not end: %+v\n%+v", seed, d, now)
			}
			for _, x := range now.Next {
				if silent[x] >= 10+d.o.Batch {
					t.Fatalf("seed %d: push %d is asked for %d times, and infrastructure ends every run", seed, x,
						silent[x])
				}
				end := d.run(rng, x)
				if silent[x]++; end != culprit.RunInfra {
					silent[x] = 0
				}
				tell(t, x, end, true, s, twin)
			}
		}
	}
}

func (d draw) check(t *testing.T, seed uint64, s *culprit.Search, now culprit.Decision, f culprit.Forecast) {
	t.Helper()
	posterior := s.Posterior()
	sum, accusable := now.Older+now.Nothing, 0.0
	for _, p := range posterior {
		sum, accusable = sum+p, accusable+p
		if !(p >= 0 && p <= 1) {
			t.Fatalf("seed %d: probability %v", seed, p)
		}
	}
	if now.Probability > 0 && math.Abs(sum-1) > 1e-9 {
		t.Fatalf("seed %d: the probabilities sum to %v", seed, sum)
	}
	credible := 0.0
	listed := map[int]bool{}
	for _, c := range now.Credible {
		credible += c.Probability
		if listed[c.Push] || c.Push < 0 || c.Push > d.n || math.Abs(c.Probability-posterior[c.Push]) > 1e-12 {
			t.Fatalf("seed %d: push %d has %v, in all %v", seed, c.Push, c.Probability, posterior)
		}
		listed[c.Push] = true
	}
	if credible < 0.95*accusable-1e-9 {
		t.Fatalf("seed %d: the credible pushes have %v of %v", seed, credible, accusable)
	}
	if now.Done != (f == culprit.Forecast{}) && (!now.Done || now.Outcome == culprit.Found) {
		t.Fatalf("seed %d: expected are %v, and it is done: %t", seed, f, now.Done)
	}
	if !(f.Runs >= 0 && f.Rounds >= 0) || math.IsInf(f.Runs+f.Rounds, 0) || f.Rounds > f.Runs+1e-9 {
		t.Fatalf("seed %d: expected are %v", seed, f)
	}
	if now.Done && len(now.Next) > 0 || !now.Done && len(now.Next) == 0 || len(now.Next) > d.o.Batch || now.Why == "" {
		t.Fatalf("seed %d: done %t, next %v: %s", seed, now.Done, now.Next, now.Why)
	}
	for _, x := range now.Next {
		if d.o.Untestable != nil && d.o.Untestable[x] || d.o.Closed != nil && d.o.Closed[x] {
			t.Fatalf("seed %d: push %d cannot be run, and is to be", seed, x)
		}
	}
	if now.Outcome != culprit.Found {
		return
	}
	if !now.Done || !now.Confirmed || !slices.Contains(now.Class, now.Culprit) {
		t.Fatalf("seed %d: %+v", seed, now)
	}
	for _, x := range now.Class {
		if !listed[x] {
			t.Fatalf("seed %d: push %d of the class is not credible: %+v", seed, x, now)
		}
	}
}
