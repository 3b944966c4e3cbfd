package monitor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// acted is what came of triggering runs for an expectation.
type acted struct {
	changes []Change
	added   []Expectation // for builds that were triggered
	refused string        // why nothing more can be triggered; empty where it can
	outcome Outcome       // with refused
}

// act triggers the runs that a decision wants and that are missing, builds first. Runs
// that wait for a build are triggered by a later decision, when the build is done. An
// error is one that may go away: the expectation is looked at again.
func (m *Monitor) act(ctx context.Context, e *Expectation, d Decision, now time.Time) (acted, error) {
	var out acted
	o := m.options(*e)
	call := trigger.DefaultCall
	if o.Budgets.Call != nil {
		call = *o.Budgets.Call
	}
	if call >= 0 { // runs that the expectation triggered before count too
		o.Budgets.Call = new(max(0, call-e.Progress.Triggered))
	}
	o.Why = func(job.Push) string { return d.Why }
	// d.Void runs count for trigger although they say nothing here, so the total is that
	// much higher.
	plan, err := trigger.Make(ctx, m.ci, []job.Push{e.Push}, []string{e.Label}, d.Want+d.Void, o)
	var unknown *job.UnknownLabelError
	if errors.As(err, &unknown) {
		return acted{refused: err.Error(), outcome: NoRun}, nil
	}
	if err != nil {
		return out, err
	}
	for _, l := range plan.LeftOut {
		// The plan's reason begins with that of the decision, which the caller adds
		// again.
		out.refused, out.outcome = strings.TrimPrefix(l.Why, d.Why+"; "), NoRun
		if l.Budget {
			out.outcome = Limit
		}
	}
	e.Progress.Want = d.Want
	soon := plan.AtOnce()
	if len(soon.Steps) == 0 {
		return out, nil // others have triggered it by now, or it waits for its build
	}
	done, err := trigger.Run(ctx, m.opts.Act, soon, &trigger.RunOptions{
		// A negative Grace: do not wait for a request of another process. The next look
		// sees what came of it.
		Ledger: m.opts.Ledger, Who: m.opts.Who, Purpose: e.Key, Logger: m.opts.Logger, Grace: -1,
		Lease: m.opts.Lease,
	})
	for _, s := range done.Steps {
		m.took(e, d, s, now, &out)
	}
	if err != nil && out.refused == "" {
		return out, err
	}
	return out, nil
}

// took records what came of one step: a change, the counts in Progress, and for a build
// an expectation of its own.
func (m *Monitor) took(e *Expectation, d Decision, s trigger.Step, now time.Time, out *acted) {
	n := s.Count
	var some *job.PartialError
	switch {
	case s.Err == nil && s.Receipt != nil:
		if s.Receipt.State == job.ReceiptAlreadyAsked {
			return // the ledger, and so the facts, have it
		}
	case errors.As(s.Err, &some):
		n = some.Taken
	case saysNo(s.Err):
		out.refused, out.outcome = fmt.Sprintf("the CI refused to run %s: %v", s.Label, s.Err), Limit
		if errors.Is(s.Err, job.ErrNoBuild) {
			out.outcome = Blocked
		}
		return
	default:
		return
	}
	c := m.change(*e, now)
	c.Label, c.Count, c.Action, c.Why = s.Label, n, s.Action, d.Why
	if s.Action == trigger.ActionBuild {
		c.Why = s.Why
	}
	if s.Receipt != nil && len(s.Receipt.IDs) == 1 {
		c.ID = s.Receipt.IDs[0]
	}
	out.changes = append(out.changes, c)
	if s.Action == trigger.ActionBuild {
		// Nothing else waits for the build itself: its own expectation replaces it when
		// infrastructure ends it.
		child := Expectation{
			Push: s.Push, Label: s.Label, Count: 1, FailFast: true, Files: true, Parent: e.Key, Why: s.Why,
			Deadline: e.Deadline,
		}
		if child, err := child.checked(); err == nil {
			child.Key = fmt.Sprintf("%s/for/%s", child.Key, e.Key) // one expectation, however often it is built
			out.added = append(out.added, child)
		}
		return
	}
	e.Progress.Triggered += n
	switch d.Reason {
	case ForCoalesced:
		e.Progress.Scheduled += n
	case ForException:
		e.Progress.Retried += n
	case ForFailure:
		e.Progress.Retriggered += n
	}
}

// saysNo reports whether an error is a refusal of the CI that another try would not
// change.
func saysNo(err error) bool {
	for _, no := range []error{
		job.ErrNoBuild, job.ErrNotScheduled, job.ErrNotFound, job.ErrInvalid, job.ErrRefused, job.ErrDenied,
		errors.ErrUnsupported,
	} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}
