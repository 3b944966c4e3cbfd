package server

import (
	"context"
	"slices"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// recall completes the steps from the ledger. An instance may have died after the CI accepted a
// request and before it wrote that into the backfill, and a CI that creates runs in the background
// names them only later. It returns the number of runs that this backfill has triggered, or -1 when
// that cannot be read now. A request whose runs are all known is not asked about again: see
// work.named.
func (w *work) recall(ctx context.Context) (asked int) {
	entries, err := w.s.o.Ledger.Entries(ctx, ledger.Query{Who: who(w.r.ID)})
	if err != nil {
		w.s.log.Warn("earlier requests could not be read from the ledger", "backfill", w.r.ID, "error", err)
		return -1
	}
	for _, e := range entries {
		if w.named[e.Key] {
			asked += e.Count
			continue
		}
		ids, made := w.madeBy(ctx, e)
		if !made {
			continue
		}
		asked += e.Count
		w.change(func(b *Backfill) {
			w.named[e.Key] = len(ids) >= e.Count
			b.recall(e, ids)
			for _, id := range ids {
				w.ours[id] = true
			}
			for i := range b.Rows {
				for k := range b.Rows[i].Runs {
					b.Rows[i].Runs[k].Ours = b.Rows[i].Runs[k].Ours || w.ours[string(b.Rows[i].Runs[k].ID)]
				}
			}
			b.sumUp()
		})
	}
	return asked
}

// settle sets the final cost from the ledger. The grid may show runs that never came, or not yet
// show those that will.
func (w *work) settle(ctx context.Context) {
	if w.place.CI == nil {
		return
	}
	// -1 leaves the cost as the grid has it.
	if asked := w.recall(ctx); asked >= 0 {
		w.change(func(b *Backfill) { b.Cost.Runs = asked })
	}
}

// madeBy returns the runs of a request, as far as the CI names them, and whether the CI accepted
// it.
//
//	made, all ids are known   → these, without asking the CI
//	Receipt.By is known       → the ids of the runs that this job of the CI made
//	Receipt.By is empty       → the ids of the runs that carry the request's key
//
// A request of which it was unclear whether the CI took it counts as accepted once all of its runs
// are found.
func (w *work) madeBy(ctx context.Context, e ledger.Entry) (ids []string, made bool) {
	if ids = e.Receipt.IDs; e.State.Made() && len(ids) >= e.Count {
		return ids, true
	}
	if e.Receipt.By != "" {
		if out, err := job.OutcomeOf(ctx, w.place.CI, e.Push, e.Label, e.Receipt); err == nil &&
			len(out.IDs) > len(ids) {
			ids = out.IDs
		}
	} else {
		req := job.Request{Key: e.Key, Label: e.Label, Push: e.Push, Count: e.Count}
		if carried, err := job.Carried(ctx, w.place.CI, req); err == nil && len(carried) > len(ids) {
			ids = carried
		}
	}
	return ids, e.State.Made() || e.State.Open() && len(ids) >= e.Count
}

// recall writes a request that the CI accepted into the steps. A step that is missing is inserted
// by its time. Ids are only ever added.
func (b *Backfill) recall(e ledger.Entry, ids []string) {
	at := slices.IndexFunc(b.Steps, func(s Step) bool { return s.Key == e.Key })
	if at < 0 {
		at = len(b.Steps)
		for at > 0 && b.Steps[at-1].Time.Before(e.Asked) { // newest first
			at--
		}
		why := "an instance of mozci triggered this, and ended before it could write why"
		b.Steps = slices.Insert(b.Steps, at, Step{
			Key: e.Key, Label: e.Label, Push: e.Push.Ref(), Action: trigger.ActionTrigger, Count: e.Count, Why: why,
			Round: max(1, b.Cost.Rounds), Time: e.Asked,
		})
	}
	st := &b.Steps[at]
	if st.Receipt == nil {
		st.Receipt, st.Error = &Receipt{State: string(job.ReceiptAccepted), IDs: []string{}}, nil
	}
	if len(ids) > len(st.Receipt.IDs) {
		r := *st.Receipt // a copy: a reader may hold the old one
		r.IDs = slices.Clone(ids)
		st.Receipt = &r
	}
	b.Steps = b.Steps[:min(len(b.Steps), mostSteps)]
}

// unnamed reports whether there are requests whose runs are not all known by id.
func (w *work) unnamed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.r.Steps, func(s Step) bool {
		return s.Receipt != nil && s.Receipt.State != string(job.ReceiptAlreadyAsked) && !w.named[s.Key] &&
			len(s.Receipt.IDs) < s.Count
	})
}
