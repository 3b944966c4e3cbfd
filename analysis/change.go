package analysis

import (
	"math"
)

// Change is the most likely point at which the failure rate of a series of runs changed.
type Change struct {
	// At is the index of the first run after the change, and so the number of runs before
	// it. In a series that passes twice and then fails, it is 2.
	At int
	// Before and After are the failure rates on either side, 0 to 1, as Jeffreys means:
	// (f + 1/2) / (n + 1) for f failures in n runs.
	Before, After float64
	// Probability is the chance that the rate changed at all. The prior is even: a change
	// is as likely as none, and each place is as likely as any other. AtProbability is
	// the chance that it changed exactly at At, given that it changed.
	Probability, AtProbability float64
}

// Scanner finds a change in a series of runs. NewScanner makes one. It is safe for
// concurrent use, and Scan allocates nothing.
type Scanner struct {
	half, whole []float64 // ln Gamma(i + 1/2) and ln Gamma(i + 1)
}

// NewScanner returns a scanner for series of up to the given number of runs. It computes
// the tables of logarithms that each Scan then looks up.
func NewScanner(runs int) *Scanner {
	s := &Scanner{make([]float64, runs+1), make([]float64, runs+1)}
	for i := range s.half {
		s.half[i], _ = math.Lgamma(float64(i) + 0.5)
		s.whole[i], _ = math.Lgamma(float64(i) + 1)
	}
	return s
}

// marginal is the log probability of one given series, averaged over all failure rates
// with the prior Beta(1/2, 1/2): ln B(f+1/2, s+1/2) - ln B(1/2, 1/2) for f failures and s
// passes. The constant ln B(1/2, 1/2) is left out; see lnPi. Gamma(n+1), the denominator
// of B, is whole[n].
func (s *Scanner) marginal(failures, passes int) float64 {
	return s.half[failures] + s.half[passes] - s.whole[failures+passes]
}

// lnPi is ln B(1/2, 1/2) = ln pi, the constant that marginal leaves out of each part. A
// series with a change has two parts and one without has one, so the odds between them
// lack it once.
const lnPi = 1.1447298858494002

// Scan finds the most probable change in a series, true for a failure, oldest first. When
// the series is longer than the scanner allows, it looks at the newest runs only, and At
// counts from the first of those. The runs before and after a change each have their own
// rate, with the prior Beta(1/2, 1/2). Fewer than two runs give the zero Change.
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
	// sum is the sum of exp(l - best) over the places seen so far. When a better place
	// comes, the sum is scaled down to it. Places 40 nats below the best add less than
	// 1e-17 each and are skipped.
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
	// The odds of a change against none: the average over its n-1 places.
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
