package jobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/mozci/mozci/job"
)

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
	if _, ok := job.As[job.AcceptedLister](k.s); ok {
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
