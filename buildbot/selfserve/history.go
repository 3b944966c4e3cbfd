package selfserve

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mozci/mozci/job"
)

// atOnce is how many listings of revisions are read at the same time.
const atOnce = 10

// History implements job.HistoryReader. It reads self-serve's listing of each push, 10 at a
// time: when a request was merged into the build of another push, only the listing tells to
// which push it belongs. Then it takes the dumps that tell how runs ended, newest first, and
// looks up the runs of all pushes in one dump before it goes to the next. So each dump is
// fetched once, although only four fit into memory; calling Jobs for each push would fetch
// some again and again. When a range is read piece by piece, newest first, the dumps of one
// piece are in memory for the next.
func (p *Project) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "selfserve.history"
	if len(labels) == 0 {
		return nil, job.Wrap(op, "labels", fmt.Errorf("%w: no label was given", job.ErrInvalid))
	}
	return bounded(ctx, p.c, op, strings.Join(labels, ", "), func(ctx context.Context) ([]job.PushRuns, error) {
		return p.history(ctx, op, pushes, labels)
	})
}

// HistoryWidth implements job.HistoryWidth. Each push has a listing of its own, so reading many
// more pushes than this at a time saves nothing.
func (p *Project) HistoryWidth() int { return 2 * atOnce }

// history is History without the deadline. Each goroutine writes only to its own elements of
// listed and out, and Wait comes before they are read, so no lock is needed. The requests go on
// until all pushes were read, even if one fails: each push has its own error.
func (p *Project) history(ctx context.Context, op string, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
	out := make([]job.PushRuns, len(pushes))
	listed := make([][]Listing, len(pushes))
	next := make(chan int)
	var asking sync.WaitGroup
	for range min(atOnce, len(pushes)) {
		asking.Go(func() {
			for i := range next {
				listed[i], out[i].Err = p.listings(ctx, pushes[i], labels)
			}
		})
	}
	for i, push := range pushes {
		out[i].Push = push
		next <- i
	}
	close(next)
	asking.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := p.c.dumps.question()
	if err := q.findAll(ctx, slices.Concat(listed...)); err != nil {
		return nil, err
	}
	for i, push := range pushes {
		if out[i].Err == nil {
			out[i].Jobs, out[i].Err = p.runs(ctx, q, push, listed[i])
		}
		out[i].Err = job.Wrap(op, push.String(), out[i].Err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// findAll looks up all runs whose end only a dump tells, ordered by dump. The results, errors of
// a dump included, are remembered in the question for the calls of find that follow; the error
// that it returns is only that of the context.
func (q *question) findAll(ctx context.Context, all []Listing) error {
	var runs []sought
	for _, l := range all {
		if l.dumped() {
			requests := l.ascending() // only the last of them ran
			runs = append(runs, sought{requests[len(requests)-1].ID, l.Number, l.Finished})
		}
	}
	slices.SortStableFunc(runs, func(a, b sought) int { // descending; "builds-4hr" sorts after every date
		return cmp.Compare(dumpOf(b.finished, q.asked), dumpOf(a.finished, q.asked))
	})
	for _, run := range runs {
		_, _ = q.find(ctx, run)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
