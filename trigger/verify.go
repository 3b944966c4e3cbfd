package trigger

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/job"
)

// Verify tells whether a plan that was saved, and may have been edited, fits
// the repository and the CI that it is to be carried out on: its steps make
// sense, its pushes are that repository's, with these ids and revisions, and
// its labels can run there, where the CI has a catalog. It returns every
// mismatch, joined, and asks for nothing.
func Verify(ctx context.Context, repo job.Repository, ci job.Scheduler, plan Plan) error {
	var errs []error
	catalogs := map[int64][]job.Entry{}
	for i, s := range plan.Steps {
		if s.Action == Nothing {
			continue
		}
		err := s.check()
		if err == nil {
			err = verify(ctx, repo, ci, s, catalogs)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("step %d: %w", i+1, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return job.Wrap("trigger.verify", repo.Name(), errors.Join(errs...))
}

// verify checks one step; catalogs of pushes that were read are kept in known.
func verify(ctx context.Context, repo job.Repository, ci job.Scheduler, s Step, known map[int64][]job.Entry) error {
	if s.Push.Repo != repo.Name() {
		return fmt.Errorf("%w: push %s is not of %s", job.ErrInvalid, s.Push, repo.Name())
	}
	catalog, ok := known[s.Push.ID]
	if !ok {
		p, err := repo.Push(ctx, s.Push.Revision)
		switch {
		case errors.Is(err, job.ErrNotFound):
			return fmt.Errorf("%w: %s has no push with %s", job.ErrInvalid, repo.Name(), s.Push.Short())
		case err != nil:
			return err
		case p.ID != s.Push.ID || p.Revision != s.Push.Revision:
			return fmt.Errorf("%w: push %s is not %s", job.ErrInvalid, s.Push, p)
		}
		catalog, err = job.Catalog(ctx, ci, p)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		known[s.Push.ID] = catalog
	}
	if catalog == nil {
		return nil
	}
	for _, label := range append([]string{s.Label}, s.Builds...) {
		if _, err := Lookup(catalog, label); err != nil {
			return err
		}
	}
	return nil
}

// Cancel stops the runs that a plan asked for, as the ledger knows them. It
// returns the ids that were cancelled, and the steps whose runs it does not
// know, with the reason. Runs that have ended are no error.
func Cancel(ctx context.Context, ci job.Scheduler, l Ledger, plan Plan) (ids []string, left []LeftOut, err error) {
	var errs []error
	for _, s := range plan.Steps {
		if s.Action == Nothing {
			continue
		}
		out := func(why string) {
			left = append(left, LeftOut{Label: s.Label, Push: s.Push, Count: s.Count, Why: why})
		}
		entries, err := l.Entries(ctx, Query{Key: s.Key})
		switch {
		case err != nil:
			return ids, left, err
		case len(entries) == 0:
			out("the ledger does not know that it was asked for")
			continue
		case len(entries[0].Receipt.IDs) == 0:
			out("the CI did not say which runs it made")
			continue
		}
		for _, id := range entries[0].Receipt.IDs {
			if err := job.Cancel(ctx, ci, id); err != nil {
				errs = append(errs, err)
				continue
			}
			ids = append(ids, id)
		}
	}
	return ids, left, errors.Join(errs...)
}
