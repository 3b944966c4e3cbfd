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

// Behind is what a search found among the pushes that a merge brought.
type Behind struct {
	Through job.Push // the merge
	Repo    string   // where what it brought is from
	Gone    bool     // that repository is no more, or is not known
	// Result is what was found there; nil where it was not searched, of which Why is
	// the reason. Its Runs and Rounds are its own.
	Result *SearchResult
	Why    string
}

// Root is the result in the repository in which the search ended, and the merges
// through which it came there, the first one first: the result itself and none where it
// was not a merge, or where nothing was found behind it.
func (r SearchResult) Root() (SearchResult, []job.Push) {
	for _, b := range r.Merges {
		if b.Result != nil && b.Result.Outcome == culprit.Found {
			root, through := b.Result.Root()
			return root, append([]job.Push{b.Through}, through...)
		}
	}
	return r, nil
}

// Total is how many runs were asked for, and in how many rounds, those behind merges
// among them.
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

// through follows what was found through merges; a search in each repository, with
// what is left of one budget.
type through struct {
	ci   job.Scheduler
	seen map[string]bool // what was searched, by repository and head
}

// search is Search, once the options stand; inside is what a merge brought, when the
// search is for what did it among that.
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

// merges goes on behind the culprit, and behind those that cannot be told apart from it.
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
			r.Warnings = append(r.Warnings, fmt.Sprintf("push %s merged %.12s of %s, and what it brought was not "+
				"searched: %s", o.through, o.Head, o.Repo, b.Why))
		}
		r.Merges = append(r.Merges, b)
		if err != nil || b.Result != nil && b.Result.Outcome == culprit.Found {
			return err
		}
	}
	return nil
}

// behind searches among what a merge brought. Where that cannot be, it says why, and the
// merge stays the answer.
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
		b.Why = fmt.Sprintf("about %.0f runs are expected there, and %d are left", found.Forecast.Runs, inner.o.MaxRuns)
		return b, nil
	case errors.Is(err, job.ErrNoLine), errors.Is(err, job.ErrNotFound), errors.Is(err, job.ErrNotScheduled):
		b.Why = err.Error()
		return b, nil
	}
	b.Result = &found
	if len(r.Plan.Steps) == 0 {
		r.Plan = found.Plan
	}
	return b, err
}

// outside is how often the label failed without what a merge brought, and with it: the
// runs on the other side of the merge. All that was merged is in the latter, and what was
// merged before is in both.
type outside struct {
	without, with culprit.Counts
	weight        func(job.Push) float64 // the caller's
	sought        []joblog.Signature     // what is sought, given or learnt
}

// onBothSides counts the runs on both sides of the culprit of a result, and those outside
// of where it was found.
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

// asOutside makes evidence of these runs.
func (s *searcher) asOutside(o *culprit.Options) {
	if s.merged == nil {
		return
	}
	o.Older, o.Newer = o.Older.Plus(s.merged.without), o.Newer.Plus(s.merged.with)
}

// surelyPasses is how improbable it must be that a broken push passes as often as the one
// with all that was merged did.
const surelyPasses = 0.01

// doubtMerge ends a search behind a merge when all that was merged does not fail where it
// came from: then what broke it is the merge.
func (s *searcher) doubtMerge(d culprit.Decision) culprit.Decision {
	if s.merged == nil || d.Done && d.Outcome == culprit.Found {
		return d
	}
	runs, with := s.seen[s.pushes[s.to].Key()].runs, s.merged.with
	rate := float64(with.Failed) / float64(with.Failed+with.Passed+1)
	if runs.Bad == 0 && math.Pow(1-rate, float64(runs.Good)) < surelyPasses {
		d.Done, d.Outcome, d.Next = true, culprit.Undecided, nil
		d.Why = fmt.Sprintf("with all that was merged it passed %d of %d runs here: what broke it is the merge "+
			"itself, or what it met there", runs.Good, runs.Good)
	}
	return d
}

// inside is the search among what a merge brought, or why there can be none.
func (s *searcher) inside(ctx context.Context, r *SearchResult, o job.Origin) (in *searcher, why string, err error) {
	runs, rounds := r.Total()
	switch {
	case o.Gone:
		return nil, "it is gone, or was not asked", nil
	case len(o.Pushes) == 0:
		return nil, "none of its pushes is known", nil
	case s.o.Repositories == nil:
		return nil, "other repositories cannot be asked here", nil
	case s.o.FindFix && o.Before == nil:
		return nil, "no older push is known there, on which it fails", nil
	case s.o.MaxRuns > 0 && runs >= s.o.MaxRuns:
		return nil, fmt.Sprintf("the budget of %d runs is spent", s.o.MaxRuns), nil
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
	in.merged = s.onBothSides(r)
	if len(s.sought) > 0 {
		in.o.Signatures, in.o.Loose = nil, in.o.Loose || len(s.o.Signatures) == 0
		for _, sign := range s.sought {
			in.o.Signatures = append(in.o.Signatures, sign.Print)
		}
	}
	in.o.PriorNothing = math.Max(0.01, 1-r.Probability) // that something broke it is what was found
	in.o.Good, in.o.Skip, in.o.Extend, in.o.MaxRevisions = "", nil, -1, max(1, len(between)-1)
	if s.o.MaxRuns > 0 {
		in.o.MaxRuns -= runs
	}
	for _, v := range []*int{&in.o.History, &in.o.Newer} {
		if *v == 0 { // none are read, where 0 of the options is the default
			*v = -1
		}
	}
	in.o.Weight = onlyOf(o.Pushes, in.merged.weight)
	if tell := s.o.Observe; tell != nil {
		in.o.Observe = func(p Progress) {
			p.Runs, p.Rounds = p.Runs+runs, p.Rounds+rounds
			tell(p)
		}
	}
	return in, "", nil
}

// onlyOf weighs the pushes that a merge brought, and no others: those between them
// brought nothing new.
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

// beganBad checks that it failed on the start. Behind a merge it need not have run
// there: it failed on the merge.
func (s *searcher) beganBad(ctx context.Context, first looked) error {
	err := s.failedOn(ctx, first.runs)
	if s.merged != nil && errors.Is(err, ErrNotBad) {
		return nil
	}
	return err
}
