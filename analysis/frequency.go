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
		return r, fmt.Errorf("%w: method %q: expected %s, %s or %s", job.ErrInvalid, string(method), Wilson, ClopperPearson, Jeffreys)
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

// Mean is the Jeffreys mean of the rate, (f + 1/2) / (n + 1): what to plan with,
// since it is neither 0 nor 1.
func (r Rate) Mean() float64 { return (float64(r.Failures) + 0.5) / (float64(r.Runs) + 1) }

// MostRuns is the largest number of runs that is named; what needs more is not to
// be had.
const MostRuns = 1_000_000

// RunsToSee is how many runs a failure of a known rate needs to be seen at least
// once with a confidence: ceil(ln(1-c) / ln(1-p)). ok is false for a rate of 0,
// which no number of runs shows, and for one that needs more than MostRuns.
func RunsToSee(rate, confidence float64) (runs int, ok bool) {
	switch {
	case !(rate > 0) || !(confidence > 0 && confidence < 1):
		return 0, false
	case rate >= 1:
		return 1, true
	}
	n := math.Ceil(math.Log1p(-confidence)/math.Log1p(-rate) - 1e-9)
	return int(math.Max(1, math.Min(n, MostRuns))), n <= MostRuns
}

// RunsToSeeTimes is the smallest number of runs that show a failure of a known
// rate at least so many times: the smallest m with I_p(times, m-times+1) >= c,
// where I is the regularised incomplete beta function.
func RunsToSeeTimes(rate float64, times int, confidence float64) (runs int, ok bool) {
	if !(rate > 0 && rate <= 1) || times < 1 || !(confidence > 0 && confidence < 1) {
		return 0, false
	}
	enough := func(m int) bool {
		return rate == 1 || mathext.RegIncBeta(float64(times), float64(m-times+1), rate) >= confidence
	}
	return smallest(times, enough)
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
	out.Optimistic, all[1] = RunsToSee(r.Mean(), r.Confidence)
	out.Pessimistic, all[2] = RunsToSee(r.Low, r.Confidence)
	if r.Low <= 0 {
		out.Pessimistic = MostRuns
	}
	out.RuleOut = out.Pessimistic
	out.Capped = !all[0] || !all[1] || !all[2]
	return out
}

// ConfidenceOf is how sure so many runs make it to see a failure of a known rate
// at least once: what a cap on the runs costs. 1 - (1-p)^m.
func ConfidenceOf(rate float64, runs int) float64 {
	return -math.Expm1(float64(runs) * math.Log1p(-math.Min(rate, 1)))
}

// Sample is what ran of one label on one push.
type Sample struct {
	Push             job.Push
	Label            string
	Failures, Passes int
}

// Overview is how often something fails over a range of pushes.
type Overview struct {
	Overall Rate
	ByPush  []PushRate // in the order of the samples' pushes
	ByLabel []LabelRate
	// Change is where the rate changed, if it is likely that it did; its rates
	// say more than the overall one.
	Change *Change
}

// PushRate is the rate of one push.
type PushRate struct {
	Push job.Push
	Rate
}

// LabelRate is the rate of one label, of one platform if it is known.
type LabelRate struct {
	Label string
	Rate
}

// OverviewOf sums samples up, which are in the order of their pushes. A rate that
// changes over the pushes or from push to push more than chance explains is
// warned of: the runs are then not independent, and the intervals are too small.
func OverviewOf(samples []Sample, confidence float64, method Method) (Overview, error) {
	var o Overview
	failures, runs := 0, 0
	byPush, byLabel := map[job.PushKey]int{}, map[string]int{}
	var series []bool
	for _, s := range samples {
		failures, runs = failures+s.Failures, runs+s.Failures+s.Passes
		i, ok := byPush[s.Push.Key()]
		if !ok {
			i = len(o.ByPush)
			byPush[s.Push.Key()] = i
			o.ByPush = append(o.ByPush, PushRate{Push: s.Push})
		}
		o.ByPush[i].Failures, o.ByPush[i].Runs = o.ByPush[i].Failures+s.Failures, o.ByPush[i].Runs+s.Failures+s.Passes
		j, ok := byLabel[s.Label]
		if !ok {
			j = len(o.ByLabel)
			byLabel[s.Label] = j
			o.ByLabel = append(o.ByLabel, LabelRate{Label: s.Label})
		}
		o.ByLabel[j].Failures, o.ByLabel[j].Runs = o.ByLabel[j].Failures+s.Failures, o.ByLabel[j].Runs+s.Failures+s.Passes
		series = append(series, spread(s.Failures, s.Passes)...)
	}
	var err error
	if o.Overall, err = Frequency(failures, runs, confidence, method); err != nil {
		return o, err
	}
	for i, p := range o.ByPush {
		o.ByPush[i].Rate, _ = Frequency(p.Failures, p.Runs, confidence, method)
	}
	for i, l := range o.ByLabel {
		o.ByLabel[i].Rate, _ = Frequency(l.Failures, l.Runs, confidence, method)
	}
	if c := NewScanner(len(series)).Scan(series); c.Probability >= 0.95 {
		o.Change = &c
		o.Overall.Warnings = append(o.Overall.Warnings, fmt.Sprintf("the rate changed after %d of %d runs, from %.3g to %.3g, with probability %.2f: the overall rate is that of no time",
			c.At, len(series), c.Before, c.After, c.Probability))
	} else if p := o.scatter(); p < 0.01 {
		o.Overall.Warnings = append(o.Overall.Warnings, fmt.Sprintf("the rate differs from push to push more than chance explains (p = %.2g): runs on one push are not independent, and the interval is too small", p))
	}
	return o, nil
}

// spread makes a series of the runs of one push, whose order is not known: the
// failures evenly among the passes.
func spread(failures, passes int) []bool {
	n := failures + passes
	out := make([]bool, n)
	for i := range failures {
		out[(2*i+1)*n/(2*failures)] = true
	}
	return out
}

// scatter is the probability that rates which are the same on all pushes differ
// as much as these (Pearson's chi-squared test of homogeneity), over the pushes
// with several runs; 1 where there are too few.
func (o Overview) scatter() float64 {
	p := o.Overall.Rate
	chi, k := 0.0, 0
	for _, r := range o.ByPush {
		if r.Runs < 2 {
			continue
		}
		n := float64(r.Runs)
		if e := n * p * (1 - p); e > 0 {
			d := float64(r.Failures) - n*p
			chi += d * d / e
			k++
		}
	}
	if k < 3 {
		return 1
	}
	return 1 - distuv.ChiSquared{K: float64(k - 1)}.CDF(chi)
}
