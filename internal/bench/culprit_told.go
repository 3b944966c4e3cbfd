package main

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"

	"github.com/mozci/mozci/analysis/culprit"
)

// What is it worth to know the prior of the rates exactly? Here the rates of each trial are drawn
// from a list of pairs, which is the engine's own prior (with a CI's least effect and odds) and the
// rate before in a band. The engine competes with a second one, written here, that sums over
// exactly this list. It chooses greedily, as the engine does. It stops at the confidence itself,
// since its probabilities are exact except for "nothing" and "older", for which both have the same
// prior.

// pairs are rates after and before, with the probability mass of each rate after; all rates
// before have the same mass. most is how many of the rates before go with each rate after.
type pairs struct {
	after, mass, before []float64
	most                []int
	sum                 float64 // sum of the masses
	// logs are the logarithms of the rates, left those of 1 minus the rates.
	logs, left [2][]float64
}

// told compares the engine with one that knows the exact prior.
func (b *sim) told(n int) {
	fmt.Printf("\ntold the exact prior of the rates, n = %d: drawn from the engine's prior with q in a band, 200 "+
		"older runs, 20 newer ones; oracle: told the rates\n", n)
	for _, band := range [][2]float64{{0.1, 0.2}, {0.2, 0.5}} {
		prior := inBand(band[0], band[1])
		draw := func(i uint64) *lab {
			seed := &lab{seed: b.seed + 12, trial: i}
			r := prior.drawn(seed.uniform(streamKind, 0))
			return newLab(b.seed+12, i, n, r.After, r.Before, 200, 20)
		}
		o := culprit.Options{MinEffect: leastEffect, MinOdds: leastOdds}
		trials := b.trials(1000)
		mine, exact := try(trials, draw, ours(1, o)), try(trials, draw, informed(prior))
		o.Trust = 1
		plain := try(trials, draw, ours(1, o))
		ratio := mine.over(exact)
		fmt.Printf("q %.1f to %.1f   ours %s   told the prior %s   (%.3f)   ours with trust 1 %s (%.3f)   oracle %s\n",
			band[0], band[1], cellText(mine), cellText(exact), ratio.value, cellText(plain), plain.over(exact).value,
			cellText(try(trials, draw, oracle(1, o))))
		strata(draw, mine, exact)
		name := fmt.Sprintf("n %d, q %.1f to %.1f", n, band[0], band[1])
		b.atMost(ratio, 1.05, 1.02, "%s: runs of one told the exact prior", name)
		b.atLeast(mine.rightShare(), 0.95, 0.95, "%s: right", name)
	}
}

// strata prints where the two methods differ, by the rate after.
func strata(draw func(uint64) *lab, mine, exact score) {
	for _, s := range []struct {
		name     string
		from, to float64
	}{{"p = 1", 1, 2}, {"p from 0.5", 0.5, 1}, {"p below 0.5", 0, 0.5}} {
		var a, b float64
		trials := 0
		for i := range mine.trials {
			if p := draw(uint64(i)).p; p >= s.from && p < s.to {
				a, b, trials = a+mine.each[i], b+exact.each[i], trials+1
			}
		}
		n := float64(trials)
		fmt.Printf("   %-12s %4d trials: ours %.1f, told the prior %.1f (%.3f)\n", s.name, trials, a/n, b/n, a/b)
	}
}

// A CI's least effect and odds ratio.
const (
	leastEffect = 0.1
	leastOdds   = 2.5
)

// inBand is the engine's prior, with the rate before in a band: the rate after is Beta(0.7, 0.7)
// with a spike of 0.4 at 1, the rate before Beta(0.3, 4).
func inBand(from, to float64) *pairs {
	const pointsAfter, pointsBefore, always = 40, 12, 0.4
	lo, hi := mathext.RegIncBeta(0.3, 4, from), mathext.RegIncBeta(0.3, 4, to)
	g := &pairs{}
	for j := range pointsBefore {
		u := lo + (hi-lo)*(float64(j)+0.5)/pointsBefore
		g.before = append(g.before, mathext.InvRegIncBeta(0.3, 4, u))
	}
	for i := range pointsAfter {
		g.after = append(g.after, mathext.InvRegIncBeta(0.7, 0.7, (float64(i)+0.5)/pointsAfter))
		g.mass = append(g.mass, (1-always)/pointsAfter)
	}
	g.after, g.mass = append(g.after, 1), append(g.mass, always)
	for i, p := range g.after {
		most := 0
		for most < pointsBefore && p-g.before[most] >= leastEffect &&
			p*(1-g.before[most]) >= leastOdds*g.before[most]*(1-p) {
			most++
		}
		g.most = append(g.most, most)
		g.sum += g.mass[i] * float64(most)
	}
	for side, rates := range [][]float64{g.after, g.before} {
		for _, r := range rates {
			g.logs[side], g.left[side] = append(g.logs[side], math.Log(r)), append(g.left[side], math.Log1p(-r))
		}
	}
	return g
}

// drawn is the pair at quantile u.
func (g *pairs) drawn(u float64) culprit.Rates {
	u *= g.sum
	for i, p := range g.after {
		for j := range g.most[i] {
			if u -= g.mass[i]; u < 0 {
				return culprit.Rates{After: p, Before: g.before[j]}
			}
		}
	}
	return culprit.Rates{After: 1, Before: g.before[0]}
}

// exactly is the posterior over the hypotheses 0 (older), 1 to n, and n+1 (nothing), with the rates
// summed over a list of pairs.
type exactly struct {
	prior *pairs
	flake []float64 // the rates when nothing broke it, all equally likely
	l     *lab
	runs  []culprit.Counts

	prob          []float64
	after, before []float64 // mean rates, by hypothesis
}

// informed is the search that knows the exact prior.
func informed(prior *pairs) method {
	var flake []float64
	const points = 60
	for i := range points {
		flake = append(flake, mathext.InvRegIncBeta(0.3, 1.5, (float64(i)+0.5)/points))
	}
	return func(l *lab) answer {
		e := &exactly{prior: prior, flake: flake, l: l, runs: make([]culprit.Counts, l.n+1)}
		for l.runs < 5000 {
			e.update()
			at, best := e.best()
			x := e.next()
			if best >= 0.95 {
				switch {
				case at > l.n:
					return answer{push: 0, stated: best}
				case at == 0:
					return answer{push: -2, stated: best}
				case e.runs[at].Failed == 0:
					x = at
				case e.runs[at-1].Passed == 0:
					x = at - 1
				default:
					return answer{push: at, stated: best}
				}
			}
			add(&e.runs[x], l.failed(x))
		}
		return answer{push: -1}
	}
}

func (e *exactly) update() {
	n := e.l.n
	e.prob, e.after, e.before = make([]float64, n+2), make([]float64, n+2), make([]float64, n+2)
	logs := make([]float64, n+2)
	left, right := e.l.older, e.l.newer
	for _, c := range e.runs {
		right.Failed, right.Passed = right.Failed+c.Failed, right.Passed+c.Passed
	}
	all := culprit.Counts{Failed: left.Failed + right.Failed, Passed: left.Passed + right.Passed}
	for h := 0; h <= n; h++ {
		var c culprit.Counts
		if h > 0 {
			c = e.runs[h-1]
		}
		if h > 0 && c == (culprit.Counts{}) {
			logs[h], e.after[h], e.before[h] = logs[h-1], e.after[h-1], e.before[h-1]
			continue
		}
		left.Failed, left.Passed = left.Failed+c.Failed, left.Passed+c.Passed
		right.Failed, right.Passed = right.Failed-c.Failed, right.Passed-c.Passed
		logs[h], e.after[h], e.before[h] = e.prior.evidence(left, right)
	}
	logs[n+1], e.after[n+1] = e.nothing(all)
	e.before[n+1] = e.after[n+1]
	top, sum := math.Inf(-1), 0.0
	for _, x := range logs {
		top = math.Max(top, x)
	}
	for h := range e.prob {
		prior := 0.88 / float64(n) // the engine's prior
		if h == 0 {
			prior = 0.02
		} else if h > n {
			prior = 0.1
		}
		e.prob[h] = prior * math.Exp(logs[h]-top)
		sum += e.prob[h]
	}
	for h := range e.prob {
		e.prob[h] /= sum
	}
}

// evidence is the logarithm of the likelihood of the runs on both sides, with the mean rates.
func (g *pairs) evidence(left, right culprit.Counts) (log, after, before float64) {
	a, scaleA := likelihoods(right, g.logs[0], g.left[0])
	b, scaleB := likelihoods(left, g.logs[1], g.left[1])
	sum := 0.0
	for i, x := range a {
		x *= g.mass[i] / g.sum
		for j, y := range b[:g.most[i]] {
			sum += x * y
			after += x * y * g.after[i]
			before += x * y * g.before[j]
		}
	}
	if sum == 0 {
		return math.Inf(-1), 0, 0
	}
	return scaleA + scaleB + math.Log(sum), after / sum, before / sum
}

// likelihoods are the likelihoods of some runs at each rate, scaled so that the largest is 1. scale
// is the logarithm of the factor that undoes this.
func likelihoods(c culprit.Counts, logs, left []float64) (out []float64, scale float64) {
	out = make([]float64, len(logs))
	scale = math.Inf(-1)
	for i := range out {
		if c.Failed > 0 {
			out[i] += float64(c.Failed) * logs[i]
		}
		if c.Passed > 0 {
			out[i] += float64(c.Passed) * left[i]
		}
		scale = math.Max(scale, out[i])
	}
	for i, l := range out {
		out[i] = math.Exp(l - scale)
	}
	return out, scale
}

// nothing is the logarithm of the likelihood that one rate holds everywhere, with the mean of that
// rate.
func (e *exactly) nothing(all culprit.Counts) (log, rate float64) {
	most, sum := math.Inf(-1), 0.0
	logs := make([]float64, len(e.flake))
	for i, r := range e.flake {
		logs[i] = float64(all.Failed)*math.Log(r) + float64(all.Passed)*math.Log1p(-r)
		most = math.Max(most, logs[i])
	}
	for i, r := range e.flake {
		w := math.Exp(logs[i] - most)
		sum += w
		rate += w * r
	}
	return most + math.Log(sum/float64(len(e.flake))), rate / sum
}

func (e *exactly) best() (at int, best float64) {
	for h, p := range e.prob {
		if p > best+1e-12 {
			at, best = h, p
		}
	}
	return at, best
}

// next is the push whose run lowers the entropy of the hypothesis most.
func (e *exactly) next() int {
	n := e.l.n
	flake := e.after[n+1]
	return mostTelling(e.prob[:n+1], e.after[:n+1], e.before[:n+1], e.prob[n+1]*flake, e.prob[n+1]*coin(flake))
}
