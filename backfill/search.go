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

// ErrOverBudget says that a search is expected to need more runs than it may
// have; nothing was asked for.
var ErrOverBudget = errors.New("the search is expected to need more runs than it may have")

// SearchOptions change how Search looks; nil is zero options.
type SearchOptions struct {
	// MaxRevisions is how many pushes before the start can hold the culprit,
	// at first: the range grows when the answer is older. Default 50.
	MaxRevisions int
	// History is how many pushes before those are read as evidence of how often
	// the label fails without the culprit, and Newer how many after the start
	// as evidence of how often it fails with it. Defaults 50 and 40, negative
	// for none.
	History, Newer int
	// Extend is how often the range may be doubled. Default 2, negative never.
	Extend int
	// Confidence is that of culprit.Options. Default 0.95.
	Confidence float64
	// MaxRuns is how many runs may be asked for in all, those of earlier calls
	// of the same search among them. Default 100, negative for no limit.
	MaxRuns int
	// Batch is how many runs are asked for at a time, in a round that is waited
	// for. Default 4: a third of the time of one at a time, for as many runs.
	Batch int
	// RoundCost is what a round costs, beside 1 for each run in it: a round is then no
	// larger than it is worth. 4 suits who pays for machines and for waiting. Default 0:
	// each round is as large as Batch.
	RoundCost float64
	// PriorNothing, Permanent, MinEffect and MinOdds are those of culprit.Options.
	// Defaults are what suits a CI: 0.4, since so many alarms are flakes, and 0.1 and
	// 2.5, since less is not worth a search.
	PriorNothing, MinEffect, MinOdds float64
	Permanent                        bool
	// Weight says how likely a push is to have broken it, relative to others.
	// Default all the same.
	Weight func(job.Push) float64
	// Signatures are fingerprints of failures (joblog.Failure.Fingerprint): only runs that
	// failed with one of them did fail; see joblog.SignatureJudge. They go with no Judge and
	// no Test. Where none of the three is given, Search learns them from the runs that
	// failed at the start; AnyFailure turns that off. Runs of which the logs do not tell what
	// failed count by their status.
	Signatures []string
	AnyFailure bool
	// Loose is that of joblog.JudgeOptions, for Signatures: those that are learnt are
	// always taken so.
	Loose bool
	// OnRead is that of joblog.JudgeOptions. Optional.
	OnRead func(joblog.Judged)
	// Status is that of joblog.JudgeOptions, for Signatures and those that are learnt; and
	// the Judge where there are none. Default analysis.ByStatus.
	Status analysis.Judge
	// Judge, Test and Manifests are those of FindOptions.
	Judge     analysis.Judge
	Test      string
	Manifests []string
	// Good is a revision that is known to be good: the range begins there, and nothing
	// older is suspected. Runs on older pushes tell only how often the label fails
	// without the culprit. It is not extended then.
	Good string
	// Skip are revisions on which nothing is to be run. What ran there is evidence.
	Skip []string
	// FindFix looks for the push that mended the label: rev is a push on which it
	// failed, the range are the pushes after it, and Good is one that is known to be
	// mended. The culprit of the result is then the push that mended it.
	FindFix bool
	// FollowMerges goes on when the culprit is a push that merged another repository: in
	// that one, among the pushes that the merge brought, and with what is left of
	// MaxRuns. Repositories opens it by name. See SearchResult.Merges.
	FollowMerges bool
	Repositories func(name string) (job.Repository, error)
	// Perf searches for the push that changed what the label measures, as performance
	// jobs do, of which no run is red: values are read from what the runs left for
	// Perfherder, see package analysis/perf. Test is then the name of the value, as
	// perf.Choose takes it; without one there must be one value only. MinEffect, MinOdds,
	// Permanent and Judge are not used, and History is 20 and Newer 10 by default: each run
	// there is a log to be read. Runs whose value cannot be read are like those that infrastructure
	// ended. The start must have a value: ErrNotMeasured. It goes with neither FindFix nor
	// FollowMerges.
	Perf bool
	// Ledger remembers what was asked for: with the same one, a search that was
	// stopped goes on with what ran. Default: one that forgets.
	Ledger ledger.Ledger
	// Budgets are those of trigger.Options, Who that of trigger.RunOptions. The runs
	// of another owner on the same ledger are evidence, and not this search's to
	// count or to cancel.
	Budgets trigger.Budgets
	Who     string
	// DryRun stops before anything is asked for; the result's plan has what
	// would be.
	DryRun bool
	// Approve is asked when the forecast is above MaxRuns, with both. Default:
	// ErrOverBudget.
	Approve func(forecast float64, most int) bool
	// Poll is how often results are looked for when the CI has no events, and less often
	// for a label that takes long: a tenth of the time that it usually takes, at most 10
	// polls. Where the CI is a job.StatusReader, a look is one request. Default one minute.
	// Patience is how long a round may take. Default 12 hours.
	Poll, Patience time.Duration
	// Width is how many pushes are read at a time. Default analysis.DefaultWidth.
	Width int
	// OnStep is called after each request that acted or failed, as that of
	// trigger.RunOptions. Optional.
	OnStep func(trigger.Step)
	// Observe sees the search after each change. Optional.
	Observe func(Progress)
	// Logger gets what was read and asked for. Nil discards.
	Logger *slog.Logger
}

// Progress is a search under way.
type Progress struct {
	Pushes   []Tested // of the range, oldest first
	Decision culprit.Decision
	Runs     int // asked for
	Rounds   int
	Forecast Outlook // how many more
}

// Search looks for the push that broke a label, also when it is flaky: it takes
// what ran already as evidence, asks for the runs that tell most, waits for
// them, and goes on until one push is the culprit with the confidence, which a
// failure on it and a pass on its parent confirm. rev is a revision on which it
// failed; that one failure, for which one looks, is no evidence.
//
// It can be stopped at any point, by ctx: what was asked for stays asked for,
// and another call with the same ledger goes on with it.
//
// Errors are those of Find, among them ErrNotBad for a revision on which it did not
// fail, ErrNotMeasured for one without a value, and ErrOverBudget. The result has what is known.
func Search(
	ctx context.Context, repo job.Repository, ci job.Scheduler, label, rev string, opts *SearchOptions,
) (SearchResult, error) {
	var o SearchOptions
	if opts != nil {
		o = *opts
	}
	if o.Ledger == nil {
		o.Ledger = ledger.NewMemory() // one for all that is searched
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

type searcher struct {
	*looker
	signed
	repo   job.Repository
	wanted string // the label
	rev    string
	o      SearchOptions
	merged *outside // the range is what a merge brought; nil where it is not

	pushes   []job.Push // history, range, newer: ascending, and with FindFix descending
	from, to int        // the range
	good     *job.Push  // that of SearchOptions.Good
	seen     map[job.PushKey]looked
	asked    map[job.PushKey]int    // runs that somebody asked for and nobody sees yet
	bought   map[job.PushKey]int    // runs that the search asked for
	coming   map[job.PushKey]int    // of those, runs that have not ended
	blocked  map[job.PushKey]string // why a push cannot be run any more
	broke    string                 // which budget is spent
	broken   map[job.PushKey]bool   // older pushes that were broken, and mended before the range
	before   int                    // runs that were asked for on what the range does not have any more
	watched  map[job.PushKey]watched
	looks    int // at what is under way
	idle     int // rounds in a row in which nothing could happen

	engine   engine
	decision culprit.Decision
	forecast Outlook // of the beginning
	rounds   int
	plan     trigger.Plan
	stopped  []string
	warnings []string
}

// defaultBatch is how many runs are asked for at a time.
const defaultBatch = 4

func (s *searcher) defaults(ci job.Scheduler, label string) (err error) {
	o := &s.o
	var name string // of the value
	if o.Perf && (o.FindFix || o.FollowMerges) {
		return job.Wrap("backfill.search", label, fmt.Errorf(
			"%w: a search over values goes neither into merges nor for what mended it", job.ErrInvalid))
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
			fmt.Errorf("%w: %d revisions, %d runs at a time and %v for a round, expected 1 or more, and 0 or more",
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
			step = s.await // all places are taken; what ended may have been enough
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
}

func (s *searcher) warn(format string, args ...any) {
	if w := fmt.Sprintf(format, args...); !slices.Contains(s.warnings, w) {
		s.warnings = append(s.warnings, w)
	}
}
