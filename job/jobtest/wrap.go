package jobtest

import (
	"context"
	"fmt"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
)

// Wrappers that make a good CI misbehave. They have no Unwrap, so they hide its abilities, which
// would answer past the fault.

// Slow returns s with every Jobs and Trigger taking d of real time, or of a
// testing/synctest bubble's time. It hides the optional abilities of s, as all
// wrappers of this file do.
func Slow(s job.Scheduler, d time.Duration) job.Scheduler {
	wait := func(ctx context.Context) error {
		return job.Wrap("slow", "", pause.For(ctx, d))
	}
	return funcs{
		jobs: func(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
			if err := wait(ctx); err != nil {
				return nil, err
			}
			return s.Jobs(ctx, p, names...)
		},
		trigger: func(ctx context.Context, r job.Request) (job.Receipt, error) {
			if err := wait(ctx); err != nil {
				return job.Receipt{}, err
			}
			return s.Trigger(ctx, r)
		},
	}
}

// Failing returns s with Jobs of the pushes that broken names answering
// job.ErrUnavailable, and Trigger of them too.
func Failing(s job.Scheduler, broken func(job.Push) bool) job.Scheduler {
	down := func(op string, p job.Push) error {
		return &job.Error{Op: op, Key: p.String(), Err: fmt.Errorf("%w: made to fail", job.ErrUnavailable)}
	}
	return funcs{
		jobs: func(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
			if broken(p) {
				return nil, down("jobs", p)
			}
			return s.Jobs(ctx, p, names...)
		},
		trigger: func(ctx context.Context, r job.Request) (job.Receipt, error) {
			if broken(r.Push) {
				return job.Receipt{}, down("trigger", r.Push)
			}
			return s.Trigger(ctx, r)
		},
	}
}

// Truncated returns s with Jobs returning only the first n jobs of a push, like a client that reads
// one page and takes it for everything.
func Truncated(s job.Scheduler, n int) job.Scheduler {
	return funcs{
		jobs: func(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
			all, err := s.Jobs(ctx, p)
			// Cut first and chosen by name then, as such a client does.
			return named(all[:min(n, len(all))], names), err
		},
		trigger: s.Trigger,
	}
}

// Duplicated returns s with Jobs returning every job twice, like a client that reads pages that
// overlap.
func Duplicated(s job.Scheduler) job.Scheduler {
	return funcs{
		jobs: func(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
			jobs, err := s.Jobs(ctx, p, names...)
			return append(jobs, jobs...), err
		},
		trigger: s.Trigger,
	}
}

// HistoryByJobs is a History made of Jobs, one push after the other. A Scheduler that changes what
// another one's Jobs returns needs it.
func HistoryByJobs(
	ctx context.Context, jobs func(context.Context, job.Push, ...string) ([]job.Job, error), pushes []job.Push,
	labels ...string,
) ([]job.PushRuns, error) {
	if len(labels) == 0 {
		return nil, job.Wrap("history", "labels", fmt.Errorf("%w: none given", job.ErrInvalid))
	}
	out := make([]job.PushRuns, len(pushes))
	for i, p := range pushes {
		if err := ctx.Err(); err != nil {
			return nil, job.Wrap("history", fmt.Sprint(labels), err)
		}
		out[i].Push = p
		out[i].Jobs, out[i].Err = jobs(ctx, p, labels...)
	}
	return out, nil
}

// funcs is a Scheduler made of two functions.
type funcs struct {
	jobs    func(context.Context, job.Push, ...string) ([]job.Job, error)
	trigger func(context.Context, job.Request) (job.Receipt, error)
}

func (f funcs) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	return f.jobs(ctx, p, names...)
}

func (f funcs) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	return f.trigger(ctx, r)
}

// named keeps the jobs with these names; no names keep all.
func named(jobs []job.Job, names []string) []job.Job {
	if len(names) == 0 {
		return jobs
	}
	var out []job.Job
	for _, j := range jobs {
		for _, n := range names {
			if j.Name() == n {
				out = append(out, j)
			}
		}
	}
	return out
}
