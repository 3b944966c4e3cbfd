package taskcluster

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// graphTask is the part that mozci reads of a label in full-task-graph.json.
type graphTask struct {
	Label        string            `json:"label" is:"required" min:"1"`
	Kind         string            `json:"kind" is:"required"`
	Dependencies map[string]string `json:"dependencies" is:"required"` // role ("build") to label ("build-linux64/opt")
	Attributes   labelAttributes   `json:"attributes" is:"required,open"`
	Task         struct {
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
	} `json:"task" is:"required,open"`

	_ contract.Also `names:"description if_dependencies optimization soft_dependencies task_id"`
}

// labelAttributes are notes that taskgraph keeps about a label for its own use.
type labelAttributes struct {
	Manifests     []string `json:"test_manifests"`
	BuildPlatform string   `json:"build_platform"`
	BuildType     string   `json:"build_type"`
	TestPlatform  string   `json:"test_platform"` // with the build type: linux2404-64/opt
	TestChunk     string   `json:"test_chunk"`    // counted from 1; "1" also for a test in one piece
	Suite         string   `json:"unittest_suite"`
}

// parts are what a label is made of. The attributes decide, and the label's name fills in what
// they lack. Only the suite comes from the name first: the name has the variants in it, such
// as "-swr", which the attribute lacks. When the name ends in a number that is not the chunk,
// the number belongs to the suite's name.
func (a *labelAttributes) parts(label string) job.Parts {
	p := job.PartsOfLabel(label)
	p.BuildType = cmp.Or(a.BuildType, p.BuildType)
	p.Platform = cmp.Or(a.BuildPlatform, p.Platform)
	on, _, _ := strings.Cut(a.TestPlatform, "/")
	p.TestPlatform = cmp.Or(on, p.TestPlatform)
	chunk, err := strconv.Atoi(a.TestChunk)
	switch {
	case err != nil || chunk < 1:
	case p.Suite == "" && a.Suite != "":
		p.Suite, p.Chunk = a.Suite, chunk
	case p.Chunk > 0 && p.Chunk != chunk: // the suite's name ends with a number
		p.Suite, p.Chunk = p.Name(), 0
	}
	return p
}

// fullGraph has every label that a push can run.
var fullGraph = contract.New(contract.Endpoint[map[string]graphTask]{
	Source: source, Name: "full-task-graph.json", File: `full-task-graph\.json`,
	URL: storedAs + `full-task-graph\.json$`,
})

func (t *graphTask) kind(label string) job.Kind {
	kind := t.Task.Tags.Kind
	if kind == "" {
		kind = t.Kind
	}
	return kindOf(label, t.Task.Extra.Treeherder.JobKind, kind)
}

// manifests are the test manifests that a task runs, from its attributes or else its
// environment; nil when neither has the known shape.
func (t *graphTask) manifests() []string {
	if len(t.Attributes.Manifests) > 0 {
		return t.Attributes.Manifests
	}
	return t.Task.Payload.manifests()
}

// manifests reads MOZHARNESS_TEST_PATHS, which is JSON inside a string: of each suite the
// manifests. They come back sorted, since a map has no order. For {"mochitest-plain": ["b.toml",
// "a.toml"], "xpcshell": ["c.toml"]} they are a.toml, b.toml and c.toml.
func (p *TaskPayload) manifests() []string {
	var suites map[string][]string
	if p.Env.TestPaths == "" || v2.Unmarshal([]byte(p.Env.TestPaths), &suites) != nil {
		return nil
	}
	var out []string
	for _, list := range suites {
		out = append(out, list...)
	}
	slices.Sort(out)
	return out
}

// catalog reads every label that the push of decision task id can run, from the whole graph,
// and remembers each label's queue on the way.
func (p *Project) catalog(ctx context.Context, id string) ([]job.Runnable, error) {
	var g fullLabels
	err := p.eachLabel(ctx, id, func() { g = fullLabels{} }, g.add)
	if errors.Is(err, job.ErrNotFound) {
		return p.runnable(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	if len(g.entries) == 0 {
		return nil, broken(fullGraph, ".", "empty")
	}
	for i, queue := range g.queues {
		if queue != "" {
			p.known.queues.Put(p.label(g.entries[i].Label), queue)
		}
	}
	if err := g.fillBuilds(); err != nil {
		return nil, err
	}
	job.FillPlatforms(g.entries)
	return g.entries, p.fillManifests(ctx, id, g.entries)
}

// fullLabels are the labels of a graph that is being read. The three slices have the same
// length, and the same index means the same label.
type fullLabels struct {
	entries []job.Runnable
	needs   [][]string // the labels that it needs directly
	queues  []string   // "" when the graph does not say
}

func (g *fullLabels) add(label string, t *graphTask) error {
	if n := len(g.entries); n == cap(g.entries) { // double it: append grows large slices by a quarter only
		g.entries = slices.Grow(g.entries, n+1)
		g.needs, g.queues = slices.Grow(g.needs, n+1), slices.Grow(g.queues, n+1)
	}
	var needs []string
	for _, l := range t.Dependencies {
		needs = append(needs, l)
	}
	g.needs = append(g.needs, needs)
	g.queues = append(g.queues, t.Task.TaskQueueID)
	g.entries = append(g.entries, job.Runnable{
		Label: label, Kind: t.kind(label), MakesUpstreams: true, Manifests: t.manifests(),
		Parts: t.Attributes.parts(label),
	})
	return nil
}

// fillBuilds gives each label the builds that it needs, directly or through other labels such
// as the signing of a build. It walks breadth first from each label and stops at builds.
//
// seen[n] is the last label whose walk reached label n, as its index plus 1 so that 0 means
// none. That saves clearing the marks before each of thousands of walks.
//
// For the labels 0 test, 1 signing, 2 build, where 0 needs 1 and 1 needs 2: the walk of 0 goes
// from 0 to 1 to 2, gives it the build, and leaves seen 1, 1, 1; the walk of 1 leaves 1, 2, 2.
func (g *fullLabels) fillBuilds() error {
	at := make(map[string]int, len(g.entries))
	for i, e := range g.entries {
		at[e.Label] = i
	}
	seen := make([]int, len(g.entries))
	for i := range g.entries {
		seen[i] = i + 1
		for next := []int{i}; len(next) > 0; next = next[1:] {
			for _, l := range g.needs[next[0]] {
				n, there := at[l]
				switch {
				case !there:
					return broken(fullGraph, ".", "%.80q needs %.80q, which is not in it", g.entries[next[0]].Label, l)
				case seen[n] == i+1:
				case g.entries[n].Kind == job.KindBuild:
					g.entries[i].Upstreams = append(g.entries[i].Upstreams, l)
				default:
					next = append(next, n)
				}
				seen[n] = i + 1
			}
		}
		slices.Sort(g.entries[i].Upstreams)
	}
	return nil
}

// eachLabel reads full-task-graph.json as a stream: the file is tens of megabytes, and only
// one label at a time is in memory. It calls begin before the first label, and again whenever
// the connection breaks and it starts over, so begin must drop what each has collected.
func (p *Project) eachLabel(
	ctx context.Context, id string, begin func(), each func(label string, t *graphTask) error,
) error {
	run, err := p.completed(ctx, id)
	if err != nil {
		return err
	}
	return p.c.ReadArtifact(ctx, id, run, "public/full-task-graph.json", func(r io.Reader) error {
		begin()
		_, err := fullGraph.Read(contract.Asked{}, r, contract.Elements("", func(label string, t *graphTask) error {
			if t.Label != label {
				return contract.Outside("label", "%.80q, under the key %.80q", t.Label, label)
			}
			return each(label, t)
		}))
		return err
	})
}

// runnableJob is a label in runnable-jobs.json, which tells how Treeherder shows the label.
type runnableJob struct {
	Platform   string          `json:"platform" is:"open"`
	Collection map[string]bool `json:"collection" is:"open"` // one key, the build type: {"opt": true}

	_ contract.Also `names:"groupName groupSymbol symbol tier"`
}

// parts are what a label is made of: from its name, or when that tells nothing, from the way
// Treeherder shows it.
func (j *runnableJob) parts(label string, kind job.Kind) job.Parts {
	p := job.PartsOfLabel(label)
	if p != (job.Parts{}) {
		return p
	}
	if len(j.Collection) == 1 {
		for p.BuildType = range j.Collection { // the one key
		}
	}
	if kind == job.KindTest || kind == job.KindPerf {
		p.TestPlatform = j.Platform
	} else {
		p.Platform = j.Platform
	}
	return p
}

var runnableJobs = contract.New(contract.Endpoint[map[string]runnableJob]{
	Source: source, Name: "runnable-jobs.json", File: `runnable-jobs\.json`,
	URL: storedAs + `runnable-jobs\.json$`,
})

// runnable is the catalog of a push that has no full-task-graph.json.
func (p *Project) runnable(ctx context.Context, id string) ([]job.Runnable, error) {
	labels, err := artifact(ctx, p, id, "public/runnable-jobs.json", mostMapping, runnableJobs)
	if err != nil {
		return nil, err
	}
	if len(*labels) == 0 {
		return nil, broken(runnableJobs, ".", "empty")
	}
	var out []job.Runnable
	for l, j := range *labels {
		kind := kindOf(l, "", "")
		out = append(out, job.Runnable{Label: l, Kind: kind, MakesUpstreams: true, Parts: j.parts(l, kind)})
	}
	return out, nil
}

// mostManifests is the largest size accepted for manifests-by-task.json and
// tests-by-manifest.json, in bytes after decompression.
const mostManifests = 256 << 20

var manifestsByTask = contract.New(contract.Endpoint[map[string][]string]{
	Source: source, Name: "manifests-by-task.json", File: `manifests-by-task\.json`,
	URL: storedAs + `manifests-by-task\.json(\.gz)?$`,
})

var testsByManifest = contract.New(contract.Endpoint[map[string][]string]{
	Source: source, Name: "tests-by-manifest.json", File: `tests-by-manifest\.json`,
	URL: storedAs + `tests-by-manifest\.json(\.gz)?$`,
})

// TestsByManifest implements job.TestLister, from the decision task's file
// tests-by-manifest.json.gz. Since 2025 Firefox's file has only the manifests of web platform
// tests.
func (p *Project) TestsByManifest(ctx context.Context, push job.Push) (map[string][]string, error) {
	const op = "taskcluster.tests"
	if !push.Testable() {
		return nil, job.Wrap(op, push.String(), job.ErrNotScheduled)
	}
	p = p.of(push)
	return within(ctx, p.c, op, push.String(), func(ctx context.Context) (map[string][]string, error) {
		id, err := p.decisionOf(ctx, push)
		if err != nil {
			return nil, job.Wrap(op, push.String(), err)
		}
		lists, err := artifact(ctx, p, id, "public/tests-by-manifest.json.gz", mostManifests, testsByManifest)
		if err != nil {
			return nil, job.Wrap(op, push.String(), err)
		}
		return *lists, nil
	})
}

// fillManifests adds the manifests of tests that the graph has none for, from
// manifests-by-task.json.gz. Few pushes have that file; without it nothing is added.
func (p *Project) fillManifests(ctx context.Context, id string, entries []job.Runnable) error {
	lacks := func(e job.Runnable) bool { return e.Kind == job.KindTest && len(e.Manifests) == 0 }
	if !slices.ContainsFunc(entries, lacks) {
		return nil
	}
	byTask, err := artifact(ctx, p, id, "public/manifests-by-task.json.gz", mostManifests, manifestsByTask)
	if errors.Is(err, job.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for i := range entries {
		if lacks(entries[i]) {
			entries[i].Manifests = (*byTask)[entries[i].Label]
		}
	}
	return nil
}
