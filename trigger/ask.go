package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// ask makes sure that the step is asked for once.
func (r *runner) ask(ctx context.Context, s Step) (job.Receipt, error) {
	others, err := r.others(ctx, s)
	if err != nil {
		return job.Receipt{}, err
	}
	if s.Count = min(s.Count, s.Seen+s.Count-others); s.Count < 1 {
		return job.Receipt{State: job.AlreadyAsked}, nil
	}
	mine := Entry{Key: s.Key, Push: s.Push, Label: s.Label, Count: s.Count, Seen: s.Seen, Who: r.opts.Who, Asked: time.Now()}
	var instead *Entry
	for {
		e, fresh, err := r.opts.Ledger.Intend(ctx, mine, instead)
		if err != nil {
			return job.Receipt{}, &ledgerError{err}
		}
		if fresh {
			return r.request(ctx, s, mine)
		}
		e, receipt, err := r.resume(ctx, e)
		if !errors.Is(err, errRepeat) {
			return receipt, err
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
	entries, _ = StillComing(ctx, r.ci, entries, s.Seen)
	return Outstanding(entries, 0, time.Now()), nil
}

// errRepeat says that what an entry speaks of was not done, or may be done
// again under its key.
var errRepeat = errors.New("not done")

// resume finds out what became of a request that the ledger knows. It returns
// the entry as it is by then.
func (r *runner) resume(ctx context.Context, e Entry) (Entry, job.Receipt, error) {
	e, err := r.meanwhile(ctx, e)
	known := job.Receipt{IDs: e.Receipt.IDs, State: job.AlreadyAsked}
	if err != nil {
		return e, known, err
	}
	if e.State == Done {
		why, err := r.nothingCame(ctx, e)
		if err != nil || why == "" {
			known.By, known.Link = e.Receipt.By, e.Receipt.Link
			return e, known, err
		}
		e.State = Fruitless
		return e, job.Receipt{}, errRepeat
	}
	if job.CarriesKeys(r.ci) || e.State.again() {
		return e, job.Receipt{}, errRepeat
	}
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
// writes that down; empty where they came, or still can.
func (r *runner) nothingCame(ctx context.Context, e Entry) (string, error) {
	why := failedBy(ctx, r.ci, e)
	if why == "" {
		return "", nil
	}
	r.log.Info("nothing came of a request", "label", e.Label, "push", e.Push.ID, "why", why)
	receipt := e.Receipt
	receipt.Note = why
	return why, r.settle(ctx, e.Key, Fruitless, receipt)
}

// failedBy says why fewer runs come of an accepted request than it asked for, as
// the CI knows; empty where they came, can still come, or the CI cannot tell.
func failedBy(ctx context.Context, ci job.Scheduler, e Entry) string {
	if e.State != Done || e.Receipt.By == "" {
		return ""
	}
	out, err := job.OutcomeOf(ctx, ci, e.Push, e.Label, e.Receipt)
	switch {
	case errors.Is(err, job.ErrNotFound):
		return fmt.Sprintf("the CI does not know %s any more, which was to make them", e.Receipt.By)
	case err != nil || !out.Done || out.Why == "" || len(out.IDs) >= e.Count:
		return ""
	}
	return out.Why
}

// meanwhile waits for a request that another process seems to be making, and
// returns the entry as it is then.
func (r *runner) meanwhile(ctx context.Context, e Entry) (Entry, error) {
	for e.State == Intended && time.Since(e.Asked) < r.opts.Grace {
		pause := time.NewTimer(min(r.opts.Grace/50, 100*time.Millisecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return e, ctx.Err()
		}
		now, err := r.opts.Ledger.Entries(ctx, Query{Key: e.Key})
		if err != nil {
			return e, &ledgerError{err}
		}
		if len(now) == 1 {
			e = now[0]
		}
	}
	return e, nil
}

// happened looks in the CI for what an entry intended: by key, then by the
// number of runs, visible or in flight.
func (r *runner) happened(ctx context.Context, e Entry) (bool, error) {
	inflight, err := job.Inflight(ctx, r.ci, e.Push, e.Label)
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
	if s.Action != Build { // a build that ran, and whose files are gone, is wanted once more
		req.Times = s.Times
	}
	receipt, err := r.ci.Trigger(ctx, req)
	if err == nil {
		return receipt, r.settle(ctx, s.Key, Done, receipt)
	}
	if refused(err) {
		return job.Receipt{}, errors.Join(err, r.settle(ctx, s.Key, Refused, job.Receipt{}))
	}
	// The answer was lost: look before anybody asks again.
	if done, lookErr := r.happened(ctx, e); lookErr == nil && done {
		receipt = job.Receipt{State: job.Accepted}
		return receipt, r.settle(ctx, s.Key, Done, receipt)
	}
	return job.Receipt{}, errors.Join(fmt.Errorf("%w (%w)", e.unclear(), err), r.settle(ctx, s.Key, Unsure, job.Receipt{}))
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
