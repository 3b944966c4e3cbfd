package taskcluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// altered is a deployment that alters its answers to the requests whose path ends
// with one.
type altered struct {
	*tctest.Server
	path  string
	alter func(tctest.Object)
}

func (a *altered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, a.path) {
		a.Server.ServeHTTP(w, r)
		return
	}
	inner := httptest.NewRecorder()
	a.Server.ServeHTTP(inner, r)
	var body tctest.Object
	plain := ok(io.ReadAll(ok(gunzip.Reader(inner.Body))))
	if err := json.Unmarshal(plain, &body); err != nil || inner.Code != http.StatusOK {
		w.WriteHeader(inner.Code)
		_, _ = w.Write(plain)
		return
	}
	a.alter(body)
	_ = json.NewEncoder(w).Encode(body)
}

// part is the part of an object at a path of members and places.
func part(v any, path ...any) tctest.Object {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(tctest.Object)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v.(tctest.Object)
}

// proofs are answers that were wrong once, or could be, and what they are called.
var proofs = []struct {
	name, path string
	alter      func(tctest.Object)
	ask        func(context.Context, *taskcluster.Project) error
	words      string
}{
	{"a task without a name", "/list", func(o tctest.Object) {
		delete(part(o, "tasks", 1, "task", "metadata"), "name")
	}, jobsOf, "taskcluster/queue.listTaskGroup: tasks[1].task.metadata.name: missing"},
	{"a name that is null", "/list", func(o tctest.Object) {
		part(o, "tasks", 1, "task", "metadata")["name"] = nil
	}, jobsOf, "tasks[1].task.metadata.name: null, expected a string"},
	{"a page of another group", "/list", func(o tctest.Object) {
		o["taskGroupId"] = slug.Of("another")
	}, jobsOf, "taskcluster/queue.listTaskGroup: taskGroupId: "},
	{"a task of another group", "/list", func(o tctest.Object) {
		part(o, "tasks", 0, "status")["taskGroupId"] = slug.Of("another")
		part(o, "tasks", 0, "task")["taskGroupId"] = slug.Of("another")
	}, jobsOf, "tasks[0].status.taskGroupId: "},
	{"a definition of another group", "/list", func(o tctest.Object) {
		part(o, "tasks", 0, "task")["taskGroupId"] = slug.Of("another")
	}, jobsOf, "tasks[0].task.taskGroupId: "},
	{"a group without its decision task", "/list", func(o tctest.Object) {
		o["tasks"] = o["tasks"].([]any)[1:]
	}, jobsOf, "taskcluster/queue.listTaskGroup: tasks: the decision task itself is missing"},
	{"a run whose state is not the task's", "/list", func(o tctest.Object) {
		part(o, "tasks", 1, "status")["state"] = "failed"
	}, jobsOf, "tasks[1].status.state: "},
	{"no runs of a task that is completed", "/list", func(o tctest.Object) {
		part(o, "tasks", 1, "status")["runs"] = []any{}
	}, jobsOf, "tasks[1].status.state: "},
	{"a hole among the runs", "/list", func(o tctest.Object) {
		part(o, "tasks", 1, "status", "runs", 0)["runId"] = 1
	}, jobsOf, "tasks[1].status.runs[0].runId: 1, expected 0"},
	{"a run that failed and says that it completed", "/list", func(o tctest.Object) {
		part(o, "tasks", 1, "status", "runs", 0)["reasonResolved"] = "failed"
	}, jobsOf, "tasks[1].status.runs[0].reasonResolved: "},
	{"a completed decision task without runs", "/status", func(o tctest.Object) {
		part(o, "status")["runs"] = []any{}
	}, catalogOf, "taskcluster/queue.status: status.state: "},
	{"a completed decision task whose run is not", "/status", func(o tctest.Object) {
		part(o, "status", "runs", 0)["state"] = "failed"
		part(o, "status", "runs", 0)["reasonResolved"] = "failed"
	}, catalogOf, "taskcluster/queue.status: status.state: "},
	{"another task's status", "/status", func(o tctest.Object) {
		part(o, "status")["taskId"] = slug.Of("another")
	}, catalogOf, "taskcluster/queue.status: status.taskId: "},
	{"another path of the index", "/indexes", func(o tctest.Object) {
		part(o, "tasks", 0)["namespace"] = "gecko.v2.try.latest.taskgraph.decision"
	}, jobsOf, "taskcluster/index.findTasksAtIndex: tasks[0].namespace: "},
	{"a path of the index twice", "/indexes", func(o tctest.Object) {
		o["tasks"] = append(o["tasks"].([]any), part(o, "tasks", 0))
	}, jobsOf, "comes twice"},
	{"no tasks of the index", "/indexes", func(o tctest.Object) {
		delete(o, "tasks")
	}, jobsOf, "taskcluster/index.findTasksAtIndex: tasks: missing"},
	{"a cron job of another push", ".cron", func(o tctest.Object) {
		o["tasks"] = []any{tctest.Object{"namespace": "gecko.v2.autoland.revision.0.cron.x", "taskId": slug.Of("x")}}
	}, jobsOf, "taskcluster/index.listTasks: tasks[0].namespace: "},
	{"a mapping to what is no task", "/0/public/label-to-taskid.json", func(o tctest.Object) {
		o[test] = "another"
	}, addedOf, `taskcluster/label-to-taskid.json: ["` + test + `"]: "another" is not a task id`},
	{"a label that stands at another", "/0/public/full-task-graph.json", func(o tctest.Object) {
		part(o, test)["label"] = other
	}, catalogOf, `taskcluster/full-task-graph.json: ["` + test + `"].label: `},
	{"a dependency that is in no graph", "/0/public/full-task-graph.json", func(o tctest.Object) {
		delete(o, build)
	}, catalogOf, "which is not in it"},
	{"an empty graph", "/0/public/full-task-graph.json", func(o tctest.Object) {
		clear(o)
	}, catalogOf, "full-task-graph.json: empty"},
	{"a decision task of another group", "/task/DECISION", func(o tctest.Object) {
		o["taskGroupId"] = slug.Of("another")
	}, triggered, "taskcluster/queue.task: taskGroupId: "},
	{"scopes that lack those that were expanded", "/expand", func(o tctest.Object) {
		o["scopes"] = []any{}
	}, triggered, "taskcluster/auth.expandScopes: scopes: "},
	{"no scopes", "/expand", func(o tctest.Object) { o["scopes"] = nil }, triggered, "scopes: null, expected a list"},
}

func jobsOf(ctx context.Context, p *taskcluster.Project) error {
	_, err := p.Jobs(ctx, push(20))
	return err
}

func catalogOf(ctx context.Context, p *taskcluster.Project) error {
	_, err := p.Catalog(ctx, push(20))
	return err
}

func addedOf(ctx context.Context, p *taskcluster.Project) error {
	_, err := p.WasAdded(ctx, ok(p.Jobs(ctx, push(20), test))[0])
	return err
}

func triggered(ctx context.Context, p *taskcluster.Project) error {
	_, err := p.Trigger(ctx, job.Request{Label: test, Push: push(20), Count: 1})
	return err
}

// What is absent, null, another's or in two minds is an error that names the place,
// and never a push without jobs, a job that went well, or nothing that is scheduled.
func TestProofs(t *testing.T) {
	for _, c := range proofs {
		t.Run(c.name, func(t *testing.T) {
			s := tctest.New()
			decision := s.AddPush("autoland", 20, push(20).Revision, labels...)
			s.Resolve(s.Tasks(decision, build)[0], "completed", "completed")
			path := strings.ReplaceAll(c.path, "DECISION", decision)
			p := at(t, &altered{s, path, c.alter}).Project("autoland", nil)
			err := c.ask(t.Context(), p)
			if !errors.Is(err, job.ErrMalformed) || errors.Is(err, job.ErrNotScheduled) ||
				!strings.Contains(fmt.Sprint(err), c.words) {
				t.Errorf("got %v\nwant %s", err, c.words)
			}
			var wrapped *job.Error
			if !errors.As(err, &wrapped) {
				t.Errorf("%v is no *job.Error", err)
			}
		})
	}
}

// What the queue answers to a batch is about the tasks that were asked for.
func TestBatchesOfOthers(t *testing.T) {
	for name, alter := range map[string]func(tctest.Object, string){
		"another task": func(o tctest.Object, member string) { part(o, member, 0)["taskId"] = slug.Of("another") },
		"twice": func(o tctest.Object, member string) {
			o[member] = append(o[member].([]any), part(o, member, 0))
		},
	} {
		s, decision := world()
		c := at(t, &altered{s, "/tasks/status", func(o tctest.Object) { alter(o, "statuses") }})
		if got, err := taskcluster.Statuses(c, t.Context(), decision); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: statuses %v, %v", name, got, err)
		}
		c = at(t, &altered{s, "/v1/tasks", func(o tctest.Object) { alter(o, "tasks") }})
		if got, err := taskcluster.Tasks(c, t.Context(), decision); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: tasks %v, %v", name, got, err)
		}
	}
}

// A task that is listed twice is one, unless the two differ.
func TestListedTwice(t *testing.T) {
	for name, c := range map[string]struct {
		second func(tctest.Object)
		err    error
	}{
		"the same":      {func(tctest.Object) {}, nil},
		"another state": {func(o tctest.Object) { ended(part(o, "status"), "failed") }, job.ErrMalformed},
		"another label": {func(o tctest.Object) { part(o, "task", "metadata")["name"] = other }, job.ErrMalformed},
	} {
		s := tctest.New()
		decision := s.AddPush("autoland", 20, push(20).Revision, labels...)
		s.Resolve(s.Tasks(decision, build)[0], "completed", "completed")
		client := at(t, &altered{s, "/list", func(o tctest.Object) {
			var again tctest.Object
			if err := json.Unmarshal(ok(json.Marshal(part(o, "tasks", 1))), &again); err != nil {
				t.Fatal(err)
			}
			c.second(again)
			o["tasks"] = append(o["tasks"].([]any), again)
		}})
		if err := jobsOf(t.Context(), client.Project("autoland", nil)); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, expected %v", name, err, c.err)
		}
	}
}

func ended(status tctest.Object, state string) {
	status["state"] = state
	run := part(status, "runs", 0)
	run["state"], run["reasonResolved"] = state, state
}

// A hook's fires are those of that hook.
func TestFiresOfAnotherHook(t *testing.T) {
	s, _ := world()
	const group, hook = "project-gecko", "in-tree-action-3-generic/0123456789"
	c := serve(t, s)
	if _, err := taskcluster.TriggerHook(c, t.Context(), group, hook, map[string]any{
		"decision": map[string]any{"action": map[string]any{"name": "x"}},
		"user":     map[string]any{"taskGroupId": slug.Of("x")},
	}); err != nil {
		t.Fatal(err)
	}
	fires := func(alter func(tctest.Object)) error {
		other := at(t, &altered{s, "/last-fires", alter})
		_, err := taskcluster.ListLastFires(other, t.Context(), group, hook, time.Time{})
		return err
	}
	if err := fires(func(tctest.Object) {}); err != nil {
		t.Error(err)
	}
	for _, member := range []string{"hookId", "hookGroupId"} {
		err := fires(func(o tctest.Object) { part(o, "lastFires", 0)[member] = "another" })
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "lastFires[0]."+member) {
			t.Errorf("another %s: %v", member, err)
		}
	}
}

// The file that the queue names is that of the task, the run and the name that were
// asked for. A log may be a link to another log.
func TestArtifactOfAnother(t *testing.T) {
	id, another := slug.Of("one"), slug.Of("another")
	for _, c := range []struct {
		name, stored string
		same         bool
	}{
		{"public/actions.json", id + "/0/public/actions.json", true},
		{"public/actions.json", another + "/0/public/actions.json", false},
		{"public/actions.json", id + "/1/public/actions.json", false},
		{"public/actions.json", id + "/0/public/parameters.yml", false},
		{"public/logs/live.log", id + "/0/public/logs/live_backing.log", true},
		{"public/logs/live.log", id + "/0/public/actions.json", false},
		{"public/a b.json", id + "/0/public/a%20b.json", true},
		{"public/actions.json", "somewhere/else", true}, // a store that names its files in its own way
	} {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/artifact-content/") {
				_, _ = fmt.Fprintf(w, `{"storageType": "s3", "url": "http://tc.example/bucket/%s"}`, c.stored)
			}
		})
		body, err := at(t, h).OpenArtifact(t.Context(), id, 0, c.name)
		if err == nil {
			_ = body.Close()
		}
		if (err == nil) != c.same || err != nil && !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s at %s: %v", c.name, c.stored, err)
		}
	}
}

// A listing that goes on with tokens that are always new ends after a number of
// pages, which the error names.
func TestEndlessPages(t *testing.T) {
	asked := 0
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = fmt.Fprint(w, page(fmt.Sprint("token ", asked)))
	})
	var last error
	for _, err := range taskcluster.TaskGroup(at(t, h), t.Context(), tornGroup) {
		last = err
	}
	if !errors.Is(last, job.ErrMalformed) || !strings.Contains(last.Error(), "after 1000 pages") || asked != 1000 {
		t.Errorf("%v after %d pages", last, asked)
	}
}

// An operation ends after its deadline whatever the service does, and says which it
// was; the caller's own deadline stays the caller's.
func TestDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		deadline, want time.Duration
	}{
		"by default": {0, 10 * time.Minute}, "as the caller says": {time.Minute, time.Minute},
	} {
		for path, ask := range map[string]struct {
			op string
			do func(context.Context, *taskcluster.Client) error
		}{
			"/list": {"taskcluster.jobs", func(ctx context.Context, c *taskcluster.Client) error {
				return jobsOf(ctx, c.Project("autoland", nil))
			}},
			"/full-task-graph.json": {"taskcluster.catalog", func(ctx context.Context, c *taskcluster.Client) error {
				return catalogOf(ctx, c.Project("autoland", nil))
			}},
			"/expand": {"taskcluster.trigger", func(ctx context.Context, c *taskcluster.Client) error {
				return triggered(ctx, c.Project("autoland", nil))
			}},
			"/artifacts": {"queue.listArtifacts", func(ctx context.Context, c *taskcluster.Client) error {
				for _, err := range c.ListArtifacts(ctx, slug.Of("x"), 0) {
					return err
				}
				return nil
			}},
			"/artifact-content/x": {"queue.artifact", func(ctx context.Context, c *taskcluster.Client) error {
				_, err := c.OpenArtifact(ctx, slug.Of("x"), 0, "x")
				return err
			}},
		} {
			synctest.Test(t, func(t *testing.T) {
				s, _ := world()
				client := ok(taskcluster.New("http://tc.example", &taskcluster.Options{
					HTTP: &http.Client{Transport: dripping{testenv.InMemory{Handler: s}, path}}, Deadline: c.deadline,
				}))
				began := time.Now()
				err := ask.do(t.Context(), client)
				took := time.Since(began)
				want := fmt.Sprintf("%s: no answer within %s", ask.op, c.want)
				if !errors.Is(err, job.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) ||
					!strings.Contains(fmt.Sprint(err), want) || took != c.want {
					t.Errorf("%s, %s: %v after %s, expected %s", name, path, err, took, want)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := ask.do(ctx, client); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: the caller's own deadline: %v", path, err)
				}
			})
		}
	}
}

// dripping answers requests whose path ends with one with 503 for ever, after a while.
type dripping struct {
	http.RoundTripper
	path string
}

func (d dripping) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, d.path) {
		return d.RoundTripper.RoundTrip(r)
	}
	select {
	case <-time.After(59 * time.Second):
		return nil, errors.New("the connection was reset")
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// What a task waits for may be said in a word that nobody knows: it is an error of
// that task, and the others are as they are.
func TestUnknownRequires(t *testing.T) {
	s, decision := world()
	failed := s.Tasks(decision, build)[0]
	s.Resolve(failed, "failed", "failed")
	s.Add(decision, tctest.Object{
		"metadata": tctest.Object{"name": "odd"}, "dependencies": []any{failed}, "requires": "some-completed",
	}, false)
	jobs, err := serve(t, s).Project("autoland", nil).Jobs(t.Context(), push(20))
	if !errors.Is(err, job.ErrUnknownWord) || !strings.Contains(err.Error(), `(odd): `) || len(jobs) < 4 {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
}
