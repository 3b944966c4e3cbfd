package analysis

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/mozci/mozci/job"
)

// Method is how the interval of a rate is computed.
type Method string

// The methods. For 0 failures in 20 runs at 0.95 the upper ends are about 0.161, 0.168 and
// 0.117.
const (
	// Wilson inverts the score test (Wilson, JASA 1927).
	Wilson Method = "wilson"
	// ClopperPearson inverts the exact binomial test (Clopper and Pearson, Biometrika
	// 1934), so its intervals never cover less often than they say.
	ClopperPearson Method = "clopper-pearson"
	// Jeffreys is the credible interval for the prior Beta(1/2, 1/2). It is extended to 0
	// when nothing failed, and to 1 when everything did.
	Jeffreys Method = "jeffreys"
)

// Rate is how often something fails: a proportion with its interval. Rates and bounds are
// fractions from 0 to 1, never percentages.
type Rate struct {
	Failures, Runs int
	Rate           float64  // Failures / Runs; 0 without runs
	Low, High      float64  // the interval, 0 to 1
	Confidence     float64  // of the interval, more than 0 and less than 1
	Method         Method   // how the interval was computed
	Warnings       []string // sentences for people: why the figures may mislead
}

// Frequency returns the failure rate for a number of failures and runs, with an interval
// of the given confidence, more than 0 and less than 1. Runs must be independent: count
// jobs, not the repeats within one job. Counts, confidences and methods that make no
// sense give job.ErrInvalid.
//
// Without any runs the interval is 0 to 1, and a warning says that nothing is known.
func Frequency(failures, runs int, confidence float64, method Method) (Rate, error) {
	r := Rate{Failures: failures, Runs: runs, Confidence: confidence, Method: method}
	switch {
	case failures < 0 || runs < 0 || failures > runs:
		return r, impossible(failures, runs)
	case !(confidence > 0 && confidence < 1):
		return r, fmt.Errorf("%w: confidence %v, expected more than 0 and less than 1", job.ErrInvalid, confidence)
	}
	if runs == 0 {
		r.High = 1
		r.Warnings = append(r.Warnings, "no runs: nothing is known about the rate")
		return r, nil
	}
	f, n := float64(failures), float64(runs)
	r.Rate = f / n
	// What lies outside of the interval is split evenly between both ends.
	tail := (1 - confidence) / 2
	switch method {
	case Wilson:
		z := distuv.UnitNormal.Quantile(1 - tail)
		// The roots of (rate - p)^2 = z^2 p (1-p) / n, solved for p.
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
		r.Warnings = append(r.Warnings, fmt.Sprintf("no failure was seen: it may still fail in %s of runs",
			upTo(r.High)))
	}
	if failures == runs {
		r.High = 1
	}
	if runs < 5 {
		r.Warnings = append(r.Warnings, few(runs))
	}
	r.Low, r.High = math.Max(0, r.Low), math.Min(1, r.High)
	return r, nil
}

// mean is the Jeffreys mean of the rate, (f + 1/2) / (n + 1). Plans use it because it is
// neither 0 nor 1: the raw rate of 3 failures in 3 runs would promise that one run is
// enough.
func (r Rate) mean() float64 { return (float64(r.Failures) + 0.5) / (float64(r.Runs) + 1) }

// MostRuns is the largest number of runs that an answer names. A failure that needs more
// is too rare to reproduce.
const MostRuns = 1_000_000

// runsToSee returns how many runs it takes to see a failure of a known rate at least once
// with the given confidence: ceil(ln(1-c) / ln(1-p)). For a rate of 0.1 and a confidence
// of 0.95 that is 29. ok is false for a rate of 0, which no number of runs shows, and for
// one that needs more than MostRuns.
func runsToSee(rate, confidence float64) (runs int, ok bool) {
	switch {
	case !(rate > 0) || !(confidence > 0 && confidence < 1):
		return 0, false
	case rate >= 1:
		return 1, true
	}
	// The 1e-9 keeps a quotient that is whole but for rounding from being rounded up.
	n := math.Ceil(math.Log1p(-confidence)/math.Log1p(-rate) - 1e-9)
	return int(math.Max(1, math.Min(n, MostRuns))), n <= MostRuns
}

// smallest returns the smallest number, from least on, for which enough holds. enough
// must hold for all numbers above the first one for which it does. The upper bound is
// doubled until enough holds there, then the interval is halved. ok is false above
// MostRuns.
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

// Reproduce says how many runs it takes to see a failure again, and to rule it out.
type Reproduce struct {
	// Runs is the figure to plan with: how many runs show the failure at least once with
	// the confidence of the rate, given that f failures in n runs leave the rate itself
	// uncertain. It is the smallest m with B(f+1/2, n-f+1/2+m) / B(f+1/2, n-f+1/2) <= 1-c
	// (beta-binomial).
	Runs int
	// Optimistic is the number of runs if the rate is the Jeffreys mean, Pessimistic if
	// it is the lower bound of the interval. Both are 0 when the failure was never seen.
	Optimistic, Pessimistic int
	// RuleOut is how many passes in a row rule the failure out with the confidence, even
	// when its rate is the lower bound of the interval.
	RuleOut int
	// None says that the failure was never seen, so there is no number to give. Capped
	// says that at least one of the numbers was cut off at MostRuns.
	None, Capped bool
}

// ToReproduce returns how many runs it takes to see the failure again, and how many
// passes rule it out, at the confidence of the rate.
func (r Rate) ToReproduce() Reproduce {
	if r.Failures == 0 {
		return Reproduce{None: true}
	}
	a, b := float64(r.Failures)+0.5, float64(r.Runs-r.Failures)+0.5
	// The chance that m more runs all pass, averaged over the posterior Beta(a, b) of the
	// rate.
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
