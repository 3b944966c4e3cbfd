package main

import (
	"math"

	"github.com/mozci/mozci/analysis/culprit"
)

// The methods of others, written here from their descriptions.

// bisect is git bisect: it halves the range between a good and a bad push, with one run on each
// push.
func bisect(l *lab) answer {
	lo, hi := 0, l.n
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if l.failed(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return answer{push: hi}
}

// repeated is bisection with repeats, as Google does it. A push is bad if all its runs fail, and
// good at the first that passes. It checks both ends first, and says that nothing broke the job
// when the bad end is good or the good end bad.
func repeated(repeats int) method {
	return func(l *lab) answer {
		bad := func(x int) bool {
			for range repeats {
				if !l.failed(x) {
					return false
				}
			}
			return true
		}
		lo, hi := 0, l.n
		if !bad(hi) || bad(lo) {
			return answer{push: 0}
		}
		for hi-lo > 1 {
			if mid := (lo + hi) / 2; bad(mid) {
				hi = mid
			} else {
				lo = mid
			}
		}
		return answer{push: hi}
	}
}

// filled runs every push between the ends times times, in one round. For the newest push it uses
// the failure that was seen.
func filled(l *lab, times int) []culprit.Counts {
	runs := make([]culprit.Counts, l.n+1)
	runs[l.n].Failed = 1
	for x := l.n - 1; x >= 1; x-- {
		for range times {
			add(&runs[x], l.failed(x))
		}
	}
	return runs
}

// linear runs every push in between once; its culprit is the oldest push that failed. Mozilla's
// tools of 2015 did this.
func linear(l *lab) answer { return answer{push: oldestFailed(filled(l, 1)), rounds: 1} }

func oldestFailed(runs []culprit.Counts) int {
	for x, c := range runs {
		if c.Failed > 0 {
			return x
		}
	}
	return len(runs) - 1
}

// decoded runs every push in between times times; its culprit is the push that makes the results
// most likely.
func decoded(times int) method {
	return func(l *lab) answer { return answer{push: likeliest(filled(l, times)), rounds: 1} }
}

// likeliest is the push with the largest likelihood of the results, at the best pair of rates whose
// rate after is the larger one.
func likeliest(runs []culprit.Counts) int {
	var left, right culprit.Counts
	for _, c := range runs {
		right.Failed, right.Passed = right.Failed+c.Failed, right.Passed+c.Passed
	}
	best, at := math.Inf(-1), len(runs)-1
	for h := 1; h < len(runs); h++ {
		c := runs[h-1]
		left.Failed, left.Passed = left.Failed+c.Failed, left.Passed+c.Passed
		right.Failed, right.Passed = right.Failed-c.Failed, right.Passed-c.Passed
		if left.Failed*(right.Failed+right.Passed) > right.Failed*(left.Failed+left.Passed) {
			continue // the rate fell: the job got better there
		}
		if l := maximal(left) + maximal(right); l > best+1e-12 {
			best, at = l, h
		}
	}
	return at
}

// maximal is the logarithm of the likelihood of some runs at the best rate.
func maximal(c culprit.Counts) float64 {
	n := float64(c.Failed + c.Passed)
	if n == 0 {
		return 0
	}
	return -n * coin(float64(c.Failed)/n)
}

// retriggers is Mozilla's bot of 2025. It runs the failing push five times more. If all six runs
// failed it fills the range with one run on each push, if three or more did with six; else it does
// nothing. Its culprit is the most likely push, which is how people read the result.
func retriggers(l *lab) answer {
	bad := 1 // the failure that was seen
	for range 5 {
		if l.failed(l.n) {
			bad++
		}
	}
	times := 6
	switch {
	case bad < 3:
		return answer{push: -1, rounds: 1}
	case bad == 6:
		times = 1
	}
	runs := filled(l, times)
	runs[l.n] = culprit.Counts{Failed: bad, Passed: 6 - bad}
	return answer{push: likeliest(runs), rounds: 2}
}

// luci cuts the range into thirds with two runs at a time. Then it runs the suspect and its parent,
// and accuses only on a failure and a pass.
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
			return answer{push: -1, rounds: rounds} // the range is bad
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

// facf is flake-aware culprit finding. It assumes that a broken push always fails, and that any
// other push fails at the test's flake rate, which is known from its history and taken as at least
// 0.11. The next run is on the push that splits the belief in halves.
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
