package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/lease"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// ask makes sure that the runs of a step are triggered once. found says that the runs
// were there already, from a request whose end was never written down.
//
// It first writes the intention into the ledger; of several processes exactly one gets it
// (fresh). The others find out what became of it, and take it over only when it came to
// nothing.
func (r *runner) ask(ctx context.Context, s Step) (receipt job.Receipt, found bool, err error) {
	others, err := r.others(ctx, s)
	if err != nil {
		return job.Receipt{}, false, err
	}
	// The plan wanted Seen+Count runs to exist; others is how many there will be anyway.
	if s.Count = min(s.Count, s.Seen+s.Count-others); s.Count < 1 {
		return job.Receipt{State: job.ReceiptAlreadyAsked}, false, nil
	}
	mine := ledger.Entry{
		Key: s.Key, Push: s.Push, Label: s.Label, Count: s.Count, Seen: s.Seen, Who: r.opts.Who,
		Purpose: r.opts.Purpose,
		Holder:  r.holder, Lease: r.opts.Lease,
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

// others returns how many runs there will be, counting those that were there and those
// that others have triggered since this step was planned. If one caller wants three runs
// and another one two, they need three in all, not five.
func (r *runner) others(ctx context.Context, s Step) (int, error) {
	entries, err := r.opts.Ledger.Entries(ctx, ledger.ForPush(s.Push, s.Label))
	if err != nil {
		return 0, err
	}
	entries = slices.DeleteFunc(entries, func(e ledger.Entry) bool {
		// An entry that expected no more runs than the plan has counted tells nothing
		// new.
		return e.Key == s.Key ||
			e.Seen+e.Count <= s.Seen
	})
	if entries, err = ledger.Recheck(ctx, r.opts.Ledger, r.ci, entries); err != nil {
		return 0, err
	}
	return ledger.Outstanding(entries, 0), nil
}

// request sends the request to the CI, and writes down the answer. When the answer is
// lost, it looks for the runs at once; what it cannot find stays unsure.
func (r *runner) request(ctx context.Context, s Step, e ledger.Entry) (job.Receipt, error) {
	req := job.Request{Key: s.Key, Label: s.Label, Push: s.Push, Count: s.Count, Why: s.Why}
	if s.Action != ActionBuild { // a build whose files are gone is wanted once more, whatever ran
		req.Times = s.Times
	}
	held, release := r.hold(ctx, e)
	receipt, err := r.ci.Trigger(held, req)
	if lost := release(); lost != nil && err != nil {
		return job.Receipt{}, lost // another process has the entry by now
	}
	var some *job.PartialError
	switch {
	case err == nil:
		return receipt, r.settle(ctx, e, ledger.Accepted, receipt)
	case errors.As(err, &some): // the rest is missing, and the next plan has it
		e.Count = some.Taken
		return job.Receipt{}, errors.Join(err, r.settle(ctx, e, ledger.Accepted, some.Receipt))
	case Refused(err):
		return job.Receipt{}, errors.Join(err, r.settle(ctx, e, ledger.Refused, job.Receipt{}))
	}
	// The answer was lost: look before anyone repeats the request.
	if there, _, lookErr := r.carried(ctx, e); lookErr == nil && there != nil {
		return *there, r.settle(ctx, e, ledger.Accepted, *there)
	}
	if done, lookErr := r.happened(ctx, e); lookErr == nil && done {
		receipt = job.Receipt{State: job.ReceiptAccepted}
		return receipt, r.settle(ctx, e, ledger.Accepted, receipt)
	}
	return job.Receipt{}, errors.Join(fmt.Errorf("%w (%w)", unclear(e), err),
		r.settle(ctx, e, ledger.Unsure, job.Receipt{}))
}

// hold renews the lease of an entry until it is released. The context ends when the lease
// is lost to another process, as after this one stood still for a while: release then
// returns an error that says so.
func (r *runner) hold(ctx context.Context, e ledger.Entry) (held context.Context, release func() error) {
	e.State, e.Lease = ledger.Intended, r.opts.Lease
	var gone error
	renewed := time.Now()
	held, let := lease.Hold(ctx, r.opts.Lease, func(held context.Context) bool {
		err := r.opts.Ledger.Settle(held, e)
		switch {
		case err == nil:
			renewed = time.Now()
		case held.Err() != nil:
		case errors.Is(err, ledger.ErrSuperseded), time.Since(renewed) > r.opts.Lease:
			gone = job.Wrap("trigger.run", e.Key, fmt.Errorf(
				"%w: another run of mozci has taken over this request: the ledger could not be reached for %s",
				job.ErrUnavailable, time.Since(renewed).Round(time.Second)))
			return true
		}
		return false
	})
	return held, func() error {
		let()
		return gone
	}
}

// Refused reports whether an error of a Scheduler's Trigger says for certain that nothing was
// triggered.
func Refused(err error) bool {
	for _, certain := range []error{
		job.ErrNotFound, job.ErrInvalid, job.ErrRefused, job.ErrDenied, job.ErrNotScheduled, job.ErrNoBuild,
		errors.ErrUnsupported,
	} {
		if errors.Is(err, certain) {
			return true
		}
	}
	return false
}

// settle writes the outcome even when ctx is done: a request that was sent must not be
// forgotten. A request with an unknown outcome stays the caller's for one lease, because
// the call whose answer was lost may still be under way.
func (r *runner) settle(ctx context.Context, e ledger.Entry, state ledger.State, receipt job.Receipt) error {
	e.State, e.Receipt, e.Lease = state, receipt, 0
	if state == ledger.Unsure {
		e.Lease = r.opts.Lease
	}
	err := r.opts.Ledger.Settle(context.WithoutCancel(ctx), e)
	if errors.Is(err, ledger.ErrSuperseded) && state == ledger.Accepted {
		return nil // the process that took over looks first, and will find these runs
	}
	return err
}
