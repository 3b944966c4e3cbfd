package jobtest

import (
	"context"
	"slices"
	"strconv"

	"github.com/mozci/mozci/job"
)

// ability is an optional ability of a Scheduler.
type ability struct {
	name string
	has  func(job.Scheduler) bool
}

// can is the ability to be a T, as job.As finds it.
func can[T any](name string) ability {
	return ability{name, func(s job.Scheduler) bool { _, ok := job.As[T](s); return ok }}
}

// abilities are all that package job knows.
func abilities() []ability {
	return []ability{
		can[job.Cataloger]("Cataloger"), can[job.Canceler]("Canceler"), can[job.LogOpener]("LogOpener"),
		can[job.Watcher]("Watcher"), can[job.AcceptedLister]("AcceptedLister"),
		can[job.OutcomeFinder]("OutcomeFinder"), can[job.KeyCarrier]("KeyCarrier"),
		can[job.PageLinker]("PageLinker"), can[job.RunFinder]("RunFinder"), can[job.AddedChecker]("AddedChecker"),
		can[job.RequesterFinder]("RequesterFinder"), can[job.Classifier]("Classifier"),
		can[job.ArtifactChecker]("ArtifactChecker"), can[job.QueueMeter]("QueueMeter"),
		can[job.CoalesceChecker]("CoalesceChecker"), can[job.TriggerScoper]("TriggerScoper"),
		can[job.CancelScoper]("CancelScoper"), can[job.TestLister]("TestLister"),
		can[job.HistoryReader]("HistoryReader"), can[job.StatusReader]("StatusReader"),
		can[job.HistoryWidth]("HistoryWidth"),
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
			k.wrong("unwrap", call("As["+a.name+"]")+" of it inside a wrapper with Unwrap", strconv.FormatBool(wrapped),
				"%t, as without the wrapper", bare)
		}
	}
	inner := k.s
	// Down to the innermost one. One that leads back to itself would never end.
	for depth := 0; ; depth++ {
		w, ok := inner.(unwrapper)
		if !ok {
			break
		}
		if inner = w.Unwrap(); inner == nil {
			k.wrong("unwrap", call("Unwrap"), "nil", "the Scheduler inside")
			return
		}
		if depth == mostWrapped {
			k.wrong("unwrap", call("Unwrap"), "a Scheduler that leads back to itself", "the Scheduler inside")
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
	called := call("Jobs", k.c.Push) + " of what " + call("Unwrap") + " leads to"
	if k.failed("unwrap", called, err) {
		return
	}
	for _, j := range outside {
		if !slices.ContainsFunc(inside, func(in job.Job) bool { return in.ID() == j.ID() && in.Name() == j.Name() }) {
			k.wrong("unwrap", called, jobsText(inside), "job %s of %q among them, which the wrapper lists", j.ID(),
				j.Name())
			return
		}
	}
}
