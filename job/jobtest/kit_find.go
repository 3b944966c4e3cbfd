package jobtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/job"
)

// find checks that the runs of the first labels are found by their IDs alone, and that
// nothing else is.
func (k *schedulerKit) find(ctx context.Context) {
	const unknown = "no-such-run"
	_, err := job.FindRun(ctx, k.s, unknown)
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	k.sentinel("find-unknown", call("FindRun", unknown), err, job.ErrNotFound)
	listed, err := k.s.Jobs(ctx, k.c.Push, k.c.Labels[:2]...)
	if err != nil || len(listed) == 0 {
		return // said by jobs
	}
	for _, j := range listed {
		k.found(ctx, j)
	}
	id := listed[0].ID()
	k.cancelled("cancelled-find", call("FindRun", id), func(ctx context.Context) error {
		_, err := job.FindRun(ctx, k.s, id)
		return err
	})
}

// found checks one run. One that has ended stays as it was listed; others may go on, so their
// status is not compared.
func (k *schedulerKit) found(ctx context.Context, j job.Job) {
	called := call("FindRun", j.ID())
	got, err := job.FindRun(ctx, k.s, j.ID())
	if k.failed("find", called, err) {
		return
	}
	if got == nil {
		k.wrong("find", called, "nothing", "the run that Jobs lists")
		return
	}
	text := func(j job.Job) string {
		return fmt.Sprintf("job %s of %q, %s, on %s (revision %q)", j.ID(), j.Name(), j.Status(), pushText(j.Push()),
			j.Push().Revision)
	}
	p := got.Push()
	same := got.ID() == j.ID() && got.Name() == j.Name() && p.Repo == j.Push().Repo &&
		job.SameRevision(p.Revision, j.Push().Revision) && (j.Status().Waiting() || got.Status() == j.Status())
	if !same {
		k.wrong("find", called, text(got), "the run that Jobs lists: %s", text(j))
	}
}
