package backfill

import (
	"context"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// SearchResult is what Search found.
type SearchResult struct {
	Label   string
	Start   job.Push
	Outcome culprit.Outcome
	// FindFix says that the search was for the push that fixed the label: Culprit and
	// everything said about it then mean that push. The outcome culprit.Older means that
	// the label is not fixed yet.
	FindFix bool
	// Born is that of FindResult: set when the label or test was added within what was
	// read.
	Born *job.Push
	// Culprit is the push that broke the label, when the outcome is culprit.Found or
	// perf.Improvement. Class are the pushes that cannot be told apart from it, oldest
	// first. When there are several, one of them is the culprit and Culprit is nil; else
	// Class is the culprit alone.
	Culprit *job.Push
	Class   []job.Push
	// Value is the value that a search over values looked at, and Change how the most
	// probable push changed it. Both are nil where none is known.
	Value  *perf.Measurement
	Change *perf.Change
	// Probability is that of the outcome, or of the most probable hypothesis when the
	// search is undecided.
	Probability float64
	// Older and Nothing are the probabilities that the label was broken before the range
	// (with FindFix: that it is not fixed yet), and that no push broke it. With those of
	// Pushes they add up to 1.
	Older, Nothing float64
	// Credible is the smallest set of pushes whose probability reaches the confidence,
	// the most probable first.
	Credible []Tested
	// Before and After are how often the label failed on the pushes before the most
	// probable culprit, and on that push and newer ones. Runs and Rounds count what the
	// search triggered; see Total for merges.
	Before, After analysis.Rate
	Runs, Rounds  int
	// Forecast is what the search was expected to take when it began. Pushes are those of
	// the range. Why says why the search ended, or what it does next.
	Forecast Outlook
	Pushes   []Tested // of the range, oldest first
	Why      string
	// Signatures are those of the failures that counted: SearchOptions.Signatures, or
	// those learnt from the start. They are empty when every failure counted. Others is
	// how many failed runs were set aside because other failures ended them. Unread is
	// how many failed runs counted by their status, because their logs do not tell what
	// failed. Warnings say which, and why.
	Signatures     []joblog.Signature
	Others, Unread int
	Warnings       []string
	// Plan is what would be triggered next: in a dry run, and when the budget was
	// refused.
	Plan trigger.Plan
	// Merges are what was found behind a culprit that is a merge, with
	// SearchOptions.FollowMerges; see Root. Runs and Rounds do not count what was
	// triggered there; Total does.
	Merges []Behind
	// Cancelled are the IDs of the runs that the search stopped once their results no
	// longer mattered.
	Cancelled []string
}

// leads warns, for a culprit that is a merge, where the search could go on, unless
// FollowMerges does that.
func (s *searcher) leads(ctx context.Context) {
	if !accused(s.decision.Outcome) || s.o.FollowMerges {
		return
	}
	d, pushes := s.shown(s.decision)
	p := pushes[d.Culprit].Push
	origins, err := job.Origins(ctx, s.repo, p)
	if err != nil {
		return
	}
	for _, o := range origins {
		if n := len(o.Pushes); n > 0 {
			s.warn("%s is a merge: it brought in %s of %s; to go on, search there from %.12s", s.target(),
				phrase.Count(n, "push"), o.Repo, o.Pushes[n-1].Revision)
		}
	}
}

// result returns what is known by now, also after an error.
func (s *searcher) result() SearchResult {
	r := SearchResult{
		Label: s.label, FindFix: s.o.FindFix, Outcome: culprit.Undecided, Rounds: s.rounds, Forecast: s.forecast,
		Plan: s.plan, Cancelled: s.stopped, Warnings: slices.Clone(s.warnings), Signatures: s.sought,
	}
	if s.pushes == nil {
		return r
	}
	r.Start = s.pushes[s.to]
	if s.engine == nil {
		return r
	}
	d, pushes := s.shown(s.decision)
	r.Outcome, r.Probability, r.Why, r.Runs = d.Outcome, d.Probability, d.Why, s.spent()
	r.Older, r.Nothing = d.Older, d.Nothing
	r.Warnings = append(r.Warnings, d.Warnings...)
	r.asideOf(s)
	r.Pushes = pushes
	for _, c := range d.Credible {
		r.Credible = append(r.Credible, r.Pushes[c.Push])
	}
	if s.meter != nil {
		value := s.meter.what()
		r.Value, r.Change = &value, s.change()
	}
	if accused(d.Outcome) {
		for _, x := range d.Class {
			r.Class = append(r.Class, r.Pushes[x].Push)
		}
		if len(r.Class) == 1 {
			r.Culprit = &r.Class[0]
		}
	}
	r.born(s)
	r.rates(s, s.decision)
	if s.o.FindFix && (d.Culprit >= 0 || d.Outcome == culprit.Older) { // before the fix is where it is broken
		r.Before, r.After = r.After, r.Before
	}
	return r
}

// rates counts the runs before and since the most probable culprit. Newer pushes count up
// to the last one that failed, since the label may have been fixed after it.
func (r *SearchResult) rates(s *searcher, d culprit.Decision) {
	at, end := len(s.pushes), len(s.pushes) // if nothing broke it, all runs are before
	if d.Culprit >= 0 || d.Outcome == culprit.Older {
		for end > s.to+1 && s.runsOn(s.pushes[end-1]).Bad == 0 {
			end--
		}
	}
	switch {
	case d.Culprit >= 0:
		at = s.from + d.Culprit
	case d.Outcome == culprit.Older:
		at = s.from
	}
	at = min(at, end)
	before, after := countsOf(s.pushes[:at], s.runsOn), countsOf(s.pushes[at:end], s.runsOn)
	const confidence = 0.95
	r.Before, _ = analysis.Frequency(before.Failed, before.Failed+before.Passed, confidence, analysis.Wilson)
	r.After, _ = analysis.Frequency(after.Failed, after.Failed+after.Passed, confidence, analysis.Wilson)
}
