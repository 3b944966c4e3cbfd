package analysis

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/mozci/mozci/job"
)

// Method is how the interval of a rate is made.
type Method string

// The methods. Wilson's is the inverse of the score test (Wilson, JASA 1927),
// Clopper and Pearson's that of the exact binomial test (Biometrika 1934), which
// never covers less than it says; Jeffreys' is the credible interval of the
// prior Beta(1/2, 1/2), and at 0 or all failures it goes to the end.
const (
	Wilson         Method = "wilson"
	ClopperPearson Method = "clopper-pearson"
	Jeffreys       Method = "jeffreys"
)

// Rate is how often something fails: a proportion with its interval.
type Rate struct {
	Failures, Runs int
	Rate           float64 // Failures / Runs; 0 without runs
	Low, High      float64 // the interval, 0 to 1
	Confidence     float64
	Method         Method
	Warnings       []string
}

// Frequency is the rate of so many failures in so many runs, with an interval of
// a confidence between 0 and 1. Runs must be independent: count jobs, not the
// repeats within one. Counts and confidences that make no sense give
// job.ErrInvalid.
func Frequency(failures, runs int, confidence float64, method Method) (Rate, error) {
	r := Rate{Failures: failures, Runs: runs, Confidence: confidence, Method: method}
	switch {
	case failures < 0 || runs < 0 || failures > runs:
		return r, fmt.Errorf("%w: %d failures in %d runs", job.ErrInvalid, failures, runs)
	case !(confidence > 0 && confidence < 1):
		return r, fmt.Errorf("%w: confidence %v, expected more than 0 and less than 1", job.ErrInvalid, confidence)
	}
	if runs == 0 {
		r.High = 1
		r.Warnings = append(r.Warnings, "no runs: nothing is known of the rate")
		return r, nil
	}
	f, n := float64(failures), float64(runs)
	r.Rate = f / n
	tail := (1 - confidence) / 2
	switch method {
	case Wilson:
		z := distuv.UnitNormal.Quantile(1 - tail)
		middle := (r.Rate + z*z/(2*n)) / (1 + z*z/n)
		half := z / (1 + z*z/n) * math.Sqrt(r.Rate*(1-r.Rate)/n+z*z/(4*n*n))
		r.Low, r.High = middle-half, middle+half
	case ClopperPearson:
		r.Low, r.High = 0, 1
		if failures > 0 {
			r.Low = mathext.InvRegIncBeta(f, n-f+1, tail)
		}
		if failures < runs {
			r.High = mathext.InvRegIncBeta(f+1, n-f, 1-tail)
		}
	case Jeffreys:
		r.Low, r.High = mathext.InvRegIncBeta(f+0.5, n-f+0.5, tail), mathext.InvRegIncBeta(f+0.5, n-f+0.5, 1-tail)
	default:
		return r, fmt.Errorf("%w: method %q: expected %s, %s or %s", job.ErrInvalid, string(method), Wilson,
			ClopperPearson, Jeffreys)
	}
	if failures == 0 {
		r.Low = 0
		r.Warnings = append(r.Warnings, fmt.Sprintf("it was not seen: rates up to %.3g are not ruled out", r.High))
	}
	if failures == runs {
		r.High = 1
	}
	if runs < 5 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d runs say little", runs))
	}
	r.Low, r.High = math.Max(0, r.Low), math.Min(1, r.High)
	return r, nil
}

// mean is the Jeffreys mean of the rate, (f + 1/2) / (n + 1): what to plan with,
// since it is neither 0 nor 1.
func (r Rate) mean() float64 { return (float64(r.Failures) + 0.5) / (float64(r.Runs) + 1) }

// MostRuns is the largest number of runs that is named; what needs more is not to
// be had.
const MostRuns = 1_000_000

// runsToSee is how many runs a failure of a known rate needs to be seen at least
// once with a confidence: ceil(ln(1-c) / ln(1-p)). ok is false for a rate of 0,
// which no number of runs shows, and for one that needs more than MostRuns.
func runsToSee(rate, confidence float64) (runs int, ok bool) {
	switch {
	case !(rate > 0) || !(confidence > 0 && confidence < 1):
		return 0, false
	case rate >= 1:
		return 1, true
	}
	n := math.Ceil(math.Log1p(-confidence)/math.Log1p(-rate) - 1e-9)
	return int(math.Max(1, math.Min(n, MostRuns))), n <= MostRuns
}

// smallest is the smallest number from least on for which enough holds, if it
// holds for all larger ones.
func smallest(least int, enough func(int) bool) (int, bool) {
	low, high := least, least
	for !enough(high) {
		if low, high = high+1, high*2; high > MostRuns {
			return MostRuns, false
		}
	}
	for low < high {
		if m := low + (high-low)/2; enough(m) {
			high = m
		} else {
			low = m + 1
		}
	}
	return high, true
}

// Reproduce says how many runs a measured rate means.
type Reproduce struct {
	// Runs is the honest single figure: how many runs show it at least once
	// with the confidence when the rate is as uncertain as f failures in n runs
	// leave it: the smallest m with B(f+1/2, n-f+1/2+m) / B(f+1/2, n-f+1/2) <= 1-c
	// (beta-binomial).
	Runs int
	// Optimistic is for the Jeffreys mean, Pessimistic for the lower bound of
	// the interval. A rate that was never seen has none.
	Optimistic, Pessimistic int
	// RuleOut is how many passes in a row rule the failure out with the
	// confidence, even at the lower bound.
	RuleOut int
	// None says that the failure was never seen, so that there is no number;
	// Capped that a number is MostRuns and more.
	None, Capped bool
}

// ToReproduce says how many runs show the failure again, and how many passes
// rule it out, at the confidence of the rate.
func (r Rate) ToReproduce() Reproduce {
	if r.Failures == 0 {
		return Reproduce{None: true}
	}
	a, b := float64(r.Failures)+0.5, float64(r.Runs-r.Failures)+0.5
	unseen := func(m int) float64 { return math.Exp(mathext.Lbeta(a, b+float64(m)) - mathext.Lbeta(a, b)) }
	var out Reproduce
	var all [3]bool
	out.Runs, all[0] = smallest(1, func(m int) bool { return unseen(m) <= 1-r.Confidence })
	out.Optimistic, all[1] = runsToSee(r.mean(), r.Confidence)
	out.Pessimistic, all[2] = runsToSee(r.Low, r.Confidence)
	if r.Low <= 0 {
		out.Pessimistic = MostRuns
	}
	out.RuleOut = out.Pessimistic
	out.Capped = !all[0] || !all[1] || !all[2]
	return out
}
