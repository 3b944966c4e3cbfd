package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/taskcluster"
)

// tcTape records a deployment's answers in the order of the requests, so that the same questions
// can be repeated without delay. One answer may be replaced by another text.
type tcTape struct {
	mu      sync.Mutex
	from    http.Handler // nil: requests that are not recorded get 404
	answers map[string][]*http.Response
	bodies  map[*http.Response][]byte
	next    map[string]int
	swap    string // method, path and body of the request whose answer is text
	text    []byte
}

func (p *tcTape) RoundTrip(r *http.Request) (*http.Response, error) {
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(asked))
	key := r.Method + " " + r.URL.RequestURI() + "\n" + string(asked)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.from != nil {
		res, err := testenv.InMemory{Handler: p.from}.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		plain, err := gunzip.Reader(res.Body)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(plain)
		res.Header.Del("Content-Encoding")
		p.answers[key] = append(p.answers[key], res)
		p.bodies[res] = body
		return p.give(r, res, body), err
	}
	kept := p.answers[key]
	if len(kept) == 0 {
		gone := &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}}
		return p.give(r, gone, []byte(`{"code":"ResourceNotFound","message":"taskcluster was not asked for it before"}`)), nil
	}
	res := kept[min(p.next[key], len(kept)-1)]
	p.next[key]++
	body := p.bodies[res]
	if p.swap == key && res.StatusCode == http.StatusOK {
		body = p.text
	}
	return p.give(r, res, body), nil
}

func (p *tcTape) give(r *http.Request, res *http.Response, body []byte) *http.Response {
	return &http.Response{
		StatusCode: res.StatusCode, Header: res.Header, Request: r, ContentLength: int64(len(body)),
		Body: io.NopCloser(bytes.NewReader(body)),
	}
}

// kept is the first request that matches a pattern, and its answer.
func (p *tcTape) kept(at string) (key string, answer []byte) {
	pattern := regexp.MustCompile("(?m)" + at)
	for _, key := range slices.Sorted(maps.Keys(p.answers)) {
		if pattern.MatchString(key) {
			return key, p.bodies[p.answers[key][0]]
		}
	}
	return "", nil
}

// tcScene is an answer, and the question for which it was given.
type tcScene struct {
	title, name string
	at          string // the request's method and path
	recorded    bool   // it is of the recorded push, not of a double
	old         bool   // the deployment has no batch calls
	ask         func(context.Context, *tcAsking) string
	other       func(context.Context, *tcAsking) string // a question to which this request has another answer
}

// tcAsking asks about a push. It keeps the first failure, and asks nothing more after it.
type tcAsking struct {
	c    *taskcluster.Client
	p    *taskcluster.Project
	push job.Push
	s    *tctest.Server // set while the tape is recorded
	err  error
}

func run[T any](a *tcAsking, v T, err error) T {
	if a.err == nil {
		a.err = err
	}
	return v
}

// play asks the questions on a tape, and returns the answers as text.
func (s *tcScene) play(
	t *testing.T, tape *tcTape, server *tctest.Server, push job.Push, ask func(context.Context, *tcAsking) string,
) (result string, err error) {
	synctest.Test(t, func(t *testing.T) {
		c, newErr := taskcluster.New("http://tc.example", &taskcluster.Options{
			HTTP:        &http.Client{Transport: tape},
			Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
		})
		if newErr != nil {
			t.Fatal(newErr)
		}
		a := &tcAsking{c: c, p: c.Project("autoland", nil), push: push, s: server}
		result = ask(t.Context(), a)
		err = a.err
	})
	return result, err
}

// tape asks a deployment and records its answers.
func (s *tcScene) tape(t *testing.T, ask func(context.Context, *tcAsking) string) *tcTape {
	tape := &tcTape{answers: map[string][]*http.Response{}, bodies: map[*http.Response][]byte{}}
	push := job.Push{Repo: "autoland", ID: tctest.RecordedID, Revision: tctest.RecordedRevision}
	var server *tctest.Server
	if s.recorded {
		exchanges, files := testenv.Shared(t, "wire", "taskcluster"), testenv.Shared(t, "wire", "decision")
		replay, err := tctest.ReplayPush(exchanges, files, "172-gecko")
		if err != nil {
			t.Fatal(err)
		}
		replay.URL = "http://tc.example"
		tape.from = replay
	} else {
		synctest.Test(t, func(*testing.T) { server = tcDeployment() })
		server.Old = s.old
		tape.from = server
		push = tcPush(20)
	}
	if _, err := s.play(t, tape, server, push, ask); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	tape.from = nil
	return tape
}

// of is the case of a scene.
func (s *tcScene) of(t *testing.T) *damage.Case {
	all := taskcluster.Contracts()
	i := slices.IndexFunc(all, func(e contract.Any) bool { return e.Title() == s.title })
	if i < 0 {
		t.Fatalf("no contract is titled %q", s.title)
	}
	tape := s.tape(t, s.ask)
	swap, text := tape.kept(s.at)
	push := tcPush(20)
	if s.recorded {
		push = job.Push{Repo: "autoland", ID: tctest.RecordedID, Revision: tctest.RecordedRevision}
	}
	c := &damage.Case{
		Endpoint: all[i], Name: s.name, Text: text,
		Result: func(text []byte) (string, error) {
			again := &tcTape{answers: tape.answers, bodies: tape.bodies, next: map[string]int{}, swap: swap, text: text}
			return s.play(t, again, nil, push, s.ask)
		},
		Untold: func(d damage.Damage, _ string) string { return tcUntold(s.title, d) },
	}
	if s.other != nil {
		_, another := s.tape(t, s.other).kept(s.at)
		c.Others = map[string][]byte{"another answer": another}
	}
	return c
}

func tcPush(id int64) job.Push {
	return job.Push{Repo: "autoland", ID: id, Revision: fmt.Sprintf("%040x", id)}
}

const (
	tcBuild = "build-linux64/opt"
	tcTest  = "test-linux2404-64/opt-mochitest-1"
	tcSpare = "test-linux2404-64/opt-talos-g1"
)

// tcDeployment has two pushes. Their tasks are a build that made a file, a test that failed, one
// that cannot run any more, and one that waits for a task of another group, which waits too.
func tcDeployment() *tctest.Server {
	s := tctest.New()
	for _, id := range []int64{20, 21} {
		decision := s.AddPush("autoland", id, tcPush(id).Revision,
			tctest.Label{Name: tcBuild, Planned: true},
			tctest.Label{Name: tcTest, Build: tcBuild, Planned: true, Manifests: []string{"dom/a/mochitest.toml"}},
			tctest.Label{Name: tcSpare, Build: tcBuild})
		built := s.Tasks(decision, tcBuild)[0]
		s.Resolve(built, "completed", "completed")
		s.Put(built, 0, "public/build/target.zip", []byte("x"))
		s.Put(built, 0, "public/logs/live_backing.log", []byte("the log"))
		s.Resolve(s.Tasks(decision, tcTest)[0], "failed", "failed")
		named := func(name string, needs ...any) tctest.Object {
			return tctest.Object{
				"metadata": tctest.Object{"name": name}, "dependencies": needs, "tags": tctest.Object{"kind": "test"},
			}
		}
		far := s.Add("", named("far"), true).ID
		s.Resolve(far, "failed", "failed")
		between := s.Add("", named("between", far), false).ID
		s.Add(decision, named("waits", between), false)
		cron := s.AddPush("cron", id, tcPush(id).Revision, tctest.Label{Name: "nightly", Planned: true})
		s.Index("gecko.v2.autoland.revision."+tcPush(id).Revision+".cron.nightly", cron)
	}
	return s
}

// tcJobs are the push's jobs, with what matters of them.
func tcJobs(ctx context.Context, a *tcAsking) string {
	var out []string
	jobs, err := a.p.Jobs(ctx, a.push)
	for _, j := range run(a, jobs, err) {
		r := j.Raw().(taskcluster.Record)
		out = append(out, fmt.Sprint(j.ID(), " ", j.Name(), " ", j.Status(), " ", r.Never))
	}
	return strings.Join(out, "\n")
}

// tcCatalog is what the push can run.
func tcCatalog(labels ...string) func(context.Context, *tcAsking) string {
	return func(ctx context.Context, a *tcAsking) string {
		var out []string
		entries, err := a.p.Catalog(ctx, a.push, labels...)
		for _, e := range run(a, entries, err) {
			out = append(out, fmt.Sprint(e.Label, " ", e.Kind, " ", e.Upstreams, " ", e.Manifests))
		}
		slices.Sort(out)
		return strings.Join(out, "\n")
	}
}

// tcAdded says of each job whether it was added after the push.
func tcAdded(ctx context.Context, a *tcAsking) string {
	var out []string
	jobs, err := a.p.Jobs(ctx, a.push)
	for _, j := range run(a, jobs, err) {
		added, err := a.p.WasAdded(ctx, j)
		out = append(out, fmt.Sprint(j.ID(), " ", run(a, added, err)))
	}
	return strings.Join(out, "\n")
}

// tcFiles says of each job whether its files exist.
func tcFiles(ctx context.Context, a *tcAsking) string {
	var out []string
	jobs, err := a.p.Jobs(ctx, a.push, tcBuild)
	for _, j := range run(a, jobs, err) {
		there, err := a.p.ArtifactsExist(ctx, j)
		out = append(out, fmt.Sprint(j.ID(), " ", run(a, there, err)))
	}
	return strings.Join(out, "\n")
}

// tcLog reads the log of the build.
func tcLog(ctx context.Context, a *tcAsking) string {
	jobs, err := a.p.Jobs(ctx, a.push, tcBuild)
	if len(run(a, jobs, err)) == 0 {
		return ""
	}
	log, err := a.p.OpenLog(ctx, jobs[0], job.LogText)
	if err != nil {
		a.err = err
		return ""
	}
	text, err := io.ReadAll(log)
	return run(a, string(text), err) + fmt.Sprint(log.Close())
}

// tcFired triggers two runs of a test, and then reads their outcome.
func tcFired(ctx context.Context, a *tcAsking) string {
	r, err := a.p.Trigger(ctx, job.Request{Key: "k", Label: tcTest, Push: a.push, Count: 2, Why: "a measurement"})
	got := run(a, r, err)
	if a.err != nil {
		return ""
	}
	if a.s != nil {
		a.s.Settle()
	}
	out, err := a.p.Outcome(ctx, a.push, tcTest, got)
	run(a, out, err)
	return fmt.Sprint(got.State, got.By, got.IDs, out.IDs, out.Done, out.Why, out.Cancelled)
}

// tcDepth reads the depth of the test's queue.
func tcDepth(ctx context.Context, a *tcAsking) string {
	tcJobs(ctx, a)
	n, err := a.p.QueueDepth(ctx, tcTest)
	return fmt.Sprint(run(a, n, err))
}

// of21 asks the same about the other push.
func of21(ask func(context.Context, *tcAsking) string) func(context.Context, *tcAsking) string {
	return func(ctx context.Context, a *tcAsking) string {
		a.push = tcPush(21)
		return ask(ctx, a)
	}
}

// tcScenes are the answers that are damaged.
func tcScenes() []tcScene {
	const api = "^GET /api/"
	return []tcScene{
		{title: "queue.listTaskGroup", name: "the recorded push", at: `/list$`, recorded: true, ask: tcJobs},
		{title: "index.findTask", name: "the recorded push", at: api + `index/v1/task/.*revision`, recorded: true, ask: tcJobs},
		{title: "queue.status", name: "the decision task", at: `/status$`, recorded: true, ask: tcCatalog()},
		{
			title: "full-task-graph.json", name: "the recorded push", at: `/files/.*full-task-graph`, recorded: true,
			ask: tcCatalog(),
		},
		{
			title: "label-to-taskid.json", name: "the recorded push", at: `/files/.*label-to-taskid`, recorded: true,
			ask: tcAdded,
		},
		{title: "queue.listTaskGroup", name: "a push", at: `/list$`, ask: tcJobs, other: of21(tcJobs)},
		{title: "index.findTasksAtIndex", name: "a push", at: `/indexes$`, ask: tcJobs, other: of21(tcJobs)},
		{title: "index.listTasks", name: "cron jobs", at: `\.cron$`, ask: tcJobs, other: of21(tcJobs)},
		{title: "queue.statuses", name: "what waits", at: `/v1/tasks/status$`, ask: tcJobs, other: of21(tcJobs)},
		{title: "queue.tasks", name: "what waits", at: `^POST /api/queue/v1/tasks$`, ask: tcJobs, other: of21(tcJobs)},
		{title: "queue.listArtifacts", name: "a build", at: `/runs/0/artifacts$`, ask: tcFiles},
		{title: "queue.artifactContent", name: "a log", at: `artifact-content/`, ask: tcLog, other: of21(tcLog)},
		{title: "queue.taskQueueCounts", name: "a queue", at: `/counts$`, ask: tcDepth},
		{title: "runnable-jobs.json", name: "a label", at: `/bucket/.*runnable-jobs`, ask: tcCatalog(tcBuild+"x", tcSpare)},
		{title: "actions.json", name: "a push", at: `/bucket/.*actions\.json`, ask: tcFired},
		{title: "auth.expandScopes", name: "a decision task", at: `/expand$`, ask: tcFired},
		{title: "hooks.triggerHook", name: "a fire", at: `/trigger$`, ask: tcFired},
		{title: "hooks.listLastFires", name: "a fire", at: `/last-fires$`, ask: tcFired},
		{title: "task-graph.json", name: "an action", at: `/bucket/.*/public/task-graph`, ask: tcFired},
	}
}

func taskclusterDamage(t *testing.T) []*damage.Case {
	var out []*damage.Case
	for _, s := range tcScenes() {
		s.title = "taskcluster/" + s.title
		out = append(out, s.of(t))
	}
	return out
}

// tcReason says why a reader cannot notice some damages.
type tcReason struct {
	title, field string // patterns; field matches the path without indices
	kinds        []damage.Kind
	why          string
}

// gone are the ways in which an element or a member can get lost.
var gone = []damage.Kind{damage.Dropped, damage.Empty, damage.Removed}

var tcReasons = []tcReason{
	{
		`listTaskGroup|listTasks|findTasksAtIndex|statuses|listArtifacts|listLastFires`,
		`^(tasks|statuses|artifacts|lastFires)(\[\])?$`, gone, "a listing leaves out what is not there",
	},
	{
		`listTaskGroup|/task-graph`, `(metadata\.name|label)$`, []damage.Kind{damage.Word}, "a label may be any word",
	},
	{`/task-graph`, `^[^.]+$`, []damage.Kind{damage.Removed}, "an action makes what it makes"},
	{`full-task-graph|runnable-jobs|task-graph`, `^[^.]*(\.[^.]*)?/[^.]*$`, gone, "a push offers the labels that it offers"},
	{`full-task-graph|listTaskGroup|tasks`, `\.dependencies`, gone, "a task needs what it needs"},
	{`full-task-graph`, `test_manifests|MOZHARNESS_TEST_PATHS`, nil, "a push may write anything there"},
	{`label-to-taskid`, `.`, gone, "a decision task plans what it plans"},
	{`task-graph`, `^[\w-]{22}$`, []damage.Kind{damage.Flipped}, "a task's id may be any other one"},
	{`label-to-taskid|task-graph`, `^\.$`, []damage.Kind{damage.Instead}, "a task may have made nothing"},
}

// tcUntold says why a reader cannot notice that an answer is damaged.
func tcUntold(title string, d damage.Damage) string {
	field := contract.Finding{Path: d.Path}.Field()
	for _, r := range tcReasons {
		if regexp.MustCompile(r.title).MatchString(title) && regexp.MustCompile(r.field).MatchString(field) &&
			(r.kinds == nil || slices.Contains(r.kinds, d.Kind)) {
			return r.why
		}
	}
	return ""
}
