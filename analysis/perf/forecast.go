package perf

import (
	"math"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/internal/suspect"
)

// Forecast returns how many more runs the search is expected to need with k at a time,
// with the confirmation: the uncertainty left in bits, divided by what a run tells, plus
// what it takes to be sure in the end. The factors were fitted to the simulations of
// internal/bench perf.
func (s *Search) Forecast(k int) culprit.Forecast {
	if len(s.in.Index) < 2 || s.state().Done {
		return culprit.Forecast{}
	}
	p := s.believe()
	m := len(s.in.Index)
	mass, bits, runs := 0.0, 0.0, 0.0
	for h := 1; h < m; h++ {
		mass += p.prob[h]
	}
	for h := 1; h < m; h++ {
		if x := p.prob[h] / math.Max(mass, 1e-300); x > 0 {
			bits -= x * math.Log2(x)
		}
	}
	sure := math.Log2(1 / (1 - s.o.Confidence))
	for h := 1; h < m; h++ {
		// What a run tells in bits, taken as a binary symmetric channel that is right
		// with the chance tell.
		capacity := math.Max(1-suspect.Coin(p.fits[p.segment[h]].tell)/math.Ln2, 0.02)
		runs += p.prob[h] / math.Max(mass, 1e-300) * (bits + 0.25*sure*(1-capacity)) / capacity
	}
	runs = math.Max(runs, float64(s.missing(suspect.BestCulprit(p.prob))))
	k = max(1, k)
	// Runs of the same round cannot build on each other's results.
	runs += 0.9 * float64(k-1)
	return culprit.Forecast{Runs: runs, Rounds: math.Max(1, math.Ceil(runs/float64(k)-0.5))}
}

// missing returns how many of the runs that confirm a culprit at a position are missing.
func (s *Search) missing(at int) int {
	need := s.need()
	return max(0, need-len(s.values[at])) + max(0, need-len(s.values[at-1]))
}
