package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger/ledger"
)

const suite = "test-linux64/opt-m-1"

func revisionOf(id int64) string { return fmt.Sprintf("%012x%028x", 0xabc0000+id, id) }

// firefoxCI is Firefox's CI at its own addresses: hg, Taskcluster, and a Treeherder that
// hears of Taskcluster's runs each time that it is asked. The suite is bad on push 4, good
// on push 1, and has not run between.
type firefoxCI struct {
	tc     *tctest.Server
	th     *thtest.Server
	hg     *hgtest.Server
	own    *taskcluster.Project // what Treeherder listens to
	ledger ledger.Ledger

	mu    sync.Mutex
	down  bool // Treeherder is
	asked map[string]int
	jobs  map[string]int // Treeherder's numbers, by run
}

// atFirefox sets the environment of somebody who has credentials there.
func atFirefox(t *testing.T) {
	t.Helper()
	t.Setenv("TASKCLUSTER_ROOT_URL", "")
	t.Setenv("TASKCLUSTER_CLIENT_ID", "me")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "secret")
}

func newFirefoxCI(t *testing.T) *firefoxCI {
	t.Helper()
	f := &firefoxCI{
		tc: tctest.New(), th: &thtest.Server{Project: "autoland"}, hg: hgtest.New(), asked: map[string]int{},
		jobs: map[string]int{}, ledger: ledger.NewMemory(),
	}
	for id, result := range map[int64]string{1: "completed", 2: "", 3: "", 4: "failed"} {
		d := f.tc.AddPush("autoland", id, revisionOf(id), tctest.Label{Name: "build-linux64/opt", Planned: true},
			tctest.Label{Name: suite, Build: "build-linux64/opt", Planned: result != ""})
		b := f.tc.Tasks(d, "build-linux64/opt")[0]
		f.tc.Resolve(b, "completed", "completed")
		f.tc.Put(b, 0, "public/build/target.zip", []byte("a build"))
		if result != "" {
			f.tc.Resolve(f.tc.Tasks(d, suite)[0], result, result)
		}
	}
	for id := int64(1); id <= 4; id++ {
		f.hg.Add("integration/autoland", id, hgtest.Push{
			Date: 1700000000 + id, User: "dev", Changesets: []hgtest.Changeset{{Node: revisionOf(id), Desc: "Bug 1"}},
		})
		f.th.AddPush(thtest.Object{
			"id": 8000 + id, "revision": revisionOf(id), "push_timestamp": 1700000000 + id, "revision_count": 1,
			"revisions": []any{thtest.Object{"revision": revisionOf(id)}},
		})
	}
	c, err := taskcluster.New(taskcluster.FirefoxCI, &taskcluster.Options{HTTP: hgtest.Client(f.tc)})
	if err != nil {
		t.Fatal(err)
	}
	f.own = c.Project("autoland", nil)
	return f
}

// RoundTrip implements http.RoundTripper.
func (f *firefoxCI) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.asked[r.URL.Hostname()]++
	f.mu.Unlock()
	var h http.Handler
	switch r.URL.Hostname() {
	case "hg.mozilla.org":
		h = f.hg
	case "treeherder.mozilla.org":
		f.ingest(r.Context())
		if h = f.th; f.down {
			h = http.NotFoundHandler()
		}
	case "firefox-ci-tc.services.mozilla.com":
		r = r.Clone(r.Context())
		r.Host = r.URL.Hostname() + ":443" // what is signed
		h = f.tc
	case "lando.moz.tools":
		h = http.NotFoundHandler()
	default:
		return nil, fmt.Errorf("nobody is at %s", r.URL.Host)
	}
	return hgtest.Client(h).Transport.RoundTrip(r)
}

// ingest tells Treeherder what it hears by now.
func (f *firefoxCI) ingest(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := int64(1); id <= 4; id++ {
		jobs, err := f.own.Jobs(ctx, job.Push{Repo: "autoland", ID: id, Revision: revisionOf(id)})
		if err != nil {
			panic(err)
		}
		for _, j := range jobs {
			state, result := "completed", "success"
			if j.Status() == job.StatusTestFailed {
				result = "testfailed"
			} else if j.Status().Waiting() {
				state, result = j.Status().String(), "unknown"
			}
			if f.jobs[j.ID()] == 0 {
				f.jobs[j.ID()] = 500 + len(f.jobs)
			}
			task, _, _ := strings.Cut(j.ID(), "/")
			f.th.PutJob(thtest.Object{
				"id": f.jobs[j.ID()], "push_id": 8000 + id, "job_type_name": j.Name(), "state": state, "result": result,
				"task_id": task,
			})
		}
	}
}

// client is a client of a server there, made by these flags.
func (f *firefoxCI) client(t *testing.T, line ...string) *mcp.ClientSession {
	t.Helper()
	parsed, err := parse(append(line, "--ledger", "in-memory"), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServices(parsed, &http.Client{Transport: f}, discarded())
	if err != nil {
		t.Fatal(err)
	}
	return connected(t, config{
		open: s.place, repo: "autoland", deployments: deployments(parsed, s.root), ledger: f.ledger,
		who: "tester (mcp)", act: parsed.act, runs: parsed.runs, day: parsed.day, log: discarded(),
	})
}

// By default history is read from Treeherder and runs are Taskcluster's; they are made once.
func TestFirefoxCI(t *testing.T) {
	for name, line := range map[string][]string{
		"by default": {"--act"}, "Taskcluster alone": {"--act", "--ci", "taskcluster"}, "Treeherder is down": {"--act"},
	} {
		atFirefox(t)
		synctest.Test(t, func(t *testing.T) {
			f := newFirefoxCI(t)
			f.down = name == "Treeherder is down"
			actThere(t, name, f, f.client(t, line...))
			if through := f.asked["treeherder.mozilla.org"] > 0; through != (len(line) == 1) {
				t.Errorf("%s: Treeherder was asked %t", name, through)
			}
		})
	}
}

func actThere(t *testing.T, name string, f *firefoxCI, c *mcp.ClientSession) {
	t.Helper()
	question := args{"revision": "tip", "label": suite, "times": 2}
	found := asked[lastGoodOut](t, c, "find_last_good", question)
	if found.LastGood.ID != 1 || found.FirstBad.ID != 4 || found.Plan.Total != 4 || len(found.Problems) != 0 {
		t.Errorf("%s: %+v", name, found)
	}
	got := asked[actedOut](t, c, "trigger_plan", args{"plan_id": found.Plan.ID})
	if got.Triggered != 4 || got.Steps[0].State != "accepted" || got.Steps[0].Page == "" {
		t.Errorf("%s: %+v", name, got)
	}
	if again := asked[lastGoodOut](t, c, "find_last_good", question); again.Plan.Total != 0 {
		t.Errorf("%s, while the runs are not visible: %+v", name, again.Plan)
	}
	f.tc.Settle()
	time.Sleep(time.Minute) // of the bubble: what was listed a moment ago is listed again
	again := asked[actedOut](t, c, "trigger_plan", args{"plan": found.Plan})
	jobs := asked[jobsOut](t, c, "list_jobs", args{"revision": revisionOf(2), "label": suite})
	if again.Triggered != 0 || again.Before != 4 || jobs.Count != 2 {
		t.Errorf("%s: %+v, %+v", name, again, jobs)
	}
}

// A build that the CI makes for a test, with the same request, costs its budget once.
func TestBuildsComeAlong(t *testing.T) {
	atFirefox(t)
	synctest.Test(t, func(t *testing.T) {
		f := newFirefoxCI(t)
		f.tc.AddPush("autoland", 5, revisionOf(5), tctest.Label{Name: "build-linux64/opt"},
			tctest.Label{Name: suite, Build: "build-linux64/opt"})
		f.hg.Add("integration/autoland", 5, hgtest.Push{
			Date: 1700000005, User: "dev", Changesets: []hgtest.Changeset{{Node: revisionOf(5)}},
		})
		c := f.client(t, "--ci", "taskcluster", "--act", "--budget-runs", "2", "--budget-day", "2")
		plan := asked[planShape](t, c, "plan_runs", args{"revision": "tip", "label": suite})
		if plan.Total != 2 || len(plan.Steps) != 2 || plan.Steps[0].With != suite {
			t.Fatalf("%+v", plan)
		}
		none := f.client(t, "--ci", "taskcluster", "--act", "--budget-runs", "0")
		for i, client := range []*mcp.ClientSession{c, none} {
			got := asked[actedOut](t, client, "trigger_plan", args{"plan": plan})
			if got.Triggered != 2*(1-i) || got.Before != 2*i {
				t.Errorf("time %d: %+v", i+1, got)
			}
		}
	})
}

// Links of Treeherder and Taskcluster lead to the job as Taskcluster has it.
func TestLinks(t *testing.T) {
	atFirefox(t)
	f := newFirefoxCI(t)
	c := f.client(t)
	run := asked[jobsOut](t, c, "list_jobs", args{"revision": "tip", "label": suite}).Jobs[0]
	task, _, _ := strings.Cut(run.ID, "/")
	at := "https://treeherder.mozilla.org/jobs?repo=autoland&revision=" + revisionOf(4)
	for _, link := range []string{
		fmt.Sprintf("%s&selectedJob=%d", at, f.jobs[run.ID]), at + "&selectedTaskRun=" + task + ".0",
		"https://firefox-ci-tc.services.mozilla.com/tasks/" + task, task,
	} {
		got := asked[jobsOut](t, c, "list_jobs", args{"link": link})
		if got.Count != 1 || got.Jobs[0].ID != run.ID || got.Push.ID != 4 || got.Push.Revision != revisionOf(4) {
			t.Errorf("%s: %+v", link, got)
		}
	}
	if got := asked[lastGoodOut](t, c, "find_last_good", args{"link": task}); got.LastGood.ID != 1 {
		t.Errorf("%+v", got)
	}
	if text := refused(t, c, "list_jobs", args{"link": at + "&selectedJob=77777"}); !strings.HasPrefix(text,
		"It was not found.") {
		t.Error(text)
	}
	labels := asked[labelsOut](t, c, "list_labels", args{"link": at, "contains": "m-1"})
	if labels.Count != 1 || labels.Labels[0].Label != suite {
		t.Errorf("%+v", labels)
	}
}

// Which services are opened by which flags. Nothing is asked.
func TestPlaces(t *testing.T) {
	t.Setenv("TASKCLUSTER_ROOT_URL", "")
	for _, c := range []struct{ line, repo, pushes, jobs string }{
		{"", "autoland", "hg", "treeherder, taskcluster"},
		{"", "fenix", "treeherder", "treeherder, taskcluster"},
		{"--root-url " + taskcluster.FirefoxCI + "/", "autoland", "hg", "treeherder, taskcluster"},
		{"--root-url https://tc.example", "autoland", "hg", "taskcluster"},
		{"--root-url https://tc.example --treeherder-url https://th.example", "a", "hg", "treeherder, taskcluster"},
		{"--ci taskcluster", "autoland", "hg", "taskcluster"},
		{"--ci treeherder", "autoland", "treeherder", "treeherder"},
		{"--ci buildbot --buildbot-url http://bb.example", "app", "buildbot", "buildbot"},
		{"--ci buildbot --buildbot-url http://bb.example --hg-url http://hg.example", "app", "hg", "buildbot"},
	} {
		f, err := parse(strings.Fields(c.line), t.Output())
		if err != nil {
			t.Fatal(err)
		}
		s, err := newServices(f, nil, discarded())
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.place(c.repo)
		if err != nil {
			t.Fatal(err)
		}
		pushes, jobs := kindOf(p.repo), kindOf(p.ci)
		if pushes != c.pushes || jobs != c.jobs || p.repo.Name() != c.repo {
			t.Errorf("%s: pushes of %s from %s, jobs from %s", c.line, p.repo.Name(), pushes, jobs)
		}
	}
	for _, line := range []string{
		"--root-url ://", "--hg-url ://", "--treeherder-url ://", "--ci buildbot --buildbot-url ://",
	} {
		f, err := parse(strings.Fields(line), t.Output())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newServices(f, nil, discarded()); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

func kindOf(v any) string {
	switch v := v.(type) {
	case *pushlog.Log:
		return "hg"
	case *treeherder.Project:
		return "treeherder"
	case *taskcluster.Project:
		return "taskcluster"
	case *buildbot.Project:
		return "buildbot"
	case *treeherder.Acting:
		return "treeherder, " + kindOf(v.Unwrap())
	}
	return fmt.Sprintf("%T", v)
}

// A Buildbot master is asked by its own links and ids, and runs what a plan says once.
func TestBuildbot(t *testing.T) {
	t.Setenv("BUILDBOT_USER", bbtest.User)
	t.Setenv("BUILDBOT_PASSWORD", bbtest.Password)
	d := bbtest.NewDouble(t)
	b := d.Builder("linux test")
	d.Form("force", []string{"linux test"}, bbtest.Sources("", nil))
	for id, results := range []int{0, 2} {
		d.Change(bbtest.Revision(id+1), nil)
		d.Ask(bbtest.BuildRequest{
			Builder: b, Results: []int{results}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(id+1), nil)},
		})
	}
	d.Log(2, "test", "FAILED test_a.py::test_it - AssertionError: no\n")
	c := flagged(t, "--ci", "buildbot", "--buildbot-url", d.URL, "--repo", "main", "--act", "--ledger",
		filepath.Join(t.TempDir(), "ledger.db"))
	for _, link := range []string{"/#/buildrequests/2", "/#/builders/1/builds/2", "/#/builders/linux%20test/builds/2"} {
		got := asked[lastGoodOut](t, c, "find_last_good", args{"link": d.URL + link})
		if got.Label != "linux test" || got.LastGood == nil || got.LastGood.Revision != bbtest.Revision(1) ||
			got.FirstBad.Revision != bbtest.Revision(2) {
			t.Errorf("%s: %+v", link, got)
		}
	}
	id := asked[jobsOut](t, c, "list_jobs", args{"revision": "tip"}).Jobs[0].ID
	failed := asked[failuresOut](t, c, "list_failures", args{"job": id})
	if failed.Count != 1 || failed.Failures[0].Test.Text != "test_a.py::test_it" || failed.Job.Page == "" {
		t.Errorf("%+v", failed)
	}
	plan := asked[planShape](t, c, "plan_runs", args{"revision": "tip", "label": "linux test", "times": 2})
	for i := range 2 {
		got := asked[actedOut](t, c, "trigger_plan", args{"plan": plan})
		if got.Triggered != 1-i || got.Before != i {
			t.Errorf("time %d: %+v", i+1, got)
		}
	}
	if text := refused(t, c, "list_jobs", args{
		"link": "https://treeherder.mozilla.org/jobs?repo=main&revision=52f516546de7&selectedJob=24",
	}); !strings.HasPrefix(text, "This CI cannot do that.") {
		t.Error(text)
	}
}
