// Package backfill finds the last good push of a label, which runs are missing since
// then, and the plan that finds the first bad one.
//
// Start with [Find]. It walks from a bad push to older ones, several at a time, and stops
// at the last push on which the label was good, which is not the last on which it ran.
// Its [FindResult] has the facts and a trigger.Plan. Printing the plan is the dry run;
// trigger.Run carries it out:
//
//	found, err := backfill.Find(ctx, repo, ci, "linux64/opt/xpcshell-1", "a1b2c3d4e5f6", nil)
//	fmt.Println(found.LastGood, found.FirstBad, found.Missing)
//	done, err := trigger.Run(ctx, ci, found.Plan, nil)
//
// [Search] continues until it knows the push that broke the label, also when the label is
// flaky. It takes what ran as evidence, triggers the most informative runs, waits for
// them, and decides again; see package analysis/culprit. With SearchOptions.Perf it finds
// the push that changed a measured value (package analysis/perf), with
// SearchOptions.FindFix the one that fixed the label. The examples show both functions
// in a world in memory.
//
// Find only reads; Search triggers runs unless DryRun is set. Neither is limited to one
// CI: pushes come from a job.Repository, runs from a job.Scheduler. Both can be stopped
// by their context. A Search with the same ledger continues where the last one stopped,
// and triggers nothing twice. Results are returned along with an error, as far as they
// are known. Both functions are safe for concurrent use, if the repository, the CI and
// the ledger are.
package backfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// ErrNotBad says that the push to start from is not bad for the label: it passed, or has
// no result yet, so there is nothing to look for.
var ErrNotBad = errors.New("the label did not fail on this push")

// FindOptions change how Find looks. Nil means the defaults.
type FindOptions struct {
	// MaxRevisions is the maximum number of pushes to look at before the start. Default
	// 20, what Mozilla's tools used.
	MaxRevisions int
	// Times is the total number of runs wanted on each push that lacks them. Finished,
	// running and queued runs count. Default 1.
	Times int
	// Automatic means unattended: no person started this call. The plan then triggers
	// nothing when the label was never good within MaxRevisions, since a job that has
	// been failing for long should not be run on every push by a program. Nor does it
	// when the ledger knows that mozci triggered the runs on the start: a backfill of a
	// backfill never ends. Without Automatic, everything up to MaxRevisions is filled in
	// these cases.
	Automatic bool
	// FillNewer also fills the pushes that are newer than the first bad one. They cannot
	// hold the culprit. By default only the gap is filled: the pushes between the last
	// good one and the first bad one.
	FillNewer bool
	// Holes fills every push of the range that lacks runs, whatever the results. It suits
	// performance jobs, where every number counts and no run is red. The start need not
	// be bad.
	Holes bool
	// Judge says what a run means. Default analysis.ByStatus.
	Judge analysis.Judge
	// Test is the test that the question is about. Good and bad are then about the test
	// and not about the job, as joblog.TestJudge reads from the logs of the runs, unless
	// there is a Judge. On each push Find looks at the chunk that runs the test, unless
	// there are Manifests.
	Test string
	// Beyond is how many pushes older than the last good one to look at, to see whether
	// the label failed there too: a history of bad, good, bad is that of a flaky label.
	// Default 3, negative for none. It is at most Width - 1, since those pushes have been
	// fetched already.
	Beyond int
	// Width is the maximum number of pushes that are fetched at a time. Default
	// analysis.DefaultWidth.
	Width int
	// Ledger, Exceptions, Budgets and ExistingOnly are those of trigger.Options. When a
	// budget is too small, the pushes that can hold the culprit come first.
	Ledger       ledger.Ledger
	Exceptions   *int
	Budgets      trigger.Budgets
	ExistingOnly bool
	// Manifests are the test manifests that the failure is in. Where a push runs them in
	// another chunk of the label's suite, Find looks at that chunk and plans it there.
	// This reads the catalog of each push. Default: the same label on every push.
	Manifests []string
	// FollowMerges also looks at what suspected pushes merged from other repositories,
	// when the repository is a job.OriginFinder: the last good push may lie there. The
	// plan then has pushes of both repositories.
	FollowMerges bool
	// Repositories opens another repository by name, to follow merges further from there.
	// Default: merges are followed one step.
	Repositories func(name string) (job.Repository, error)
	// Observe is called with each push that was looked at, newest first, as soon as its
	// runs are known. Optional.
	Observe func(Sighting)
	// Logger gets what was read, in the order of the pushes. Nil discards it.
	Logger *slog.Logger
}

// Sighting is what is known about one push.
type Sighting struct {
	Push    job.Push
	Label   string // the chunk that was looked at; see FindOptions.Manifests
	Verdict analysis.Verdict
	Runs    analysis.Runs
	Jobs    []job.Job // the runs of the label
	Err     error     // it could not be read; the verdict is Unclear
	Absent  bool      // the label, or its test, is known not to have existed there
}

// Find looks for the last good push before rev and plans the runs that are missing since
// then. rev is 12 to 40 hex digits of a revision on repo, or "tip". Find triggers
// nothing.
//
// Errors: ErrNotBad when the start is good or has no result; job.ErrNotFound for an
// unknown revision, and for an unknown label, with the closest ones named; job.ErrInvalid
// for options that make no sense; job.ErrNoLine for a repository such as try, whose
// pushes do not form a line. Pushes that could not be read are in the FindResult, and
// their errors are returned along with it.
func Find(
	ctx context.Context, repo job.Repository, ci job.Scheduler, label, rev string, opts *FindOptions,
) (FindResult, error) {
	f := &finder{known: map[job.PushKey][]job.Job{}}
	if opts != nil {
		f.opts = *opts
	}
	if err := f.defaults(ci, label); err != nil {
		return FindResult{}, err
	}
	if err := job.Line(ctx, repo); err != nil {
		return FindResult{}, err
	}
	pushes, err := repo.Pushes(ctx, job.Around(rev, f.opts.MaxRevisions, 0))
	if err != nil {
		return FindResult{}, err
	}
	if len(pushes) == 0 {
		return FindResult{}, job.Wrap("backfill.find", rev,
			fmt.Errorf("%w: %s lists no pushes up to this one", job.ErrNotFound, repo.Name()))
	}
	slices.Reverse(pushes) // newest first from here on
	f.pushes = pushes
	if err := f.begin(ctx, pushes[0]); err != nil {
		return FindResult{}, err
	}
	res, err := f.walk(ctx)
	if err != nil {
		return res, err
	}
	planErr := f.plan(ctx, &res)
	if planErr == nil && f.opts.FollowMerges {
		planErr = job.Wrap("backfill.merges", f.label, f.follow(ctx, repo, &res))
	}
	return res, errors.Join(append(res.errs(), planErr)...)
}

// finder is one call of Find.
type finder struct {
	*looker
	opts   FindOptions
	pushes []job.Push                // newest first; the start is the first
	known  map[job.PushKey][]job.Job // what was read of each push
	off    bool                      // unattended, and nothing may be triggered; see unattended
}

// defaults fills in and checks the options.
func (f *finder) defaults(ci job.Scheduler, label string) (err error) {
	o := &f.opts
	for _, v := range []struct {
		name string
		n    *int
		zero int
	}{{"max revisions", &o.MaxRevisions, 20}, {"times", &o.Times, 1}} {
		if *v.n < 0 {
			return job.Wrap("backfill.find", v.name, fmt.Errorf("%w: %d, expected 1 or more", job.ErrInvalid, *v.n))
		}
		if *v.n == 0 {
			*v.n = v.zero
		}
	}
	if f.looker, err = newLooker(ci, label, looking{o.Judge, o.Test, o.Manifests, o.Width, o.Logger}); err != nil {
		return err
	}
	if o.Beyond == 0 {
		o.Beyond = 3
	}
	// With a width of 10, the 9 pushes after the last good one are fetched, or on their
	// way, when that one is yielded.
	o.Beyond = max(0, min(o.Beyond, f.width-1))
	return nil
}

// walk looks at the pushes, newest first, up to the last good one and f.opts.Beyond more.
// limit stops the fetches that run ahead once the last good push is known: with the last
// good push at index 4 and Beyond 3, pushes up to index 7 are fetched.
func (f *finder) walk(ctx context.Context) (FindResult, error) {
	res := FindResult{Label: f.label, Start: f.pushes[0]}
	var limit atomic.Int64 // the first index that is no longer fetched
	limit.Store(int64(len(f.pushes)))
	index := map[job.PushKey]int64{}
	for i, p := range f.pushes {
		index[p.Key()] = int64(i)
	}
	fetch := func(ctx context.Context, p job.Push, log *slog.Logger) (looked, error) {
		// The last good push is known already, and this one is too far beyond it: send no
		// request.
		if index[p.Key()] >= limit.Load() {
			return looked{}, nil
		}
		return f.look(ctx, p, log)
	}
	beyond := 0
	for r := range f.inOrder(ctx, f.pushes, fetch) {
		s := f.sighting(r)
		f.known[r.Push.Key()] = r.Value.jobs
		if f.opts.Observe != nil {
			f.opts.Observe(s)
		}
		if len(res.History) == 0 {
			if err := f.started(ctx, &res, s); err != nil {
				return res, err
			}
			continue
		}
		if res.LastGood != nil && !f.opts.Holes {
			res.Beyond = append(res.Beyond, s)
			beyond++
		} else {
			res.History = append(res.History, s)
			if s.Verdict == analysis.Good && res.LastGood == nil {
				res.LastGood = &s.Push
				if !f.opts.Holes { // they can be anywhere, so every push is fetched
					limit.Store(index[s.Push.Key()] + 1 + int64(f.opts.Beyond))
				}
			}
		}
		if res.LastGood != nil && !f.opts.Holes && beyond >= f.opts.Beyond {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		return res, job.Wrap("backfill.find", f.label, err)
	}
	f.born(ctx, &res)
	res.conclude(f.opts.Holes)
	return res, nil
}

// started checks the first push: the label must be known, and bad there.
func (f *finder) started(ctx context.Context, res *FindResult, s Sighting) error {
	res.History = append(res.History, s)
	if s.Err != nil {
		return s.Err
	}
	err := f.failedOn(ctx, s.Runs)
	if f.opts.Holes && errors.Is(err, ErrNotBad) {
		return nil
	}
	return job.Wrap("backfill.find", f.label, err)
}
