package analysis

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"

	"github.com/mozci/mozci/job"
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
		At: at, Before: (float64(atLeft) + 0.5) / (float64(at) + 1), After: (float64(total-atLeft) + 0.5) / (float64(n-at) + 1),
		Probability: 1, AtProbability: 1 / sum,
	}
	if !math.IsInf(odds, 1) {
		c.Probability = odds / (1 + odds)
	}
	return c
}

// Comparison says whether a rate got worse.
type Comparison struct {
	Before, After Rate
	// P is the probability that rates which are the same differ at least as
	// much in this direction (Fisher's exact test, one-sided).
	P float64
	// Worse says that P is at most 1 - confidence.
	Worse bool
	// Power is the probability that as many runs of rates such as these (the
	// Jeffreys means) would have shown it: when it is small, "not worse" says
	// nothing.
	Power float64
	// Probability is that of the rate after being the larger, with Jeffreys
	// priors.
	Probability float64
	Warnings    []string
}

// mostExact is how many runs on each side the power is summed over exactly; for
// more it is that of fewer runs of the same rates, a lower bound.
const mostExact = 400

// Compare tells whether the failures of a later range are more frequent than
// those of an earlier one.
func Compare(before, after Rate, confidence float64) (Comparison, error) {
	c := Comparison{Before: before, After: after}
	if !(confidence > 0 && confidence < 1) {
		return c, fmt.Errorf("%w: confidence %v, expected more than 0 and less than 1", job.ErrInvalid, confidence)
	}
	if before.Runs == 0 || after.Runs == 0 {
		c.P = 1
		c.Warnings = append(c.Warnings, "one of the ranges has no runs: nothing can be compared")
		return c, nil
	}
	c.P = fisher(before.Failures, before.Runs, after.Failures, after.Runs)
	c.Worse = c.P <= 1-confidence
	c.Power = power(min(before.Runs, mostExact), min(after.Runs, mostExact), before.Mean(), after.Mean(), 1-confidence)
	c.Probability = greater(before, after)
	if !c.Worse && c.Power < 0.8 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("runs as few as these would show such a difference with probability %.2f only", c.Power))
	}
	return c, nil
}

// fisher is the upper tail of the hypergeometric distribution: the chance of at
// least so many of all failures among the runs after.
func fisher(f1, n1, f2, n2 int) float64 {
	k, n := f1+f2, n1+n2
	sum := 0.0
	for x := f2; x <= min(k, n2); x++ {
		if k-x <= n1 {
			sum += math.Exp(choose(n2, x) + choose(n1, k-x) - choose(n, k))
		}
	}
	return math.Min(1, sum)
}

// choose is the logarithm of a binomial coefficient.
func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// power sums the chance of all outcomes that the test would call worse. For each
// number of failures before, those after are significant from some number on.
func power(n1, n2 int, p1, p2, alpha float64) float64 {
	total := 0.0
	from := 0
	for a := 0; a <= n1; a++ {
		for from <= n2 && fisher(a, n1, from, n2) > alpha {
			from++
		}
		if from > n2 {
			break
		}
		total += math.Exp(choose(n1, a)+float64(a)*math.Log(p1)+float64(n1-a)*math.Log1p(-p1)) * mathext.RegIncBeta(math.Max(float64(from), 1e-12), float64(n2-from+1), p2)
	}
	return math.Min(1, total)
}

// greater is P(after > before) for Beta posteriors, by the midpoint rule over the
// quantiles of the rate before.
func greater(before, after Rate) float64 {
	a1, b1 := float64(before.Failures)+0.5, float64(before.Runs-before.Failures)+0.5
	a2, b2 := float64(after.Failures)+0.5, float64(after.Runs-after.Failures)+0.5
	const steps = 400
	sum := 0.0
	for i := range steps {
		x := mathext.InvRegIncBeta(a1, b1, (float64(i)+0.5)/steps)
		sum += 1 - mathext.RegIncBeta(a2, b2, x)
	}
	return sum / steps
}
