package backfill

import (
	"context"
	"slices"
	"strings"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
)

// A search for the push that fixed a label is the search for the one that broke it, over
// the pushes in reverse order: the newest push is believed to be good and has position 0;
// the push on which the label failed has the last position, n. The culprit x of that
// search is the newest push that is still broken: the pushes at x and higher positions
// fail, and the push at x-1, the next newer one, passes: that push fixed it. In the
// order of time position x is n-x, so a culprit x means push n-(x-1) = n-x+1.
//
// For four pushes 0 fail, 1 fail, 2 pass, 3 pass in time, n is 3. In reverse order they
// are PPFF, the culprit is at 2, and push 3-2+1 = 2 fixed the label.

// around lists the pushes of the range and those on both sides of it, in the order in
// which the search goes over them.
func (s *searcher) around(ctx context.Context) ([]job.Push, error) {
	if !s.o.FindFix {
		return s.repo.Pushes(ctx, job.Around(s.rev, s.o.MaxRevisions+s.o.History, s.o.Newer))
	}
	pushes, err := s.repo.Pushes(ctx, job.Around(s.rev, 0, s.o.MaxRevisions+s.o.History))
	pushes = slices.Clone(pushes)
	slices.Reverse(pushes)
	return pushes, err
}

// shown returns the decision of the engine, and what is known about the pushes, in the
// order of time. Positions in the decision are indices of these pushes.
func (s *searcher) shown(d culprit.Decision) (culprit.Decision, []Tested) {
	pushes := s.probable()
	if !s.o.FindFix {
		return d, pushes
	}
	n := len(pushes) - 1
	slices.Reverse(pushes) // each then has the probability of the push before it, the last broken one
	for x := n; x > 0; x-- {
		pushes[x].Probability = pushes[x-1].Probability
	}
	pushes[0].Probability = 0
	return mirrored(d, n), pushes
}

// mirrored translates a decision over n+1 pushes in reverse order into the order of time.
// Pushes to run are only renumbered; culprits also move by one, to the push that fixed
// the label.
func mirrored(d culprit.Decision, n int) culprit.Decision {
	mended := func(x int) int { return n - x + 1 }
	d.Next, d.Class, d.Credible = slices.Clone(d.Next), slices.Clone(d.Class), slices.Clone(d.Credible)
	for i, x := range d.Next {
		d.Next[i] = n - x
	}
	for i, x := range d.Class {
		d.Class[i] = mended(x)
	}
	slices.Sort(d.Class)
	for i := range d.Credible {
		d.Credible[i].Push = mended(d.Credible[i].Push)
	}
	if d.Culprit > 0 {
		d.Culprit = mended(d.Culprit)
		if len(d.Class) > 0 { // the newest one can be tested
			d.Culprit = d.Class[len(d.Class)-1]
		}
	}
	return d
}

// inWords rewrites the words of a decision for a search for what fixed the label.
func (s *searcher) inWords(d culprit.Decision) culprit.Decision {
	if !s.o.FindFix {
		return d
	}
	switch {
	case d.Outcome == culprit.Older:
		d.Why = "it is not fixed yet on the newest push of the range that can be tested"
	case d.Outcome == culprit.OlderOrNothing:
		d.Why = "it is not fixed yet, or nothing fixed it: these cannot be told apart here"
	case d.Outcome == culprit.Found && d.Confirmed:
		d.Why = "confirmed: it passed on the push that fixed it and failed on its parent"
	}
	d.Why = mendingWords.Replace(d.Why)
	d.Warnings = slices.Clone(d.Warnings)
	for i, w := range d.Warnings {
		d.Warnings[i] = mendingWords.Replace(w)
	}
	return d
}

// mendingWords turns phrases of package culprit around. They must stay the same as there.
var mendingWords = strings.NewReplacer(
	"a failure on the most probable push, and a pass on its parent",
	"a pass on the most probable push, and a failure on its parent",
	"oldest push", "newest push",
	"the culprit", "the push that fixed it",
	"broken before", "broken after",
	"broke it", "fixed it",
)

// target names the push that is searched for.
func (s *searcher) target() string {
	if s.o.FindFix {
		return "the push that fixed it"
	}
	return "the culprit"
}
