package analysis

import (
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// Overview is how often something fails over a range of pushes: in all, by push and by
// label.
type Overview struct {
	Overall Rate
	ByPush  []PushRate // in the order of the samples' pushes
	ByLabel []LabelRate
	// Change is where the rate changed, when the probability of a change is at least
	// 0.95; else nil. Its two rates then say more than the overall one. Change.At counts
	// runs, not pushes; ChangedOn has the push.
	Change *Change
	// ChangedOn is the push that has run Change.At, the first one after the change; nil
	// without a change. The runs of one push have no known order, so the change may also
	// lie just before or after this push.
	ChangedOn *job.Push
}

// Sample is the number of failed and passed runs of one label on one push.
type Sample struct {
	Push             job.Push
	Label            string
	Failures, Passes int
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

// OverviewOf sums up samples, which must be in the order of their pushes, oldest first.
// It warns when the rate changes along the range, or differs from push to push more than
// chance explains: the runs are then not independent, and the intervals are too small.
//
// Errors are those of [Frequency].
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
		o.ByPush[i].count(s)
		j, ok := byLabel[s.Label]
		if !ok {
			j = len(o.ByLabel)
			byLabel[s.Label] = j
			o.ByLabel = append(o.ByLabel, LabelRate{Label: s.Label})
		}
		o.ByLabel[j].count(s)
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
		o.Change, o.ChangedOn = &c, pushOfRun(samples, c.At)
		o.Overall.Warnings = append(o.Overall.Warnings, fmt.Sprintf("the rate changed about push %d, after %d of %d "+
			"runs, from %s to %s (%s sure): the overall rate does not describe either part",
			o.ChangedOn.ID, c.At, len(series), phrase.Percent(c.Before), phrase.Percent(c.After),
			phrase.Percent(c.Probability)))
	} else if p := o.scatter(); p < 0.01 {
		o.Overall.Warnings = append(o.Overall.Warnings, fmt.Sprintf(
			"the rate differs from push to push more than chance explains (p = %.2g): "+
				"runs on one push are not independent, and the interval is too small", p))
	}
	return o, nil
}

// pushOfRun returns the push of the run with an index among all runs of the samples. With
// samples of 2, 0 and 3 runs, index 1 is the first sample's, and index 2 the third's.
func pushOfRun(samples []Sample, index int) *job.Push {
	for _, s := range samples {
		if index -= s.Failures + s.Passes; index < 0 {
			return &s.Push
		}
	}
	return nil // not covered: a change has runs on both sides
}

// count adds the runs of a sample to the counts. The rate and its interval are computed
// later.
func (r *Rate) count(s Sample) {
	r.Failures, r.Runs = r.Failures+s.Failures, r.Runs+s.Failures+s.Passes
}

// spread makes a series of the runs of one push. Their order is not known, so the
// failures are placed evenly among the passes: 2 failures and 4 passes become - F - - F
// -, with failure i at index (2i+1)n / 2f. A run of failures at one end would look like a
// change within the push.
func spread(failures, passes int) []bool {
	n := failures + passes
	out := make([]bool, n)
	for i := range failures {
		out[(2*i+1)*n/(2*failures)] = true
	}
	return out
}

// scatter is the p-value of Pearson's chi-squared test of homogeneity: the probability
// that pushes with one and the same rate differ as much as these do. Only pushes with two
// or more runs take part; with fewer than three such pushes it returns 1, which never
// warns.
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
