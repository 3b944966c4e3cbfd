package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// Follow finds out how far the requests for one label on one push got, and writes down
// what it learns. runs are the runs of the label that the CI lists there now. It returns
// the entries as they are then.
//
// When the runs of an accepted request are not visible, it asks the CI what became of the
// request, if the CI can tell (job.OutcomeFinder). When an answer was lost and no process
// is making the request any more, it looks up the request by its key, if keys reach the
// CI (job.KeyCarrier): it was taken, or it has failed. Errors are those of the ledger
// only: a CI that does not answer changes nothing.
func Follow(ctx context.Context, l Ledger, ci job.Scheduler, entries []Entry, runs []job.Job) ([]Entry, error) {
	waiting := map[string]bool{} // by ID: a CI that lists a run twice must not look like two runs
	for _, j := range runs {
		waiting[j.ID()] = j.Status().Waiting()
	}
	return each(ctx, l, entries, func(e *Entry) { e.follow(ctx, ci, waiting) })
}

// Recheck is Follow for callers that have not read the runs. It learns only what the CI
// says about its own jobs that make the runs.
func Recheck(ctx context.Context, l Ledger, ci job.Scheduler, entries []Entry) ([]Entry, error) {
	return each(ctx, l, entries, func(e *Entry) { e.recheck(ctx, ci) })
}

// each lets learn update each entry, and settles those whose state has changed.
func each(ctx context.Context, l Ledger, entries []Entry, learn func(*Entry)) ([]Entry, error) {
	out := slices.Clone(entries)
	for i := range out {
		e := &out[i]
		before := *e
		learn(e)
		if e.State == before.State {
			continue
		}
		err := l.Settle(ctx, *e)
		// another process has it by now, so look again next time
		if errors.Is(err, ErrSuperseded) || errors.Is(err, job.ErrNotFound) {
			*e = before
			continue
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// follow sets the entry's next state, by its runs and by what the CI tells. waiting has
// all visible runs of the label.
func (e *Entry) follow(ctx context.Context, ci job.Scheduler, waiting map[string]bool) {
	if e.State.Open() && e.Lease <= 0 {
		e.lookUp(ctx, ci)
	}
	switch {
	case e.State != Accepted && e.State != Visible:
	case e.State == Visible || e.there(waiting):
		e.State = Visible
		if e.over(waiting) {
			e.State = Ended
		}
	default:
		if made := e.recheck(ctx, ci); e.State == Accepted && !made && e.Expired() {
			e.State = Vanished
			e.Receipt.Note = fmt.Sprintf("the CI took the request, and no run was seen within %g h",
				AcceptedExpires.Hours())
		}
	}
}

// lookUp sets the next state of a request whose answer was lost, by its key. A request
// that reached the CI in part is not decided here: whoever repeats it under the key gets
// the rest.
func (e *Entry) lookUp(ctx context.Context, ci job.Scheduler) {
	ids, err := job.Carried(ctx, ci, job.Request{Key: e.Key, Label: e.Label, Push: e.Push, Count: e.Count})
	switch {
	case err != nil:
	case len(ids) >= e.Count:
		e.State, e.Receipt = Accepted, job.Receipt{IDs: ids, State: job.ReceiptAlreadyAsked}
	case len(ids) == 0:
		e.State, e.Receipt.Note = Failed, "the request did not reach the CI"
	}
}

// recheck sets the entry's next state by what the CI tells about the job that makes its
// runs. made says that the CI has made the runs, although they may not be listed yet.
func (e *Entry) recheck(ctx context.Context, ci job.Scheduler) (made bool) {
	if e.State != Accepted || e.Receipt.By == "" {
		return false
	}
	out, err := job.OutcomeOf(ctx, ci, e.Push, e.Label, e.Receipt)
	switch {
	case errors.Is(err, job.ErrNotFound):
		e.State = Failed
		e.Receipt.Note = fmt.Sprintf("the CI no longer knows %s, which should have made the runs", e.Receipt.By)
	case err != nil:
	case len(out.IDs) >= e.Count:
		return true
	case !out.Done || out.Why == "": // more runs can come, or the CI does not say
	case out.Cancelled:
		e.State, e.Receipt.Note = Withdrawn, out.Why
	default:
		e.State, e.Receipt.Note = Failed, out.Why
	}
	return false
}

// there reports whether the entry's runs are visible: those that the receipt names, or as
// many as were expected. Runs may be listed by another service than the one that made
// them, with other IDs.
func (e *Entry) there(waiting map[string]bool) bool {
	return e.named(waiting) || len(waiting) >= e.Seen+e.Count
}

// named reports whether all of the entry's runs are known by their IDs, and listed.
func (e *Entry) named(waiting map[string]bool) bool {
	return len(e.Receipt.IDs) >= e.Count &&
		!slices.ContainsFunc(e.Receipt.IDs, func(id string) bool { _, ok := waiting[id]; return !ok })
}

// over reports whether all of the entry's runs have ended. When it is not known which
// runs are its own, all runs of the label must have.
func (e *Entry) over(waiting map[string]bool) bool {
	if e.named(waiting) {
		return !slices.ContainsFunc(e.Receipt.IDs, func(id string) bool { return waiting[id] })
	}
	for _, w := range waiting {
		if w {
			return false
		}
	}
	return true
}
