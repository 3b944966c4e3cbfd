package backfill

import (
	"context"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// SearchResult is what Search found.
type SearchResult struct {
	Label   string
	Start   job.Push
	Outcome culprit.Outcome
	// FindFix says that it was searched for what mended the label; Culprit and all
	// that is said of it is then the push that did. Culprit.Older is the outcome of a
	// label that is not mended yet.
	FindFix bool
	// Born is that of FindResult: of a label or test that came into being in what was read.
	Born *job.Push
	// Culprit is the push that broke the label, when the outcome is culprit.Found or
	// perf.Improvement; Class are the pushes that cannot be told apart, oldest first: the
	// culprit alone or, where there are several, one of which it is: Culprit is nil then.
	Culprit *job.Push
	Class   []job.Push
	// Value is what a search over values looked at, and Change what happened to it with
	// the most probable push; nil where none is known.
	Value  *perf.Measurement
	Change *perf.Change
	// Probability is that of the outcome; of one that is undecided, that of the
	// most probable hypothesis.
	Probability float64
	// Credible is the smallest set of pushes that has the culprit with the
	// confidence, the most probable first.
	Credible []Tested
	// Before and After are how often it failed on the pushes before the most
	// probable culprit, and on the others.
	Before, After analysis.Rate
	Runs, Rounds  int
	// Forecast is what the search was expected to take when it began.
	Forecast Outlook
	Pushes   []Tested // of the range, oldest first
	Why      string
	// Signatures are those of the failures that counted, SearchOptions.Signatures or
	// those that were learnt; none where every failure did. Others is how many failed runs
	// were set aside since other failures ended them, and Unread how many counted by their
	// status since their logs do not tell: Warnings say which and why.
	Signatures     []joblog.Signature
	Others, Unread int
	Warnings       []string
	// Plan is what would be asked for next; of a dry run, and of a search that
	// was refused.
	Plan trigger.Plan
	// Merges are what was found behind a culprit that is a merge, with
	// SearchOptions.FollowMerges; see Root. Runs and Rounds do not count what was spent
	// there; Total does.
	Merges []Behind
	// Cancelled are the runs that were stopped since nobody needs them any more.
	Cancelled []string
}

// leads says of a culprit that is a merge where it leads, unless that is followed.
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
			s.warn("%s is a merge: it brought %d pushes of %s, to search there from %.12s", s.target(), n, o.Repo,
				o.Pushes[n-1].Revision)
		}
	}
}

// result is what is known by now.
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

// rates counts the runs before and after the most probable culprit; those on newer pushes up
// to the last that failed, as it may be mended since.
func (r *SearchResult) rates(s *searcher, d culprit.Decision) {
	at, end := len(s.pushes), len(s.pushes) // nothing broke it: all runs are before
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
