package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// Verify checks whether a plan that was saved, and may have been edited, fits the
// repository and the CI: its steps make sense, its pushes belong to that repository with
// these IDs and revisions, and its labels can run there, where the CI has a catalog. It
// returns every mismatch, joined, and triggers nothing. Pushes that the repository does
// not have are one mismatch, however many steps have them.
func Verify(ctx context.Context, repo job.Repository, ci job.Scheduler, plan Plan) error {
	var errs []error
	var elsewhere *foreignError // one for all steps of which it is true
	catalogs := map[string][]job.Runnable{}
	for i, s := range plan.Steps {
		if s.Action == ActionNothing {
			continue
		}
		err := s.check()
		if err == nil {
			err = verify(ctx, repo, ci, s, catalogs)
		}
		switch foreign := (*foreignError)(nil); {
		case errors.As(err, &foreign) && elsewhere != nil:
			elsewhere.more++
		case errors.As(err, &foreign):
			foreign.step, elsewhere = i+1, foreign
			errs = append(errs, foreign)
		case err != nil:
			errs = append(errs, fmt.Errorf("step %d: %w", i+1, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return job.Wrap("trigger.verify", repo.Name(), errors.Join(errs...))
}

// foreignError says that steps are for pushes that the repository does not have. Most
// often that is true of the whole plan, so the first such step stands for all.
type foreignError struct {
	what string // about the first such step
	step int    // which one that is, from 1
	more int    // how many others there are
}

func (e *foreignError) Error() string {
	others := ""
	if e.more > 0 {
		others = fmt.Sprintf(" and %d more", e.more)
	}
	return fmt.Sprintf("%v: step %d%s: %s: is this plan for another repository or World?", job.ErrInvalid, e.step,
		others, e.what)
}

func (e *foreignError) Unwrap() error { return job.ErrInvalid }

// verify checks one step. known keeps the catalogs that were read, by push and labels.
func verify(ctx context.Context, repo job.Repository, ci job.Scheduler, s Step, known map[string][]job.Runnable) error {
	if s.Push.Repo != repo.Name() {
		return &foreignError{what: fmt.Sprintf("push %s is not a push of %s", s.Push, repo.Name())}
	}
	labels := append([]string{s.Label}, s.Builds...)
	// Steps of one label on one push share the answer.
	at := fmt.Sprint(s.Push.ID, " ", labels)
	catalog, ok := known[at]
	if !ok {
		p, err := repo.Push(ctx, s.Push.Revision)
		switch {
		case errors.Is(err, job.ErrNotFound):
			return &foreignError{what: fmt.Sprintf("%s has no push with revision %s", repo.Name(), s.Push.Short())}
		case err != nil:
			return err
		case p.ID != s.Push.ID || p.Revision != s.Push.Revision:
			return fmt.Errorf("%w: the plan says push %s, the repository %s", job.ErrInvalid, s.Push, p)
		}
		catalog, err = job.Catalog(ctx, ci, p, labels...)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return err
		}
		known[at] = catalog
	}
	for _, label := range labels {
		if _, err := job.Lookup(catalog, label); err != nil {
			return near(ctx, ci, s.Push, err)
		}
	}
	return nil
}

// near returns the error for a label that a push does not offer, with the closest labels
// that it does offer.
func near(ctx context.Context, ci job.Scheduler, p job.Push, unknown error) error {
	var missing *job.UnknownLabelError
	if !errors.As(unknown, &missing) {
		return unknown
	}
	all, err := job.Catalog(ctx, ci, p)
	if err != nil {
		return unknown
	}
	_, err = job.Lookup(all, missing.Label)
	return err
}

// Cancel stops the runs that a plan triggered, as the ledger knows them: those that the
// CI named at once, those that one of its own jobs has made since, and that job itself if
// it is still under way. It returns the IDs of what it cancelled, and the steps whose
// runs it does not know, with the reason. Runs that have ended are no error.
func Cancel(
	ctx context.Context, ci job.Scheduler, l ledger.Ledger, plan Plan,
) (ids []string, left []LeftOut, err error) {
	var errs []error
	for _, s := range plan.Steps {
		if s.Action == ActionNothing || s.With != "" {
			continue
		}
		out := func(why string) {
			left = append(left, LeftOut{Label: s.Label, Push: s.Push, Count: s.Count, Why: why, Reason: "not known"})
		}
		entries, err := l.Entries(ctx, ledger.Query{Key: s.Key})
		switch {
		case err != nil:
			return ids, left, err
		case len(entries) == 0:
			out("the ledger does not know that it was triggered")
			continue
		}
		stopped, why, err := Withdraw(ctx, ci, s.Push, entries[0].Receipt)
		ids = append(ids, stopped...)
		if err != nil {
			errs = append(errs, err)
		}
		if why != "" {
			out(why)
		}
	}
	return ids, left, errors.Join(errs...)
}

// Withdraw stops what came of one request, by its receipt in the ledger: its runs, and
// the CI's own job that will make them, if that is still under way. It returns the IDs of
// what it stopped, or why there is nothing it could stop. Runs that have ended are no
// error. If others had already triggered the same, so that the CI made no runs for this
// request, their runs are left alone.
func Withdraw(ctx context.Context, ci job.Scheduler, p job.Push, r job.Receipt) (ids []string, why string, err error) {
	if r.Others() {
		return nil, "somebody else had triggered them already, so they are left alone", nil
	}
	if r.By == "" && len(r.IDs) == 0 {
		return nil, "the CI did not say which runs it made", nil
	}
	stop := r.IDs
	if r.By != "" {
		made, err := job.OutcomeOf(ctx, ci, p, "", r)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, "", err
		}
		if !made.Done { // first, so that it makes no more runs
			if err := job.Cancel(ctx, ci, r.By); err != nil {
				return nil, "", err
			}
			ids = append(ids, r.By)
			if made, err = job.OutcomeOf(ctx, ci, p, "", r); err != nil {
				return ids, "", err
			}
		}
		// It ended without making any run.
		if made.Why != "" && len(made.IDs) == 0 && len(ids) == 0 {
			return nil, made.Why, nil
		}
		stop = append(slices.Clone(stop), made.IDs...)
	}
	ended := map[string]bool{}
	if jobs, err := ci.Jobs(ctx, p); err == nil { // if unread, the result may also list runs that had ended
		for _, j := range jobs {
			ended[j.ID()] = !j.Status().Waiting()
		}
	}
	var errs []error
	for _, id := range stop {
		if err := job.Cancel(ctx, ci, id); err != nil {
			errs = append(errs, err)
		} else if !ended[id] {
			ids = append(ids, id)
		}
	}
	return ids, "", errors.Join(errs...)
}
