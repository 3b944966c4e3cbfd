package jobtest

import (
	"context"
	"slices"

	"github.com/mozci/mozci/job"
)

// ability is an optional ability of a Scheduler.
type ability struct {
	name string
	has  func(job.Scheduler) bool
}

func can[T any](name string) ability {
	return ability{name, func(s job.Scheduler) bool { _, ok := job.As[T](s); return ok }}
}

// abilities are all that package job knows.
func abilities() []ability {
	return []ability{
		can[job.Cataloger]("Cataloger"), can[job.Canceler]("Canceler"), can[job.LogOpener]("LogOpener"),
		can[job.Watcher]("Watcher"), can[job.AcceptedLister]("AcceptedLister"),
		can[job.OutcomeFinder]("OutcomeFinder"), can[job.KeyCarrier]("KeyCarrier"),
		can[job.PageLinker]("PageLinker"), can[job.AddedChecker]("AddedChecker"),
		can[job.ArtifactChecker]("ArtifactChecker"), can[job.QueueMeter]("QueueMeter"),
		can[job.CoalesceChecker]("CoalesceChecker"),
	}
}

// unwrapper is a Scheduler around another.
type unwrapper interface{ Unwrap() job.Scheduler }

// wrapper is the least of them, such as a user writes.
type wrapper struct{ job.Scheduler }

func (w wrapper) Unwrap() job.Scheduler { return w.Scheduler }

// mostWrapped is how many Schedulers are looked through, as job.As does.
const mostWrapped = 100

// unwrap checks that s keeps its abilities when it is wrapped, and that it leads to
// what it wraps itself, where it does.
func (k *schedulerKit) unwrap(ctx context.Context) {
	for _, a := range abilities() {
		if bare, wrapped := a.has(k.s), a.has(wrapper{k.s}); bare != wrapped {
			k.broken("unwrap", "%s: %t, and through a wrapper with Unwrap: %t", a.name, bare, wrapped)
		}
	}
	inner := k.s
	for depth := 0; ; depth++ {
		w, ok := inner.(unwrapper)
		if !ok {
			break
		}
		if inner = w.Unwrap(); inner == nil {
			k.broken("unwrap", "Unwrap leads to nil")
			return
		}
		if depth == mostWrapped {
			k.broken("unwrap", "Unwrap leads back to itself: there is no end to it")
			return
		}
	}
	if _, ok := k.s.(unwrapper); ok {
		k.same(ctx, inner)
	}
}

// same checks that what s wraps is the CI that it speaks for: the runs that it
// lists are runs there.
func (k *schedulerKit) same(ctx context.Context, inner job.Scheduler) {
	outside, err := k.s.Jobs(ctx, k.c.Push)
	if err != nil {
		return // said by jobs
	}
	inside, err := inner.Jobs(ctx, k.c.Push)
	if err != nil {
		k.broken("unwrap", "what Unwrap leads to cannot list the jobs: %v", err)
		return
	}
	for _, j := range outside {
		if !slices.ContainsFunc(inside, func(in job.Job) bool { return in.ID() == j.ID() && in.Name() == j.Name() }) {
			k.broken("unwrap", "job %s of %s is not one of what Unwrap leads to", j.ID(), j.Name())
			return
		}
	}
}
