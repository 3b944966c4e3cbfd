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
	// NotScheduled is a push on which nothing was scheduled; the zero value if the CI has
	// none.
	NotScheduled job.Push
	// Others are further pushes, for the abilities that take many: neighbours of Push, and
	// some that the CI does not know. May be empty.
	Others []job.Push
	// ReadOnly says that Trigger must answer errors.ErrUnsupported. Otherwise the kit
	// triggers runs of Labels[0] on Push, and calls Settle to let them become visible.
	// Settle is nil if they are visible at once.
	ReadOnly bool
	Settle   func()
	// Keys says that the CI carries Request.Key, so that a repeated request makes nothing
	// new.
	Keys bool
	// Hang makes the CI's server answer nothing until release is called. The kit then
	// checks, in less than a second of real time, that each waiting caller's own context
	// ends its call. Nil for a CI without a server.
	Hang func() (release func())
}

// CheckScheduler checks whether s keeps the contract of job.Scheduler and of
// the optional abilities that it has. It returns every misbehaviour it finds,
// joined, one a line: the name of the broken rule, what was called with what, what
// came back and what is wanted. See the package comment for how to use it.
func CheckScheduler(ctx context.Context, s job.Scheduler, c SchedulerCase) error {
	if len(c.Labels) < 2 || c.Runs < 1 {
		return fmt.Errorf("%w: the case has %d labels and %d runs of the first; the kit needs two labels or more that "+
			"ran on Push, and a run of the first", job.ErrInvalid, len(c.Labels), c.Runs)
	}
	k := &schedulerKit{s: s, c: c}
	if k.c.Settle == nil {
		k.c.Settle = func() {}
	}
	k.hanging(ctx) // first, before any answer is cached
	k.jobs(ctx)
	k.catalog(ctx)
	k.find(ctx)
	k.history(ctx)
	k.statuses(ctx)
	k.concurrency(ctx)
	if c.ReadOnly {
		req := k.request("kit-read-only", 1)
		_, err := s.Trigger(ctx, req)
		k.sentinel("read-only", call("Trigger", req), err, errors.ErrUnsupported)
	} else {
		k.refusals(ctx)
		k.trigger(ctx)
		k.once(ctx)
		k.cancel(ctx)
	}
	k.cancelled("cancelled-jobs", call("Jobs", c.Push), func(ctx context.Context) error {
		_, err := s.Jobs(ctx, c.Push)
		return err
	})
	k.unwrap(ctx) // now that there are runs which no other CI has
	return errors.Join(k.errs...)
}

// schedulerKit is one run of CheckScheduler. Settle of its case is never nil.
type schedulerKit struct {
	report
	s job.Scheduler
	c SchedulerCase
}

// unknownLabel is a label that no CI has.
const unknownLabel = "no-such-label"

// request is a request for runs of the first label on the case's push.
func (k *schedulerKit) request(key string, count int) job.Request {
	return job.Request{Key: key, Label: k.c.Labels[0], Push: k.c.Push, Count: count, Why: "conformance kit"}
}

// jobs checks the runs of the case's push: all labels are there, and no ID twice.
func (k *schedulerKit) jobs(ctx context.Context) {
	called := call("Jobs", k.c.Push)
	all, err := k.s.Jobs(ctx, k.c.Push)
	if k.failed("jobs", called, err) {
		return
	}
	seen := map[string]bool{}
	for _, j := range all {
		k.job(called, j)
		if seen[j.ID()] {
			k.wrong("ids-unique", called, fmt.Sprintf("two jobs with the ID %q", j.ID()),
				"an ID of its own for each run")
		}
		seen[j.ID()] = true
	}
	for _, l := range k.c.Labels {
		if !slices.ContainsFunc(all, func(j job.Job) bool { return j.Name() == l }) {
			k.wrong("all-labels", called, jobsText(all), "a run of %q among them", l)
		}
	}
	k.byName(ctx, seen)
	if k.c.NotScheduled.Repo != "" {
		none, err := k.s.Jobs(ctx, k.c.NotScheduled)
		if err != nil || len(none) > 0 {
			k.wrong("not-scheduled", call("Jobs", k.c.NotScheduled), with(jobsText(none), err),
				"nothing and no error: nothing was scheduled on it")
		}
	}
}

// job checks one snapshot: its fields, its push, its words, and the order of its times where they
// are known.
func (k *schedulerKit) job(called string, j job.Job) {
	bad := func(rule, has, want string, args ...any) {
		k.wrong(rule, called, fmt.Sprintf("job %s of %q with %s", j.ID(), j.Name(), has), want, args...)
	}
	if j.ID() == "" || j.Name() == "" {
		bad("job-fields", fmt.Sprintf("the ID %q and the name %q", j.ID(), j.Name()), "neither empty")
	}
	if !job.SameRevision(j.Push().Revision, k.c.Push.Revision) {
		bad("job-push", fmt.Sprintf("%s (revision %q)", pushText(j.Push()), j.Push().Revision), "revision %q",
			k.c.Push.Revision)
	}
	if !slices.Contains(job.Statuses(), j.Status()) {
		bad("job-status", j.Status().String(), "one of job.Statuses()")
	}
	if _, err := j.Kind().MarshalText(); err != nil {
		bad("job-kind", j.Kind().String(), "build, test, perf or other")
	}
	t := j.Times()
	if !t.Started.IsZero() && !t.Finished.IsZero() && t.Finished.Before(t.Started) {
		bad("job-times", fmt.Sprintf("an end at %s", t.Finished), "none before its start at %s", t.Started)
	}
	// Unknown counts as waiting, but a run may have ended without its result being known.
	if j.Status().Waiting() && !t.Finished.IsZero() && j.Status() != job.StatusUnknown {
		bad("job-times", fmt.Sprintf("an end at %s", t.Finished), "none while it is %s", j.Status())
	}
}

// byName checks Jobs with one label and with two. known are the IDs that Jobs without labels
// returned.
func (k *schedulerKit) byName(ctx context.Context, known map[string]bool) {
	for _, names := range [][]string{{k.c.Labels[0]}, k.c.Labels[:2]} {
		called := labelled("Jobs", k.c.Push, names)
		some, err := k.s.Jobs(ctx, k.c.Push, names...)
		if k.failed("jobs-by-name", called, err) {
			continue
		}
		for _, j := range some {
			if !slices.Contains(names, j.Name()) {
				k.wrong("jobs-by-name", called, fmt.Sprintf("job %s of %q", j.ID(), j.Name()), "only jobs of %q", names)
			}
			if !known[j.ID()] {
				k.wrong("ids-stable", called, fmt.Sprintf("job %s", j.ID()), "only jobs that %s returned too",
					call("Jobs", k.c.Push))
			}
		}
		if n := countOf(some, k.c.Labels[0]); n != k.c.Runs {
			k.wrong("every-run", called, fmt.Sprintf("%s of %q", count(n, "run"), k.c.Labels[0]),
				"%d, as the case says", k.c.Runs)
		}
	}
	none, err := k.s.Jobs(ctx, k.c.Push, unknownLabel)
	if err != nil || len(none) > 0 {
		k.wrong("unknown-name", call("Jobs", k.c.Push, unknownLabel), with(jobsText(none), err),
			"nothing and no error: it never ran")
	}
}

// countOf is the number of jobs with a label.
func countOf(jobs []job.Job, label string) int {
	n := 0
	for _, j := range jobs {
		if j.Name() == label {
			n++
		}
	}
	return n
}

// catalog checks that each label is there once, and that a catalog of named labels has those alone;
// a label that is not there is left out and no error.
func (k *schedulerKit) catalog(ctx context.Context) {
	called := call("Catalog", k.c.Push)
	labels, err := job.Catalog(ctx, k.s, k.c.Push)
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	k.failed("catalog", called, err)
	seen := map[string]bool{}
	for _, e := range labels {
		if seen[e.Label] {
			k.wrong("catalog-once", called, fmt.Sprintf("%q twice", e.Label), "each label once")
		}
		seen[e.Label] = true
	}
	if !seen[k.c.Labels[0]] {
		k.wrong("catalog", called, labelsText(labels), "%q among them, which ran there", k.c.Labels[0])
	}
	names := []string{k.c.Labels[0], unknownLabel}
	named, err := job.Catalog(ctx, k.s, k.c.Push, names...)
	if err != nil || len(named) != 1 || named[0].Label != k.c.Labels[0] {
		k.wrong("catalog-named", labelled("Catalog", k.c.Push, names), with(labelsText(named), err),
			"%q alone: the other is not there", k.c.Labels[0])
	}
	if none, err := job.Catalog(ctx, k.s, k.c.Push, unknownLabel); err != nil || len(none) > 0 {
		k.wrong("catalog-named", call("Catalog", k.c.Push, unknownLabel), with(labelsText(none), err),
			"nothing and no error")
	}
	if k.c.NotScheduled.Repo != "" {
		_, err := job.Catalog(ctx, k.s, k.c.NotScheduled)
		k.sentinel("catalog-not-scheduled", call("Catalog", k.c.NotScheduled), err, job.ErrNotScheduled)
	}
}
