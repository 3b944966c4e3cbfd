package backfill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// Behind is what a search found among the pushes that a merge brought in.
type Behind struct {
	Through job.Push // the merge
	Repo    string   // where the merged pushes come from
	Gone    bool     // that repository no longer exists, or is not known here
	// Result is what was found there, with its own Runs and Rounds. It is nil when
	// nothing was searched there; Why then says why not.
	Result *SearchResult
	Why    string
}

// Root returns the result in the repository where the search ended, and the merges
// through which it got there, the first one first. When the culprit is not a merge, or
// nothing was found behind it, that is r itself and no merges.
func (r SearchResult) Root() (SearchResult, []job.Push) {
	for _, b := range r.Merges {
		if b.Result != nil && b.Result.Outcome == culprit.Found {
			root, through := b.Result.Root()
			return root, append([]job.Push{b.Through}, through...)
		}
	}
	return r, nil
}

// Total returns how many runs were triggered, and in how many rounds, including those
// behind merges.
func (r SearchResult) Total() (runs, rounds int) {
	runs, rounds = r.Runs, r.Rounds
	for _, b := range r.Merges {
		if b.Result != nil {
			more, again := b.Result.Total()
			runs, rounds = runs+more, rounds+again
		}
	}
	return runs, rounds
}

// through follows culprits through merges: one search in each repository, all with one
// budget and one ledger.
type through struct {
	ci   job.Scheduler
	seen map[string]bool // origins that were searched: repository, space, head
}

// search runs a search, and continues behind the culprit if that is a merge.
func (w *through) search(ctx context.Context, s *searcher) (SearchResult, error) {
	if err := s.defaults(w.ci, s.wanted); err != nil {
		return SearchResult{Label: s.wanted}, err
	}
	err := job.Wrap("backfill.search", s.wanted, s.run(ctx))
	r := s.result()
	if err == nil && s.o.FollowMerges && r.Outcome == culprit.Found {
		err = w.merges(ctx, s, &r)
	}
	return r, err
}

// merges searches behind the culprit, and behind the pushes that cannot be told apart
// from it.
func (w *through) merges(ctx context.Context, s *searcher, r *SearchResult) error {
	for o, err := range originsOf(ctx, s.repo, r.Class, w.seen) {
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := w.behind(ctx, s, r, o)
		if b.Why != "" {
			r.Warnings = append(r.Warnings, fmt.Sprintf("push %s merged %.12s of %s, but the merged pushes were not "+
				"searched: %s", o.through, o.Head, o.Repo, b.Why))
		}
		r.Merges = append(r.Merges, b)
		if err != nil || b.Result != nil && b.Result.Outcome == culprit.Found {
			return err
		}
	}
	return nil
}

// behind searches among the pushes that a merge brought in. When that is not possible,
// Why says why not, and the merge stays the answer.
func (w *through) behind(ctx context.Context, s *searcher, r *SearchResult, o brought) (Behind, error) {
	b := Behind{Through: o.through, Repo: o.Repo, Gone: o.Gone}
	inner, why, err := s.inside(ctx, r, o.Origin)
	if err != nil || why != "" {
		b.Why = why
		return b, err
	}
	found, err := w.search(ctx, inner)
	var unknown *job.UnknownLabelError
	switch {
	case errors.As(err, &unknown):
		b.Why = fmt.Sprintf("%s cannot run on %s", s.wanted, o.Repo)
		return b, nil
	case errors.Is(err, ErrOverBudget):
		b.Why = fmt.Sprintf("about %s needed, more than the %d left", needed(found.Forecast), inner.o.MaxRuns)
		return b, nil
	case errors.Is(err, job.ErrNoLine), errors.Is(err, job.ErrNotFound), errors.Is(err, job.ErrNotScheduled):
		b.Why = err.Error()
		return b, nil
	}
	b.Result = &found
	// A dry run ends in the outer repository or in this one; either plan is the whole
	// plan.
	if len(r.Plan.Steps) == 0 {
		r.Plan = found.Plan
	}
	return b, err
}

// outside is the evidence from the other side of the merge: how often the label failed
// without the merged pushes, and with all of them. Pushes that were merged earlier are in
// both.
type outside struct {
	without, with culprit.Counts
	weight        func(job.Push) float64 // the caller's
	sought        []joblog.Signature     // what is sought, given or learnt
}

// onBothSides counts the runs on both sides of the culprit of a result, and adds those
// that s itself took over from outside.
func (s *searcher) onBothSides(r *SearchResult) *outside {
	count := func(r analysis.Rate) culprit.Counts {
		return culprit.Counts{Failed: r.Failures, Passed: r.Runs - r.Failures}
	}
	out := &outside{count(r.Before), count(r.After), s.o.Weight, s.sought}
	if s.o.FindFix { // before the fix it is broken
		out.without, out.with = out.with, out.without
	}
	if s.merged != nil {
		out.weight = s.merged.weight
		out.without, out.with = out.without.Plus(s.merged.without), out.with.Plus(s.merged.with)
	}
	return out
}

// asOutside adds these runs to the evidence outside of the range.
func (s *searcher) asOutside(o *culprit.Options) {
	if s.merged == nil {
		return
	}
	o.Older, o.Newer = o.Older.Plus(s.merged.without), o.Newer.Plus(s.merged.with)
}

// surelyPasses is the probability below which the merged pushes are taken to be good:
// that of a broken push passing as often as the newest of them did.
const surelyPasses = 0.01

// doubtMerge ends a search behind a merge when the newest merged push does not fail in
// its own repository: then the merge itself broke the label.
func (s *searcher) doubtMerge(d culprit.Decision) culprit.Decision {
	if s.merged == nil || d.Done && d.Outcome == culprit.Found {
		return d
	}
	runs, with := s.seen[s.pushes[s.to].Key()].runs, s.merged.with
	// One more pass than was seen keeps the rate below 1, and the test careful when few
	// runs are known.
	rate := float64(with.Failed) / float64(with.Failed+with.Passed+1)
	if runs.Bad == 0 && math.Pow(1-rate, float64(runs.Good)) < surelyPasses {
		d.Done, d.Outcome, d.Next = true, culprit.Undecided, nil
		d.Why = fmt.Sprintf("the newest merged push passed %d of %d runs here: what broke it is the merge "+
			"itself, or how the two sides fit together", runs.Good, runs.Good)
	}
	return d
}

// inside prepares the search among the pushes that a merge brought in, or returns why
// there can be none. It has the options of s, without what belongs to the outer range
// (Good, Skip, Extend), and what is left of the budget.
func (s *searcher) inside(ctx context.Context, r *SearchResult, o job.Origin) (in *searcher, why string, err error) {
	runs, rounds := r.Total()
	switch {
	case o.Gone:
		return nil, "that repository is gone, or cannot be read here", nil
	case len(o.Pushes) == 0:
		return nil, "none of its pushes is known", nil
	case s.o.Repositories == nil:
		return nil, "other repositories cannot be read here", nil
	case s.o.FindFix && o.Before == nil:
		return nil, "no older push on which it fails is known there", nil
	case s.o.MaxRuns > 0 && runs >= s.o.MaxRuns:
		return nil, spentWords(s.o.MaxRuns), nil
	}
	repo, err := s.o.Repositories(o.Repo)
	if err != nil {
		return nil, err.Error(), nil //nolint:nilerr // the merge stays the answer
	}
	oldest, newest := o.Pushes[0], o.Pushes[len(o.Pushes)-1]
	if o.Before != nil {
		oldest = *o.Before
	}
	between, err := repo.Pushes(ctx, job.Between(oldest.Revision, newest.Revision))
	if err != nil {
		return nil, "", fmt.Errorf("what was merged of %s: %w", o.Repo, err)
	}
	rev := newest.Revision
	if s.o.FindFix {
		rev = oldest.Revision
	}
	in = newSearcher(repo, s.wanted, rev, s.o)
	// Runs on both sides of the merge, in this repository, are evidence in the other one.
	in.merged = s.onBothSides(r)
	if len(s.sought) > 0 {
		in.o.Signatures, in.o.Loose = nil, in.o.Loose || len(s.o.Signatures) == 0
		for _, sign := range s.sought {
			in.o.Signatures = append(in.o.Signatures, sign.Print)
		}
	}
	in.o.PriorNothing = math.Max(0.01, 1-r.Probability) // it was found that something broke it
	in.o.Good, in.o.Skip, in.o.Extend, in.o.MaxRevisions = "", nil, -1, max(1, len(between)-1)
	if s.o.MaxRuns > 0 {
		in.o.MaxRuns -= runs
	}
	for _, v := range []*int{&in.o.History, &in.o.Newer} {
		if *v == 0 { // already defaulted: 0 means none here, but the default in options
			*v = -1
		}
	}
	in.o.Weight = onlyOf(o.Pushes, in.merged.weight)
	if tell := s.o.Observe; tell != nil {
		in.o.Observe = func(p Progress) {
			// Callers see one search: its totals go on counting.
			p.Runs, p.Rounds = p.Runs+runs, p.Rounds+rounds
			tell(p)
		}
	}
	return in, "", nil
}

// onlyOf gives weight only to the pushes that a merge brought in: others in between came
// some other way, and brought nothing new.
func onlyOf(brought []job.Push, weight func(job.Push) float64) func(job.Push) float64 {
	return func(p job.Push) float64 {
		switch {
		case !slices.ContainsFunc(brought, func(b job.Push) bool { return b.Key() == p.Key() }):
			return 0
		case weight != nil:
			return weight(p)
		}
		return 1
	}
}

// beganBad checks that the label failed on the start. Behind a merge it need not have run
// there, since it failed on the merge.
func (s *searcher) beganBad(ctx context.Context, first looked) error {
	err := s.failedOn(ctx, first.runs)
	if s.merged != nil && errors.Is(err, ErrNotBad) {
		return nil
	}
	return err
}
