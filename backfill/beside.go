package backfill

import (
	"math"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
)

// The engine assumes one change in the range. Pushes outside of the range may have seen
// others: whatever broke the label is often backed out soon, and lands again later.
// Passes after a backout would make any failure look like a rare flake, so such runs are
// left out here.

// newerRuns counts the runs on newer pushes that tell how often the label fails with the
// culprit: those up to the last failure, since the label may be fixed after it. The last
// failure itself is not counted: the stretch ends there because it failed, so counting it
// would make the rate too high.
func (s *searcher) newerRuns() culprit.Counts {
	return upToLastFailure(s.pushes[s.to+1:], s.runsOn)
}

// olderRuns counts the runs on older pushes that tell how often the label fails without
// the culprit. It returns none when they failed far more often than those at the
// beginning of the range: the label must have been broken back then, and fixed since.
func (s *searcher) olderRuns() culprit.Counts {
	older := countsOf(s.pushes[:s.from], func(p job.Push) analysis.Runs {
		if s.broken[p.Key()] {
			return analysis.Runs{}
		}
		return s.runsOn(p)
	})
	var here culprit.Counts
	// The beginning of the range grows push by push until it is long enough to tell. Runs
	// close to the failing push, which the culprit may have broken, come last: a
	// difference that is real shows before them.
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

// beyondWord says on which side of the range the pushes are that are believed to be good.
func (s *searcher) beyondWord() string {
	if s.o.FindFix {
		return "after"
	}
	return "before"
}

// surelyMended is the p-value below which the label is taken to have been broken before
// the range and fixed since: the probability that it fails so often before the range,
// and so seldom in it, if it was no worse before.
const surelyMended = 0.001

func (s *searcher) runsOn(p job.Push) analysis.Runs { return s.seen[p.Key()].runs }

// countOf counts the runs with a result.
func countOf(r analysis.Runs) culprit.Counts { return culprit.Counts{Failed: r.Bad, Passed: r.Good} }

// countsOf adds up the runs with a result on some pushes.
func countsOf(pushes []job.Push, runs func(job.Push) analysis.Runs) culprit.Counts {
	var c culprit.Counts
	for _, p := range pushes {
		c = c.Plus(countOf(runs(p)))
	}
	return c
}

// upToLastFailure counts the runs on the pushes up to the last push with a failure, minus
// one failure there: for the runs PFPFPP it counts 1 failure and 2 passes.
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

// moreOften returns the one-sided p-value of Fisher's exact test: the probability that a
// has at least as many of all failures as it has, if a run in a is no likelier to fail
// than one in b.
func moreOften(a, b culprit.Counts) float64 {
	na, nb, failed := a.Failed+a.Passed, b.Failed+b.Passed, a.Failed+b.Failed
	sum := 0.0
	for x := a.Failed; x <= min(na, failed); x++ {
		sum += math.Exp(choose(na, x) + choose(nb, failed-x) - choose(na+nb, failed))
	}
	return sum
}

// choose returns the logarithm of the binomial coefficient n over k, and -Inf where there
// is no way to choose.
func choose(n, k int) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	// ln n! is ln Gamma(n+1).
	lg := func(n int) float64 {
		v, _ := math.Lgamma(float64(n + 1))
		return v
	}
	return lg(n) - lg(k) - lg(n-k)
}
