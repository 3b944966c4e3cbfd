package culprit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// The priors of the failure rates, as Beta distributions: on a broken push, mixed with a
// spike of mass always at a rate of 1; on a push that is not broken; and on all pushes
// when nothing broke the job.
const (
	afterA, afterB   = 0.7, 0.7
	always           = 0.4
	beforeA, beforeB = 0.3, 4.0
	flakeA, flakeB   = 0.3, 1.5
)

// axis is one failure rate on a grid: its values ascending, their prior masses, and the
// logarithms of the values and of 1 minus them.
type axis struct {
	rate, mass   []float64
	log, logLeft []float64 // ln rate and ln (1 - rate)
}

// grid holds the failure rates that are summed over: p on a broken push, q on one that is
// not, r if nothing broke the job.
type grid struct {
	p, q, r axis
	// most says, for each rate in p, how many of the rates in q are far enough below it
	// (MinEffect, MinOdds). q ascends, so these are its first ones.
	most []int
}

// newGrid makes the grids: fixed points, and more of them where the runs outside of the
// range say that the rates are.
func newGrid(o Options) grid {
	var g grid
	switch {
	case o.Known != nil:
		g.p, g.q = point(o.Known.After), point(o.Known.Before)
	default:
		g.q = beta(beforeA, beforeB, 16, 0.0004, 0.97, o.Older)
		if o.Permanent {
			g.p = point(1)
		} else {
			g.p = spiked(beta(afterA, afterB, 16, 0.02, 0.99, o.Newer))
		}
	}
	// If nothing broke the job, older and newer runs have the same rate.
	both := Counts{o.Older.Failed + o.Newer.Failed, o.Older.Passed + o.Newer.Passed}
	g.r = beta(flakeA, flakeB, 30, 0.0004, 0.999, both)
	g.most = make([]int, len(g.p.rate))
	for i, p := range g.p.rate {
		for _, q := range g.q.rate {
			if o.Known != nil || p-q >= o.MinEffect && p*(1-q) >= o.MinOdds*q*(1-p) {
				g.most[i]++
			}
		}
	}
	return g
}

// point is the axis of a rate that is known.
func point(rate float64) axis { return withLogs(axis{rate: []float64{rate}, mass: []float64{1}}) }

// withLogs fills in the logarithms. ln 0 is -Inf, which likelihoods leaves out where it
// does not count.
func withLogs(a axis) axis {
	for _, r := range a.rate {
		a.log = append(a.log, math.Log(r))
		a.logLeft = append(a.logLeft, math.Log1p(-r))
	}
	return a
}

// beta puts the distribution Beta(a, b) on a grid from least to most: points evenly
// spaced in their log odds, and quantiles of the posterior after some runs, if there are
// any. The mass of a point is the prior between the middles to its two neighbours, in log
// odds, so that all masses add up to 1.
func beta(a, b float64, points int, least, most float64, seen Counts) axis {
	logit := func(x float64) float64 { return math.Log(x / (1 - x)) }
	var at []float64
	lo, hi := logit(least), logit(most)
	for i := range points {
		at = append(at, lo+(hi-lo)*float64(i)/float64(points-1))
	}
	if seen.total() > 0 {
		pa, pb := a+float64(seen.Failed), b+float64(seen.Passed)
		for _, u := range []float64{0.003, 0.02, 0.07, 0.16, 0.28, 0.42, 0.58, 0.72, 0.84, 0.93, 0.98, 0.997} {
			if x := mathext.InvRegIncBeta(pa, pb, u); x > least/4 && x < 1-1e-6 {
				at = append(at, logit(x))
			}
		}
	}
	slices.Sort(at)
	at = slices.CompactFunc(at, func(x, y float64) bool { return math.Abs(y-x) < 1e-3 })
	var out axis
	below := 0.0
	for i, l := range at {
		above := 1.0
		if i+1 < len(at) {
			above = mathext.RegIncBeta(a, b, expit((l+at[i+1])/2))
		}
		out.rate = append(out.rate, expit(l))
		out.mass = append(out.mass, math.Max(above-below, 0))
		below = above
	}
	return withLogs(out)
}

// expit is the inverse of the log odds.
func expit(l float64) float64 { return 1 / (1 + math.Exp(-l)) }

// spiked adds the rate 1 with the mass always, and scales the other masses down.
func spiked(a axis) axis {
	for i := range a.mass {
		a.mass[i] *= 1 - always
	}
	return withLogs(axis{rate: append(slices.Clone(a.rate), 1), mass: append(slices.Clone(a.mass), always)})
}

// likelihoods returns the masses of an axis times the likelihood of some runs, scaled so
// that the largest likelihood is 1; scale is the logarithm of the factor that was taken
// out. Without scaling, a few hundred runs would underflow.
func (a *axis) likelihoods(c Counts, into []float64) (out []float64, scale float64) {
	into = into[:0]
	scale = math.Inf(-1)
	f, s := float64(c.Failed), float64(c.Passed)
	for i := range a.rate {
		l := 0.0
		// A rate of 1 has ln(1-rate) = -Inf, and 0 times that would be NaN.
		if f > 0 {
			l += float64(f * a.log[i])
		}
		if s > 0 {
			l += float64(s * a.logLeft[i])
		}
		into = append(into, l)
		scale = math.Max(scale, l)
	}
	if math.IsInf(scale, -1) {
		for i := range into {
			into[i] = 0
		}
		return into, 0
	}
	for i, l := range into {
		into[i] = a.mass[i] * math.Exp(l-scale)
	}
	return into, scale
}
