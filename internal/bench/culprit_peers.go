package main

import (
	"math"

	"github.com/mozci/mozci/analysis/culprit"
)

// The other ways to search, made anew from what is written of them.

// bisect halves between a good and a bad push; a push is bad if one of so many
// runs fails. git bisect is one run.
func bisect(repeats int) method {
	return func(l *lab) answer {
		lo, hi := 0, l.n
		for hi-lo > 1 {
			mid := (lo + hi) / 2
			bad := false
			for range repeats {
				if l.failed(mid) {
					bad = true
					break
				}
			}
			if bad {
				hi = mid
			} else {
				lo = mid
			}
		}
		return answer{push: hi}
	}
}

// linear runs every push in between so many times: the culprit is the oldest that
// failed. Mozilla's tools of 2015 do it with one run.
func linear(times int) method {
	return func(l *lab) answer {
		first := l.n
		for x := l.n - 1; x >= 1; x-- {
			for range times {
				if l.failed(x) {
					first = x
				}
			}
		}
		return answer{push: first, rounds: 1}
	}
}

// retriggers is Mozilla's bot of 2025: the failing push five times; always red is
// permanent and filled with one run a push, sometimes red with six.
func retriggers(l *lab) answer {
	bad := 0
	for range 5 {
		if l.failed(l.n) {
			bad++
		}
	}
	switch bad {
	case 0:
		return answer{push: 0, rounds: 1}
	case 5:
		return linear(1)(l)
	}
	return linear(6)(l)
}

// luci cuts the range in three with two runs at a time, then runs the suspect and
// its parent: only a failure and a pass confirm it.
func luci(l *lab) answer {
	lo, hi, rounds := 0, l.n, 0
	for hi-lo > 1 {
		a, b := lo+(hi-lo)/3, lo+2*(hi-lo)/3
		if a == lo {
			a = lo + 1
		}
		rounds++
		badA := l.failed(a)
		badB := badA
		if b > a && b < hi {
			badB = l.failed(b)
		}
		switch {
		case badA && b > a && b < hi && !badB:
			return answer{push: -1, rounds: rounds} // a bad range
		case badA:
			hi = a
		case b > a && b < hi && badB:
			lo, hi = a, b
		case b > a && b < hi:
			lo = b
		default:
			lo = a
		}
	}
	if l.failed(hi) && !l.failed(hi-1) {
		return answer{push: hi, rounds: rounds + 1}
	}
	return answer{push: -1, rounds: rounds + 1}
}

// facf is flake-aware culprit finding: a broken push fails always, another with
// the test's flake rate, known from its history and taken as 0.11 at least; the
// next run is where half of the belief lies on either side.
func facf(l *lab) answer {
	f := math.Max(0.11, (float64(l.older.Failed)+0.5)/(float64(l.older.Failed+l.older.Passed)+1))
	if l.older.Failed+l.older.Passed == 0 {
		f = 0.11
	}
	belief := make([]float64, l.n+2)
	const nothing = 0.1
	for h := 1; h <= l.n; h++ {
		belief[h] = (1 - nothing) / float64(l.n)
	}
	belief[l.n+1] = nothing
	for l.runs < 2000 {
		best, at := 0.0, 0
		for h, b := range belief {
			if b > best {
				best, at = b, h
			}
		}
		if best >= 0.95 {
			if at > l.n {
				return answer{push: 0, stated: best}
			}
			return answer{push: at, stated: best}
		}
		sum, x := 0.0, l.n
		near := math.Inf(1)
		for h := 1; h <= l.n; h++ {
			sum += belief[h]
			if d := math.Abs(sum - 0.5); d < near {
				near, x = d, h
			}
		}
		bad := l.failed(x)
		total := 0.0
		for h := range belief {
			r := f
			if h >= 1 && h <= x {
				r = 1
			}
			if !bad {
				r = 1 - r
			}
			belief[h] *= r
			total += belief[h]
		}
		for h := range belief {
			belief[h] /= total
		}
	}
	return answer{push: -1}
}

// bayesect is git_bayesect: the rates before and after have Jeffreys priors and
// are summed over, the next run is the one that lowers the entropy most. With
// history it is told the older and newer runs. free, if not nil, are runs in the
// range that it is told too.
func bayesect(history bool, most int, free func(l *lab) []culprit.Counts) method {
	return func(l *lab) answer {
		b := &beliefs{runs: make([]culprit.Counts, l.n+1)}
		if history {
			b.older, b.newer = l.older, l.newer
		}
		if free != nil {
			for x, c := range free(l) {
				b.runs[x] = c
			}
		}
		for l.runs < most {
			b.update()
			best, at := 0.0, 0
			for h, p := range b.prob {
				if p > best+1e-12 {
					best, at = p, h
				}
			}
			if best >= 0.95 {
				return answer{push: at, stated: best}
			}
			x := b.next()
			add(&b.runs[x], l.failed(x))
		}
		return answer{push: -1}
	}
}

// beliefs is bayesect's posterior over the pushes 1 to n.
type beliefs struct {
	older, newer culprit.Counts
	runs         []culprit.Counts
	prob         []float64
	after        []float64
	before       []float64
}

func (b *beliefs) update() {
	n := len(b.runs) - 1
	b.prob, b.after, b.before = make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)
	left, right := b.older, b.newer
	for _, c := range b.runs {
		right.Failed, right.Passed = right.Failed+c.Failed, right.Passed+c.Passed
	}
	logs := make([]float64, n+1)
	top := math.Inf(-1)
	changed := true
	for h := 1; h <= n; h++ {
		c := b.runs[h-1]
		left.Failed, left.Passed = left.Failed+c.Failed, left.Passed+c.Passed
		right.Failed, right.Passed = right.Failed-c.Failed, right.Passed-c.Passed
		if changed = changed || c.Failed+c.Passed > 0; changed {
			logs[h] = lnBeta(right) + lnBeta(left)
		} else {
			logs[h] = logs[h-1]
		}
		changed = false
		b.after[h], b.before[h] = jeffreys(right), jeffreys(left)
		top = math.Max(top, logs[h])
	}
	sum := 0.0
	for h := 1; h <= n; h++ {
		if b.after[h] > b.before[h] { // it got worse, not better
			b.prob[h] = math.Exp(logs[h] - top)
		} else {
			b.prob[h] = 1e-6 * math.Exp(logs[h]-top)
		}
		sum += b.prob[h]
	}
	for h := range b.prob {
		b.prob[h] /= sum
	}
}

func lnBeta(c culprit.Counts) float64 {
	a, _ := math.Lgamma(float64(c.Failed) + 0.5)
	s, _ := math.Lgamma(float64(c.Passed) + 0.5)
	t, _ := math.Lgamma(float64(c.Failed+c.Passed) + 1)
	return a + s - t
}

func jeffreys(c culprit.Counts) float64 {
	return (float64(c.Failed) + 0.5) / (float64(c.Failed+c.Passed) + 1)
}

func (b *beliefs) next() int {
	n := len(b.runs) - 1
	var rightFail, rightDoubt float64
	for h := 1; h <= n; h++ {
		rightFail += b.prob[h] * b.before[h]
		rightDoubt += b.prob[h] * coin(b.before[h])
	}
	var leftFail, leftDoubt float64
	best, at := math.Inf(-1), n
	for x := 0; x <= n; x++ {
		leftFail += b.prob[x] * b.after[x]
		leftDoubt += b.prob[x] * coin(b.after[x])
		rightFail -= b.prob[x] * b.before[x]
		rightDoubt -= b.prob[x] * coin(b.before[x])
		if info := coin(leftFail+rightFail) - leftDoubt - rightDoubt; info > best+1e-12 {
			best, at = info, x
		}
	}
	return at
}

func coin(p float64) float64 {
	if p <= 0 || p >= 1 {
		return 0
	}
	return -p*math.Log(p) - (1-p)*math.Log1p(-p)
}
