package backfill

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// plan plans the runs that are missing since the last good push, on each push that is not bad
// already. Pushes that turn out to be untestable move to that list of the result. Of the history,
// which is newest first, index 0 is the start.
func (f *finder) plan(ctx context.Context, res *FindResult) error {
	var pushes []job.Push
	var bad []trigger.Step
	for i, s := range res.History {
		switch {
		// An unread push may hold anything, so it is neither good nor bad nor missing.
		case s.Err != nil:
			res.Plan.LeftOut = append(res.Plan.LeftOut, trigger.LeftOut{
				Label: s.Label, Push: s.Push, Count: f.opts.Times, Why: fmt.Sprintf("could not be read: %v", s.Err),
				Reason: "could not be read",
			})
		case res.notBorn(s.Push):
			res.Plan.LeftOut = append(res.Plan.LeftOut, trigger.LeftOut{
				Label: s.Label, Push: s.Push, Count: f.opts.Times, Untestable: true,
				Why: "not testable: " + res.subject + " did not exist yet", Reason: "did not exist yet",
			})
		case f.opts.Holes:
			pushes = append(pushes, s.Push)
		// The start and the last good push need no runs.
		case i == 0, res.LastGood != nil && s.Push.Compare(*res.LastGood) <= 0:
		case s.Verdict == analysis.Bad:
			bad = append(bad, trigger.Step{
				Label: s.Label, Push: s.Push, Action: trigger.ActionNothing, Times: f.opts.Times, Seen: s.Runs.Seen,
				Why: "known to be bad here (" + s.Runs.String() + ")",
			})
		case f.newer(res, s.Push):
			if lacks := f.opts.Times - s.Runs.Counted; lacks > 0 {
				res.Plan.LeftOut = append(res.Plan.LeftOut, trigger.LeftOut{
					Label: s.Label, Push: s.Push, Count: lacks, Untestable: s.Verdict == analysis.Untestable,
					Why:    fmt.Sprintf("newer than first bad %d, so it cannot have broken it", res.FirstBad.ID),
					Reason: "newer than first bad",
				})
			}
		default:
			pushes = append(pushes, s.Push)
		}
	}
	if why, reason, err := f.unattended(ctx, res); err != nil || why != "" {
		// follow must not trigger anything either.
		f.off = true
		res.Plan.Steps = bad
		f.leaveAlone(res, pushes, why, reason)
		return err
	}
	if len(pushes) == 0 {
		res.Plan.Steps = bad
		return nil
	}
	opts := f.planOptions("")
	opts.Priority, opts.Why = res.priority, func(p job.Push) string { return res.why(p, f.opts.Holes) }
	made, err := trigger.Make(ctx, f.ci, pushes, []string{f.label}, f.opts.Times, opts)
	made.LeftOut = append(made.LeftOut, res.Plan.LeftOut...)
	made.Steps = append(made.Steps, bad...)
	// Stable, so that a build stays in front of the step that waits for it.
	slices.SortStableFunc(made.Steps, func(a, b trigger.Step) int { return b.Push.Compare(a.Push) })
	res.Plan = made
	res.refile()
	var unknown *job.UnknownLabelError
	if errors.As(err, &unknown) {
		return nil // the label exists on the start, but on none of these pushes: they are untestable
	}
	return err
}

// newer reports whether a push is left out because it is newer than the first bad one.
func (f *finder) newer(res *FindResult, p job.Push) bool {
	return !f.opts.FillNewer && res.FirstBad != nil && p.Compare(*res.FirstBad) > 0
}

// planOptions returns the options of the caller for trigger.Make, with one reason for
// every push.
func (f *finder) planOptions(why string) *trigger.Options {
	opts, o := f.looker.planOptions(why), f.opts
	opts.Ledger, opts.Exceptions, opts.Budgets = o.Ledger, o.Exceptions, o.Budgets
	opts.Automatic, opts.ExistingOnly = o.Automatic, o.ExistingOnly
	if !f.lean { // else the builds were not read, and Make must read them
		opts.Known = func(p job.Push) ([]job.Job, bool) { jobs, ok := f.known[p.Key()]; return jobs, ok }
	}
	return opts
}

// unattended says why an unattended call must trigger nothing, in a sentence and in a few
// words; both are empty when it may.
func (f *finder) unattended(ctx context.Context, res *FindResult) (why, reason string, err error) {
	if !f.opts.Automatic {
		return "", "", nil
	}
	if res.NeverGood {
		return fmt.Sprintf("never good in the last %d pushes before %s: unattended backfill leaves it alone",
			len(res.History)-1, res.Start.Short()), "never good", nil
	}
	ours, err := trigger.Offspring(ctx, f.ci, f.opts.Ledger, res.Start,
		analysis.OfLabel(f.known[res.Start.Key()], f.label), f.label)
	if ours {
		return fmt.Sprintf("mozci triggered the runs on %s: unattended backfill does not act on its own runs",
			res.Start.Short()), "triggered by a backfill", err
	}
	return "", "", err
}

// leaveAlone makes the plan of a call that must trigger nothing: everything missing is left out.
// Runs that are under way are not missing. With Times 3 and 1 run that counts, 2 are left out.
func (f *finder) leaveAlone(res *FindResult, pushes []job.Push, why, reason string) {
	has := map[job.PushKey]int{}
	for _, s := range res.History {
		has[s.Push.Key()] = s.Runs.Counted
	}
	for _, p := range pushes {
		if has[p.Key()] >= f.opts.Times {
			continue
		}
		res.Plan.LeftOut = append(res.Plan.LeftOut,
			trigger.LeftOut{Label: f.label, Push: p, Count: f.opts.Times - has[p.Key()], Why: why, Reason: reason})
	}
}

// priority puts the pushes that can hold the culprit (1) before those that cannot (0).
func (r *FindResult) priority(p job.Push) int {
	if r.FirstBad != nil && p.Compare(*r.FirstBad) < 0 {
		return 1
	}
	return 0
}

// why says why runs are wanted on a push.
func (r *FindResult) why(p job.Push, holes bool) string {
	switch {
	case holes:
		return "a hole"
	case p.Compare(*r.FirstBad) > 0:
		return fmt.Sprintf("newer than first bad %d", r.FirstBad.ID)
	case r.LastGood == nil:
		return fmt.Sprintf("older than first bad %d; no good push is known", r.FirstBad.ID)
	}
	return fmt.Sprintf("between last good %d and first bad %d", r.LastGood.ID, r.FirstBad.ID)
}

// refile moves pushes that the plan found to be untestable from Missing to Untestable.
func (r *FindResult) refile() {
	for _, l := range r.Plan.LeftOut {
		same := func(p job.Push) bool { return p.ID == l.Push.ID }
		if !l.Untestable || slices.ContainsFunc(r.Untestable, same) {
			continue
		}
		if i := slices.IndexFunc(r.Missing, same); i >= 0 {
			r.Missing = slices.Delete(r.Missing, i, i+1)
			r.Untestable = append(r.Untestable, l.Push)
		}
	}
	slices.SortFunc(r.Untestable, func(a, b job.Push) int { return b.Compare(a) })
}
