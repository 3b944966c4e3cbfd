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

// graphTask is what mozci reads of a label in full-task-graph.json.
type graphTask struct {
	Label        string            `json:"label" is:"required" min:"1"`
	Kind         string            `json:"kind" is:"required"`
	Dependencies map[string]string `json:"dependencies" is:"required"` // why it needs it, to the label
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

// labelAttributes are what taskgraph notes of a label for itself.
type labelAttributes struct {
	Manifests     []string `json:"test_manifests"`
	BuildPlatform string   `json:"build_platform"`
	BuildType     string   `json:"build_type"`
	TestPlatform  string   `json:"test_platform"` // with the type: linux2404-64/opt
	TestChunk     string   `json:"test_chunk"`    // of a test in one piece 1
	Suite         string   `json:"unittest_suite"`
}

// parts are what a label is made of: as its task says, and otherwise its name. The name of a
// test has the variants in its suite, which are what tells one from another.
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

// manifests are what a task runs, by its attributes or its environment; nothing
// where neither has the shape that is known.
func (t *graphTask) manifests() []string {
	if len(t.Attributes.Manifests) > 0 {
		return t.Attributes.Manifests
	}
	return t.Task.Payload.manifests()
}

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

// catalog reads the whole graph of a decision task.
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

// fullLabels are the labels of a graph that is being read; of each, by the same index, the
// labels that it needs, and its queue.
type fullLabels struct {
	entries []job.Runnable
	needs   [][]string
	queues  []string
}

func (g *fullLabels) add(label string, t *graphTask) error {
	if n := len(g.entries); n == cap(g.entries) { // twice as many each time: fewer copies of what is large
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

// fillBuilds gives each label the builds that it needs, directly or through what is no
// build, such as the signing of one.
func (g *fullLabels) fillBuilds() error {
	at := make(map[string]int, len(g.entries))
	for i, e := range g.entries {
		at[e.Label] = i
	}
	seen := make([]int, len(g.entries)) // by which label, counted from 1
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
		_, err := fullGraph.Read(contract.Asked{}, r, contract.Elements("", func(label string, t *graphTask) error {
			if t.Label != label {
				return contract.Outside("label", "%.80q, which stands at %.80q", t.Label, label)
			}
			return each(label, t)
		}))
		return err
	})
}

// runnableJob is a label in runnable-jobs.json. It says how Treeherder shows it.
type runnableJob struct {
	Platform   string          `json:"platform" is:"open"`
	Collection map[string]bool `json:"collection" is:"open"` // its build type, alone

	_ contract.Also `names:"groupName groupSymbol symbol tier"`
}

// parts are what a label is made of: as its name says, and otherwise how it is shown.
func (j *runnableJob) parts(label string, kind job.Kind) job.Parts {
	p := job.PartsOfLabel(label)
	if p != (job.Parts{}) {
		return p
	}
	if len(j.Collection) == 1 {
		for p.BuildType = range j.Collection {
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

// mostManifests is how large manifests-by-task.json may be, decompressed.
const mostManifests = 256 << 20

var manifestsByTask = contract.New(contract.Endpoint[map[string][]string]{
	Source: source, Name: "manifests-by-task.json", File: `manifests-by-task\.json`,
	URL: storedAs + `manifests-by-task\.json(\.gz)?$`,
})

var testsByManifest = contract.New(contract.Endpoint[map[string][]string]{
	Source: source, Name: "tests-by-manifest.json", File: `tests-by-manifest\.json`,
	URL: storedAs + `tests-by-manifest\.json(\.gz)?$`,
})

// TestsByManifest implements job.TestLister, by tests-by-manifest.json.gz of the decision
// task. Firefox's has the manifests of web platform tests alone since 2025.
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

// fillManifests adds what manifests-by-task.json.gz says of labels whose graph
// says nothing. Few pushes have it.
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
