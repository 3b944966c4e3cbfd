package trigger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// Act triggers one action of a CI by its name, such as an in-tree action of Taskcluster,
// for which a Plan has no step. Act makes the key of the request from the action, its
// input, its label and its push. The same request is sent once within
// ledger.AcceptedExpires; after that, the receipt says AlreadyAsked. A request whose
// answer was lost is job.ErrUnavailable, and is not repeated before ledger.UnsureExpires
// have passed.
//
// Of the options only Ledger, Who and Purpose are used.
func Act(ctx context.Context, ci job.Scheduler, req job.Request, opts *RunOptions) (job.Request, job.Receipt, error) {
	const op = "trigger.act"
	var o RunOptions
	if opts != nil {
		o = *opts
	}
	if o.Ledger == nil {
		o.Ledger = ledger.NewMemory()
	}
	if req.Action == "" || req.Push.Repo == "" {
		return req, job.Receipt{}, job.Wrap(op, req.Label,
			fmt.Errorf("%w: an action and a push with its repository are needed", job.ErrInvalid))
	}
	input, err := json.Marshal(req.Input)
	if err != nil {
		return req, job.Receipt{}, job.Wrap(op, req.Action, fmt.Errorf("%w: input: %w", job.ErrInvalid, err))
	}
	// The input is in the key by its first 6 bytes of SHA-256: map keys are sorted by
	// Marshal, so the same input always has the same hash.
	sum := sha256.Sum256(input)
	req.Key = fmt.Sprintf("%s/%d/%s/%s/action=%s/count=%d/input=%s", req.Push.Repo, req.Push.ID, req.Push.Short(),
		req.Label, req.Action, req.Count, hex.EncodeToString(sum[:6]))
	mine := ledger.Entry{
		Key: req.Key, Push: req.Push, Label: "action " + req.Action, Count: req.Count, Who: o.Who,
		Purpose: o.Purpose,
	}
	e, fresh, err := o.Ledger.Intend(ctx, mine, nil)
	if err == nil && !fresh {
		e, fresh, err = actAgain(ctx, ci, o.Ledger, mine, e)
	}
	switch {
	case err != nil:
		return req, job.Receipt{}, err
	case !fresh && e.State.Made():
		return req, job.Receipt{
			IDs: e.Receipt.IDs, State: job.ReceiptAlreadyAsked, By: e.Receipt.By,
			Link: e.Receipt.Link,
		}, nil
	case !fresh:
		return req, job.Receipt{}, job.Wrap(op, req.Key, unclear(e))
	}
	e.Receipt, err = ci.Trigger(ctx, req)
	switch {
	case err == nil:
		e.State = ledger.Accepted
	case Refused(err):
		e.State = ledger.Refused
	default:
		e.State = ledger.Unsure
	}
	// WithoutCancel: the outcome must be written even if the caller gives up now.
	return req, e.Receipt, errors.Join(err, o.Ledger.Settle(context.WithoutCancel(ctx), e))
}

// actAgain takes the place of an earlier request for the same action, if nothing came of
// it, a person stopped it, or it is long ago: a caller that names an action means it.
func actAgain(
	ctx context.Context, ci job.Scheduler, l ledger.Ledger, mine, e ledger.Entry,
) (ledger.Entry, bool, error) {
	es, err := ledger.Recheck(ctx, l, ci, []ledger.Entry{e})
	if err != nil {
		return e, false, err
	}
	if e = es[0]; e.State.Again() || e.State == ledger.Withdrawn || e.Expired() {
		return l.Intend(ctx, mine, &e)
	}
	return e, false, nil
}
