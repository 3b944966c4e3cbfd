package selfserve

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/mozci/mozci/job"
)

// Catalog implements job.Cataloger: it lists the builders of the branch. The builds that a test
// needs come from allthethings.json (Options.Builders) or, without that, from the test's name.
// A branch without builders gives [job.ErrNotScheduled].
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
			continue // another branch's, whose name contains this one's
		}
		up, err := p.upstream(name)
		if err != nil {
			p.c.log.WarnContext(ctx, "cannot tell which build a builder needs", "error", err)
		}
		// A build may have an old and a new name, of which only one is in use.
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

// parts are what a builder is made of: its platform, type, suite and chunk.
func (p *Project) parts(builder string) job.Parts {
	if p.c.all != nil {
		return p.c.all.Parts(builder)
	}
	return partsOf(builder)
}

// upstream returns the builds that a builder needs. When only its name is known and does not
// tell, the error is [job.ErrUnknownWord].
func (p *Project) upstream(builder string) ([]string, error) {
	if p.c.all != nil {
		return p.c.all.Upstream(builder), nil
	}
	return Upstream(builder)
}

// exists refuses a builder that is not in allthethings.json or, without that file, whose name
// cannot be read or is of another branch. Self-serve would accept any name, and run nothing.
func (p *Project) exists(label string) error {
	if p.c.all != nil {
		if !slices.Contains(p.c.all.Builders(p.repo), label) {
			return fmt.Errorf("%w: allthethings.json has no such builder for %s", job.ErrNotFound, p.repo)
		}
		return nil
	}
	n, err := ParseName(label)
	if err != nil {
		return fmt.Errorf("%w: %w", job.ErrNotFound, err)
	}
	if n.Repo != p.repo {
		return fmt.Errorf("%w: the builder is for %s, not for %s", job.ErrNotFound, n.Repo, p.repo)
	}
	return nil
}
