package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
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
	mine := ledger.Entry{
		Key: s.Key, Push: s.Push, Label: s.Label, Count: s.Count, Seen: s.Seen, Who: r.opts.Who, Purpose: r.opts.Purpose,
		Holder: r.holder, Lease: r.opts.Lease,
	}
	var instead *ledger.Entry
	for {
		e, fresh, err := r.opts.Ledger.Intend(ctx, mine, instead)
		if err != nil {
			return job.Receipt{}, false, err
		}
		if fresh {
			receipt, err = r.request(ctx, s, e)
			return receipt, false, err
		}
		made := e.State.Made()
		e, receipt, err := r.resume(ctx, e)
		if !errors.Is(err, errRepeat) {
			return receipt, err == nil && !made && len(receipt.IDs) > 0, err
		}
		instead = &e // unless another process has taken it over meanwhile
	}
}

// others is how many runs there will be of what others have asked for, also
// since this step was planned: somebody who wanted three runs and somebody who
// wanted two do not want five.
func (r *runner) others(ctx context.Context, s Step) (int, error) {
	entries, err := r.opts.Ledger.Entries(ctx, ledger.ForPush(s.Push, s.Label))
	if err != nil {
		return 0, err
	}
	entries = slices.DeleteFunc(entries, func(e ledger.Entry) bool { return e.Key == s.Key || e.Seen+e.Count <= s.Seen })
	if entries, err = ledger.Recheck(ctx, r.opts.Ledger, r.ci, entries); err != nil {
		return 0, err
	}
	return ledger.Outstanding(entries, 0), nil
}

// errRepeat says that what an entry speaks of was not done, or may be done
// again under its key.
var errRepeat = errors.New("not done")

// resume finds out what became of a request that the ledger knows. It returns
// the entry as it is by then.
func (r *runner) resume(ctx context.Context, e ledger.Entry) (ledger.Entry, job.Receipt, error) {
	if !e.State.Open() {
		return r.followed(ctx, e)
	}
	receipt, keyed, err := r.carried(ctx, e)
	for wait := r.opts.Grace; err == nil && receipt == nil && e.Lease > 0 && (keyed || e.State == ledger.Intended); {
		if !keyed {
			wait = min(wait, unkeyedGrace-e.Age)
		}
		if wait <= 0 {
			break
		}
		began := time.Now()
		if e, err = r.meanwhile(ctx, e); err == nil && e.State.Made() {
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
		return e, *receipt, r.settle(ctx, e, ledger.Accepted, *receipt)
	case keyed && e.Lease > 0:
		return e, job.Receipt{}, job.Wrap("trigger.run", e.Key, fmt.Errorf(
			"%w: another run of mozci asks for this, or died doing so; it can be asked for again in %s", job.ErrUnavailable, e.Lease.Round(time.Second)))
	case keyed:
		return e, job.Receipt{}, errRepeat
	}
	return r.unkeyed(ctx, e)
}

// followed is what resume finds of a request that the CI has answered. One whose
// runs should be there by now is looked for: what the CI swallowed may be asked
// for again, as the next attempt.
func (r *runner) followed(ctx context.Context, e ledger.Entry) (ledger.Entry, job.Receipt, error) {
	es := []ledger.Entry{e}
	var err error
	if e.State == ledger.Accepted && e.Expired() {
		var jobs []job.Job
		if jobs, err = r.ci.Jobs(ctx, e.Push, e.Label); err == nil {
			es, err = ledger.Follow(ctx, r.opts.Ledger, r.ci, es, jobs)
		}
	} else {
		es, err = ledger.Recheck(ctx, r.opts.Ledger, r.ci, es)
	}
	if err != nil {
		return e, job.Receipt{}, err
	}
	was := e.State
	switch e = es[0]; {
	case e.State == ledger.Withdrawn:
		return e, job.Receipt{}, fmt.Errorf("%w: %s, so it is left alone", job.ErrRefused, e.Receipt.Note)
	case e.State.Again():
		if was != e.State {
			r.log.Info("nothing came of a request", "label", e.Label, "push", e.Push.ID, "why", e.Receipt.Note)
		}
		return e, job.Receipt{}, errRepeat
	}
	known := e.Receipt
	return e, job.Receipt{IDs: known.IDs, State: job.ReceiptAlreadyAsked, By: known.By, Link: known.Link}, nil
}

// unkeyedGrace is how long a request is waited for that only its runs can tell of.
const unkeyedGrace = 5 * time.Second

// carried looks a request up by its key. The receipt is nil while the CI does not
// know all of its runs; keyed is false where keys do not reach it.
func (r *runner) carried(ctx context.Context, e ledger.Entry) (receipt *job.Receipt, keyed bool, err error) {
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
func (r *runner) unkeyed(ctx context.Context, e ledger.Entry) (ledger.Entry, job.Receipt, error) {
	known := job.Receipt{IDs: e.Receipt.IDs, State: job.ReceiptAlreadyAsked}
	done, err := r.happened(ctx, e)
	switch {
	case err != nil:
		return e, job.Receipt{}, err
	case done:
		return e, known, r.settle(ctx, e, ledger.Accepted, known)
	case e.Expired():
		return e, job.Receipt{}, errRepeat
	}
	return e, job.Receipt{}, job.Wrap("trigger.run", e.Key, unclear(e))
}

// unclear is the error of a request of which nobody knows yet whether it went
// through.
func unclear(e ledger.Entry) error {
	return fmt.Errorf("%w: not known until %s whether %s of %s went through on %s; mozci will look again",
		job.ErrUnavailable, time.Now().Add(e.Left()).Local().Format("15:04"), runs(e.Count), e.Label, e.Push)
}

// runs is a number of runs in words.
func runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

// meanwhile waits a little for a request that another process seems to be making,
// and returns the entry as it is then.
func (r *runner) meanwhile(ctx context.Context, e ledger.Entry) (ledger.Entry, error) {
	if err := pause.For(ctx, min(r.opts.Grace/50, 100*time.Millisecond)); err != nil {
		return e, err
	}
	now, err := r.opts.Ledger.Entries(ctx, ledger.Query{Key: e.Key})
	if err == nil && len(now) == 1 {
		e = now[0]
	}
	return e, err
}

// happened looks in the CI for what an entry intended: by key, then by the
// number of runs, visible or accepted.
func (r *runner) happened(ctx context.Context, e ledger.Entry) (bool, error) {
	accepted, err := job.Accepted(ctx, r.ci, e.Push, e.Label)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return false, err
	}
	if slices.ContainsFunc(accepted, func(q job.Request) bool { return q.Key == e.Key }) {
		return true, nil
	}
	jobs, err := r.ci.Jobs(ctx, e.Push, e.Label)
	ids := map[string]bool{} // a CI that lists a run twice must not look like two runs
	for _, j := range jobs {
		ids[j.ID()] = true
	}
	there := len(ids)
	for _, q := range accepted {
		there += q.Count
	}
	return there >= e.Seen+e.Count, err
}

// request asks the CI, and writes down what it says.
func (r *runner) request(ctx context.Context, s Step, e ledger.Entry) (job.Receipt, error) {
	req := job.Request{Key: s.Key, Label: s.Label, Push: s.Push, Count: s.Count, Why: s.Why}
	if s.Action != ActionBuild { // a build that ran, and whose files are gone, is wanted once more
		req.Times = s.Times
	}
	held, release := r.hold(ctx, e)
	receipt, err := r.ci.Trigger(held, req)
	if lost := release(); lost != nil && err != nil {
		return job.Receipt{}, lost // the entry is another's by now
	}
	var some *job.PartialError
	switch {
	case err == nil:
		return receipt, r.settle(ctx, e, ledger.Accepted, receipt)
	case errors.As(err, &some): // the rest is missing, and the next plan asks for it
		e.Count = some.Taken
		return job.Receipt{}, errors.Join(err, r.settle(ctx, e, ledger.Accepted, some.Receipt))
	case refused(err):
		return job.Receipt{}, errors.Join(err, r.settle(ctx, e, ledger.Refused, job.Receipt{}))
	}
	// The answer was lost: look before anybody asks again.
	if there, _, lookErr := r.carried(ctx, e); lookErr == nil && there != nil {
		return *there, r.settle(ctx, e, ledger.Accepted, *there)
	}
	if done, lookErr := r.happened(ctx, e); lookErr == nil && done {
		receipt = job.Receipt{State: job.ReceiptAccepted}
		return receipt, r.settle(ctx, e, ledger.Accepted, receipt)
	}
	return job.Receipt{}, errors.Join(fmt.Errorf("%w (%w)", unclear(e), err), r.settle(ctx, e, ledger.Unsure, job.Receipt{}))
}

// hold renews the lease of an entry until it is released, and ends the context when
// the lease was lost: to another process, after this one stood still.
func (r *runner) hold(ctx context.Context, e ledger.Entry) (held context.Context, release func() error) {
	held, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	e.State, e.Lease = ledger.Intended, r.opts.Lease
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
			err := r.opts.Ledger.Settle(held, e)
			switch {
			case err == nil:
				renewed = time.Now()
			case held.Err() != nil:
			case errors.Is(err, ledger.ErrSuperseded), time.Since(renewed) > r.opts.Lease:
				cancel()
				done <- job.Wrap("trigger.run", e.Key, fmt.Errorf(
					"%w: another run of mozci asks for this by now: the ledger was not reached for %s",
					job.ErrUnavailable, time.Since(renewed).Round(time.Second)))
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

// settle writes also when ctx is done: what was asked for must not be forgotten. A
// request of which it is not known what became of it stays the caller's for a lease:
// a call whose answer was lost may still be under way.
func (r *runner) settle(ctx context.Context, e ledger.Entry, state ledger.State, receipt job.Receipt) error {
	e.State, e.Receipt, e.Lease = state, receipt, 0
	if state == ledger.Unsure {
		e.Lease = r.opts.Lease
	}
	err := r.opts.Ledger.Settle(context.WithoutCancel(ctx), e)
	if errors.Is(err, ledger.ErrSuperseded) && state == ledger.Accepted {
		return nil // who has asked since looked first, and will find these runs
	}
	return err
}
