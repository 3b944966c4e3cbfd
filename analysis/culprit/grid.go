package culprit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// The priors of the rates, as Beta distributions: of a broken push, with a spike
// at "always", of one that is not, and of all when nothing broke it.
const (
	afterA, afterB   = 0.7, 0.7
	always           = 0.4
	beforeA, beforeB = 0.3, 4.0
	flakeA, flakeB   = 0.3, 1.5
)

// axis is a rate on a grid: its values ascending, their prior masses, and the
// logarithms of the values and of what they leave.
type axis struct {
	rate, mass   []float64
	log, logLeft []float64
}

// grid is the rates that are summed over.
type grid struct {
	p, q, r axis
	// most is, for each p, how many of the qs are small enough beside it.
	most []int
}

// newGrid makes grids that are fixed, and denser where the evidence that nobody
// bought says that the rates are.
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

func point(rate float64) axis { return withLogs(axis{rate: []float64{rate}, mass: []float64{1}}) }

func withLogs(a axis) axis {
	for _, r := range a.rate {
		a.log = append(a.log, math.Log(r))
		a.logLeft = append(a.logLeft, math.Log1p(-r))
	}
	return a
}

// beta puts a Beta distribution on points that are even in their log odds, and
// on quantiles of what it becomes with some runs. A point's mass is that of the
// prior between the middles to its neighbours.
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

func expit(l float64) float64 { return 1 / (1 + math.Exp(-l)) }

// spiked adds "always".
func spiked(a axis) axis {
	for i := range a.mass {
		a.mass[i] *= 1 - always
	}
	return withLogs(axis{rate: append(slices.Clone(a.rate), 1), mass: append(slices.Clone(a.mass), always)})
}

// likelihoods are the masses of an axis times the likelihood of some runs, scaled
// so that the largest is near 1; scale is the logarithm of the factor.
func (a *axis) likelihoods(c Counts, into []float64) (out []float64, scale float64) {
	into = into[:0]
	scale = math.Inf(-1)
	f, s := float64(c.Failed), float64(c.Passed)
	for i := range a.rate {
		l := 0.0
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
