package analysis_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// Walk from the newest push to the first good one. The calls run in parallel;
// the results come in order.
func ExampleOrdered() {
	world := jobtest.MustParse(`
push   linux64/opt/xpcshell-1
17 a1c0   pass
18 b2d1   pass
19 c3e2   pending
20 d4f3   fail
`)
	ci := jobtest.NewCI(world, nil)
	fetch := func(ctx context.Context, p job.Push, _ *slog.Logger) (analysis.Runs, error) {
		jobs, err := ci.Jobs(ctx, p, "linux64/opt/xpcshell-1")
		if err != nil {
			return analysis.Runs{}, err
		}
		return analysis.OfRuns(ctx, jobs, nil)
	}
	for r := range analysis.Ordered(context.Background(), world.Pushes("autoland"), fetch, nil) {
		fmt.Println(r.Push.ID, r.Value.Verdict(), "-", r.Value)
		if r.Value.Verdict() == analysis.Good {
			break
		}
	}
	// Output:
	// 20 bad - 1 failed
	// 19 running - 1 queued
	// 18 good - 1 passed
}
