package main

import (
	"math"

	"github.com/mozci/mozci/analysis/culprit"
)

// bayesect is the method of git_bayesect. The rates before and after have Jeffreys priors and are
// integrated out; the next run is the one that lowers the expected entropy most. With history it
// also knows the older and newer runs. free, if not nil, returns runs in the range that it knows
// too.
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

// beliefs is bayesect's posterior over pushes 1 to n.
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
		b.prob[h] = math.Exp(logs[h] - top)
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

func (b *beliefs) next() int { return mostTelling(b.prob, b.after, b.before, 0, 0) }

// mostTelling returns the push whose run lowers the entropy of the hypothesis most. prob, after and
// before are by push. fail and doubt are what the hypotheses with one rate everywhere add to the
// probability of a failure and to the uncertainty about a run.
func mostTelling(prob, after, before []float64, fail, doubt float64) int {
	var rightFail, rightDoubt float64
	for h, p := range prob {
		rightFail += p * before[h]
		rightDoubt += p * coin(before[h])
	}
	best, at := math.Inf(-1), len(prob)-1
	for x, p := range prob {
		fail += p * after[x]
		doubt += p * coin(after[x])
		rightFail -= p * before[x]
		rightDoubt -= p * coin(before[x])
		if info := coin(fail+rightFail) - doubt - rightDoubt; info > best+1e-12 {
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
