package backfill

import (
	"context"
	"fmt"
	"slices"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// skippedAsAsked is the reason why nothing runs on a push of SearchOptions.Skip.
const skippedAsAsked = "skipped as asked"

// given looks up the pushes that the caller names: those to skip, and the one that is
// known to be good, where the range then ends.
func (s *searcher) given(ctx context.Context) error {
	for _, rev := range s.o.Skip {
		p, err := s.repo.Push(ctx, rev)
		if err != nil {
			return fmt.Errorf("the push to skip: %w", err)
		}
		s.blocked[p.Key()] = skippedAsAsked
	}
	if s.o.Good == "" {
		return nil
	}
	good, err := s.repo.Push(ctx, s.o.Good)
	if err != nil {
		return fmt.Errorf("the known good push: %w", err)
	}
	start, err := s.repo.Push(ctx, s.rev)
	if err != nil {
		return err
	}
	older, newer, side := good, start, "older"
	if s.o.FindFix {
		older, newer, side = start, good, "newer"
	}
	if older.Compare(newer) >= 0 {
		return fmt.Errorf("%w: the good push %s is not %s than %s, on which the job failed: name one that is",
			job.ErrInvalid, good, side, start)
	}
	between, err := s.repo.Pushes(ctx, job.Between(older.Revision, newer.Revision))
	if err != nil {
		return err
	}
	s.good, s.o.MaxRevisions, s.o.Extend = &good, max(1, len(between)-1), 0
	return nil
}

// isGood reports whether a push is the one that the caller named as good.
func (s *searcher) isGood(p job.Push) bool { return s.good != nil && s.good.Key() == p.Key() }

// enoughFailures is how many failures, without a pass, refute the claim that a push is
// good.
const enoughFailures = 3

// doubtGood compares the runs on the push that the caller named as good with that claim.
// A failure there may be a flake and gives a warning; several without a pass end the
// search.
func (s *searcher) doubtGood(d culprit.Decision) culprit.Decision {
	if s.good == nil {
		return d
	}
	r := s.seen[s.good.Key()].runs
	said := fmt.Sprintf("push %d was given as good, but failed in %d of %s", s.good.ID, r.Bad,
		phrase.Count(r.Bad+r.Good, "run"))
	switch {
	case r.Bad >= enoughFailures && r.Good == 0:
		d.Done, d.Outcome, d.Next, d.Why = true, culprit.Undecided, nil, said
	case 2*r.Bad > r.Bad+r.Good:
		d.Warnings = append(slices.Clone(d.Warnings), said)
	}
	return d
}

// bounded tells the engine what a known good push means: nothing before it is suspected,
// and it keeps its place in the range even when nothing more can run on it. For FindFix
// it also shifts the weights by one: the culprit at position x means that the push at x-1
// fixed the label (see mended.go).
func (s *searcher) bounded(o *culprit.Options) {
	if s.o.FindFix && len(o.Weights) > 0 {
		o.Weights = append([]float64{0}, o.Weights[:len(o.Weights)-1]...)
	}
	if s.good == nil {
		return
	}
	o.PriorOlder = -1
	if len(o.Untestable) > 0 && s.isGood(s.pushes[s.from]) && o.Untestable[0] {
		o.Untestable[0], o.Closed[0] = false, true
	}
}
