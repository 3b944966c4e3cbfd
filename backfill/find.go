// Package backfill finds the last good push of a label, what is missing since,
// and the plan that finds the first bad one.
//
// Start with [Find]. It walks from a bad push to older ones, several at a time,
// and stops at the last push on which the label was good: not the last on which
// it ran. Its [FindResult] has the facts and a trigger.Plan; printing that is the
// dry run, and trigger.Run carries it out.
//
// [Search] goes on from there until the push that did it is known, also when the
// label is flaky: it takes what ran as evidence, asks for the runs that tell most,
// and waits for them; see package analysis/culprit.
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

// ErrNotBad says that the push to start from is not bad for the label, so there is
// nothing to look for.
var ErrNotBad = errors.New("the label is not bad on this push")

// FindOptions change how Find looks; nil is zero options.
type FindOptions struct {
	// MaxRevisions is how many pushes before the start are looked at, at most.
	// Default 20, what Mozilla's tools used.
	MaxRevisions int
	// Times is the total of runs wanted on each push that is missing. Default 1.
	Times int
	// Automatic says that no person asked. When the label was never good
	// within MaxRevisions, the plan then asks for nothing: a job that has been
	// failing for long is not for a robot to run on every push. Nor does it,
	// when the ledger knows that the runs on the start were asked for before: a
	// backfill of a backfill never ends. Otherwise everything up to the maximum
	// is filled.
	Automatic bool
	// FillNewer fills the pushes newer than the first bad one as well. They
	// cannot hold the culprit, so that by default the gap alone is filled: the
	// pushes between the last good one and the first bad one.
	FillNewer bool
	// Holes fills every push of the range that lacks runs, whatever the
	// results, as one does for performance jobs, where every number counts and
	// no run is red. The start need not be bad.
	Holes bool
	// Judge says what a run means. Default analysis.ByStatus.
	Judge analysis.Judge
	// Test is the test that the question is about: good and bad are then about
	// it and not about the job, as joblog.TestJudge tells by the runs' logs, unless
	// there is a Judge; and on each push the chunk is looked at that runs it,
	// unless there are Manifests.
	Test string
	// Beyond is how many pushes older than the last good one are looked at, to
	// see whether the label failed there too: a history that goes bad, good,
	// bad is that of a flaky label. Default 3, negative for none, at most
	// Width - 1: they were asked about already.
	Beyond int
	// Width is how many pushes are asked about at a time. Default
	// analysis.DefaultWidth.
	Width int
	// Ledger, Exceptions, Budgets and ExistingOnly are those of trigger.Options. Where
	// a budget does not suffice, the pushes that can hold the culprit come first.
	Ledger       ledger.Ledger
	Exceptions   *int
	Budgets      trigger.Budgets
	ExistingOnly bool
	// Manifests are the test manifests that the failure is in. Where a push runs
	// them in another chunk of the label's suite, that chunk is looked at and
	// planned there. It costs the catalog of each push. Default: the label is
	// what it is called.
	Manifests []string
	// FollowMerges looks at what the pushes that can have broken the label
	// brought from other repositories, when the repository is a job.OriginFinder:
	// the last good push may lie there. The plan then names pushes of both.
	FollowMerges bool
	// Repositories opens another repository by name, so that what merges brought
	// from there is followed further. Default: one step is followed.
	Repositories func(name string) (job.Repository, error)
	// Observe is called with each push that was looked at, newest first, as
	// soon as it is known. Optional.
	Observe func(Sighting)
	// Logger gets what was read, in the order of the pushes. Nil discards.
	Logger *slog.Logger
}

// Sighting is what is known of one push.
type Sighting struct {
	Push    job.Push
	Label   string // the chunk that was looked at; see FindOptions.Manifests
	Verdict analysis.Verdict
	Runs    analysis.Runs
	Jobs    []job.Job // the runs of the label
	Err     error     // it could not be read; the verdict is Unclear
	Absent  bool      // the label, or its test, is known not to have existed there
}

// Find looks for the last good push before rev, which is one of 12 to 40
// digits or "tip" on repo, and plans what is missing since.
//
// Errors: ErrNotBad when the start is good, or has no result; job.ErrNotFound
// for an unknown revision, and for an unknown label with the nearest ones
// named; job.ErrInvalid for options that make no sense; job.ErrNoLine for a
// repository such as try, where no range can be looked at. Pushes that could not
// be read are in the FindResult, and their errors are returned with it.
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
			fmt.Errorf("%w: no pushes of %s up to here", job.ErrNotFound, repo.Name()))
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

type finder struct {
	*looker
	opts   FindOptions
	pushes []job.Push                // newest first; the start is the first
	known  map[job.PushKey][]job.Job // what was read of each push
	off    bool                      // a robot keeps its hands off; see hands
}

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
	o.Beyond = max(0, min(o.Beyond, f.width-1))
	return nil
}

// walk looks at the pushes, newest first, up to the last good one and a few
// beyond it.
func (f *finder) walk(ctx context.Context) (FindResult, error) {
	res := FindResult{Label: f.label, Start: f.pushes[0]}
	var limit atomic.Int64 // how many pushes may still be asked about
	limit.Store(int64(len(f.pushes)))
	index := map[job.PushKey]int64{}
	for i, p := range f.pushes {
		index[p.Key()] = int64(i)
	}
	fetch := func(ctx context.Context, p job.Push, log *slog.Logger) (looked, error) {
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
				if !f.opts.Holes { // which can be anywhere: each push is asked about
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

// started checks the first push: whether the label is known, and is bad there.
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
