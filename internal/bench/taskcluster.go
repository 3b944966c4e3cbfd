package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

const (
	tcTasks   = 10_000
	tcPage    = 1_000
	tcGraph   = 60 << 20 // size in bytes
	tcPushes  = 20
	tcLatency = 50 * time.Millisecond
	tcRatio   = 1.2
	tcMemory  = 64 << 20 // maximum heap above the result, in bytes
	tcWaiting = 1.2
	tcRounds  = 5
)

// tc measures the Taskcluster client: a large group and a large graph, against a bare decode of the
// same members by json v2, and the requests for the jobs of many pushes, in virtual time.
func tc(t *testing.T) {
	fmt.Printf("taskcluster: a group of %d tasks in %d pages, a full-task-graph.json of %d MB, the jobs of "+
		"%d pushes\n\n", tcTasks, tcTasks/tcPage, tcGraph>>20, tcPushes)
	pages, size := tcGroup()
	p := job.Push{Repo: "autoland", ID: 1, Revision: fmt.Sprintf("%040x", 1)}
	transport := &fixed{pages: pages}
	project := tcProject(t, transport)
	contend(t, contest{
		what: "group", size: size, most: tcRatio, memory: tcMemory,
		baseline: func() any { return tcBareGroup(t, pages) },
		measured: func() any {
			jobs, err := project.Jobs(context.Background(), p)
			if err != nil || len(jobs) != tcTasks {
				t.Fatalf("%d jobs, %v", len(jobs), err)
			}
			return jobs
		},
	})
	graph := tcFullGraph()
	transport.graph = graph
	contend(t, contest{
		what: "graph", size: len(graph), most: tcRatio, memory: tcMemory,
		baseline: func() any { return tcBareGraph(t, graph) },
		measured: func() any {
			entries, err := project.Catalog(context.Background(), p)
			if err != nil || len(entries) < 1000 {
				t.Fatalf("%d entries, %v", len(entries), err)
			}
			return entries
		},
	})
	tcWalk(t)
}

func tcProject(t *testing.T, transport http.RoundTripper) *taskcluster.Project {
	t.Helper()
	c, err := taskcluster.New("http://tc.example", &taskcluster.Options{HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return c.Project("autoland", nil)
}

// fixed answers from memory, without copying.
type fixed struct {
	pages [][]byte
	graph []byte
}

func (f *fixed) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	switch at := r.URL.Path; {
	case strings.HasSuffix(at, ".cron"):
		body = []byte(`{"tasks": []}`)
	case strings.HasPrefix(at, "/api/index/"):
		body = []byte(`{"tasks": [{"namespace": "gecko.v2.autoland.revision.` + fmt.Sprintf("%040x", 1) +
			`.taskgraph.decision", "taskId": "` + tcID(0) + `"}]}`)
	case strings.HasPrefix(at, "/api/queue/v1/task-group/"):
		n, _ := strconv.Atoi(r.URL.Query().Get("continuationToken"))
		body = f.pages[n]
	case strings.HasSuffix(at, "/full-task-graph.json") && strings.Contains(at, "artifact-content"):
		body = []byte(`{"storageType": "s3", "url": "http://tc.example/graph"}`)
	case at == "/graph":
		body = f.graph
	case strings.HasSuffix(at, "/status"):
		body = encoded(tctest.Object{"status": tcStatus(tcID(0))})
	default:
		return &http.Response{
			StatusCode: http.StatusNotFound,
			Body:       io.NopCloser(strings.NewReader(`{"code": "ResourceNotFound", "message": "no"}`)),
			Header:     http.Header{}, Request: r,
		}, nil
	}
	return &http.Response{
		StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Header: http.Header{},
		Request: r, ContentLength: int64(len(body)),
	}, nil
}

func tcID(i int) string { return slug.Of(fmt.Sprint("bench ", i)) }

// tcDefinition is a task with the size and members of Firefox's.
func tcDefinition(i int, label string) tctest.Object {
	env := tctest.Object{}
	for _, name := range []string{
		"GECKO_HEAD_REPOSITORY", "GECKO_HEAD_REV", "GECKO_BASE_REPOSITORY",
		"MOZHARNESS_SCRIPT", "MOZHARNESS_CONFIG", "MOZ_FETCHES", "MOZ_NODE_PATH", "NEED_XVFB",
	} {
		env[name] = fmt.Sprintf("https://hg.mozilla.org/integration/autoland/%s/%d", strings.ToLower(name), i)
	}
	env["MOZHARNESS_TEST_PATHS"] = fmt.Sprintf(
		`{"mochitest-plain":["dom/%d/mochitest.toml","layout/%d/mochitest.toml"]}`, i, i)
	return tctest.Object{
		"provisionerId": "gecko-t", "workerType": "t-linux-docker", "taskQueueId": "gecko-t/t-linux-docker",
		"schedulerId": "gecko-level-3", "projectId": "none",
		"taskGroupId": tcID(0), "dependencies": []string{tcID(1), tcID(2)}, "requires": "all-completed",
		"routes":   []string{"tc-treeherder.v2.autoland." + strings.Repeat("0", 40)},
		"priority": "low", "retries": 5, "created": "2026-11-23T06:05:59.386Z", "deadline": "2026-11-24T06:05:59.386Z",
		"expires": "2026-12-21T06:05:59.386Z",
		"scopes": []string{
			"secrets:get:project/taskcluster/gecko/hgfingerprint",
			"docker-worker:feature:allowPtrace",
		},
		"payload": tctest.Object{
			"env": env,
			"command": []string{
				"/builds/worker/bin/run-task", "--gecko-checkout=/builds/worker/checkouts/gecko", "--",
				"/builds/worker/bin/test-linux.sh", "--mochitest-suite=mochitest-plain",
			}, "maxRunTime": 5400,
		},
		"metadata": tctest.Object{
			"name": label, "owner": "someone@mozilla.example",
			"source":      "https://hg.mozilla.org/integration/autoland/file/taskcluster/kinds/test",
			"description": "Mochitest plain run ([Treeherder job](https://treeherder.mozilla.org/))",
		},
		"tags": tctest.Object{
			"os": "linux", "kind": "test", "label": label, "project": "autoland",
			"retrigger": "true", "createdForUser": "someone@mozilla.example",
		},
		"extra": tctest.Object{
			"chunks": tctest.Object{"current": i, "total": tcTasks}, "parent": tcID(0),
			"suite": "mochitest-plain", "treeherder": tctest.Object{
				"jobKind": "test", "symbol": fmt.Sprint(i),
				"tier": 1, "groupSymbol": "M",
			},
		},
	}
}

func tcGroup() (pages [][]byte, size int) {
	for p := range tcTasks / tcPage {
		var tasks []any
		for i := p * tcPage; i < (p+1)*tcPage; i++ {
			d := tcDefinition(i, fmt.Sprintf("test-linux2404-64/opt-mochitest-plain-%d", i))
			tasks = append(tasks, tctest.Object{"task": d, "status": tcStatus(tcID(i))})
		}
		page := tctest.Object{
			"taskGroupId": tcID(0), "schedulerId": "gecko-level-3",
			"expires": "2026-12-21T07:05:59.386Z", "tasks": tasks,
		}
		if p+1 < tcTasks/tcPage {
			page["continuationToken"] = strconv.Itoa(p + 1)
		}
		pages = append(pages, encoded(page))
		size += len(pages[p])
	}
	return pages, size
}

// tcStatus is the status of a task that completed at once.
func tcStatus(id string) tctest.Object {
	return tctest.Object{
		"taskId": id, "provisionerId": "gecko-t", "workerType": "t-linux-docker",
		"taskQueueId": "gecko-t/t-linux-docker", "schedulerId": "gecko-level-3",
		"projectId": "none", "taskGroupId": tcID(0), "priority": "low", "deadline": "2026-11-24T06:05:59.386Z",
		"expires": "2026-12-21T06:05:59.386Z", "retriesLeft": 5, "state": "completed",
		"runs": []any{tctest.Object{
			"runId": 0, "state": "completed", "reasonCreated": "scheduled", "reasonResolved": "completed",
			"workerGroup": "us-west-2", "workerId": "i-0123456789abcdef0",
			"takenUntil": "2026-11-23T06:26:08.430Z", "scheduled": "2026-11-23T06:06:08.371Z",
			"started": "2026-11-23T06:06:08.431Z", "resolved": "2026-11-23T06:06:08.517Z",
		}},
	}
}

func encoded(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(err) // this value always encodes
	}
	return b
}

// tcFullGraph is a full-task-graph.json of tcGraph bytes or a little more.
func tcFullGraph() []byte {
	var b bytes.Buffer
	b.WriteString(`{"build-linux64/opt":{"label":"build-linux64/opt","kind":"build","dependencies":{},"attributes":{},` +
		`"task":{}}`)
	for i := 0; b.Len() < tcGraph; i++ {
		label := fmt.Sprintf("test-linux2404-64/opt-mochitest-plain-%d", i)
		b.WriteString(",")
		b.Write(encoded(label))
		b.WriteString(":")
		b.Write(encoded(tctest.Object{
			"label": label, "kind": "test", "optimization": tctest.Object{"test": []string{"firefox"}},
			"dependencies": tctest.Object{"build": "build-linux64/opt"},
			"attributes": tctest.Object{
				"kind":            "test",
				"test_manifests":  []string{fmt.Sprintf("dom/%d/mochitest.toml", i)},
				"run_on_projects": []string{"built-projects"}, "unittest_suite": "mochitest-plain",
			},
			"task": tcDefinition(i, label),
		}))
	}
	b.WriteString("}")
	return b.Bytes()
}

// tcBareTask is what mozci reads of a task in a group, for a decoder without checks.
type tcBareTask struct {
	Task struct {
		TaskQueueID  string    `json:"taskQueueId"`
		SchedulerID  string    `json:"schedulerId"`
		ProjectID    string    `json:"projectId"`
		TaskGroupID  string    `json:"taskGroupId"`
		Dependencies []string  `json:"dependencies"`
		Requires     string    `json:"requires"`
		Created      time.Time `json:"created"`
		Deadline     time.Time `json:"deadline"`
		Expires      time.Time `json:"expires"`
		Scopes       []string  `json:"scopes"`
		Metadata     struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Tags    map[string]string `json:"tags"`
		Extra   tcBareExtra       `json:"extra"`
		Payload tcBarePayload     `json:"payload"`
	} `json:"task"`
	Status struct {
		TaskID      string    `json:"taskId"`
		TaskGroupID string    `json:"taskGroupId"`
		SchedulerID string    `json:"schedulerId"`
		ProjectID   string    `json:"projectId"`
		Deadline    time.Time `json:"deadline"`
		Expires     time.Time `json:"expires"`
		RetriesLeft int       `json:"retriesLeft"`
		State       string    `json:"state"`
		Runs        []struct {
			RunID          int       `json:"runId"`
			State          string    `json:"state"`
			ReasonCreated  string    `json:"reasonCreated"`
			ReasonResolved string    `json:"reasonResolved"`
			WorkerGroup    string    `json:"workerGroup"`
			WorkerID       string    `json:"workerId"`
			Scheduled      time.Time `json:"scheduled"`
			Started        time.Time `json:"started"`
			Resolved       time.Time `json:"resolved"`
		} `json:"runs"`
	} `json:"status"`
}

type tcBareExtra struct {
	Parent     string `json:"parent"`
	Treeherder struct {
		JobKind string `json:"jobKind"`
		Symbol  string `json:"symbol"`
	} `json:"treeherder"`
}

type tcBarePayload struct {
	Env struct {
		TestPaths string `json:"MOZHARNESS_TEST_PATHS"`
	} `json:"env"`
}

// tcBareGroup is the baseline: it decodes the pages without checks.
func tcBareGroup(t *testing.T, pages [][]byte) any {
	var all []tcBareTask
	for _, p := range pages {
		var page struct {
			Tasks []tcBareTask `json:"tasks"`
			Token string       `json:"continuationToken"`
		}
		if err := json.UnmarshalRead(bytes.NewReader(p), &page); err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Tasks...)
	}
	return all
}

// tcBareLabel is what mozci reads of a label in a graph.
type tcBareLabel struct {
	Label        string            `json:"label"`
	Kind         string            `json:"kind"`
	Dependencies map[string]string `json:"dependencies"`
	Attributes   struct {
		Manifests     []string `json:"test_manifests"`
		BuildPlatform string   `json:"build_platform"`
		BuildType     string   `json:"build_type"`
		TestPlatform  string   `json:"test_platform"`
		TestChunk     string   `json:"test_chunk"`
		Suite         string   `json:"unittest_suite"`
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
		Payload tcBarePayload `json:"payload"`
	} `json:"task"`
}

// tcBareGraph is the baseline: it decodes the graph, label by label.
func tcBareGraph(t *testing.T, graph []byte) any {
	all := map[string]tcBareLabel{}
	dec := jsontext.NewDecoder(bytes.NewReader(graph))
	if _, err := dec.ReadToken(); err != nil {
		t.Fatal(err)
	}
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		name := token.String()
		var l tcBareLabel
		if err := json.UnmarshalDecode(dec, &l); err != nil {
			t.Fatal(err)
		}
		all[name] = l
	}
	return all
}

// compare runs a baseline and the measured function in turns. It prints the ratio of their medians,
// and the peak of the heap above what the result holds.
func compare(t *testing.T, what string, most float64, memory uint64, baseline, measured func() any) {
	t.Helper()
	var base, ours []time.Duration
	var above, held uint64
	for range tcRounds {
		base = append(base, timed(baseline))
		ours = append(ours, timed(measured))
		a, h := peak(measured)
		above, held = max(above, a), max(held, h)
	}
	slices.Sort(base)
	slices.Sort(ours)
	b, o := base[tcRounds/2], ours[tcRounds/2]
	ratio := float64(o) / float64(b)
	fmt.Printf("%-16s baseline %7.1f ms   took %7.1f ms   ratio %.2f (at most %.2f)   heap %5.1f MiB above a result "+
		"of %5.1f MiB (at most %d)\n",
		what, ms(b), ms(o), ratio, most, mib(above), mib(held), memory>>20)
	if ratio > most || above > memory {
		t.Errorf("%s: ratio %.2f, %.1f MiB", what, ratio, mib(above))
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func mib(n uint64) float64       { return float64(n) / (1 << 20) }

func timed(f func() any) time.Duration {
	runtime.GC()
	began := time.Now()
	runtime.KeepAlive(f())
	return time.Since(began)
}

// peak is the highest heap while f runs, above what its result holds. It includes garbage that is
// not collected yet.
func peak(f func() any) (above, held uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before := heap()
	stop := make(chan struct{})
	top := before
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				top = max(top, heap())
			case <-stop:
				return
			}
		}
	})
	result := f()
	close(stop)
	watch.Wait()
	runtime.GC()
	after := heap()
	runtime.KeepAlive(result)
	held = after - min(after, before)
	return top - min(top, after), held
}

// tcWalk reads the jobs of many pushes from a server with delays, and compares the time with the
// critical path: the requests that one push needs one after the other, times the number of rounds
// at this width.
func tcWalk(t *testing.T) {
	s := tctest.New()
	var pushes []job.Push
	for id := range int64(tcPushes) {
		p := job.Push{Repo: "autoland", ID: id + 1, Revision: fmt.Sprintf("%040x", id+1)}
		s.AddPush(p.Repo, p.ID, p.Revision, tctest.Label{Name: "build", Planned: true},
			tctest.Label{Name: "test", Build: "build", Planned: true})
		pushes = append(pushes, p)
	}
	synctest.Test(t, func(t *testing.T) {
		project := tcProject(t, &late{s})
		s.Requests()
		began := time.Now()
		fetch := func(ctx context.Context, p job.Push, _ *slog.Logger) ([]job.Job,
			error,
		) {
			return project.Jobs(ctx, p)
		}
		for r := range analysis.Ordered(t.Context(), pushes, fetch, nil) {
			if r.Err != nil || len(r.Value) != 3 {
				t.Fatalf("%v: %d jobs, %v", r.Push, len(r.Value), r.Err)
			}
		}
		took, requests := time.Since(began), len(s.Requests())
		const needed = 3 // the index, the cron jobs, the group; at most ten requests at a time to one host
		critical := time.Duration((tcPushes+analysis.DefaultWidth-1)/analysis.DefaultWidth) * needed * tcLatency
		ratio, each := float64(took)/float64(critical), float64(requests)/tcPushes
		fmt.Printf("%-16s critical path %v   took %v   ratio %.2f (at most %.2f)   %.1f requests a push (at most 3)\n",
			fmt.Sprintf("jobs, %d pushes", tcPushes), critical, took, ratio, tcWaiting, each)
		if ratio > tcWaiting || each > 3 {
			t.Errorf("ratio %.2f, %.1f requests", ratio, each)
		}
	})
}

// late answers through a handler after a delay.
type late struct{ http.Handler }

func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(tcLatency)
	return testenv.InMemory{Handler: l}.RoundTrip(r)
}
