package trigger

import (
	"context"
	"errors"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// readBuild returns the facts of a build, from the jobs of its push and from the requests
// that are not visible yet.
func readBuild(
	ctx context.Context, ci job.Scheduler, l ledger.Ledger, p job.Push, label string, jobs []job.Job,
) (BuildFacts, error) {
	runs := analysis.OfLabel(jobs, label)
	pending, err := asked(ctx, ci, l, p, label, runs)
	if err != nil {
		return BuildFacts{}, err
	}
	state, err := buildState(ctx, ci, runs, pending.runs)
	return BuildFacts{
		Label: label, State: state, Seen: len(runs) + pending.runs, Jobs: runs,
		// Only if all visible runs have ended, because one under way would be used.
		Again: pending.runs > 0 && len(runs) > 0 && len(waiting(runs)) == 0,
	}, err
}

// underWay returns the runs of the build that have not ended. known is false when more
// was triggered than is visible: the IDs of those runs are not known.
func (f BuildFacts) underWay() (runs []job.Job, known bool) {
	return waiting(f.Jobs), f.Seen <= len(f.Jobs)
}

// waiting returns the jobs that have not ended.
func waiting(jobs []job.Job) []job.Job {
	return slices.DeleteFunc(slices.Clone(jobs), func(j job.Job) bool { return !j.Status().Waiting() })
}

// UnderWay returns the runs of the label, and of the builds that it needs, that have not
// ended. known is false when more was triggered than is visible: the IDs of those runs
// are not known, and only another Look shows how they go.
func (f Facts) UnderWay() (runs []job.Job, known bool) {
	runs, known = waiting(f.Jobs), f.Asked == 0
	for _, b := range f.Builds {
		of, all := b.underWay()
		runs, known = append(runs, of...), known && all
	}
	return runs, known
}

// buildState returns the best state among the runs of a build. A run that ended without
// success may have left files too, so every run is checked for its files where the CI can
// tell; where it cannot, success means that the files are there.
func buildState(ctx context.Context, ci job.Scheduler, runs []job.Job, asked int) (BuildState, error) {
	best := BuildMissing
	if asked > 0 {
		best = BuildUnderWay
	}
	for _, j := range runs {
		s, err := stateOf(ctx, ci, j)
		if err != nil {
			return BuildMissing, err
		}
		// The states are ordered from best to worst.
		best = min(best, s)
	}
	return best, nil
}

// stateOf returns the state of a build as one run of it shows it.
func stateOf(ctx context.Context, ci job.Scheduler, j job.Job) (BuildState, error) {
	s := j.Status()
	switch {
	case s.Waiting():
		return BuildUnderWay, nil
	case s == job.StatusCancelled:
		return BuildWithdrawn, nil
	case s != job.StatusSuccess && !s.Failed():
		return BuildMissing, nil // coalesced, skipped, exception, retry: it did not build
	}
	there, err := job.ArtifactsExist(ctx, ci, j)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return BuildMissing, err
	}
	if there || (err != nil && s == job.StatusSuccess) {
		return BuildWorking, nil
	}
	if s == job.StatusSuccess {
		return BuildExpired, nil
	}
	return BuildFailed, nil
}
