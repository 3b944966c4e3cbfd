package backfill

import (
	"math"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
)

// The engine knows of one change. What lies outside of the range may have seen others:
// what broke the label is often backed out soon, and what was backed out lands again.
// Passes after a backout would make any failure a rare flake.

// newerRuns are the runs on newer pushes that tell how often the label fails with the
// culprit: those before the last failure. From there on it may be mended; and what was
// before does not depend on where the last failure is.
func (s *searcher) newerRuns() culprit.Counts {
	return upToLastFailure(s.pushes[s.to+1:], s.runsOn)
}

// olderRuns are the runs on older pushes that tell how often it fails without the
// culprit: all of them, unless they failed so much more often than those at the beginning
// of the range that it must have been broken there, and mended since. Then none.
func (s *searcher) olderRuns() culprit.Counts {
	older := countsOf(s.pushes[:s.from], func(p job.Push) analysis.Runs {
		if s.broken[p.Key()] {
			return analysis.Runs{}
		}
		return s.runsOn(p)
	})
	var here culprit.Counts
	for _, p := range s.pushes[s.from:s.to] {
		r := s.runsOn(p)
		if r.Bad+r.Good == 0 || older.Failed == 0 {
			continue
		}
		here = here.Plus(countOf(r))
		if moreOften(older, here) < surelyMended {
			s.warn("it failed in %d of %d runs on pushes %s the range, far more often than in it: it was broken there "+
				"for a while, and these runs do not count", older.Failed, older.Failed+older.Passed, s.beyondWord())
			return culprit.Counts{}
		}
	}
	return older
}

// beyondWord says where the pushes are that are believed to be good.
func (s *searcher) beyondWord() string {
	if s.o.FindFix {
		return "after"
	}
	return "before"
}

// surelyMended is how improbable it must be that a label fails so often before the range
// and so seldom in it, were it no worse before than in the range.
const surelyMended = 0.001

func (s *searcher) runsOn(p job.Push) analysis.Runs { return s.seen[p.Key()].runs }

// countOf are the runs with a result.
func countOf(r analysis.Runs) culprit.Counts { return culprit.Counts{Failed: r.Bad, Passed: r.Good} }

func countsOf(pushes []job.Push, runs func(job.Push) analysis.Runs) culprit.Counts {
	var c culprit.Counts
	for _, p := range pushes {
		c = c.Plus(countOf(runs(p)))
	}
	return c
}

// upToLastFailure counts the runs on the pushes up to the last that failed, without that
// one failure.
func upToLastFailure(pushes []job.Push, runs func(job.Push) analysis.Runs) culprit.Counts {
	for last := len(pushes) - 1; last >= 0; last-- {
		if runs(pushes[last]).Bad > 0 {
			c := countsOf(pushes[:last+1], runs)
			c.Failed--
			return c
		}
	}
	return culprit.Counts{}
}

// moreOften is how likely as many of the failures of both, or more, are in a, were a run
// of a no likelier to fail than one of b (Fisher's exact test).
func moreOften(a, b culprit.Counts) float64 {
	na, nb, failed := a.Failed+a.Passed, b.Failed+b.Passed, a.Failed+b.Failed
	sum := 0.0
	for x := a.Failed; x <= min(na, failed); x++ {
		sum += math.Exp(choose(na, x) + choose(nb, failed-x) - choose(na+nb, failed))
	}
	return sum
}

// choose is the logarithm of the number of ways to choose k of n.
func choose(n, k int) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	lg := func(n int) float64 {
		v, _ := math.Lgamma(float64(n + 1))
		return v
	}
	return lg(n) - lg(k) - lg(n-k)
}
