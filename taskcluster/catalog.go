package taskcluster

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/mozci/mozci/job"
)

// Catalog implements job.Cataloger. Without named labels it reads full-task-graph.json, which
// has every label, the builds that it needs and its manifests. A push that has only
// runnable-jobs.json gives the labels alone.
//
// That graph is tens of megabytes, so for named labels Catalog tries cheaper sources first:
// the push's task groups, where a label's own task says everything about it, then
// runnable-jobs.json together with the builds that the label needed on another push. It reads
// the graph only for labels that neither knows. MakesUpstreams is always true: the in-tree
// actions make missing builds themselves.
func (p *Project) Catalog(ctx context.Context, push job.Push, labels ...string) ([]job.Runnable, error) {
	const op = "taskcluster.catalog"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	if !push.Testable() {
		return nil, job.Wrap(op, push.String(), job.ErrNotScheduled)
	}
	p = p.of(push)
	return within(ctx, p.c, op, push.String(), func(ctx context.Context) ([]job.Runnable, error) {
		entries, err := p.catalogOf(ctx, push, labels)
		if errors.Is(err, job.ErrNotScheduled) {
			err = p.explain(ctx, err)
		}
		return entries, job.Wrap(op, push.String(), err)
	})
}

func (p *Project) catalogOf(ctx context.Context, push job.Push, labels []string) ([]job.Runnable, error) {
	if len(labels) == 0 {
		id, err := p.decisionOf(ctx, push)
		if err != nil {
			return nil, err
		}
		return p.catalog(ctx, id)
	}
	g, err := p.forCatalog(ctx, push)
	if err != nil {
		return nil, err
	}
	var out []job.Runnable
	var rest []string
	for _, l := range labels {
		if ran := g.ran(l); len(ran) > 0 {
			needs := p.learn(g, l)
			out = append(out, job.Runnable{
				Label: l, Kind: ran[0].kind(), Upstreams: needs, MakesUpstreams: true,
				Manifests: ran[0].Task.Payload.manifests(), Parts: partsAfter(job.PartsOfLabel(l), needs),
			})
		} else {
			rest = append(rest, l)
		}
	}
	own, err := g.own()
	switch {
	case len(g.list) == 0:
		return nil, err
	case own == nil || len(rest) == 0: // without a decision task of its own, only what cron jobs ran
		return out, nil
	}
	found, err := p.offered(ctx, own.decision, rest)
	return append(out, found...), err
}

// partsAfter completes a label's parts: when the label's name does not tell the platform, that
// of the builds it needs does.
func partsAfter(p job.Parts, needs []string) job.Parts {
	var builds []job.Parts
	for _, l := range needs {
		builds = append(builds, job.PartsOfLabel(l))
	}
	return p.Testing(builds...)
}

// learn finds out which builds a label needs, and remembers them for other pushes. It follows
// the dependencies of the label's task until it meets builds; what lies between, such as a
// signing task, is followed too. When only part of the groups was read the dependencies may
// be missing, so it remembers one task of the label instead, for needsOf to follow later. For a
// test that needs a signing task that needs build-linux64/opt, these are ["build-linux64/opt"];
// what the build needs itself, such as a toolchain, is not followed.
func (p *Project) learn(g *graphs, label string) []string {
	ran := g.ran(label)
	if len(ran) == 0 {
		return nil
	}
	if g.some {
		p.known.samples.Put(p.label(label), ran[0].Status.TaskID)
		return nil
	}
	builds := map[string]bool{}
	seen := map[string]bool{}
	var look func(t *listedTask)
	look = func(t *listedTask) {
		for _, id := range t.Task.Dependencies {
			dep := g.byID[id]
			if dep == nil || seen[id] {
				continue
			}
			seen[id] = true
			if dep.kind() == job.KindBuild {
				builds[dep.label()] = true
				continue
			}
			look(dep)
		}
	}
	look(ran[0])
	needs := slices.Sorted(maps.Keys(builds))
	p.known.needs.Put(p.label(label), slices.Clone(needs))
	return needs
}

// needsOf returns the builds that a label needs, when learn has seen a task of the label on
// any push. It walks the dependencies breadth first, one request for each level, and stays
// in the task's own group. ok is false when that is not known or a request fails: the
// caller then reads the graph instead.
func (p *Project) needsOf(ctx context.Context, label string) ([]string, bool) {
	key := p.label(label)
	if needs, ok := p.known.needs.Get(key); ok {
		return needs, true
	}
	sample, ok := p.known.samples.Get(key)
	t, defined := p.known.defs.Get(sample)
	if !ok || !defined {
		return nil, false
	}
	s := p.survey(nil)
	builds, seen := map[string]bool{}, map[string]bool{sample: true}
	for next := t.Dependencies; len(next) > 0; {
		if err := s.askTasks(ctx, next); err != nil {
			return nil, false
		}
		var further []string
		for _, id := range next {
			dep := s.tasks[id]
			if dep == nil || seen[id] || dep.TaskGroupID != t.TaskGroupID {
				continue
			}
			seen[id] = true
			if of := (&listedTask{Task: *dep}); of.kind() == job.KindBuild {
				builds[of.label()] = true
			} else {
				further = append(further, dep.Dependencies...)
			}
		}
		next = further
	}
	needs := slices.Sorted(maps.Keys(builds))
	p.known.needs.Put(key, slices.Clone(needs))
	return needs, true
}

// offered returns the catalog entries of labels that did not run on a push. It reads the
// whole graph only when runnable-jobs.json lacks a label, or when the builds that a label
// needs are not known from another push.
func (p *Project) offered(ctx context.Context, decision string, labels []string) ([]job.Runnable, error) {
	runnable, err := p.runnable(ctx, decision)
	if err != nil && !errors.Is(err, job.ErrNotFound) {
		return nil, err
	}
	var out []job.Runnable
	var rest []string
	for _, l := range labels {
		needs, known := p.needsOf(ctx, l)
		i := slices.IndexFunc(runnable, func(e job.Runnable) bool { return e.Label == l })
		if i < 0 || !known && runnable[i].Kind != job.KindBuild {
			rest = append(rest, l)
			continue
		}
		e := runnable[i]
		if known {
			e.Upstreams = slices.Clone(needs)
			e.Parts = partsAfter(e.Parts, needs)
		}
		out = append(out, e)
	}
	if len(rest) == 0 {
		return out, nil
	}
	all, err := p.catalog(ctx, decision)
	if err != nil {
		return nil, err
	}
	for _, e := range job.OfLabels(all, rest...) {
		p.known.needs.Put(p.label(e.Label), slices.Clone(e.Upstreams))
		out = append(out, e)
	}
	return out, nil
}

// offersLabel reports whether a label can run on the push of the decision task id.
func (p *Project) offersLabel(ctx context.Context, id, label string) (bool, error) {
	entries, err := p.offered(ctx, id, []string{label})
	return len(entries) > 0, err
}
