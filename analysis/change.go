package analysis

import (
	"math"
)

// Change is a change of a rate in a series of runs.
type Change struct {
	// At is how many runs lie before it.
	At int
	// Before and After are the Jeffreys means of the rates.
	Before, After float64
	// Probability is that of there being a change at all, when one and none are
	// as likely beforehand and a change is as likely everywhere; AtProbability
	// that it is just there, if there is one.
	Probability, AtProbability float64
}

// Scanner finds a change in a series of runs; NewScanner makes one. It is safe
// for concurrent use, and Scan allocates nothing.
type Scanner struct {
	half, whole []float64 // ln Gamma(i + 1/2) and ln Gamma(i + 1)
}

// NewScanner returns a scanner for series of up to so many runs.
func NewScanner(runs int) *Scanner {
	s := &Scanner{make([]float64, runs+1), make([]float64, runs+1)}
	for i := range s.half {
		s.half[i], _ = math.Lgamma(float64(i) + 0.5)
		s.whole[i], _ = math.Lgamma(float64(i) + 1)
	}
	return s
}

// marginal is the logarithm of the probability of a series with so many failures
// and passes, whatever its rate is: B(f+1/2, s+1/2) / B(1/2, 1/2), without the
// constant.
func (s *Scanner) marginal(failures, passes int) float64 {
	return s.half[failures] + s.half[passes] - s.whole[failures+passes]
}

// lnPi is the constant that marginal leaves out: ln B(1/2, 1/2).
const lnPi = 1.1447298858494002

// Scan finds the most probable change in a series, true for a failure, oldest
// first; of a series longer than the scanner's, the newest runs are looked at.
// Each part has a rate of its own with the prior Beta(1/2, 1/2).
func (s *Scanner) Scan(failed []bool) Change {
	if most := len(s.half) - 1; len(failed) > most {
		failed = failed[len(failed)-most:]
	}
	n, total := len(failed), 0
	for _, f := range failed {
		if f {
			total++
		}
	}
	if n < 2 {
		return Change{}
	}
	none := s.marginal(total, n-total)
	best, at, left, sum := math.Inf(-1), 0, 0, 0.0
	atLeft := 0
	for k := 1; k < n; k++ {
		if failed[k-1] {
			left++
		}
		l := s.marginal(left, k-left) + s.marginal(total-left, n-k-total+left)
		if l > best {
			sum = sum*math.Exp(best-l) + 1
			best, at, atLeft = l, k, left
		} else if l > best-40 {
			sum += math.Exp(l - best)
		}
	}
	// The odds of a change: the mean over its places, against none.
	odds := math.Exp(best-lnPi-none) * sum / float64(n-1)
	c := Change{
		At: at, Before: (float64(atLeft) + 0.5) / (float64(at) + 1),
		After:       (float64(total-atLeft) + 0.5) / (float64(n-at) + 1),
		Probability: 1, AtProbability: 1 / sum,
	}
	if !math.IsInf(odds, 1) {
		c.Probability = odds / (1 + odds)
	}
	return c
}
