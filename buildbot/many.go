package buildbot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// History implements job.HistoryReader. It reads the lists that Jobs reads for one push, but
// once for all pushes, back to the time when the master heard of the oldest. For up to 4
// labels these are the lists of their builders; a page costs 3 requests, for up to 500 runs
// with their buildsets and builds. For more labels it is the list of buildsets, and the
// requests of those that belong to one of the pushes. What was read is kept, so a range that
// is read piece by piece, newest first, costs each page once.
//
// A push that cannot be answered, such as one on a branch that the master does not have, has
// its own error. When a list cannot be read back far enough, the newer pushes have their runs
// and the older ones the error.
func (p *Project) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "buildbot.history"
	about := strings.Join(labels, ", ")
	if len(labels) == 0 {
		return nil, job.Wrap(op, "labels", fmt.Errorf("%w: no label was given", job.ErrInvalid))
	}
	return bounded(ctx, p.c, op, about, func(ctx context.Context) ([]job.PushRuns, error) {
		return p.many(ctx, op, pushes, labels)
	})
}

func (p *Project) many(ctx context.Context, op string, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
	p.wanted.Store(max(p.wanted.Load(), int64(len(pushes))))
	out := make([]job.PushRuns, len(pushes))
	var all []*subject
	at := map[*subject]int{}
	from := p.lookout()
	lost := map[string]error{} // by repository: the error of finding its line
	for i, push := range pushes {
		out[i].Push = push
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !push.Testable() {
			continue
		}
		s := &subject{push: push, err: lost[push.Repo]}
		if s.err == nil {
			s = p.subject(ctx, from, push)
			lost[push.Repo] = s.err
		}
		at[s] = i
		all = append(all, s)
	}
	p.ask(ctx, all, labels)
	for _, s := range all {
		jobs, err := p.found(ctx, s, labels)
		out[at[s]].Jobs, out[at[s]].Err = jobs, job.Wrap(op, s.push.String(), err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err // the context ended: that is the error of the whole question
	}
	return out, nil
}

// reachAll reads a list back behind the horizons of the pushes, and returns the horizons that
// it reached. When it cannot read so far, it tries the pushes one by one, newest first: those
// before the first failure have their answer, that one and all older ones get the error. For the
// pushes 30, 29 and 28, when the list breaks off on the way to 29: the horizons of 30 are
// returned, and 29 and 28 have the error. Reading all at once first costs fewer requests in the
// usual case, that nothing fails.
func (p *Project) reachAll(ctx context.Context, q *question, r *reading, pages pages, all []*subject) horizons {
	rest := slices.DeleteFunc(slices.Clone(all), func(s *subject) bool { return s.err != nil })
	far := make(horizons, len(rest))
	for i, s := range rest {
		far[i] = s.hz
	}
	if len(rest) == 0 {
		return nil
	}
	err := p.reach(ctx, q, r, pages, far)
	if err == nil {
		return far
	}
	slices.SortStableFunc(rest, func(a, b *subject) int { return b.hz.since().Compare(a.hz.since()) })
	far = nil
	for i, s := range rest {
		if len(rest) > 1 {
			err = p.reach(ctx, q, r, pages, horizons{s.hz})
		}
		if err != nil {
			for _, s := range rest[i:] {
				s.err = err
			}
			break
		}
		far = append(far, s.hz)
	}
	return far
}
