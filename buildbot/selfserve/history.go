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

// atOnce is how many revisions are asked about at a time.
const atOnce = 10

// History implements job.HistoryReader. Of each push self-serve is asked what was
// scheduled on it, ten pushes at a time: of a request that was merged into the build of
// another push nothing else says of which push it was. Each dump that tells how some of
// these ended is fetched once and looked through for all of the pushes, the newest first;
// Jobs of many pushes, in no order, would fetch one again whenever four others were read
// since. Of a range that is read piece by piece, newest first, the dumps of the last piece
// are at hand for the next.
func (p *Project) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "selfserve.history"
	if len(labels) == 0 {
		return nil, job.Wrap(op, "labels", fmt.Errorf("%w: none given", job.ErrInvalid))
	}
	return bounded(ctx, p.c, op, strings.Join(labels, ", "), func(ctx context.Context) ([]job.PushRuns, error) {
		return p.history(ctx, op, pushes, labels)
	})
}

// HistoryWidth implements job.HistoryWidth: each push has a listing of its own.
func (p *Project) HistoryWidth() int { return 2 * atOnce }

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

// findAll looks up all runs of which only a dump says how they ended, one dump after the
// other, so that each is read once. What is wrong with one, who asks for a run of it is
// told; an error is the context's.
func (q *question) findAll(ctx context.Context, all []Listing) error {
	var runs []sought
	for _, l := range all {
		if l.dumped() {
			requests := l.ascending()
			runs = append(runs, sought{requests[len(requests)-1].ID, l.Number, l.Finished})
		}
	}
	slices.SortStableFunc(runs, func(a, b sought) int { // 4hr is after all years
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
