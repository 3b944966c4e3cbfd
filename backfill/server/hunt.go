package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// A Search backfill: package backfill runs the most informative pushes, round after round, and this
// file writes what it reports into the record. planSearch runs within the request that starts it
// and is a dry run; search runs later, in Run. OnStep tells of each request to the CI, OnRead of
// each log that was read, Observe of each change in what is known. answer ends it, and followMerge
// goes on in another repository when the culprit is a merge.

// searchOptions are the options of backfill.Search for this backfill.
func (w *work) searchOptions(ctx context.Context, dry bool) *backfill.SearchOptions {
	a := w.r.Ask
	all := -1 // no limit by the day: the search has its own budget
	budgets := w.s.o.Budgets
	if budgets.LabelDay == nil {
		budgets.LabelDay = &all
	}
	o := &backfill.SearchOptions{
		MaxRevisions: a.Most, MaxRuns: a.MaxRuns, Batch: a.Batch, Status: w.judge, OnRead: w.failed,
		Ledger: w.s.o.Ledger, Who: who(w.r.ID), Budgets: budgets, DryRun: dry, Poll: w.s.o.Poll, Logger: w.s.log,
		// The search goes on with a forecast above its budget, and ends Undecided when the budget
		// is spent: even so it narrows the range.
		Approve: func(forecast float64, most int) bool {
			w.change(func(b *Backfill) {
				b.warn(fmt.Sprintf("the search needs about %.0f runs, more than its budget of %d, and stops there",
					forecast, most))
			})
			return true
		},
		OnStep:  func(st trigger.Step) { w.step(ctx, st) },
		Observe: func(p backfill.Progress) { w.progress(ctx, p, dry) },
	}
	// Without a test there is no Judge, and the search learns from the failed runs which failure it
	// looks for.
	if a.Test != "" {
		o.Judge, o.Test = w.judge, string(a.Test)
	}
	return o
}

// failed remembers the verdict that a failed run's log gave.
func (w *work) failed(of joblog.Judged) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told[of.Run.ID()], w.verdicts[of.Run.ID()] = of.Verdict, of.Verdict
}

// planSearch weighs the results that exist, and plans the first round.
func (w *work) planSearch(ctx context.Context) error {
	a := w.r.Ask
	res, err := backfill.Search(ctx, w.place.Repo, w.ci, a.Label, a.Revision, w.searchOptions(ctx, true))
	if err != nil {
		return err
	}
	// The pushes are oldest first, so the last is the one that failed.
	start := res.Pushes[len(res.Pushes)-1]
	if err := w.offspring(ctx, start.Push, start.Jobs); err != nil {
		return err
	}
	if passed(res) == 0 {
		return neverGreen(a, len(res.Pushes)-1)
	}
	w.weighed(ctx, res)
	w.change(func(b *Backfill) {
		ref := res.Start.Ref()
		b.Start, b.Plan = &ref, res.Plan
		// The forecast is rounded to the nearest whole number: 3.4 is 3, 3.5 is 4.
		b.Cost.Forecast = int(res.Forecast.Runs + 0.5)
		b.planned()
		if w.place.RangePage != nil {
			b.Links.Range = Text(w.place.RangePage(res.Pushes[0].Push, res.Start))
		}
		b.describe()
	})
	return nil
}

// passed counts the passed runs that the search knows. Before and After are the pushes on both
// sides of the range.
func passed(res backfill.SearchResult) int {
	n := res.Before.Runs - res.Before.Failures + res.After.Runs - res.After.Failures
	for _, t := range res.Pushes {
		n += t.Passed
	}
	return n
}

// progress writes how far a search has come. In a dry run nothing is saved, as the record is not in
// the store yet.
func (w *work) progress(ctx context.Context, p backfill.Progress, dry bool) {
	w.tested(ctx, p.Pushes)
	w.change(func(b *Backfill) {
		b.Cost.Rounds, b.Cost.Forecast = p.Rounds, int(p.Forecast.Runs+0.5)
		b.credible(p.Decision, p.Pushes)
	})
	if !dry {
		if w.unnamed() {
			w.recall(ctx)
		}
		w.trySave(ctx)
	}
}

// tested writes the rows of a search. Its pushes come oldest first, the rows are newest first.
func (w *work) tested(ctx context.Context, pushes []backfill.Tested) {
	var rows []Row
	now := w.s.now(ctx)
	for i := len(pushes) - 1; i >= 0; i-- {
		t := pushes[i]
		row := w.row(t.Push, t.Label, t.Jobs, t.Running)
		row.Probability, row.Untestable = t.Probability, Text(job.Visible(t.Untestable))
		rows = append(rows, row)
	}
	w.change(func(b *Backfill) {
		news := b.setRows(rows)
		b.bounds()
		// The log is newest first.
		for _, e := range news {
			e.Time = now
			b.Log = append([]Entry{e}, b.Log...)
		}
		b.Log = b.Log[:min(len(b.Log), mostEntries)]
	})
}

// weighed writes the result of a search.
func (w *work) weighed(ctx context.Context, res backfill.SearchResult) {
	if w.r.Ask.Mode == Search {
		w.tested(ctx, res.Pushes)
	}
	w.change(func(b *Backfill) {
		for _, t := range res.Pushes {
			b.chance(t.Push.Ref(), t.Probability)
		}
		b.Credible = []Suspect{}
		for _, t := range res.Credible {
			b.Credible = append(b.Credible, Suspect{t.Push.Ref(), t.Probability})
		}
		b.FailRate = Rates{rate(res.Before), rate(res.After)}
		for _, warning := range res.Warnings {
			b.warn(job.Visible(warning))
		}
		b.Why = Text(full(job.Visible(res.Why)))
	})
}

// rate is nil when nothing ran: a rate of 0 would say that it always passed.
func rate(r analysis.Rate) *float64 {
	if r.Runs == 0 {
		return nil
	}
	v := r.Rate
	return &v
}

// search runs the search to its end.
func (w *work) search(ctx context.Context) error {
	a := w.r.Ask
	res, err := backfill.Search(ctx, w.place.Repo, w.ci, a.Label, a.Revision, w.searchOptions(ctx, false))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(res.Pushes) > 0 {
		w.weighed(ctx, res)
	}
	if err != nil {
		return err
	}
	return w.answer(ctx, res)
}

// answer writes how a search ended. When the culprit is a merge and Follow is set, the search goes
// on in the repository that the merge came from.
//
//	culprit found                 → done
//	as flaky as it was before     → done
//	older than the range, or none → undecided
func (w *work) answer(ctx context.Context, res backfill.SearchResult) error {
	state := Undecided
	outcome := string(res.Outcome)
	older := res.Outcome == culprit.Older || res.Outcome == culprit.OlderOrNothing
	if older {
		outcome = string(culprit.Undecided)
	}
	w.change(func(b *Backfill) {
		b.Outcome = Text(outcome)
		if res.Culprit != nil {
			b.Culprit = &Culprit{res.Culprit.Ref(), res.Probability}
			b.Confirmed = b.confirmed()
		}
		if older {
			b.warn("none of these pushes broke it: check more pushes")
		}
	})
	for _, id := range res.Cancelled {
		w.note(ctx, Entry{
			Kind: "state", Text: "Stopped run " + job.Visible(id) + ".",
			Why: "Its result is no longer needed.",
		})
	}
	switch res.Outcome {
	case culprit.Found:
		if res.Culprit != nil {
			state = Done
		}
		if w.r.Ask.Follow && state == Done {
			if err := w.followMerge(ctx, res); err != nil {
				return err
			}
		}
	case culprit.NotARegression:
		state = Done
	}
	return w.finish(ctx, state)
}

// followMerge goes on in the repositories that a merge came from.
func (w *work) followMerge(ctx context.Context, res backfill.SearchResult) error {
	// When the repository cannot tell, or the push is no merge, the answer stays as it is.
	origins, err := job.Origins(ctx, w.place.Repo, *res.Culprit)
	if errors.Is(err, errors.ErrUnsupported) || err == nil && len(origins) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	for _, o := range origins {
		if len(o.Pushes) == 0 {
			continue
		}
		inner, err := w.s.places.Open(ctx, o.Repo)
		if errors.Is(err, job.ErrNotFound) {
			w.change(func(b *Backfill) {
				b.warn(fmt.Sprintf("the culprit is a merge of %d pushes from %s, which this service does not serve",
					len(o.Pushes), o.Repo))
			})
			continue
		}
		if err != nil {
			return err
		}
		if err := w.within(ctx, inner, o, res); err != nil {
			return err
		}
	}
	return nil
}

// within searches the pushes that a merge brought, with the runs that are left of the budget, at
// least 1. With a budget of 100 runs of which 97 are spent, 3 are left.
func (w *work) within(ctx context.Context, inner Place, o job.Origin, outer backfill.SearchResult) error {
	opts := w.searchOptions(ctx, false)
	opts.MaxRevisions, opts.Extend = len(o.Pushes), -1
	for _, sign := range outer.Signatures { // look for the same failure there
		opts.Signatures, opts.Loose = append(opts.Signatures, sign.Print), true
	}
	opts.MaxRuns = max(1, opts.MaxRuns-outer.Runs)
	opts.Observe = func(backfill.Progress) { w.trySave(ctx) }
	ci := w.s.o.Guard.Scheduler(inner.CI, w.r.Caller)
	// They are ascending: the last is what was merged.
	tip := o.Pushes[len(o.Pushes)-1]
	w.note(ctx, Entry{Kind: "state", Text: fmt.Sprintf("The culprit is a merge: mozci goes on in the %s that it "+
		"brought from %s.", pushes(len(o.Pushes)), o.Repo)})
	res, err := backfill.Search(ctx, inner.Repo, ci, w.r.Ask.Label, tip.Revision, opts)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, backfill.ErrNotBad), errors.Is(err, job.ErrNotFound):
		w.change(func(b *Backfill) {
			b.warn("the job is not known to fail in " + o.Repo + ": " + job.Visible(err.Error()))
		})
		return nil
	case err != nil:
		return err
	}
	w.change(func(b *Backfill) {
		if res.Outcome == culprit.Found && res.Culprit != nil {
			b.Culprit = &Culprit{res.Culprit.Ref(), res.Probability}
		}
		for _, t := range res.Credible {
			b.Credible = append(b.Credible, Suspect{t.Push.Ref(), t.Probability})
		}
	})
	return nil
}
