package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
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
		Payload Payload `json:"payload"`
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

func (p *Payload) manifests() []string {
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

// Catalog implements job.Cataloger. Labels, the builds that they need and their
// manifests are from full-task-graph.json, or labels alone from
// runnable-jobs.json where a push has only that. The actions make the builds
// that are missing.
func (p *Project) Catalog(ctx context.Context, push job.Push) ([]job.Entry, error) {
	const op = "taskcluster.catalog"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	p = p.of(push)
	id, err := p.decisionOf(ctx, push)
	if err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	entries, err := p.catalog(ctx, id)
	return entries, job.Wrap(op, push.String(), err)
}

func (p *Project) catalog(ctx context.Context, id string) ([]job.Entry, error) {
	var out []job.Entry
	err := p.eachLabel(ctx, id, func() { out = nil }, func(label string, t *graphTask) error {
		e := job.Entry{Label: label, Kind: t.kind(label), MakesUpstreams: true, Manifests: t.manifests()}
		for _, l := range t.Dependencies {
			e.Upstreams = append(e.Upstreams, l)
		}
		out = append(out, e)
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
	builds := map[string]bool{}
	for _, e := range out {
		builds[e.Label] = e.Kind == job.Build
	}
	for i := range out {
		out[i].Upstreams = slices.DeleteFunc(out[i].Upstreams, func(l string) bool { return !builds[l] })
		slices.Sort(out[i].Upstreams)
	}
	return out, p.fillManifests(ctx, id, out)
}

// runnable is the catalog of a push that has no full-task-graph.json.
func (p *Project) runnable(ctx context.Context, id string) ([]job.Entry, error) {
	var labels map[string]json.RawMessage
	if err := p.artifact(ctx, id, "public/runnable-jobs.json", mostMapping, &labels); err != nil {
		return nil, err
	}
	var out []job.Entry
	for l := range labels {
		out = append(out, job.Entry{Label: l, Kind: kindOf(l, "", ""), MakesUpstreams: true})
	}
	return out, nil
}

// fillManifests adds what manifests-by-task.json.gz says of labels whose graph
// says nothing. Few pushes have it.
func (p *Project) fillManifests(ctx context.Context, id string, entries []job.Entry) error {
	lacks := func(e job.Entry) bool { return e.Kind == job.Test && len(e.Manifests) == 0 }
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

// errFound ends the reading of a graph early.
var errFound = errors.New("found")

// offersLabel reports whether a label can run on the push of a decision task.
func (p *Project) offersLabel(ctx context.Context, id, label string) (bool, error) {
	err := p.eachLabel(ctx, id, func() {}, func(l string, _ *graphTask) error {
		if l == label {
			return errFound
		}
		return nil
	})
	if errors.Is(err, job.ErrNotFound) {
		entries, err := p.runnable(ctx, id)
		return slices.ContainsFunc(entries, func(e job.Entry) bool { return e.Label == label }), err
	}
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}
