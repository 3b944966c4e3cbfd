package jobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

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

func (k *schedulerKit) refusals(ctx context.Context) {
	before := k.count(ctx)
	for _, n := range []int{0, -1} {
		_, err := k.s.Trigger(ctx, k.request(fmt.Sprintf("kit-count-%d", n), n))
		k.sentinel("count", err, job.ErrInvalid)
	}
	unknown := k.request("kit-unknown-label", 1)
	unknown.Label = "no-such-label"
	_, err := k.s.Trigger(ctx, unknown)
	k.sentinel("unknown-label", err, job.ErrNotFound)
	if k.c.NotScheduled.Repo != "" {
		req := k.request("kit-not-scheduled", 1)
		req.Push = k.c.NotScheduled
		_, err := k.s.Trigger(ctx, req)
		k.sentinel("trigger-not-scheduled", err, job.ErrNotScheduled)
	}
	k.cancelled("cancelled-trigger", func(ctx context.Context) error {
		_, err := k.s.Trigger(ctx, k.request("kit-cancelled", 1))
		return err
	})
	k.c.Settle()
	if after := k.count(ctx); after != before {
		k.broken("refused-is-not-done", "requests that were refused made %d runs", after-before)
	}
}

// count is the number of runs of the first label, asked-for ones included.
func (k *schedulerKit) count(ctx context.Context) int {
	jobs, err := k.s.Jobs(ctx, k.c.Push, k.c.Labels[0])
	if err != nil {
		k.broken("jobs", "error %v", err)
	}
	n := len(jobs)
	asked, err := job.Accepted(ctx, k.s, k.c.Push, k.c.Labels[0])
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		k.broken("inflight", "error %v", err)
	}
	for _, r := range asked {
		n += r.Count
	}
	return n
}

func (k *schedulerKit) trigger(ctx context.Context) {
	before := k.count(ctx)
	receipt, err := k.s.Trigger(ctx, k.request("kit-two", 2))
	if err != nil {
		k.broken("trigger", "error %v", err)
		return
	}
	if receipt.State != job.ReceiptCreated && receipt.State != job.ReceiptAccepted {
		k.broken("receipt", "state %q of a first request, expected created or accepted", receipt.State)
	}
	if receipt.State == job.ReceiptCreated && len(receipt.IDs) != 2 {
		k.broken("receipt", "created, with ids %q, expected two", receipt.IDs)
	}
	if _, ok := k.s.(job.AcceptedLister); ok {
		if now := k.count(ctx); now != before+2 {
			k.broken("inflight", "2 runs were asked for, and %d are visible or in flight", now-before)
		}
	}
	was, err := k.s.Jobs(ctx, k.c.Push, k.c.Labels[0])
	if err != nil {
		k.broken("jobs", "error %v", err)
		return
	}
	statuses := make([]job.Status, len(was))
	for i, j := range was {
		statuses[i] = j.Status()
	}
	k.c.Settle()
	if now := k.count(ctx); now != before+2 {
		k.broken("trigger-count", "2 runs were asked for, %d came", now-before)
	}
	for i, j := range was {
		if j.Status() != statuses[i] {
			k.broken("snapshot", "job %s changed from %s to %s in the caller's hands", j.ID(), statuses[i], j.Status())
		}
	}
}

func (k *schedulerKit) once(ctx context.Context) {
	req := k.request("kit-once", 1)
	none, err := job.Carried(ctx, k.s, req)
	if errors.Is(err, errors.ErrUnsupported) {
		if k.c.Keys {
			k.broken("carried", "keys do not reach this CI: %v", err)
		}
		return
	}
	if err != nil || len(none) > 0 {
		k.broken("carried", "a key that nobody has used made %q, %v; expected none", none, err)
	}
	before := k.count(ctx)
	for range 2 {
		if _, err := k.s.Trigger(ctx, req); err != nil {
			k.broken("twice-is-once", "error %v", err)
		}
	}
	receipt, err := k.s.Trigger(ctx, req)
	if err != nil || receipt.State != job.ReceiptAlreadyAsked {
		k.broken("already-asked", "the same key again: state %q, %v; expected already_asked", receipt.State, err)
	}
	k.c.Settle()
	if now := k.count(ctx); now != before+1 {
		k.broken("twice-is-once", "one key made %d runs", now-before)
	}
	made, err := job.Carried(ctx, k.s, req)
	if err != nil || !slices.Equal(made, receipt.IDs) {
		k.broken("carried", "the key made %q, %v; its receipt says %q", made, err, receipt.IDs)
	}
	req.Label = k.c.Labels[1]
	if made, err := job.Carried(ctx, k.s, req); err == nil && len(made) > 0 {
		k.broken("carried", "the key made %q of another label", made)
	}
	k.cancelled("cancelled-carried", func(ctx context.Context) error {
		_, err := job.Carried(ctx, k.s, req)
		return err
	})
}

func (k *schedulerKit) cancel(ctx context.Context) {
	err := job.Cancel(ctx, k.s, "no-such-run")
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	k.sentinel("cancel-unknown", err, job.ErrNotFound)
	receipt, err := k.s.Trigger(ctx, k.request("kit-cancel", 1))
	if err != nil || len(receipt.IDs) == 0 {
		return // said by trigger, or a CI that does not say ids
	}
	for range 2 { // the second time it has ended already: no error
		if err := job.Cancel(ctx, k.s, receipt.IDs[0]); err != nil {
			k.broken("cancel", "error %v", err)
		}
	}
	k.c.Settle()
	jobs, err := k.s.Jobs(ctx, k.c.Push, k.c.Labels[0])
	if err != nil {
		k.broken("jobs", "error %v", err)
	}
	for _, j := range jobs {
		if j.ID() == receipt.IDs[0] && j.Status() != job.StatusCancelled {
			k.broken("cancel", "job %s was cancelled and is %s", j.ID(), j.Status())
		}
	}
}

func (k *schedulerKit) concurrency(ctx context.Context) {
	const callers = 8
	var wg sync.WaitGroup
	bad := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			label := k.c.Labels[i%len(k.c.Labels)]
			jobs, err := k.s.Jobs(ctx, k.c.Push, label)
			if err == nil && len(jobs) == 0 {
				err = fmt.Errorf("Jobs(%s) = no jobs", label)
			}
			bad[i] = err
		})
	}
	wg.Wait()
	k.concurrent(bad)
}
