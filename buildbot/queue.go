package buildbot

import (
	"context"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// QueueDepth implements job.QueueMeter: the builder's requests that no build has taken,
// and its builds that run, of all branches. A label that is no builder's gives
// [job.ErrNotFound].
func (p *Project) QueueDepth(ctx context.Context, label string) (job.QueueDepth, error) {
	const op = "buildbot.load"
	return bounded(ctx, p.c, op, label, func(ctx context.Context) (job.QueueDepth, error) {
		return p.queueDepth(ctx, op, label)
	})
}

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

// newestPage is the horizon of questions for which the newest page will do.
var newestPage = horizon{any: true, heard: time.Unix(1<<36, 0)}

// Coalesces implements job.CoalesceChecker: the API does not tell how a builder is
// configured, so this reports whether the builder ever merged requests, as far back as
// its list was read. A label that is no builder's gives [job.ErrNotFound].
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
