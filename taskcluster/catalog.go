package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/mozci/mozci/job"
)

// graphTask is what mozci reads of a label in full-task-graph.json.
type graphTask struct {
	Kind         string            `json:"kind"`
	Dependencies map[string]string `json:"dependencies"` // why it needs it, to the label
	Attributes   struct {
		Manifests json.RawMessage `json:"test_manifests"`
	} `json:"attributes"`
	Task struct {
		TaskQueueID string `json:"taskQueueId"`
		Tags        struct {
			Kind string `json:"kind"`
		} `json:"tags"`
		Extra struct {
			Treeherder struct {
				JobKind string `json:"jobKind"`
			} `json:"treeherder"`
		} `json:"extra"`
		Payload TaskPayload `json:"payload"`
	} `json:"task"`
}

func (t *graphTask) kind(label string) job.Kind {
	kind := t.Task.Tags.Kind
	if kind == "" {
		kind = t.Kind
	}
	return kindOf(label, t.Task.Extra.Treeherder.JobKind, kind)
}

// manifests are what a task runs, by its attributes or its environment; nothing
// where neither has the shape that is known.
func (t *graphTask) manifests() []string {
	var list []string
	if json.Unmarshal(t.Attributes.Manifests, &list) == nil && len(list) > 0 {
		return list
	}
	return t.Task.Payload.manifests()
}

func (p *TaskPayload) manifests() []string {
	var suites map[string][]string
	if json.Unmarshal([]byte(p.Env.TestPaths), &suites) != nil {
		return nil
	}
	var out []string
	for _, list := range suites {
		out = append(out, list...)
	}
	slices.Sort(out)
	return out
}

// mostManifests is how large manifests-by-task.json may be, decompressed.
const mostManifests = 256 << 20

// Catalog implements job.Cataloger. Without named labels, the labels, the builds
// that they need and their manifests are from full-task-graph.json, or labels
// alone from runnable-jobs.json where a push has only that. Named labels are
// looked for in the push's groups, where a label's own task says all of it, and
// then in runnable-jobs.json, with the builds that the label needed on another
// push; only what neither knows is read from the graph, tens of megabytes. The
// actions make the builds that are missing.
func (p *Project) Catalog(ctx context.Context, push job.Push, labels ...string) ([]job.Runnable, error) {
	const op = "taskcluster.catalog"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	if !push.Testable() {
		return nil, job.Wrap(op, push.String(), job.ErrNotScheduled)
	}
	p = p.of(push)
	entries, err := p.catalogOf(ctx, push, labels)
	if errors.Is(err, job.ErrNotScheduled) {
		err = p.explain(ctx, err)
	}
	return entries, job.Wrap(op, push.String(), err)
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
			out = append(out, job.Runnable{
				Label: l, Kind: ran[0].kind(), Upstreams: p.learn(g, l), MakesUpstreams: true, Manifests: ran[0].Task.Payload.manifests(),
			})
		} else {
			rest = append(rest, l)
		}
	}
	own, err := g.own()
	switch {
	case len(g.list) == 0:
		return nil, err
	case own == nil || len(rest) == 0: // cron jobs alone offer what ran
		return out, nil
	}
	found, err := p.offered(ctx, own.decision, rest)
	return append(out, found...), err
}

// learn notes, and returns, which builds a label needs, by the dependencies of
// its task: builds, and builds that what lies between needs.
func (p *Project) learn(g *graphs, label string) []string {
	ran := g.ran(label)
	if len(ran) == 0 {
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
	p.needs.Store(label, needs)
	return needs
}

// offered are the entries of labels that did not run on a push, without the
// whole graph where it can be done without.
func (p *Project) offered(ctx context.Context, decision string, labels []string) ([]job.Runnable, error) {
	runnable, err := p.runnable(ctx, decision)
	if err != nil && !errors.Is(err, job.ErrNotFound) {
		return nil, err
	}
	var out []job.Runnable
	var rest []string
	for _, l := range labels {
		needs, known := p.needs.Load(l)
		i := slices.IndexFunc(runnable, func(e job.Runnable) bool { return e.Label == l })
		if i < 0 || !known && runnable[i].Kind != job.KindBuild {
			rest = append(rest, l)
			continue
		}
		e := runnable[i]
		if known {
			e.Upstreams = slices.Clone(needs.([]string))
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
		p.needs.Store(e.Label, slices.Clone(e.Upstreams))
		out = append(out, e)
	}
	return out, nil
}

// catalog reads the whole graph of a decision task.
func (p *Project) catalog(ctx context.Context, id string) ([]job.Runnable, error) {
	var out []job.Runnable
	needs := map[string][]string{}
	err := p.eachLabel(ctx, id, func() { out = nil; clear(needs) }, func(label string, t *graphTask) error {
		for _, l := range t.Dependencies {
			needs[label] = append(needs[label], l)
		}
		out = append(out, job.Runnable{Label: label, Kind: t.kind(label), MakesUpstreams: true, Manifests: t.manifests()})
		if t.Task.TaskQueueID != "" {
			p.queues.Store(label, t.Task.TaskQueueID)
		}
		return nil
	})
	if errors.Is(err, job.ErrNotFound) {
		return p.runnable(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	kinds := map[string]job.Kind{}
	for _, e := range out {
		kinds[e.Label] = e.Kind
	}
	for i := range out {
		out[i].Upstreams = buildsOf(out[i].Label, needs, kinds)
	}
	return out, p.fillManifests(ctx, id, out)
}

// buildsOf are the builds that a label needs, directly or through what is no
// build, such as the signing of one.
func buildsOf(label string, needs map[string][]string, kinds map[string]job.Kind) []string {
	var out []string
	seen := map[string]bool{label: true}
	next := slices.Clone(needs[label])
	for len(next) > 0 {
		l := next[0]
		next = next[1:]
		kind, known := kinds[l]
		switch {
		case seen[l] || !known:
		case kind == job.KindBuild:
			out = append(out, l)
		default:
			next = append(next, needs[l]...)
		}
		seen[l] = true
	}
	slices.Sort(out)
	return out
}

// runnable is the catalog of a push that has no full-task-graph.json.
func (p *Project) runnable(ctx context.Context, id string) ([]job.Runnable, error) {
	var labels map[string]json.RawMessage
	if err := p.artifact(ctx, id, "public/runnable-jobs.json", mostMapping, &labels); err != nil {
		return nil, err
	}
	var out []job.Runnable
	for l := range labels {
		out = append(out, job.Runnable{Label: l, Kind: kindOf(l, "", ""), MakesUpstreams: true})
	}
	return out, nil
}

// fillManifests adds what manifests-by-task.json.gz says of labels whose graph
// says nothing. Few pushes have it.
func (p *Project) fillManifests(ctx context.Context, id string, entries []job.Runnable) error {
	lacks := func(e job.Runnable) bool { return e.Kind == job.KindTest && len(e.Manifests) == 0 }
	if !slices.ContainsFunc(entries, lacks) {
		return nil
	}
	var byTask map[string][]string
	err := p.artifact(ctx, id, "public/manifests-by-task.json.gz", mostManifests, &byTask)
	if err != nil && !errors.Is(err, job.ErrNotFound) {
		return err
	}
	for i := range entries {
		if lacks(entries[i]) {
			entries[i].Manifests = byTask[entries[i].Label]
		}
	}
	return nil
}

// offersLabel reports whether a label can run on the push of a decision task.
func (p *Project) offersLabel(ctx context.Context, id, label string) (bool, error) {
	entries, err := p.offered(ctx, id, []string{label})
	return len(entries) > 0, err
}
