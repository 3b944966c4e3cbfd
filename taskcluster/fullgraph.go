package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
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

// catalog reads the whole graph of a decision task.
func (p *Project) catalog(ctx context.Context, id string) ([]job.Runnable, error) {
	var out []job.Runnable
	needs := map[string][]string{}
	err := p.eachLabel(ctx, id, func() { out = nil; clear(needs) }, func(label string, t *graphTask) error {
		for _, l := range t.Dependencies {
			needs[label] = append(needs[label], l)
		}
		out = append(out, job.Runnable{
			Label: label, Kind: t.kind(label), MakesUpstreams: true, Manifests: t.manifests(),
		})
		if t.Task.TaskQueueID != "" {
			p.known.queues.Put(p.label(label), t.Task.TaskQueueID)
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

// eachLabel reads full-task-graph.json as it comes: tens of megabytes, of which
// one label at a time is in memory. It calls begin before the first label, and
// once more where the connection breaks.
func (p *Project) eachLabel(
	ctx context.Context, id string, begin func(), each func(label string, t *graphTask) error,
) error {
	run, err := p.completed(ctx, id)
	if err != nil {
		return err
	}
	return p.c.ReadArtifact(ctx, id, run, "public/full-task-graph.json", func(r io.Reader) error {
		begin()
		dec := json.NewDecoder(r)
		return members(dec, func(label string) error {
			var t graphTask
			if err := tolerant(dec.Decode, &t); err != nil {
				return err
			}
			return each(label, &t)
		})
	})
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

// mostManifests is how large manifests-by-task.json may be, decompressed.
const mostManifests = 256 << 20

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
