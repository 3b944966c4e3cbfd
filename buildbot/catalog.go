package buildbot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// Catalog implements job.Cataloger. A builder can run on a push when a force scheduler for the
// branch has it, or when it has a build on the push that can be rebuilt. All other builders
// are in the catalog as well, with the reason in Barred. When the master has no builders at
// all, the error is [job.ErrNotScheduled].
func (p *Project) Catalog(ctx context.Context, push job.Push, labels ...string) ([]job.Runnable, error) {
	const op = "buildbot.catalog"
	if !push.Testable() {
		return nil, job.Wrap(op, push.String(), job.ErrNotScheduled)
	}
	out, err := bounded(ctx, p.c, op, push.String(), func(ctx context.Context) ([]job.Runnable, error) {
		return p.catalog(ctx, push)
	})
	if err == nil && !slices.ContainsFunc(out, func(e job.Runnable) bool { return e.Barred == "" }) {
		err = job.ErrNotScheduled
		if len(out) > 0 {
			return job.OfLabels(out, labels...), nil // nothing can run, but each entry says why
		}
	}
	if err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	return job.OfLabels(out, labels...), nil
}

// catalog is Catalog without the deadline. An entry is barred by what choose says, such as: no
// form of builder "x" is for branch main: f is fixed to branch beta. Builders without a form are
// looked at together, since for them the runs on the push decide.
func (p *Project) catalog(ctx context.Context, push job.Push) ([]job.Runnable, error) {
	l, err := p.lineOf(ctx, push.Repo)
	if err != nil && l.repo == "" {
		return nil, err
	}
	forms, err := p.c.forceSchedulers(ctx)
	if err != nil {
		return nil, err
	}
	builders, err := p.c.allBuilders(ctx)
	if err != nil {
		return nil, err
	}
	var out []job.Runnable
	var formless []Builder
	why := map[string]error{}
	for _, b := range builders {
		if len(b.Masters) == 0 && !virtual(b) {
			continue // a retired builder: no worker builds it
		}
		out = append(out, job.Runnable{Label: b.Name, Kind: p.o.Kind(b)})
		if _, err := p.choose(forms, l, b); err != nil {
			why[b.Name] = err
			var none *noForm
			if errors.As(err, &none) {
				formless = append(formless, b)
			}
		}
	}
	built, err := p.rebuildable(ctx, push, formless)
	if err != nil {
		return nil, err
	}
	for i, e := range out {
		err := why[e.Label]
		if err == nil || built[e.Label] {
			continue
		}
		out[i].Barred = strings.TrimPrefix(err.Error(), job.ErrInvalid.Error()+": ")
		var none *noForm
		if errors.As(err, &none) {
			out[i].Barred += ", and it has no build on this push that could be rebuilt"
		}
	}
	return out, nil
}

// rebuildable tells which of the builders have a build on the push. Reading the history of
// every builder would be slow. So once some histories have been read, it looks at those only,
// and calls the other builders rebuildable; Trigger finds out whether they are.
func (p *Project) rebuildable(ctx context.Context, push job.Push, builders []Builder) (map[string]bool, error) {
	out := map[string]bool{}
	var names []string
	some := p.histories.Len() > 0
	for _, b := range builders {
		if _, read := p.histories.Get(b.ID); read || len(builders) == 1 {
			names = append(names, b.Name)
		} else {
			out[b.Name] = some
		}
	}
	if len(builders) == 0 || some && len(names) == 0 {
		return out, nil
	}
	jobs, err := p.Jobs(ctx, push, names...)
	if err != nil && !errors.Is(err, job.ErrUnknownWord) {
		return nil, err
	}
	for _, j := range jobs {
		if j.Raw().(Record).Build != nil {
			out[j.Name()] = true
		}
	}
	return out, nil
}
