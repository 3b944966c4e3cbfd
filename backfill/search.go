package backfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// ErrOverBudget says that a search is expected to need more runs than MaxRuns allows;
// nothing was triggered.
var ErrOverBudget = errors.New("more runs are needed than the maximum")

// SearchOptions change how Search looks. Nil means the defaults.
type SearchOptions struct {
	// MaxRevisions is how many pushes before the start can hold the culprit at first; the
	// range grows when the answer is older. Default 50.
	MaxRevisions int
	// History is how many pushes before the range to read, as evidence of how often the
	// label fails without the culprit. Newer is how many pushes after the start to read,
	// as evidence of how often it fails with the culprit. Defaults 50 and 40; negative
	// for none.
	History, Newer int
	// Extend is how often the range may be doubled. Default 2; negative for never.
	Extend int
	// Confidence is that of culprit.Options. Default 0.95.
	Confidence float64
	// MaxRuns is the maximum number of runs to trigger in all, including those of earlier
	// calls of the same search. Default 100; negative for no limit.
	MaxRuns int
	// Batch is how many runs to trigger in a round, before waiting for results.
	// Default 4, which takes a third of the time of one at a time, for as many runs.
	Batch int
	// RoundCost is what a round costs, where each run in it costs 1. A round is then no
	// larger than it is worth. 4 is a good choice if both machines and waiting cost you
	// something. Default 0: each round is as large as Batch.
	RoundCost float64
	// PriorNothing, Permanent, MinEffect and MinOdds are those of culprit.Options, with
	// defaults that suit a CI: 0.4, since many alarms are flakes, and 0.1 and 2.5, since
	// a smaller change is not worth a search.
	PriorNothing, MinEffect, MinOdds float64
	Permanent                        bool
	// Weight says how likely a push is to have broken the label, relative to others: 2 is
	// twice as likely as 1. Default: all the same.
	Weight func(job.Push) float64
	// Signatures are fingerprints of failures (joblog.Failure.Fingerprint). Only runs
	// that failed with one of them count as failed; see joblog.SignatureJudge. They
	// cannot be combined with Judge or Test. When none of the three is given, Search
	// learns the signatures from the runs that failed at the start; AnyFailure turns that
	// off. Runs whose logs do not tell what failed count by their status.
	Signatures []string
	AnyFailure bool
	// Loose is that of joblog.JudgeOptions, for Signatures. Learnt signatures are always
	// loose.
	Loose bool
	// OnRead is that of joblog.JudgeOptions. Optional.
	OnRead func(joblog.Judged)
	// Status is that of joblog.JudgeOptions, for given and learnt signatures; it is the
	// judge where there are none. Default analysis.ByStatus.
	Status analysis.Judge
	// Judge, Test and Manifests are those of FindOptions.
	Judge     analysis.Judge
	Test      string
	Manifests []string
	// Good is a revision that is known to be good. The range begins there and is not
	// extended, and nothing older is suspected: runs on older pushes only tell how often
	// the label fails without the culprit.
	Good string
	// Skip are revisions on which nothing may be triggered. Runs that exist there are
	// evidence.
	Skip []string
	// FindFix searches for the push that fixed the label. rev is then a push on which
	// the label failed, the range are the pushes after it, and Good is one that is known
	// to be fixed. The culprit of the result is the push that fixed the label.
	FindFix bool
	// FollowMerges continues the search in another repository when the culprit merged
	// that repository: among the pushes that the merge brought in, with what is left of
	// MaxRuns. Repositories opens a repository by name. See SearchResult.Merges.
	FollowMerges bool
	Repositories func(name string) (job.Repository, error)
	// Perf searches for the push that changed a value which the label measures, as
	// performance jobs do; none of their runs is red. The values come from what the runs
	// report to Perfherder, see package analysis/perf. Test is then the name of the
	// value, as perf.Choose takes it; it may be empty if there is only one.
	//
	// MinEffect, MinOdds, Permanent and Judge are not used. History is 20 and Newer 10 by
	// default, because the log of each run there is read. A run whose value cannot be
	// read counts like one that infrastructure ended. The start must have a value:
	// ErrNotMeasured. Perf cannot be combined with FindFix or FollowMerges.
	Perf bool
	// Ledger remembers what was triggered: with the same ledger, a search that was
	// stopped continues with what ran since. Default: one in memory, for this call.
	Ledger ledger.Ledger
	// Budgets are those of trigger.Options, Who that of trigger.RunOptions. Runs of
	// another owner in the same ledger are evidence; this search neither counts nor
	// cancels them.
	Budgets trigger.Budgets
	Who     string
	// DryRun stops before anything is triggered; the plan of the result says what would
	// be.
	DryRun bool
	// Approve is called with the forecast and MaxRuns when the forecast is larger, and
	// says whether to search all the same. Default: the search ends with ErrOverBudget.
	Approve func(forecast float64, most int) bool
	// Poll is the pause between two looks for results, if the CI has no events. Default
	// one minute. For a label that takes long it is longer: a tenth of the time that the
	// label usually takes, at most 10 times Poll. If the CI is a job.StatusReader, a look
	// is one request.
	//
	// Patience is the maximum duration of a round. Default 12 hours.
	Poll, Patience time.Duration
	// Width is the maximum number of pushes that are read at a time. Default
	// analysis.DefaultWidth.
	Width int
	// OnStep is called after each request that triggered something or failed, like that
	// of trigger.RunOptions. Optional.
	OnStep func(trigger.Step)
	// Observe is called with the state of the search after each change. Optional.
	Observe func(Progress)
	// Logger gets what was read and triggered. Nil discards it.
	Logger *slog.Logger
}

// Progress is the state of a search under way.
type Progress struct {
	Pushes   []Tested // of the range, oldest first
	Decision culprit.Decision
	Runs     int // triggered so far
	Rounds   int
	Forecast Outlook // what is still expected
}

// Search finds the push that broke a label, also when the label is flaky. It takes what
// ran already as evidence, triggers the most informative runs, waits for them, and
// decides again, until one push is the culprit with the confidence, confirmed by a
// failure on it and a pass on its parent. rev is a revision on which the label failed;
// the one failure that started the search is no evidence, since there would be no search
// without it.
//
// ctx can stop it at any point. Runs that were triggered stay triggered, and another call
// with the same ledger continues with them.
//
// Errors are those of Find, with ErrNotBad for a revision on which the label did not
// fail; ErrNotMeasured for one without a value; and ErrOverBudget. The result has what is
// known by then.
func Search(
	ctx context.Context, repo job.Repository, ci job.Scheduler, label, rev string, opts *SearchOptions,
) (SearchResult, error) {
	var o SearchOptions
	if opts != nil {
		o = *opts
	}
	if o.Ledger == nil {
		o.Ledger = ledger.NewMemory() // one for all repositories of the search
	}
	w := &through{ci, map[string]bool{}}
	return w.search(ctx, newSearcher(repo, label, rev, o))
}

func newSearcher(repo job.Repository, label, rev string, o SearchOptions) *searcher {
	return &searcher{
		repo: repo, wanted: label, rev: rev, o: o,
		seen: map[job.PushKey]looked{}, blocked: map[job.PushKey]string{},
	}
}

// searcher is a search in one repository. Positions of the engine are offsets in the
// range: position x is pushes[from+x].
type searcher struct {
	*looker
	signed
	repo   job.Repository
	wanted string // the label
	rev    string
	o      SearchOptions
	merged *outside // set when the range is what a merge brought in

	pushes   []job.Push // history, range, newer: ascending, and with FindFix descending
	from, to int        // the indices in pushes of the ends of the range, both included
	good     *job.Push  // that of SearchOptions.Good
	seen     map[job.PushKey]looked
	asked    map[job.PushKey]int    // runs that were triggered, by anyone, and are not visible yet
	bought   map[job.PushKey]int    // runs that this search triggered
	coming   map[job.PushKey]int    // those of bought that have not ended
	blocked  map[job.PushKey]string // why nothing more can run on a push
	broke    string                 // which budget is spent
	broken   map[job.PushKey]bool   // older pushes that were broken, and fixed before the range
	before   int                    // runs triggered on pushes that have left the range
	watched  map[job.PushKey]watched
	looks    int // how often what is under way was looked at; see moved
	idle     int // rounds in a row in which nothing could happen

	engine   engine
	decision culprit.Decision
	forecast Outlook // when the search began
	rounds   int
	plan     trigger.Plan
	stopped  []string
	warnings []string
}

// defaultBatch is the number of runs in a round.
const defaultBatch = 4

// defaults fills in and checks the options.
func (s *searcher) defaults(ci job.Scheduler, label string) (err error) {
	o := &s.o
	var name string // of the value
	if o.Perf && (o.FindFix || o.FollowMerges) {
		return job.Wrap("backfill.search", label, fmt.Errorf(
			"%w: Perf cannot be combined with FindFix or FollowMerges", job.ErrInvalid))
	}
	if o.Perf {
		name, o.Test, o.Judge = o.Test, "", analysis.ByStatus
		if o.History == 0 {
			o.History = 20
		}
		if o.Newer == 0 {
			o.Newer = 10
		}
	}
	for _, d := range []struct {
		v *int
		d int
	}{
		{&o.MaxRevisions, 50},
		{&o.History, 50},
		{&o.Newer, 40},
		{&o.Extend, 2},
		{&o.MaxRuns, 100},
		{&o.Batch, defaultBatch},
	} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	if o.MaxRevisions < 1 || o.Batch < 1 || !(o.RoundCost >= 0) {
		return job.Wrap("backfill.search", label,
			fmt.Errorf("%w: %d revisions, %d runs at a time and a round cost of %v, expected 1, 1 and 0 or more",
				job.ErrInvalid, o.MaxRevisions, o.Batch, o.RoundCost))
	}
	o.History, o.Newer, o.Extend = max(0, o.History), max(0, o.Newer), max(0, o.Extend)
	if o.PriorNothing == 0 && !o.Perf {
		o.PriorNothing = 0.4
	}
	if o.MinEffect == 0 {
		o.MinEffect = 0.1
	}
	if o.MinOdds == 0 {
		o.MinOdds = 2.5
	}
	if o.Poll <= 0 {
		o.Poll = time.Minute
	}
	if o.Patience <= 0 {
		o.Patience = 12 * time.Hour
	}
	if _, err := culprit.New(1, s.engineOptions(nil)); err != nil {
		return job.Wrap("backfill.search", label, err)
	}
	if s.looker, err = newLooker(ci, label, looking{o.Judge, o.Test, o.Manifests, o.Width, o.Logger}); err != nil {
		return err
	}
	if o.Perf {
		s.meter = newMeter(ci, name)
	}
	return s.sign()
}

// run searches: it weighs the evidence, then extends the range, ends, or triggers a round
// and waits for it, until the engine is done.
func (s *searcher) run(ctx context.Context) error {
	if err := job.Line(ctx, s.repo); err != nil {
		return err
	}
	if err := ledger.Ready(ctx, s.o.Ledger); err != nil {
		return err
	}
	if err := s.given(ctx); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	for {
		if err := s.weigh(ctx); err != nil {
			return err
		}
		if again, err := s.relapse(ctx); err != nil {
			return err
		} else if again {
			continue
		}
		switch {
		case beyond(s.decision.Outcome) && s.decision.Done && s.o.Extend > 0:
			s.o.Extend--
			// The answer may lie further back, so the range grows to twice its length.
			s.o.MaxRevisions *= 2
			before := s.to - s.from
			if err := s.open(ctx); err != nil {
				return err
			}
			if s.to-s.from == before { // the history has no more
				s.o.Extend = 0
			}
			continue
		case s.decision.Done:
			s.cancel(ctx, s.tested())
			s.leads(ctx)
			return nil
		}
		if s.rounds == 0 {
			if err := s.afford(); err != nil {
				return errors.Join(err, s.propose(ctx))
			}
			if s.o.DryRun {
				return s.propose(ctx)
			}
		}
		step := s.round
		if len(s.decision.Next) == 0 && len(s.underWay()) > 0 {
			step = s.await // all places are taken, or what is under way may be enough
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
}

// warn adds a warning to the result, once.
func (s *searcher) warn(format string, args ...any) {
	if w := fmt.Sprintf(format, args...); !slices.Contains(s.warnings, w) {
		s.warnings = append(s.warnings, w)
	}
}
