package trigger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mozci/mozci/job"
)

// Act asks for one action of a CI by its name, such as an in-tree action of
// Taskcluster: what Plan has no step for. The request's key is made here, of
// the action, its input, its label and its push, and the same within DoneExpires
// is asked for once: the receipt then says AlreadyAsked. One whose answer was
// lost is job.ErrUnavailable, and not repeated before UnsureExpires have passed.
//
// Of the options, Ledger and Who are used.
func Act(ctx context.Context, ci job.Scheduler, req job.Request, opts *RunOptions) (job.Request, job.Receipt, error) {
	const op = "trigger.act"
	var o RunOptions
	if opts != nil {
		o = *opts
	}
	if o.Ledger == nil {
		o.Ledger = NewMemory()
	}
	if req.Action == "" || req.Push.Repo == "" {
		return req, job.Receipt{}, job.Wrap(op, req.Label, fmt.Errorf("%w: an action and a push with its repository are needed", job.ErrInvalid))
	}
	input, err := json.Marshal(req.Input)
	if err != nil {
		return req, job.Receipt{}, job.Wrap(op, req.Action, fmt.Errorf("%w: input: %w", job.ErrInvalid, err))
	}
	sum := sha256.Sum256(input)
	req.Key = fmt.Sprintf("%s/%d/%s/%s/action=%s/count=%d/input=%s", req.Push.Repo, req.Push.ID, req.Push.Short(), req.Label, req.Action, req.Count, hex.EncodeToString(sum[:6]))
	mine := Entry{Key: req.Key, Push: req.Push, Label: "action " + req.Action, Count: req.Count, Who: o.Who, Asked: time.Now()}
	e, fresh, err := o.Ledger.Intend(ctx, mine, nil)
	again := func() bool { // whoever asks for an action by its name means it
		why, _ := failedBy(ctx, ci, e)
		return why != "" || e.expired(time.Now())
	}
	if err == nil && !fresh && again() {
		e, fresh, err = o.Ledger.Intend(ctx, mine, &e)
	}
	switch {
	case err != nil:
		return req, job.Receipt{}, err
	case !fresh && e.State == Done:
		return req, job.Receipt{IDs: e.Receipt.IDs, State: job.ReceiptAlreadyAsked, By: e.Receipt.By, Link: e.Receipt.Link}, nil
	case !fresh:
		return req, job.Receipt{}, job.Wrap(op, req.Key, e.unclear())
	}
	receipt, err := ci.Trigger(ctx, req)
	state := Done
	switch {
	case err != nil && refused(err):
		state = Refused
	case err != nil:
		state = Unsure
	}
	return req, receipt, errors.Join(err, o.Ledger.Settle(context.WithoutCancel(ctx), req.Key, state, receipt))
}
