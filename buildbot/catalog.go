package buildbot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// Catalog implements job.Cataloger: the builders that a force scheduler of the
// branch has, and those whose builds on the push can be built again. The others
// that build the branch are there too, barred with the reason. A push of which nothing
// can run, and no reason is known, gives [job.ErrNotScheduled].
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
			return job.OfLabels(out, labels...), nil // each says why
		}
	}
	if err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	return job.OfLabels(out, labels...), nil
}

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
			continue // retired: nothing builds it
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
			out[i].Barred += ", and it has no build here that could be built again"
		}
	}
	return out, nil
}

// rebuildable are the builders that have a build on the push. Once some histories
// are read, only those are looked at: for the others, asking for a run tells.
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
