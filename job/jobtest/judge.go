package jobtest

import (
	"context"

	"github.com/mozci/mozci/job"
)

// TestJudge returns a judge of runs, as package analysis has them, that says
// unknown for a run which did not contain the test (see RanTest), and what
// judge says otherwise. It is generic because this package imports nothing but
// job: use TestJudge(analysis.ByStatus, analysis.NoTest).
func TestJudge[V any](
	judge func(context.Context, job.Job) (V, error), unknown V,
) func(context.Context, job.Job) (V, error) {
	return func(ctx context.Context, j job.Job) (V, error) {
		if !RanTest(j) {
			return unknown, nil
		}
		return judge(ctx, j)
	}
}
