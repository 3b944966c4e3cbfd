package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
)

// ask makes sure that the step is asked for once. It reports whether the runs were
// there already, from a request whose end nobody had written down.
func (r *runner) ask(ctx context.Context, s Step) (receipt job.Receipt, found bool, err error) {
	others, err := r.others(ctx, s)
	if err != nil {
		return job.Receipt{}, false, err
	}
	if s.Count = min(s.Count, s.Seen+s.Count-others); s.Count < 1 {
		return job.Receipt{State: job.ReceiptAlreadyAsked}, false, nil
	}
	mine := Entry{
		Key: s.Key, Push: s.Push, Label: s.Label, Count: s.Count, Seen: s.Seen, Who: r.opts.Who, Asked: time.Now(),
		Holder: r.holder, Lease: r.opts.Lease,
	}
	var instead *Entry
	for {
		e, fresh, err := r.opts.Ledger.Intend(ctx, mine, instead)
		if err != nil {
			return job.Receipt{}, false, &ledgerError{err}
		}
		if fresh {
			receipt, err = r.request(ctx, s, mine)
			return receipt, false, err
		}
		was := e.State
		e, receipt, err := r.resume(ctx, e)
		if !errors.Is(err, errRepeat) {
			return receipt, err == nil && was != Done && len(receipt.IDs) > 0, err
		}
		instead = &e // unless another process has taken it over meanwhile
	}
}

// others is how many runs there will be of what others have asked for, also
// since this step was planned: somebody who wanted three runs and somebody who
// wanted two do not want five.
func (r *runner) others(ctx context.Context, s Step) (int, error) {
	entries, err := r.opts.Ledger.Entries(ctx, ForPush(s.Push, s.Label))
	if err != nil {
		return 0, &ledgerError{err}
	}
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Key == s.Key })
	entries, _, _ = StillComing(ctx, r.ci, entries, s.Seen)
	return Outstanding(entries, 0, time.Now()), nil
}

// errRepeat says that what an entry speaks of was not done, or may be done
// again under its key.
var errRepeat = errors.New("not done")

// resume finds out what became of a request that the ledger knows. It returns
// the entry as it is by then.
func (r *runner) resume(ctx context.Context, e Entry) (Entry, job.Receipt, error) {
	if e.State == Done {
		known := job.Receipt{IDs: e.Receipt.IDs, State: job.ReceiptAlreadyAsked, By: e.Receipt.By, Link: e.Receipt.Link}
		why, err := r.nothingCame(ctx, e)
		if err != nil || why == "" {
			return e, known, err
		}
		e.State = Fruitless
		return e, job.Receipt{}, errRepeat
	}
	if e.State.again() {
		return e, job.Receipt{}, errRepeat
	}
	receipt, keyed, err := r.carried(ctx, e)
	for wait := r.opts.Grace; err == nil && receipt == nil && e.Lease > 0 && (keyed || e.State == Intended); {
		if !keyed {
			wait = min(wait, unkeyedGrace-time.Since(e.Asked))
		}
		if wait <= 0 {
			break
		}
		began := time.Now()
		if e, err = r.meanwhile(ctx, e); err == nil && e.State == Done {
			return e, job.Receipt{IDs: e.Receipt.IDs, State: job.ReceiptAlreadyAsked}, nil
		}
		if err == nil && keyed && e.Lease <= 0 {
			receipt, keyed, err = r.carried(ctx, e)
		}
		wait -= time.Since(began)
	}
	switch {
	case err != nil:
		return e, job.Receipt{}, err
	case receipt != nil:
		return e, *receipt, r.settle(ctx, e.Key, Done, *receipt)
	case keyed && e.Lease > 0:
		return e, job.Receipt{}, job.Wrap("trigger.run", e.Key, fmt.Errorf(
			"%w: another run of mozci asks for this, or died doing so; it can be asked for again in %s", job.ErrUnavailable, e.Lease.Round(time.Second)))
	case keyed:
		return e, job.Receipt{}, errRepeat
	}
	return r.unkeyed(ctx, e)
}

// unkeyedGrace is how long a request is waited for that only its runs can tell of.
const unkeyedGrace = 5 * time.Second

// carried looks a request up by its key. The receipt is nil while the CI does not
// know all of its runs; keyed is false where keys do not reach it.
func (r *runner) carried(ctx context.Context, e Entry) (receipt *job.Receipt, keyed bool, err error) {
	ids, err := job.Carried(ctx, r.ci, job.Request{Key: e.Key, Label: e.Label, Push: e.Push, Count: e.Count})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil, false, nil
	case err != nil || len(ids) < e.Count:
		return nil, true, err
	}
	return &job.Receipt{IDs: ids, State: job.ReceiptAlreadyAsked}, true, nil
}

// unkeyed finds out by its runs what became of a request, or says that it cannot
// be known.
func (r *runner) unkeyed(ctx context.Context, e Entry) (Entry, job.Receipt, error) {
	known := job.Receipt{IDs: e.Receipt.IDs, State: job.ReceiptAlreadyAsked}
	done, err := r.happened(ctx, e)
	switch {
	case err != nil:
		return e, job.Receipt{}, err
	case done:
		return e, known, r.settle(ctx, e.Key, Done, known)
	case e.expired(time.Now()):
		return e, job.Receipt{}, errRepeat
	}
	return e, job.Receipt{}, job.Wrap("trigger.run", e.Key, e.unclear())
}

// unclear is the error of a request of which nobody knows yet whether it went
// through.
func (e Entry) unclear() error {
	return fmt.Errorf("%w: not known until %s whether %s of %s went through on %s; mozci will look again",
		job.ErrUnavailable, e.Asked.Add(UnsureExpires).Local().Format("15:04"), runs(e.Count), e.Label, e.Push)
}

// runs is a number of runs in words.
func runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

// nothingCame says why too few runs came of a request that the CI took, and
// writes that down; empty where they came, or still can. What a person stopped is
// an error: it is left alone.
func (r *runner) nothingCame(ctx context.Context, e Entry) (string, error) {
	why, withdrawn := failedBy(ctx, r.ci, e)
	switch {
	case why == "":
		return "", nil
	case withdrawn:
		return "", fmt.Errorf("%w: %s, so it is left alone", job.ErrRefused, why)
	}
	r.log.Info("nothing came of a request", "label", e.Label, "push", e.Push.ID, "why", why)
	receipt := e.Receipt
	receipt.Note = why
	return why, r.settle(ctx, e.Key, Fruitless, receipt)
}

// failedBy says why fewer runs come of an accepted request than it asked for, as
// the CI knows; empty where they came, can still come, or the CI cannot tell.
// withdrawn says that a person stopped what was to make them.
func failedBy(ctx context.Context, ci job.Scheduler, e Entry) (why string, withdrawn bool) {
	if e.State != Done || e.Receipt.By == "" {
		return "", false
	}
	out, err := job.OutcomeOf(ctx, ci, e.Push, e.Label, e.Receipt)
	switch {
	case errors.Is(err, job.ErrNotFound):
		return fmt.Sprintf("the CI does not know %s any more, which was to make them", e.Receipt.By), false
	case err != nil || !out.Done || out.Why == "" || len(out.IDs) >= e.Count:
		return "", false
	}
	return out.Why, out.Cancelled
}

// meanwhile waits a little for a request that another process seems to be making,
// and returns the entry as it is then.
func (r *runner) meanwhile(ctx context.Context, e Entry) (Entry, error) {
	if err := pause.For(ctx, min(r.opts.Grace/50, 100*time.Millisecond)); err != nil {
		return e, err
	}
	now, err := r.opts.Ledger.Entries(ctx, Query{Key: e.Key})
	if err != nil {
		return e, &ledgerError{err}
	}
	if len(now) == 1 {
		e = now[0]
	}
	return e, nil
}

// happened looks in the CI for what an entry intended: by key, then by the
// number of runs, visible or in flight.
func (r *runner) happened(ctx context.Context, e Entry) (bool, error) {
	inflight, err := job.Accepted(ctx, r.ci, e.Push, e.Label)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return false, err
	}
	if slices.ContainsFunc(inflight, func(q job.Request) bool { return q.Key == e.Key }) {
		return true, nil
	}
	jobs, err := r.ci.Jobs(ctx, e.Push, e.Label)
	ids := map[string]bool{} // a CI that lists a run twice must not look like two runs
	for _, j := range jobs {
		ids[j.ID()] = true
	}
	there := len(ids)
	for _, q := range inflight {
		there += q.Count
	}
	return there >= e.Seen+e.Count, err
}

// request asks the CI, and writes down what it says.
func (r *runner) request(ctx context.Context, s Step, e Entry) (job.Receipt, error) {
	req := job.Request{Key: s.Key, Label: s.Label, Push: s.Push, Count: s.Count, Why: s.Why}
	if s.Action != ActionBuild { // a build that ran, and whose files are gone, is wanted once more
		req.Times = s.Times
	}
	held, release := r.hold(ctx, e)
	receipt, err := r.ci.Trigger(held, req)
	if lost := release(); lost != nil && err != nil {
		return job.Receipt{}, lost // the entry is another's by now
	}
	if err == nil {
		return receipt, r.settle(ctx, s.Key, Done, receipt)
	}
	if refused(err) {
		return job.Receipt{}, errors.Join(err, r.settle(ctx, s.Key, Refused, job.Receipt{}))
	}
	// The answer was lost: look before anybody asks again.
	if there, _, lookErr := r.carried(ctx, e); lookErr == nil && there != nil {
		return *there, r.settle(ctx, s.Key, Done, *there)
	}
	if done, lookErr := r.happened(ctx, e); lookErr == nil && done {
		receipt = job.Receipt{State: job.ReceiptAccepted}
		return receipt, r.settle(ctx, s.Key, Done, receipt)
	}
	return job.Receipt{}, errors.Join(fmt.Errorf("%w (%w)", e.unclear(), err), r.settle(ctx, s.Key, Unsure, job.Receipt{}))
}

// hold renews the lease of an entry until it is released, and ends the context when
// the lease was lost: to another process, after this one stood still.
func (r *runner) hold(ctx context.Context, e Entry) (held context.Context, release func() error) {
	held, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	e.State = Intended
	go func() {
		const parts = 3 // of a lease, so that one renewal may fail
		tick := time.NewTicker(max(r.opts.Lease/parts, time.Millisecond))
		defer tick.Stop()
		for renewed := time.Now(); ; {
			select {
			case <-held.Done():
				done <- nil
				return
			case <-tick.C:
			}
			_, mine, err := r.opts.Ledger.Intend(held, e, &e)
			switch {
			case err == nil && mine:
				renewed = time.Now()
			case held.Err() != nil:
			case err == nil, time.Since(renewed) > r.opts.Lease:
				cancel()
				done <- job.Wrap("trigger.run", e.Key, fmt.Errorf("%w: another run of mozci asks for this by now: the ledger was not reached for %s", job.ErrUnavailable, time.Since(renewed).Round(time.Second)))
				return
			}
		}
	}()
	return held, func() error {
		cancel()
		return <-done
	}
}

// refused reports whether the error says that nothing was asked for.
func refused(err error) bool {
	for _, certain := range []error{
		job.ErrNotFound, job.ErrInvalid, job.ErrRefused, job.ErrDenied, job.ErrNotScheduled, job.ErrNoBuild, errors.ErrUnsupported,
	} {
		if errors.Is(err, certain) {
			return true
		}
	}
	return false
}

// settle writes also when ctx is done: what was asked for must not be forgotten.
func (r *runner) settle(ctx context.Context, key string, state EntryState, receipt job.Receipt) error {
	if err := r.opts.Ledger.Settle(context.WithoutCancel(ctx), key, state, receipt); err != nil {
		return &ledgerError{err}
	}
	return nil
}
