package buildbot_test

import (
	"context"
	"log/slog"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// walked is what a walk from a bad push to older ones told; 0 for none.
type walked struct{ lastGood, firstBad int64 }

// walk asks a project what backfill.Find asks: the catalog of the start, the runs of
// each push, several at a time, up to the last good one, and the plan for what is
// missing since.
func walk(ctx context.Context, p *buildbot.Project, label, rev string, most int) (walked, error) {
	var out walked
	pushes, err := p.Pushes(ctx, job.Around(rev, most, 0))
	if err != nil {
		return out, err
	}
	if _, err := p.Catalog(ctx, pushes[len(pushes)-1]); err != nil {
		return out, err
	}
	known := map[int64][]job.Job{}
	fetch := func(ctx context.Context, push job.Push, _ *slog.Logger) ([]job.Job, error) {
		return p.Jobs(ctx, push, label)
	}
	var missing []job.Push
	for r := range analysis.Ordered(ctx, pushes, fetch, nil) {
		if r.Err != nil {
			return out, r.Err
		}
		runs, err := analysis.OfRuns(ctx, analysis.OfLabel(r.Value, label), nil)
		if err != nil {
			return out, err
		}
		known[r.Push.ID] = r.Value
		switch {
		case runs.Good > 0 && runs.Bad == 0:
			out.lastGood = r.Push.ID
		case runs.Bad > 0 && runs.Good == 0:
			out.firstBad = r.Push.ID
		default:
			missing = append(missing, r.Push)
		}
		if out.lastGood != 0 {
			break
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	slices.Reverse(missing)
	_, err = trigger.Make(ctx, p, missing, []string{label}, 2, &trigger.Options{
		Known: func(push job.Push) ([]job.Job, bool) { jobs, ok := known[push.ID]; return jobs, ok },
	})
	return out, err
}
