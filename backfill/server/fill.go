package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

// A Linear backfill: find the last good push, and run the job on every push between it and the
// first bad one. planFill runs within the request that starts it; fill runs later, in Run: ask
// triggers what is missing, watch waits for it, conclude reads the range again and says what it
// showed. When an instance dies, the next one begins again with fill, and finds in the ledger what
// was triggered.

// find looks for the last good push before the failure.
func (w *work) find(ctx context.Context) (backfill.FindResult, error) {
	a := w.r.Ask
	return backfill.Find(ctx, w.place.Repo, w.ci, a.Label, a.Revision, &backfill.FindOptions{
		MaxRevisions: a.Most, Times: a.Times, Judge: w.judge, Test: string(a.Test), Ledger: w.s.o.Ledger,
		Budgets: w.s.o.Budgets, FollowMerges: a.Follow, Repositories: w.place.Repositories, Logger: w.s.log,
	})
}

// planFill makes the plan of a Linear backfill.
func (w *work) planFill(ctx context.Context) error {
	found, err := w.find(ctx)
	if err != nil && found.FirstBad == nil { // with FirstBad the error is about some pushes only: the rest is known
		return err
	}
	// The history is newest first, so its first push is the one that failed.
	if err := w.offspring(ctx, found.Start, found.History[0].Jobs); err != nil {
		return err
	}
	if found.NeverGood {
		return neverGreen(w.r.Ask, len(found.History)-1)
	}
	w.found(found)
	w.change(func(b *Backfill) {
		b.Plan = found.Plan
		b.planned()
		if err != nil {
			b.Warnings = append(b.Warnings, job.Visible(err.Error()))
		}
		b.describe()
	})
	return nil
}

// offspring refuses a failure whose runs mozci or another robot triggered: acting on these would
// let backfills start backfills without end. Runs of the ledger whose ids are not known yet
// (unnamed) count as such runs, up to their number. Of 3 failed runs with one known id and 1
// unnamed run, at least one is nobody's: the backfill is allowed. Of 2 failed runs both can be
// ours, and it is refused.
func (w *work) offspring(ctx context.Context, p job.Push, jobs []job.Job) error {
	entries, err := w.s.o.Ledger.Entries(ctx, ledger.ForPush(p, w.r.Ask.Label))
	if err != nil {
		return err
	}
	known, unnamed := map[string]bool{}, 0
	for _, e := range entries {
		if !e.State.Made() {
			continue
		}
		if len(e.Receipt.IDs) == 0 {
			unnamed += e.Count
		}
		for _, id := range e.Receipt.IDs {
			known[id] = true
		}
	}
	failed, own := 0, 0
	for _, j := range jobs {
		if v, err := w.judge(ctx, j); err != nil || v != analysis.Bad {
			continue
		}
		failed++
		if known[j.ID()] || w.robots(ctx, j) {
			own++
		}
	}
	if failed == 0 || failed > own+unnamed {
		return nil
	}
	return &Refusal{Offspring, fmt.Sprintf("The failing run on %s was triggered by a backfill. Start from the "+
		"job that failed first.", name(p.Ref())), nil}
}

// robots reports whether the CI says that a backfill requested the run. An answer that cannot be
// read counts as no: a person's request must not be refused because the CI does not name its
// callers.
func (w *work) robots(ctx context.Context, j job.Job) bool {
	by, err := job.RequesterOf(ctx, w.place.CI, j)
	return err == nil && (by == "backfill" || by == "mozci")
}

// found writes the result of Find into the backfill.
func (w *work) found(f backfill.FindResult) {
	var rows []Row
	for _, s := range slices.Concat(f.History, f.Beyond) {
		row := w.row(s.Push, s.Label, s.Jobs, s.Runs.Running)
		if s.Verdict == analysis.Untestable {
			row.Untestable = Text("it cannot run on this push")
			if s.Err != nil {
				row.Untestable = Text(job.Visible(s.Err.Error()))
			}
		}
		rows = append(rows, row)
	}
	w.change(func(b *Backfill) {
		start := f.Start.Ref()
		b.Start, b.LastGood, b.FirstBad, b.Flaky = &start, nil, nil, f.Flaky
		if f.LastGood != nil {
			ref := f.LastGood.Ref()
			b.LastGood = &ref
		}
		if f.FirstBad != nil {
			ref := f.FirstBad.Ref()
			b.FirstBad = &ref
		}
		b.Warnings = append([]string{}, f.Warnings...)
		b.setRows(append(rows, b.beyond(rows)...))
		for _, l := range f.Plan.LeftOut {
			if l.Untestable {
				b.untestable(l.Push.Ref(), l.Why)
			}
		}
		for _, m := range f.Merges {
			b.Warnings = append(b.Warnings, merged(m))
		}
		// The last of the history is the oldest push.
		if w.place.RangePage != nil && len(f.History) > 0 {
			b.Links.Range = Text(w.place.RangePage(f.History[len(f.History)-1].Push, f.Start))
		}
	})
}

// fill triggers what is missing, waits for it, and writes what it showed.
func (w *work) fill(ctx context.Context) error {
	done, err := w.ask(ctx)
	if err != nil {
		return err
	}
	if err := w.watch(ctx, done); err != nil {
		return err
	}
	return w.conclude(ctx)
}

// ask triggers the steps of the plan. When a service does not answer it waits and tries again, at
// most 5 times; the ledger keeps it from triggering a step twice. With the default Retry the pauses
// are 30 s, 1, 2 and 4 minutes. Apart from the end of ctx it returns an error only when no step was
// triggered; otherwise the backfill goes on with those that were.
func (w *work) ask(ctx context.Context) (trigger.Plan, error) {
	const tries = 5
	for n, wait := 1, w.s.o.Retry; ; n, wait = n+1, 2*wait {
		done, err := trigger.Run(ctx, w.ci, w.r.Plan, &trigger.RunOptions{
			Ledger: w.s.o.Ledger, Who: who(w.r.ID), Purpose: who(w.r.ID), Poll: w.s.o.Poll, Logger: w.s.log,
			OnStep: func(st trigger.Step) { w.step(ctx, st) },
		})
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		unanswered, asked := false, 0
		for _, st := range done.Steps {
			unanswered = unanswered || errors.Is(st.Err, job.ErrUnavailable)
			if st.Receipt != nil {
				asked++
			}
		}
		// The caller may not trigger anything: that does not change within minutes.
		if errors.Is(err, job.ErrDenied) && asked == 0 {
			return done, err
		}
		if !unanswered || n == tries {
			if asked == 0 && w.r.Plan.Total() > 0 && err != nil {
				return done, err
			}
			return done, nil
		}
		if err := pause.For(ctx, wait); err != nil {
			return done, err
		}
	}
}

// watch waits until the triggered runs have ended. A run that the CI coalesced or that
// infrastructure ended is triggered again.
func (w *work) watch(ctx context.Context, done trigger.Plan) error {
	var wanted []monitor.Expectation
	var keys []string
	steps := done
	// A step without a receipt failed, so there is nothing to wait for.
	steps.Steps = slices.DeleteFunc(slices.Clone(done.Steps), func(st trigger.Step) bool { return st.Receipt == nil })
	for _, e := range monitor.OfPlan(steps) {
		// "backfill b4k2… autoland 1234 test-linux64/opt-xpcshell-1"; drop looks for the part
		// before the repository.
		e.Key = fmt.Sprintf("%s %s %d %s", who(w.r.ID), e.Push.Repo, e.Push.ID, e.Label)
		e.Test = string(w.r.Ask.Test)
		wanted, keys = append(wanted, e), append(keys, e.Key)
	}
	if len(wanted) == 0 {
		return nil
	}
	m := monitor.New(hearing(w.ci, wanted), w.place.Repositories, w.s.o.Monitor, &monitor.Options{
		Ledger: w.s.o.Ledger, Budgets: w.s.o.Budgets, Who: who(w.r.ID), UntilDone: true, Only: keys, Logger: w.s.log,
		Width: 3, // hundreds of backfills may watch at the same time
		// A failure is an answer here, not a reason to run the job again.
		Policy: monitor.Policy{Retriggers: -1, MostRetriggers: -1, Poll: w.s.o.Poll},
		Judge:  func(monitor.Expectation) analysis.Judge { return w.judge },
		OnChange: func(changes []monitor.Change) {
			w.saw(ctx, changes)
		},
	})
	for _, e := range wanted {
		if _, err := m.Expect(ctx, e); err != nil {
			return err
		}
	}
	return m.Run(ctx)
}

// drop removes the expectations of a cancelled backfill from the monitor, in whose store they would
// stay open otherwise. The space after the id keeps backfill b1 from matching those of b12.
func (w *work) drop(ctx context.Context) {
	all, err := w.s.o.Monitor.Expectations(ctx)
	var keys []string
	for _, e := range all {
		if e.Open() && strings.HasPrefix(e.Key, who(w.r.ID)+" ") {
			keys = append(keys, e.Key)
		}
	}
	if err != nil || len(keys) == 0 {
		return
	}
	held, err := w.s.o.Monitor.Claim(ctx, w.s.holder, time.Minute, len(keys), keys...)
	for _, c := range held {
		now := c.Progress.Added
		if at, err := w.s.o.Monitor.Now(ctx); err == nil {
			now = at
		}
		c.Progress.Outcome, c.Progress.Note, c.Progress.Ended = monitor.Cancelled, "its backfill was cancelled", now
		if err = w.s.o.Monitor.Save(ctx, c, 0); err == nil {
			err = w.s.o.Monitor.Announced(ctx, c)
		}
	}
	if err != nil {
		w.s.log.Warn("the expectations of a cancelled backfill could not be removed", "backfill", w.r.ID, "error", err)
	}
}

// saw writes the monitor's changes into the rows and the log.
func (w *work) saw(ctx context.Context, changes []monitor.Change) {
	// fresh are the pushes that were read again for these changes, each once. known says of a run,
	// by its id, whether it had ended already.
	fresh, known := map[job.PushKey]bool{}, map[string]bool{}
	w.mu.Lock()
	for _, row := range w.r.Rows {
		for _, r := range row.Runs { // runs that had ended before are not news
			known[string(r.ID)] = r.ID != "" && r.Result != Queued && r.Result != UnderWay
		}
	}
	w.mu.Unlock()
	for _, c := range changes {
		if !fresh[c.Push.Key()] {
			fresh[c.Push.Key()] = true
			w.refresh(ctx, c.Push)
		}
		switch {
		case c.Action != "":
			w.note(ctx, Entry{
				Kind: "triggered", Text: "Triggered " + runs(c.Count) + " on " + name(c.Push.Ref()) + ".",
				Why: Text(full(c.Why)),
			})
		case c.Status != 0 && !c.Status.Waiting() && !known[c.ID]:
			w.note(ctx, w.ended(c.Push, c.Label, c.ID, c.Status, c.Took))
		}
	}
	if w.unnamed() {
		w.recall(ctx)
	}
	w.trySave(ctx)
}

// refresh reads the runs of one push again. The label is that of the row, as a test may run in
// another chunk there.
func (w *work) refresh(ctx context.Context, p job.Push) {
	label := w.r.Ask.Label
	w.mu.Lock()
	for _, row := range w.r.Rows {
		if row.Push.Repo == p.Repo && row.Push.ID == p.ID && row.Label != "" {
			label = row.Label
		}
	}
	w.mu.Unlock()
	jobs, err := w.place.CI.Jobs(ctx, p, label)
	if err != nil {
		return // the next change reads it again, or the end does
	}
	for _, j := range jobs {
		_, _ = w.judge(ctx, j)
	}
	row := w.row(p, label, jobs, 0)
	w.change(func(b *Backfill) { b.setRow(row) })
}

// conclude reads the range once more, and writes what the runs showed. A search that triggers
// nothing computes the probabilities and failure rates from what ran. In its options -1 means: no
// maximum of runs, never a longer range, no newer pushes.
func (w *work) conclude(ctx context.Context) error {
	found, err := w.find(ctx)
	if err != nil && found.FirstBad == nil {
		return err
	}
	w.found(found)
	a := w.r.Ask
	const before = 5 // good pushes from which the failure rate is estimated; each costs requests
	weighed, err := backfill.Search(ctx, w.place.Repo, w.ci, a.Label, a.Revision, &backfill.SearchOptions{
		MaxRevisions: a.Most, Judge: w.judge, Test: string(a.Test), Ledger: w.s.o.Ledger, DryRun: true, MaxRuns: -1,
		Extend: -1, History: before, Newer: -1, Logger: w.s.log,
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil || len(weighed.Pushes) > 0 {
		w.weighed(ctx, weighed)
	}
	return w.finish(ctx, w.decide(found, weighed))
}

// decide says whether the pushes that were filled leave one that can have broken the job.
func (w *work) decide(found backfill.FindResult, weighed backfill.SearchResult) State {
	suspects := found.Suspects()
	// The job is flaky, and failed as often before: no push broke it.
	if weighed.Outcome == culprit.NotARegression && found.Flaky {
		w.change(func(b *Backfill) { b.Outcome = Text(culprit.NotARegression) })
		return Done
	}
	if found.LastGood == nil || found.FirstBad == nil || len(suspects) != 1 {
		w.change(func(b *Backfill) { b.Outcome, b.Culprit = "undecided", nil })
		return Undecided
	}
	// A fill tests its pushes in order, so it has an answer only when the last good and the first
	// bad push are neighbours.
	w.change(func(b *Backfill) {
		p := 0.0
		for _, row := range b.Rows {
			if row.Push.ID == suspects[0].ID && row.Push.Repo == suspects[0].Repo {
				p = row.Probability
			}
		}
		b.Outcome, b.Culprit = "culprit", &Culprit{suspects[0].Ref(), p}
	})
	return Done
}
