package backfill

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// Followed is what Find saw of the label on the pushes that a merge brought in.
type Followed struct {
	Through  job.Push   // the merge push, a suspect
	Repo     string     // where the merged pushes come from
	Gone     bool       // that repository no longer exists, or is not known here: the rest is empty
	LastGood *job.Push  // the newest good one; nil when none is known to be good
	FirstBad *job.Push  // the oldest bad one since then; nil when none is known to be bad
	Missing  []job.Push // not run there since the last good one
	History  []Sighting // newest first, down to the last good push
}

// follower walks from suspected pushes to the pushes that they merged. seen holds the
// origins that it has been to, so that repositories which merge each other are not walked
// in circles.
type follower struct {
	f    *finder
	res  *FindResult
	seen map[string]bool
}

// follow looks at what the suspects merged from other repositories, and at what those
// merged in turn.
func (f *finder) follow(ctx context.Context, repo job.Repository, res *FindResult) error {
	w := &follower{f, res, map[string]bool{}}
	return w.through(ctx, repo, res.Suspects())
}

// through follows the merges among some suspects of one repository.
func (w *follower) through(ctx context.Context, repo job.Repository, suspects []job.Push) error {
	for o, err := range originsOf(ctx, repo, suspects, w.seen) {
		if err != nil {
			return err
		}
		if err := w.origin(ctx, o.through, o.Origin); err != nil {
			return err
		}
	}
	return nil
}

// origin looks at the pushes of one origin, newest first, plans what is missing there,
// and follows its suspects.
func (w *follower) origin(ctx context.Context, through job.Push, o job.Origin) error {
	d := Followed{Through: through, Repo: o.Repo, Gone: o.Gone}
	if o.Gone {
		w.res.Warnings = append(w.res.Warnings,
			fmt.Sprintf("push %s merged %.12s of %s, a repository that is gone or cannot be read here: nothing is "+
				"known about the merged pushes", through, o.Head, o.Repo))
		w.res.Merges = append(w.res.Merges, d)
		return nil
	}
	pushes := o.Pushes
	if o.Before != nil { // the oldest merged push may itself be the first bad one
		pushes = append([]job.Push{*o.Before}, pushes...)
	}
	for r := range w.f.inOrder(ctx, pushes, w.f.look) {
		s := w.f.sighting(r)
		if s.Err != nil {
			w.res.Warnings = append(w.res.Warnings, fmt.Sprintf("push %s could not be read: %v", s.Push, s.Err))
		}
		w.f.known[s.Push.Key()] = r.Value.jobs
		if w.f.opts.Observe != nil {
			w.f.opts.Observe(s)
		}
		d.add(s)
		if d.LastGood != nil {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.res.Merges = append(w.res.Merges, d)
	if err := w.plan(ctx, &w.res.Merges[len(w.res.Merges)-1]); err != nil {
		return err
	}
	if w.f.opts.Repositories == nil {
		return nil
	}
	repo, err := w.f.opts.Repositories(o.Repo)
	if err != nil {
		return err
	}
	return w.through(ctx, repo, d.suspects())
}

// add takes in the next older push. FirstBad moves back with each bad push, and so ends
// as the oldest.
func (d *Followed) add(s Sighting) {
	d.History = append(d.History, s)
	switch s.Verdict {
	case analysis.Good:
		d.LastGood = &s.Push
	case analysis.Bad:
		d.FirstBad = &s.Push
	case analysis.NotRun:
		d.Missing = append(d.Missing, s.Push)
	}
}

// suspects returns the pushes after the last good one, up to and with the first bad one.
func (d *Followed) suspects() []job.Push {
	var out []job.Push
	for _, s := range d.History {
		if (d.LastGood == nil || s.Push.Compare(*d.LastGood) > 0) &&
			(d.FirstBad == nil || s.Push.Compare(*d.FirstBad) <= 0) {
			out = append(out, s.Push)
		}
	}
	return out
}

// plan adds what is missing on the pushes of an origin to the plan of the result. Labels
// are compared by name: a label that the other repository does not offer is left out,
// with a warning. All repositories share the budget of the call.
func (w *follower) plan(ctx context.Context, d *Followed) error {
	var pushes []job.Push
	for _, s := range d.History {
		// A good or bad push is settled; everything else may lack runs.
		if s.Err == nil && s.Verdict != analysis.Bad && s.Verdict != analysis.Good {
			pushes = append(pushes, s.Push)
		}
	}
	if len(pushes) == 0 || w.f.off {
		return nil
	}
	opts := w.f.planOptions(fmt.Sprintf("came to %s with push %d", d.Through.Repo, d.Through.ID))
	opts.Budgets.Call = remaining(w.f.opts.Budgets.Call, w.res.Plan.Total())
	made, err := trigger.Make(ctx, w.f.ci, pushes, []string{w.f.label}, w.f.opts.Times, opts)
	var unknown *job.UnknownLabelError
	if errors.As(err, &unknown) {
		err = nil
		w.res.Warnings = append(w.res.Warnings,
			fmt.Sprintf("%s cannot run on %s: pushes merged from there cannot be compared", w.f.label, d.Repo))
	}
	w.res.Plan.Steps = append(w.res.Plan.Steps, made.Steps...)
	w.res.Plan.LeftOut = append(w.res.Plan.LeftOut, made.LeftOut...)
	return err
}

// remaining returns what is left of the budget of the call after some runs: nil means the default,
// and a negative budget has no limit and stays as it is. Of 10, after 4 runs 6 are left, and after
// 12 none.
func remaining(budget *int, spent int) *int {
	left := trigger.DefaultCall
	if budget != nil {
		left = *budget
	}
	if left >= 0 {
		left = max(0, left-spent)
	}
	return &left
}
