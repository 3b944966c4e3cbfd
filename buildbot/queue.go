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
	b, err := p.c.labelled(ctx, label)
	if err != nil {
		return job.QueueDepth{}, job.Wrap(op, label, err)
	}
	waiting, err := get[BuildRequest](ctx, p.c, op, label,
		query(p.c.path("builders/%d/buildrequests", b.ID), "claimed", "false", "complete", "false"), "buildrequests")
	if err != nil {
		return job.QueueDepth{}, err
	}
	running, err := get[Build](ctx, p.c, op, label, query(p.c.path("builders/%d/builds", b.ID), "complete", "false"),
		"builds")
	return job.QueueDepth{Pending: len(waiting), Running: len(running)}, err
}

// Coalesces implements job.CoalesceChecker: the API does not tell how a builder is
// configured, so this reports whether the builder ever merged requests, as far back as
// its list was read. A label that is no builder's gives [job.ErrNotFound].
func (p *Project) Coalesces(ctx context.Context, label string) (bool, error) {
	const op = "buildbot.merges"
	b, err := p.c.labelled(ctx, label)
	if err != nil {
		return false, job.Wrap(op, label, err)
	}
	all, err := p.asked(ctx, line{}, job.Push{}, horizon{heard: time.Now(), newer: func(string) bool { return false }},
		[]string{b.Name})
	collapsed := func(f finished) bool {
		return f.request.Complete && f.request.Results == resultSkipped && len(f.builds) == 0
	}
	return slices.ContainsFunc(all, collapsed), job.Wrap(op, label, err)
}
