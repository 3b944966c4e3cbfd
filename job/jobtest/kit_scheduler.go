package jobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// SchedulerCase is what a kit knows about the CI that it checks.
type SchedulerCase struct {
	// Push is a push on which every label of Labels ran, two labels or more.
	Push   job.Push
	Labels []string
	// Runs is the number of runs of Labels[0] on Push.
	Runs int
	// NotScheduled is a push that nothing was scheduled on; its zero value
	// says that the CI has none to show.
	NotScheduled job.Push
	// ReadOnly says that Trigger must answer errors.ErrUnsupported. Otherwise
	// the kit asks for runs of Labels[0] on Push, and Settle is called to let
	// what was asked for become visible; nil when it is so at once.
	ReadOnly bool
	Settle   func()
	// Keys says that the CI carries Request.Key, so that twice is once.
	Keys bool
	// Hang makes the server of the CI answer nothing until release is called. The
	// kit then checks, in less than a second of real time, that callers who wait
	// each have their own context. Nil for a CI that asks nobody.
	Hang func() (release func())
}

// CheckScheduler tells whether s keeps the contract of job.Scheduler and of
// the optional abilities that it has. It returns every misbehaviour it finds,
// joined, each beginning with the name of the broken rule.
func CheckScheduler(ctx context.Context, s job.Scheduler, c SchedulerCase) error {
	if len(c.Labels) < 2 || c.Runs < 1 {
		return fmt.Errorf("%w: the kit needs two labels or more, and a run of the first", job.ErrInvalid)
	}
	k := &schedulerKit{s: s, c: c}
	if k.c.Settle == nil {
		k.c.Settle = func() {}
	}
	k.hanging(ctx) // before anything is known that need not be asked for again
	k.jobs(ctx)
	k.catalog(ctx)
	k.concurrency(ctx)
	if c.ReadOnly {
		_, err := s.Trigger(ctx, k.request("kit-read-only", 1))
		k.sentinel("read-only", err, errors.ErrUnsupported)
	} else {
		k.refusals(ctx)
		k.trigger(ctx)
		k.once(ctx)
		k.cancel(ctx)
	}
	k.cancelled("cancelled-jobs", func(ctx context.Context) error { _, err := s.Jobs(ctx, c.Push); return err })
	k.unwrap(ctx) // now that there are runs which no other CI has
	return errors.Join(k.errs...)
}

type schedulerKit struct {
	report
	s job.Scheduler
	c SchedulerCase
}

func (k *schedulerKit) request(key string, count int) job.Request {
	return job.Request{Key: key, Label: k.c.Labels[0], Push: k.c.Push, Count: count, Why: "conformance kit"}
}

func (k *schedulerKit) jobs(ctx context.Context) {
	all, err := k.s.Jobs(ctx, k.c.Push)
	if err != nil {
		k.broken("jobs", "error %v", err)
		return
	}
	seen := map[string]bool{}
	for _, j := range all {
		k.job(j)
		if seen[j.ID()] {
			k.broken("ids-unique", "job %s comes twice", j.ID())
		}
		seen[j.ID()] = true
	}
	for _, l := range k.c.Labels {
		if !slices.ContainsFunc(all, func(j job.Job) bool { return j.Name() == l }) {
			k.broken("all-labels", "no run of %s among the %d jobs", l, len(all))
		}
	}
	k.byName(ctx, seen)
	if k.c.NotScheduled.Repo != "" {
		none, err := k.s.Jobs(ctx, k.c.NotScheduled)
		if err != nil || len(none) > 0 {
			k.broken("not-scheduled",
				"Jobs of a push that nothing was scheduled on = %d jobs, %v; expected none and no error", len(none),
				err)
		}
	}
}

// job checks one snapshot.
func (k *schedulerKit) job(j job.Job) {
	if j.ID() == "" || j.Name() == "" {
		k.broken("job-fields", "a job has id %q and name %q", j.ID(), j.Name())
	}
	if !job.SameRevision(j.Push().Revision, k.c.Push.Revision) {
		k.broken("job-push", "job %s is of push %v, expected %v", j.ID(), j.Push(), k.c.Push)
	}
	if !slices.Contains(job.Statuses(), j.Status()) {
		k.broken("job-status", "job %s has %s", j.ID(), j.Status())
	}
	if _, err := j.Kind().MarshalText(); err != nil {
		k.broken("job-kind", "job %s has %s", j.ID(), j.Kind())
	}
	t := j.Times()
	if !t.Started.IsZero() && !t.Finished.IsZero() && t.Finished.Before(t.Started) {
		k.broken("job-times", "job %s finished %v before it started %v", j.ID(), t.Finished, t.Started)
	}
	if j.Status().Waiting() && !t.Finished.IsZero() && j.Status() != job.StatusUnknown {
		k.broken("job-times", "job %s is %s and finished %v", j.ID(), j.Status(), t.Finished)
	}
}

func (k *schedulerKit) byName(ctx context.Context, known map[string]bool) {
	for _, names := range [][]string{{k.c.Labels[0]}, k.c.Labels[:2]} {
		some, err := k.s.Jobs(ctx, k.c.Push, names...)
		if err != nil {
			k.broken("jobs-by-name", "error %v", err)
			continue
		}
		for _, j := range some {
			if !slices.Contains(names, j.Name()) {
				k.broken("jobs-by-name", "asked for %q, got a job of %q", names, j.Name())
			}
			if !known[j.ID()] {
				k.broken("ids-stable", "job %s was not among all jobs", j.ID())
			}
		}
		if n := countOf(some, k.c.Labels[0]); n != k.c.Runs {
			k.broken("every-run", "%d runs of %s, expected %d", n, k.c.Labels[0], k.c.Runs)
		}
	}
	none, err := k.s.Jobs(ctx, k.c.Push, "no-such-label")
	if err != nil || len(none) > 0 {
		k.broken("unknown-name", "Jobs of a label that never ran = %d jobs, %v; expected none and no error",
			len(none), err)
	}
}

func countOf(jobs []job.Job, label string) int {
	n := 0
	for _, j := range jobs {
		if j.Name() == label {
			n++
		}
	}
	return n
}

func (k *schedulerKit) catalog(ctx context.Context) {
	labels, err := job.Catalog(ctx, k.s, k.c.Push)
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil {
		k.broken("catalog", "error %v", err)
	}
	seen := map[string]bool{}
	for _, e := range labels {
		if seen[e.Label] {
			k.broken("catalog-once", "label %s comes twice", e.Label)
		}
		seen[e.Label] = true
	}
	if !seen[k.c.Labels[0]] {
		k.broken("catalog", "%s ran, and is not in the catalog of %d labels", k.c.Labels[0], len(labels))
	}
	named, err := job.Catalog(ctx, k.s, k.c.Push, k.c.Labels[0], "no-such-label")
	if err != nil || len(named) != 1 || named[0].Label != k.c.Labels[0] {
		k.broken("catalog-named",
			"the catalog of %s and of a label that there is not has %d labels, %v; expected the one", k.c.Labels[0],
			len(named), err)
	}
	if none, err := job.Catalog(ctx, k.s, k.c.Push, "no-such-label"); err != nil || len(none) > 0 {
		k.broken("catalog-named",
			"the catalog of a label that there is not has %d labels, %v; expected none and no error", len(none), err)
	}
	if k.c.NotScheduled.Repo != "" {
		_, err := job.Catalog(ctx, k.s, k.c.NotScheduled)
		k.sentinel("catalog-not-scheduled", err, job.ErrNotScheduled)
	}
}
