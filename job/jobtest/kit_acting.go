package jobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/mozci/mozci/job"
)

// The rules of a CI that can be acted on. They trigger runs of the first label, and compare the
// number of its runs before and after, so nothing else may trigger runs of it meanwhile.

// refusals checks that requests which must be refused give the right error and make no run.
func (k *schedulerKit) refusals(ctx context.Context) {
	before := k.count(ctx)
	refused := func(rule string, req job.Request, want error) {
		_, err := k.s.Trigger(ctx, req)
		k.sentinel(rule, call("Trigger", req), err, want)
	}
	for _, n := range []int{0, -1} {
		refused("count", k.request(fmt.Sprintf("kit-count-%d", n), n), job.ErrInvalid)
	}
	unknown := k.request("kit-unknown-label", 1)
	unknown.Label = unknownLabel
	refused("unknown-label", unknown, job.ErrNotFound)
	if k.c.NotScheduled.Repo != "" {
		req := k.request("kit-not-scheduled", 1)
		req.Push = k.c.NotScheduled
		refused("trigger-not-scheduled", req, job.ErrNotScheduled)
	}
	late := k.request("kit-cancelled", 1)
	k.cancelled("cancelled-trigger", call("Trigger", late), func(ctx context.Context) error {
		_, err := k.s.Trigger(ctx, late)
		return err
	})
	k.c.Settle()
	if after := k.count(ctx); after != before {
		k.wrong("refused-is-not-done", k.calledFirst()+" after Trigger refused 4 requests or 5",
			fmt.Sprintf("%d more than before", after-before), "as many runs as before")
	}
}

// calledFirst is the call that counts runs.
func (k *schedulerKit) calledFirst() string { return call("Jobs", k.c.Push, k.c.Labels[0]) }

// first are the runs of the first label; ok is false where the CI does not say, which is reported.
func (k *schedulerKit) first(ctx context.Context) (jobs []job.Job, ok bool) {
	jobs, err := k.s.Jobs(ctx, k.c.Push, k.c.Labels[0])
	return jobs, !k.failed("jobs", k.calledFirst(), err)
}

// count is the number of runs of the first label, with those that were requested and are not
// visible yet.
func (k *schedulerKit) count(ctx context.Context) int {
	jobs, _ := k.first(ctx)
	n := len(jobs)
	asked, err := job.Accepted(ctx, k.s, k.c.Push, k.c.Labels[0])
	if !errors.Is(err, errors.ErrUnsupported) {
		k.failed("inflight", call("Accepted", k.c.Push, k.c.Labels[0]), err)
	}
	for _, r := range asked {
		n += r.Count
	}
	return n
}

// trigger checks that a request for 2 runs makes 2, and that jobs which were read before stay as
// they were.
func (k *schedulerKit) trigger(ctx context.Context) {
	before := k.count(ctx)
	req := k.request("kit-two", 2)
	called := call("Trigger", req)
	receipt, err := k.s.Trigger(ctx, req)
	if k.failed("trigger", called, err) {
		return
	}
	if receipt.State != job.ReceiptCreated && receipt.State != job.ReceiptAccepted {
		k.wrong("receipt", called, fmt.Sprintf("a receipt with the state %q", receipt.State),
			"created or accepted: the key is new")
	}
	if receipt.State == job.ReceiptCreated && len(receipt.IDs) != 2 {
		k.wrong("receipt", called, fmt.Sprintf("a receipt that says created, with the IDs %q", receipt.IDs), "two IDs")
	}
	if _, ok := job.As[job.AcceptedLister](k.s); ok {
		if now := k.count(ctx); now != before+2 {
			k.wrong("inflight", k.calledFirst()+" and Accepted after "+called,
				fmt.Sprintf("%d more than before", now-before), "2 more: what is not visible yet is accepted")
		}
	}
	was, ok := k.first(ctx)
	if !ok {
		return
	}
	statuses := make([]job.Status, len(was))
	for i, j := range was {
		statuses[i] = j.Status()
	}
	k.c.Settle()
	if now := k.count(ctx); now != before+2 {
		k.wrong("trigger-count", k.calledFirst()+" after "+called+" and Settle",
			fmt.Sprintf("%d more than before", now-before), "2 more")
	}
	for i, j := range was {
		if j.Status() != statuses[i] {
			k.wrong("snapshot", k.calledFirst(), fmt.Sprintf("job %s, which was %s and became %s in the caller's hands",
				j.ID(), statuses[i], j.Status()), "a job that does not change")
		}
	}
}

// once checks, for a CI that carries keys, that a request which is repeated twice makes one run.
func (k *schedulerKit) once(ctx context.Context) {
	req := k.request("kit-once", 1)
	carried := call("Carried", req)
	none, err := job.Carried(ctx, k.s, req)
	if errors.Is(err, errors.ErrUnsupported) {
		if k.c.Keys {
			k.wrong("carried", carried, fmt.Sprintf("the error %q", err),
				"no error: the case says that keys reach this CI")
		}
		return
	}
	if err != nil || len(none) > 0 {
		k.wrong("carried", carried, with(fmt.Sprintf("%q", none), err), "nothing: nobody has used the key")
	}
	before := k.count(ctx)
	called := call("Trigger", req)
	for range 2 {
		_, err := k.s.Trigger(ctx, req)
		k.failed("twice-is-once", called, err)
	}
	receipt, err := k.s.Trigger(ctx, req)
	if err != nil || receipt.State != job.ReceiptAlreadyAsked {
		k.wrong("already-asked", called+" for the third time",
			with(fmt.Sprintf("a receipt with the state %q", receipt.State), err), "already_asked")
	}
	k.c.Settle()
	if now := k.count(ctx); now != before+1 {
		k.wrong("twice-is-once", k.calledFirst()+" after "+called+" three times and Settle",
			fmt.Sprintf("%d more than before", now-before), "1 more: it is one key")
	}
	made, err := job.Carried(ctx, k.s, req)
	if err != nil || !slices.Equal(made, receipt.IDs) {
		k.wrong("carried", carried, with(fmt.Sprintf("%q", made), err), "the IDs of its receipt, %q", receipt.IDs)
	}
	// A key belongs to a label: the same one with another label has made nothing.
	req.Label = k.c.Labels[1]
	if made, err := job.Carried(ctx, k.s, req); err == nil && len(made) > 0 {
		k.wrong("carried", call("Carried", req), fmt.Sprintf("%q", made), "nothing: the key was used for another label")
	}
	k.cancelled("cancelled-carried", call("Carried", req), func(ctx context.Context) error {
		_, err := job.Carried(ctx, k.s, req)
		return err
	})
}

// cancel checks that what was cancelled ends as cancelled, and that an unknown run gives
// job.ErrNotFound.
func (k *schedulerKit) cancel(ctx context.Context) {
	const unknown = "no-such-run"
	err := job.Cancel(ctx, k.s, unknown)
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	k.sentinel("cancel-unknown", call("Cancel", unknown), err, job.ErrNotFound)
	receipt, err := k.s.Trigger(ctx, k.request("kit-cancel", 1))
	if err != nil || len(receipt.IDs) == 0 {
		return // said by trigger, or a CI that does not say ids
	}
	id := receipt.IDs[0]
	for range 2 { // the second time it has ended already: no error
		k.failed("cancel", call("Cancel", id), job.Cancel(ctx, k.s, id))
	}
	k.c.Settle()
	jobs, _ := k.first(ctx)
	for _, j := range jobs {
		if j.ID() == id && j.Status() != job.StatusCancelled {
			k.wrong("cancel", k.calledFirst()+" after "+call("Cancel", id),
				fmt.Sprintf("job %s, which is %s", id, j.Status()), "it to be cancelled")
		}
	}
}

// concurrency checks that callers who ask at once, each for one label, all get an answer. The race
// detector sees more.
func (k *schedulerKit) concurrency(ctx context.Context) {
	const callers = 8
	var wg sync.WaitGroup
	bad := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			label := k.c.Labels[i%len(k.c.Labels)]
			jobs, err := k.s.Jobs(ctx, k.c.Push, label)
			if err == nil && len(jobs) == 0 {
				err = fmt.Errorf("%s returned nothing", call("Jobs", k.c.Push, label))
			}
			bad[i] = err
		})
	}
	wg.Wait()
	k.concurrent(call("Jobs", k.c.Push), bad)
}
