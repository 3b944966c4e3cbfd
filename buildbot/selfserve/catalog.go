package selfserve

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/mozci/mozci/job"
)

// Catalog implements job.Cataloger. A test needs the builds that
// allthethings.json, or its name, says. A branch without builders gives
// [job.ErrNotScheduled].
func (p *Project) Catalog(ctx context.Context, push job.Push, labels ...string) ([]job.Runnable, error) {
	return bounded(ctx, p.c, "selfserve.catalog", push.String(), func(ctx context.Context) ([]job.Runnable, error) {
		return p.catalog(ctx, push, labels)
	})
}

func (p *Project) catalog(ctx context.Context, push job.Push, labels []string) ([]job.Runnable, error) {
	if !push.Testable() {
		return nil, job.ErrNotScheduled
	}
	var names []string
	if p.c.all != nil {
		names = p.c.all.Builders(p.repo)
	} else {
		var err error
		if names, err = p.c.builders(ctx, p.repo); err != nil {
			return nil, err
		}
	}
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	var out []job.Runnable
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if n, err := ParseName(name); err == nil && p.c.all == nil && n.Repo != p.repo {
			continue // its name only has the branch's in it
		}
		up, err := p.upstream(name)
		if err != nil {
			p.c.log.WarnContext(ctx, "what this builder needs is not known", "error", err)
		}
		// Of two namings only one is in use.
		some := slices.DeleteFunc(slices.Clone(up), func(u string) bool { return !known[u] })
		if len(some) == 0 && len(up) > 0 {
			some = up[:1]
		}
		out = append(out, job.Runnable{Label: name, Kind: kindOf(name), Upstreams: some, Parts: p.parts(name)})
	}
	job.FillPlatforms(out)
	if len(out) == 0 {
		return nil, job.ErrNotScheduled
	}
	return job.OfLabels(out, labels...), nil
}

// parts are what a builder is made of.
func (p *Project) parts(builder string) job.Parts {
	if p.c.all != nil {
		return p.c.all.Parts(builder)
	}
	return partsOf(builder)
}

// upstream are the builds that a builder needs. A name that does not say so gives
// [job.ErrUnknownWord].
func (p *Project) upstream(builder string) ([]string, error) {
	if p.c.all != nil {
		return p.c.all.Upstream(builder), nil
	}
	return Upstream(builder)
}

// exists refuses builders that allthethings.json, or a name's form, does not
// know: self-serve accepts any and runs none.
func (p *Project) exists(label string) error {
	if p.c.all != nil {
		if !slices.Contains(p.c.all.Builders(p.repo), label) {
			return fmt.Errorf("%w: allthethings.json has no such builder of %s", job.ErrNotFound, p.repo)
		}
		return nil
	}
	n, err := ParseName(label)
	if err != nil {
		return fmt.Errorf("%w: %w", job.ErrNotFound, err)
	}
	if n.Repo != p.repo {
		return fmt.Errorf("%w: the builder is of %s, not of %s", job.ErrNotFound, n.Repo, p.repo)
	}
	return nil
}
