package backfill

import (
	"context"
	"math"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
)

// A label that was broken, mended and broken again within the range has two culprits, and
// the engine, which knows of one change, may name the first: what was backed out and
// landed again, say. Between the two it passes as it cannot with one change.

// surelyPassed is how improbable it must be that a stretch of passes lies among pushes that
// are broken throughout.
const surelyPassed = 1e-4

// stretch is where a label passed only: positions in searcher.pushes.
type stretch struct{ from, to, passes int }

// mendedBetween finds the newest stretch of passes after a culprit at a position, with failures
// on either side of it, that says that the label was mended in between.
func (s *searcher) mendedBetween(at int) (stretch, bool) {
	var all []stretch
	var failed, passed int
	open := stretch{from: -1}
	for i := at; i <= s.to; i++ {
		r := s.runsOn(s.pushes[i])
		failed, passed = failed+r.Bad, passed+r.Good
		switch {
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
		rate := (float64(failed) + 0.5) / float64(failed+passed-x.passes+1)
		if float64(len(all))*math.Pow(1-rate, float64(x.passes)) < surelyPassed {
			return x, true
		}
	}
	return stretch{}, false
}

// relapse goes on among the pushes since the label was mended for the last time, when what
// is accused lies before that. The runs in between say nothing of how often it fails
// without the culprit.
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
	s.warn("it was broken and mended more than once: it passed %d runs on pushes %s to %s; what lies beyond these, "+
		"from push %s, is left out", x.passes, older, newer, s.pushes[s.to])
	s.cancel(ctx, s.tested()[:x.from-s.from])
	for _, p := range s.pushes[s.from:x.from] {
		s.before += s.bought[p.Key()]
	}
	s.o.MaxRevisions, s.o.Extend = s.to-x.from, 0
	return true, s.open(ctx)
}
