package buildbot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// Catalog implements job.Cataloger: the builders that a force scheduler of the
// branch has, and those whose builds on the push can be built again. The others
// that build the branch are there too, barred with the reason.
func (p *Project) Catalog(ctx context.Context, push job.Push) ([]job.Entry, error) {
	const op = "buildbot.catalog"
	if !push.Testable() {
		return nil, job.Wrap(op, push.String(), job.ErrNotScheduled)
	}
	out, err := p.catalog(ctx, push)
	if err == nil && !slices.ContainsFunc(out, func(e job.Entry) bool { return e.Barred == "" }) {
		err = job.ErrNotScheduled
		if len(out) > 0 {
			return out, nil // each says why
		}
	}
	if err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	return out, nil
}

func (p *Project) catalog(ctx context.Context, push job.Push) ([]job.Entry, error) {
	l, err := p.lineOf(ctx, push.Repo)
	if err != nil && l.repo == "" {
		return nil, err
	}
	forms, err := p.c.ForceSchedulers(ctx)
	if err != nil {
		return nil, err
	}
	builders, err := p.c.Builders(ctx)
	if err != nil {
		return nil, err
	}
	var out []job.Entry
	var rest []Builder
	for _, b := range builders {
		if len(b.Masters) == 0 && !virtual(b) {
			continue // retired: nothing builds it
		}
		if _, err := p.choose(forms, l, b); err == nil {
			out = append(out, job.Entry{Label: b.Name, Kind: p.o.Kind(b)})
		} else {
			rest = append(rest, b)
		}
	}
	if len(rest) == 0 {
		return out, nil
	}
	built, err := p.rebuildable(ctx, push, rest)
	if err != nil {
		return nil, err
	}
	for _, b := range rest {
		e := job.Entry{Label: b.Name, Kind: p.o.Kind(b)}
		if !built[b.Name] {
			_, why := p.choose(forms, l, b)
			e.Barred = fmt.Sprintf("%v, and it has no build here that could be built again", errors.Unwrap(why))
		}
		out = append(out, e)
	}
	return out, nil
}

// rebuildable are the builders that have a build on the push. Of many builders only
// those are looked at whose histories are read anyway, once there are some: for the
// others, asking for a run tells.
func (p *Project) rebuildable(ctx context.Context, push job.Push, builders []Builder) (map[string]bool, error) {
	out := map[string]bool{}
	var names []string
	p.mu.Lock()
	all := len(builders) <= fewLabels || len(p.histories) == 0
	for _, b := range builders {
		if _, read := p.histories[b.ID]; all || read {
			names = append(names, b.Name)
		} else {
			out[b.Name] = true
		}
	}
	p.mu.Unlock()
	if len(names) == 0 {
		return out, nil
	}
	jobs, err := p.Jobs(ctx, push, names...)
	if err != nil && !errors.Is(err, job.ErrUnknownWord) {
		return nil, err
	}
	for _, j := range jobs {
		if j.Raw().(Run).Build != nil {
			out[j.Name()] = true
		}
	}
	return out, nil
}
