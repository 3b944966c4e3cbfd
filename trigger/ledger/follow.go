package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// Follow finds out how far the requests of one label on one push got, and writes
// down what it learns. runs are those of the label that the CI shows there now. It
// returns the entries as they are then.
//
// Of a request that the CI took, the CI is asked what became of it, where it can
// tell (job.OutcomeFinder) and its runs are not among the visible ones. Of one that
// nobody makes any more and whose answer was lost, the CI is asked by its key, where keys
// reach it (job.KeyCarrier): it was taken, or has failed. The errors are the ledger's
// alone: a CI that cannot be asked now has told nothing new.
func Follow(ctx context.Context, l Ledger, ci job.Scheduler, entries []Entry, runs []job.Job) ([]Entry, error) {
	waiting := map[string]bool{} // by ID: a CI that lists a run twice must not look like two runs
	for _, j := range runs {
		waiting[j.ID()] = j.Status().Waiting()
	}
	return each(ctx, l, entries, func(e *Entry) { e.follow(ctx, ci, waiting) })
}

// Recheck is Follow for who has not read the runs: it learns no more than what the
// CI tells of its own jobs that were to make them.
func Recheck(ctx context.Context, l Ledger, ci job.Scheduler, entries []Entry) ([]Entry, error) {
	return each(ctx, l, entries, func(e *Entry) { e.recheck(ctx, ci) })
}

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
		// it is another's by now: look again next time
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

// follow is the entry's next state, by its runs and by what the CI tells.
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

// lookUp is the next state of a request whose answer was lost, by its key. What reached
// the CI in part is not decided here: who asks again under the key gets the rest.
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

// recheck is the entry's next state by what the CI tells alone. made says that the
// CI has made the runs, although they may not be listed yet.
func (e *Entry) recheck(ctx context.Context, ci job.Scheduler) (made bool) {
	if e.State != Accepted || e.Receipt.By == "" {
		return false
	}
	out, err := job.OutcomeOf(ctx, ci, e.Push, e.Label, e.Receipt)
	switch {
	case errors.Is(err, job.ErrNotFound):
		e.State = Failed
		e.Receipt.Note = fmt.Sprintf("the CI does not know %s any more, which was to make them", e.Receipt.By)
	case err != nil:
	case len(out.IDs) >= e.Count:
		return true
	case !out.Done || out.Why == "": // more can come, or nobody knows
	case out.Cancelled:
		e.State, e.Receipt.Note = Withdrawn, out.Why
	default:
		e.State, e.Receipt.Note = Failed, out.Why
	}
	return false
}

// there reports whether the entry's runs are visible: those that the receipt
// names, or as many as were expected. What lists the runs may be another service
// than the one that made them, with other IDs.
func (e *Entry) there(waiting map[string]bool) bool {
	return e.named(waiting) || len(waiting) >= e.Seen+e.Count
}

// named reports whether all of the entry's runs are known by their IDs, and listed.
func (e *Entry) named(waiting map[string]bool) bool {
	return len(e.Receipt.IDs) >= e.Count &&
		!slices.ContainsFunc(e.Receipt.IDs, func(id string) bool { _, ok := waiting[id]; return !ok })
}

// over reports whether none of the entry's runs is waiting any more; where it is
// not known which are its own, none of all.
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
