package buildbot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// History implements job.HistoryReader. The lists that Jobs reads for one push are read
// once for all of them, back to when the master heard of the oldest: for up to four labels
// those of their builders, with the sources and the builds of each page, which is three
// requests for some hundred runs of a label; for more labels the list of buildsets, and the
// requests of those that are of one of the pushes. What was read is kept: of a range that
// is read piece by piece, newest first, each page is read once.
//
// A push of which nothing can be told, such as one of a branch that the master does not
// have, has its own error; the others of the same list have it too where they lie farther
// back than could be read.
func (p *Project) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "buildbot.history"
	about := strings.Join(labels, ", ")
	if len(labels) == 0 {
		return nil, job.Wrap(op, "labels", fmt.Errorf("%w: none given", job.ErrInvalid))
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
	lost := map[string]error{} // repositories of which the master could not be asked
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
		return nil, err // of all of them
	}
	return out, nil
}

// reachAll reads a list back behind the horizons of some pushes, and returns those of the
// pushes of which that could be done. Where it cannot be read so far, the pushes are looked
// at newest first: those before the one that it fails for have their answer.
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
