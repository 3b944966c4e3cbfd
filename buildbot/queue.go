package buildbot

import (
	"context"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// QueueDepth implements job.QueueMeter: it counts the builder's requests that no build has
// taken yet, and its running builds, on all branches. A label that is not a builder gives
// [job.ErrNotFound]. It takes 2 requests.
func (p *Project) QueueDepth(ctx context.Context, label string) (job.QueueDepth, error) {
	const op = "buildbot.load"
	return bounded(ctx, p.c, op, label, func(ctx context.Context) (job.QueueDepth, error) {
		return p.queueDepth(ctx, op, label)
	})
}

// queueDepth is QueueDepth without the deadline. The requests have no limit, so each answer is
// the whole list.
func (p *Project) queueDepth(ctx context.Context, op, label string) (job.QueueDepth, error) {
	b, err := p.c.labelled(ctx, label)
	if err != nil {
		return job.QueueDepth{}, err
	}
	waiting, err := get(ctx, p.c, op, label,
		query(p.c.path("builders/%d/buildrequests", b.ID), "claimed", "false", "complete", "false"), requestList)
	if err != nil {
		return job.QueueDepth{}, err
	}
	running, err := get(ctx, p.c, op, label, query(p.c.path("builders/%d/builds", b.ID), "complete", "false"),
		buildList)
	return job.QueueDepth{Pending: len(waiting), Running: len(running)}, err
}

// newestPage is the horizon of questions for which the newest page is enough. Its date, in the
// year 4147, makes it nearer than that of any push.
var newestPage = horizon{any: true, heard: time.Unix(1<<36, 0)}

// Coalesces implements job.CoalesceChecker. The API does not show how a builder is configured,
// so it reports whether the builder has merged requests before, as far back as its list was
// read. A label that is not a builder gives [job.ErrNotFound].
func (p *Project) Coalesces(ctx context.Context, label string) (bool, error) {
	return bounded(ctx, p.c, "buildbot.merges", label, func(ctx context.Context) (bool, error) {
		return p.coalesces(ctx, label)
	})
}

func (p *Project) coalesces(ctx context.Context, label string) (bool, error) {
	b, err := p.c.labelled(ctx, label)
	if err != nil {
		return false, err
	}
	s := &subject{hz: newestPage}
	p.ask(ctx, []*subject{s}, []string{b.Name})
	collapsed := func(f finished) bool {
		return f.request.Complete && f.request.Results == resultSkipped && len(f.builds) == 0
	}
	return slices.ContainsFunc(slices.Concat(s.asked...), collapsed), s.err
}
