package backfill

import (
	"context"
	"math"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
)

// A label that was broken, fixed and broken again within the range has two culprits. The
// engine assumes one change and may name the older one: a push that was backed out and
// landed again, say. Between the two the label passes more often than it could with a
// single change.

// surelyPassed is the probability below which a stretch of passes is taken as proof that
// the label was fixed: that of seeing it among pushes that are all broken.
const surelyPassed = 1e-4

// stretch is a stretch of pushes without a failure: the indices in searcher.pushes of the
// first and last push with a pass, and how many runs passed.
type stretch struct{ from, to, passes int }

// mendedBetween finds the newest stretch of passes, at or after a culprit at index at,
// that is too long to be chance and has failures on both sides: the label was fixed
// there, and broken again. The probability of a stretch is multiplied by the number of
// stretches, since any of them could have been found (Bonferroni).
func (s *searcher) mendedBetween(at int) (stretch, bool) {
	var all []stretch
	var failed, passed int
	open := stretch{from: -1}
	for i := at; i <= s.to; i++ {
		r := s.runsOn(s.pushes[i])
		failed, passed = failed+r.Bad, passed+r.Good
		switch {
		// A failure closes an open stretch, so each stretch in all has a failure after
		// it. The one before it is at the culprit.
		case r.Bad > 0:
			if open.from >= 0 {
				all = append(all, open)
			}
			open = stretch{from: -1}
		case r.Good > 0:
			if open.from < 0 {
				open.from = i
			}
			open.to, open.passes = i, open.passes+r.Good
		}
	}
	for n := len(all); n > 0; n-- {
		x := all[n-1]
		// The Jeffreys mean of the failure rate of all other runs.
		rate := (float64(failed) + 0.5) / float64(failed+passed-x.passes+1)
		if float64(len(all))*math.Pow(1-rate, float64(x.passes)) < surelyPassed {
			return x, true
		}
	}
	return stretch{}, false
}

// relapse narrows the range to the pushes since the label was last fixed, when the named
// culprit is older than that. It marks the pushes in between as broken: their runs do not
// tell how often the label fails without the culprit. It returns true when the search
// must decide again.
func (s *searcher) relapse(ctx context.Context) (bool, error) {
	if s.meter != nil || !s.decision.Done || s.decision.Outcome != culprit.Found {
		return false, nil
	}
	at := s.from + s.decision.Culprit
	x, ok := s.mendedBetween(at)
	if !ok {
		return false, nil
	}
	if s.broken == nil {
		s.broken = map[job.PushKey]bool{}
	}
	for _, p := range s.pushes[at:x.from] {
		s.broken[p.Key()] = true
	}
	older, newer := s.pushes[x.from], s.pushes[x.to]
	if s.o.FindFix {
		older, newer = newer, older
	}
	s.warn("it was broken and fixed more than once: it passed %d runs on pushes %s to %s; pushes beyond these, "+
		"from push %s, are left out", x.passes, older, newer, s.pushes[s.to])
	s.cancel(ctx, s.tested()[:x.from-s.from])
	for _, p := range s.pushes[s.from:x.from] {
		s.before += s.bought[p.Key()]
	}
	// The range now begins at the first push of the stretch, which passed, and is not
	// extended again.
	s.o.MaxRevisions, s.o.Extend = s.to-x.from, 0
	return true, s.open(ctx)
}
