package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// What became of a request that the ledger knows from an earlier run, or from another process. One
// that the CI has answered is followed. One that may not have reached the CI is looked up by its
// key, where keys reach the CI, and by the number of runs elsewhere. The result is a receipt,
// errRepeat when it may be made again, or an error that it is unclear.

// errRepeat says that the request of an entry was not made, or may be made again under
// its key.
var errRepeat = errors.New("not done")

// resume finds out what became of a request that the ledger knows, and returns the entry
// as it is then. While another process may still be making the request, it waits for that
// one: up to Grace where the CI carries keys, up to unkeyedGrace elsewhere.
func (r *runner) resume(ctx context.Context, e ledger.Entry) (ledger.Entry, job.Receipt, error) {
	if !e.State.Open() {
		return r.followed(ctx, e)
	}
	receipt, keyed, err := r.carried(ctx, e)
	// Another process may hold the entry and be about to finish it. Each turn waits a
	// moment and looks at the entry again, until it is settled, its lease is over, or the
	// patience is spent.
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
			"%w: another run of mozci is triggering this, or died while doing so; it can be triggered again in %s",
			job.ErrUnavailable, e.Lease.Round(time.Second)))
	case keyed:
		return e, job.Receipt{}, errRepeat
	}
	return r.unkeyed(ctx, e)
}

// followed is resume for a request that the CI has answered. If its runs should be
// visible by now, it looks for them: what the CI accepted without making runs may be
// triggered again, as the next attempt.
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

// unkeyedGrace is how long to wait for a request of another process when only its runs
// can tell what became of it.
const unkeyedGrace = 5 * time.Second

// carried looks up a request by its key. The receipt is nil until the CI knows all of its
// runs; keyed is false where keys do not reach the CI.
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

// unkeyed finds out from the runs what became of a request, or returns the error that it
// is unclear.
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

// unclear returns the error for a request of which it is unclear whether it went through.
func unclear(e ledger.Entry) error {
	return fmt.Errorf("%w: unclear until %s whether %s of %s went through on %s; mozci will check before repeating it",
		job.ErrUnavailable, time.Now().Add(e.Left()).Local().Format("15:04"), phrase.Count(e.Count, "run"),
		e.Label, e.Push)
}

// meanwhile waits a moment for a request that another process seems to be making, and
// returns the entry as it is then.
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

// happened reports whether the CI has the request of an entry: by its key among the
// accepted requests, else by the number of runs, visible or accepted. An entry that
// intended 2 runs after 3 happened once there are 5.
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
