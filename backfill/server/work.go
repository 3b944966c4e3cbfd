package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// What carries out one backfill: the record in memory, how it changes, and how it is stored. Every
// change goes through change and is stored by save, which also writes the texts and tells the
// followers. fill.go and hunt.go have the two modes.
//
// Locks: mu guards the record and the maps, and is never held during I/O. saving is held during a
// save and is taken before mu, never while mu is held.

// work is one backfill while this instance carries it out. place, ci and judge are set by at,
// before the work begins; until then ci and judge are nil.
type work struct {
	s     *Server
	place Place
	ci    job.Scheduler // the CI, which checks the caller's scopes before each act
	judge analysis.Judge

	mu       sync.Mutex
	r        Record
	verdicts map[string]analysis.Verdict // what each run means, by its id
	told     map[string]analysis.Verdict // the search's verdicts from logs, which win over the judge's
	ours     map[string]bool             // ids of the runs that this backfill triggered
	saving   sync.Mutex                  // held during a save, so that versions are written in order
	named    map[string]bool             // keys of the requests whose runs are all known
}

func (s *Server) newWork(place Place, r Record) *work {
	w := &work{
		s: s, r: r, verdicts: map[string]analysis.Verdict{}, told: map[string]analysis.Verdict{},
		ours: map[string]bool{}, named: map[string]bool{},
	}
	for _, st := range r.Steps {
		w.own(st)
	}
	if place.CI != nil {
		w.at(place)
	}
	return w
}

// at sets the project in which the work is done.
func (w *work) at(place Place) {
	w.place = place
	w.ci = w.s.o.Guard.Scheduler(place.CI, w.r.Caller)
	test := string(w.r.Ask.Test)
	var inner analysis.Judge = analysis.ByStatus
	switch {
	case place.Judge != nil && place.Judge(test) != nil:
		inner = place.Judge(test)
	case test != "":
		inner = joblog.TestJudge(place.CI, test, nil)
	}
	// The verdicts are kept for result, which has to know them without waiting.
	w.judge = func(ctx context.Context, j job.Job) (analysis.Verdict, error) {
		v, err := inner(ctx, j)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.verdicts[j.ID()] = v
		if told, ok := w.told[j.ID()]; ok {
			w.verdicts[j.ID()] = told
		}
		return v, err
	}
}

// own remembers the runs that a step created. What had been triggered already, by whomever, is not
// ours.
func (w *work) own(st Step) {
	if st.Receipt != nil && st.Receipt.State != string(job.ReceiptAlreadyAsked) {
		for _, id := range st.Receipt.IDs {
			w.ours[id] = true
		}
	}
}

// change changes the record under the lock.
func (w *work) change(f func(b *Backfill)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.r.Backfill)
}

// The maximum numbers of log lines, steps and rows that one backfill keeps; the oldest go first.
const (
	mostEntries = 500
	mostSteps   = 2000
	mostPushes  = 600
)

// note adds a line to the log.
func (w *work) note(ctx context.Context, e Entry) {
	if e.Time.IsZero() {
		e.Time = w.s.now(ctx)
	}
	w.change(func(b *Backfill) {
		b.Log = slices.Insert(b.Log, 0, e)
		b.Log = b.Log[:min(len(b.Log), mostEntries)]
	})
}

// save stores the record and tells its followers. The lock is not held while the store writes, so
// changes go on meanwhile; the next save has them.
func (w *work) save(ctx context.Context) error {
	w.saving.Lock()
	defer w.saving.Unlock()
	w.mu.Lock()
	w.r.describe()
	r := w.r
	w.mu.Unlock()
	saved, err := w.s.store.Save(ctx, r, w.s.holder)
	if err != nil {
		return err
	}
	// These are the store's: the rest of the record may have changed since.
	w.change(func(b *Backfill) {
		b.Version, b.Updated, b.Ended, b.CancelledBy = saved.Version, saved.Updated, saved.Ended, saved.CancelledBy
	})
	w.s.changed(r.ID)
	if !r.State.Open() {
		w.s.meter.ended(saved.Backfill)
		w.s.log.Info("ended", "backfill", r.ID, "state", r.State, "answer", r.Answer)
	}
	return nil
}

// step records the CI's answer to a request. A step of the same key replaces the earlier one,
// unless that has a receipt: an earlier process had the CI's answer.
func (w *work) step(ctx context.Context, st trigger.Step) {
	if st.Action == trigger.ActionNothing {
		return
	}
	out := Step{
		Key: st.Key, Label: st.Label, Push: st.Push.Ref(), Action: st.Action, Count: st.Count, Why: st.Why,
		Round: w.r.Cost.Rounds + 1, Time: w.s.now(ctx),
	}
	e := Entry{
		Kind: "triggered", Text: "Triggered " + runs(st.Count) + " on " + name(st.Push.Ref()) + ".",
		Why: Text(full(forPeople(st.Why))),
	}
	switch {
	case st.Err != nil:
		text := job.Visible(st.Err.Error())
		out.Error = &text
		e = Entry{
			Kind: "trouble", Text: "Could not trigger " + runs(st.Count) + " on " + name(st.Push.Ref()) + ".",
			Why: Text(text),
		}
	case st.Receipt != nil:
		out.Receipt = &Receipt{
			IDs: append([]string{}, st.Receipt.IDs...), State: string(st.Receipt.State),
			Note: Text(job.Visible(st.Receipt.Note)),
		}
		if st.Receipt.State == job.ReceiptAlreadyAsked {
			e.Text = runs(st.Count) + " on " + name(st.Push.Ref()) + " had already been triggered."
		}
	}
	w.change(func(b *Backfill) {
		at := slices.IndexFunc(b.Steps, func(s Step) bool { return s.Key == out.Key })
		switch {
		case at < 0:
			b.Steps = slices.Insert(b.Steps, 0, out)
			b.Steps = b.Steps[:min(len(b.Steps), mostSteps)]
		case b.Steps[at].Receipt != nil: // an earlier process recorded it
			e.Text = ""
			return
		default:
			b.Steps[at] = out
		}
		w.own(out)
	})
	if e.Text != "" {
		w.note(ctx, e)
		w.s.meter.step(st)
	}
	w.trySave(ctx)
}

// trySave is save where an error can be ignored, because the next save writes everything.
func (w *work) trySave(ctx context.Context) {
	if err := w.save(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrLost) {
		w.s.log.Warn("a change could not be written", "backfill", w.r.ID, "error", err)
	}
}

// finish records the end.
func (w *work) finish(ctx context.Context, st State) error {
	w.settle(ctx)
	w.change(func(b *Backfill) {
		b.State = st
		b.Cost.Left, b.Cost.Forecast = nil, 0
	})
	w.note(ctx, Entry{Kind: "state", Text: w.ending(st)})
	return w.save(ctx)
}

// fail records why the backfill failed.
func (w *work) fail(ctx context.Context, err error) error {
	if no := refusalOf(err); no != nil { // the facts have changed since it was accepted
		w.change(func(b *Backfill) { b.Reason, b.Why = no.Reason, Text(job.Visible(no.Message)) })
		return w.finish(ctx, Undecided)
	}
	w.change(func(b *Backfill) { b.Reason, b.Why = reasonOf(err), Text(errorText(err)) })
	return w.finish(ctx, Failed)
}

// reasonOf is the reason of a failure. The first that matches counts; what matches none is this
// service's own error.
func reasonOf(err error) Reason {
	for _, r := range []struct {
		err    error
		reason Reason
	}{
		{job.ErrDenied, Denied},
		{job.ErrRefused, CIRefused},
		{job.ErrNotFound, NotFound},
		{job.ErrNotScheduled, NotFound},
		{job.ErrMalformed, Malformed},
		{job.ErrUnknownWord, Malformed},
		{job.ErrUnavailable, Unavailable},
		{context.DeadlineExceeded, Unavailable},
		{backfill.ErrOverBudget, CIRefused},
	} {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return Internal
}

// cancel stops the runs that are no longer needed, and records what is kept. When the runs cannot
// be stopped, the backfill is cancelled all the same, and its log says so.
func (w *work) cancel(ctx context.Context, by string) error {
	// Long enough to stop hundreds of runs one by one.
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	if w.place.CI == nil {
		place, err := w.s.places.Open(ctx, w.r.Ask.Project)
		if err != nil {
			return w.fail(ctx, err)
		}
		w.at(place)
	}
	stopped, why, err := w.withdraw(ctx)
	if err != nil {
		w.note(ctx, Entry{
			Kind: "trouble", Text: "mozci could not stop every run.",
			Why: Text(job.Visible(err.Error())),
		})
	}
	w.change(func(b *Backfill) {
		b.CancelledBy = Text(by)
		kept := 0
		for i, row := range b.Rows {
			kept += row.Passed + row.Failed
			b.Rows[i].Planned = 0
		}
		b.Why = Text(runs(stopped) + " " + were(stopped) + " stopped; " + results(kept) + " " + are(kept) + " kept." +
			why)
	})
	if w.r.Ask.Mode == Linear {
		w.drop(ctx)
	}
	return w.finish(ctx, Cancelled)
}

// withdraw stops the runs that this backfill triggered, unless another open backfill of the same
// label may be waiting for them. why is a sentence to add when nothing is stopped.
func (w *work) withdraw(ctx context.Context) (stopped int, why string, err error) {
	open := Query{Project: w.r.Ask.Project, Label: w.r.Ask.Label, States: []State{Waiting, Running}, Limit: mostLimit}
	others, err := w.s.store.List(ctx, open)
	if err != nil {
		return 0, "", err
	}
	if slices.ContainsFunc(others, func(b Backfill) bool { return b.ID != w.r.ID }) {
		return 0, " The runs under way go on, because another backfill of this job needs them.", nil
	}
	entries, err := w.s.o.Ledger.Entries(ctx, ledger.Query{Who: who(w.r.ID)})
	if err != nil {
		return 0, "", err
	}
	var errs []error
	for _, e := range entries {
		// Stop what the CI took, or may have taken, and what is not over.
		if !e.State.Made() && !e.State.Open() || e.State == ledger.Ended {
			continue
		}
		ids, _, err := trigger.Withdraw(ctx, w.ci, e.Push, e.Receipt)
		stopped += len(ids)
		errs = append(errs, err)
		if err == nil && e.State == ledger.Accepted { // it may be triggered again later
			e.State, e.Receipt.Note = ledger.Failed, "it was cancelled with its backfill"
			errs = append(errs, w.s.o.Ledger.Settle(ctx, e))
		}
	}
	return stopped, "", errors.Join(errs...)
}
