package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/link"
)

// started is the program as if it were started with these flags.
func started(t *testing.T, args ...string) *app {
	t.Helper()
	a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	root := a.root()
	if err := root.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if err := a.start(root); err != nil {
		t.Fatal(err)
	}
	return a
}

func placesOf(t *testing.T, names []string, args ...string) server.Places {
	t.Helper()
	p, err := started(t, args...).servePlaces(names, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const servedLabel = "test-linux64/opt-m-1"

// servedCI is a deployment with a push each of autoland and mozilla-central, and a
// Treeherder that has autoland's job 51, whose task failed. It returns the flags.
func servedCI(t *testing.T) (tc *tctest.Server, th *thtest.Server, tasks map[string]string, args []string) {
	t.Helper()
	t.Setenv("TASKCLUSTER_ROOT_URL", "")
	t.Setenv("TASKCLUSTER_CLIENT_ID", "")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "")
	tc, tasks = tctest.New(), map[string]string{}
	hg := hgtest.New()
	for id, repo := range map[int64]string{4: "autoland", 7: "mozilla-central"} {
		d := tc.AddPush(repo, id, revisionOf(id), tctest.Label{Name: servedLabel, Planned: true})
		tasks[repo] = tc.Tasks(d, servedLabel)[0]
		tasks[repo+" group"] = d
		tc.Resolve(tasks[repo], "failed", "failed")
		path := map[string]string{"autoland": "integration/autoland"}[repo]
		if path == "" {
			path = repo
		}
		hg.Add(path, id, hgtest.Push{
			Date: 1700000000 + id, User: "dev",
			Changesets: []hgtest.Changeset{{Node: revisionOf(id)}},
		})
	}
	th = &thtest.Server{Project: "autoland"}
	th.AddPush(thtest.Object{
		"id": 904, "revision": revisionOf(4), "author": "dev", "push_timestamp": 1700000004,
		"revisions": []any{thtest.Object{"revision": revisionOf(4)}},
	})
	th.AddJob(job51(tasks["autoland"]))
	return tc, th, tasks, []string{
		"--root-url", listen(t, tc), "--treeherder-url", listen(t, th), "--hg-url", listen(t, hg),
	}
}

func job51(task string) thtest.Object {
	return thtest.Object{
		"id": 51, "push_id": 904, "state": "completed", "result": "testfailed", "job_type_name": servedLabel,
		"task_id": task, "retry_id": 0,
	}
}

func numbered(n int64) *int64 { return &n }

// said is what was located, or why it was not.
func said(l server.Located, err error) string {
	var no *server.Refusal
	switch {
	case errors.As(err, &no):
		return string(no.Reason) + ": " + no.Message
	case err != nil:
		return err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %.12s %s", l.Project, l.Label, l.Revision, l.Run))
}

// A job is located by its number in Treeherder, by its task, and by links, in whatever
// repository it is.
func TestServeLocates(t *testing.T) { //nolint:funlen // it is a table
	_, th, tasks, args := servedCI(t)
	mine, other := tasks["autoland"], tasks["mozilla-central"]
	for id, o := range map[int]thtest.Object{
		52: {"task_id": strings.Repeat("a", 22)},
		53: {"task_id": "", "build_system_type": "buildbot", "ref_data_name": "b"},
		54: {"job_type_name": "another label"}, 55: {"task_id": other},
	} {
		j := job51(mine)
		for name, v := range o {
			j[name] = v
		}
		j["id"] = id
		th.AddJob(j)
	}
	p := placesOf(t, nil, args...)
	here := "autoland " + servedLabel + " 00000abc0004 " + mine + "/0"
	there := "mozilla-central " + servedLabel + " 00000abc0007 " + other + "/0"
	ask := func(n server.Named, text string) server.Named {
		if text != "" {
			l, err := link.Parse(text, p.Deployments())
			if err != nil {
				t.Fatal(err)
			}
			n.Link = &l
		}
		return n
	}
	root, treeherder, hg := args[1], args[3], args[5]
	for name, c := range map[string]struct {
		n    server.Named
		link string
		want string
	}{
		"Treeherder's number":  {server.Named{JobID: numbered(51)}, "", here},
		"of a named project":   {server.Named{JobID: numbered(51), Project: "autoland"}, "", here},
		"a task":               {server.Named{TaskID: mine}, "", here},
		"a run":                {server.Named{TaskID: mine + "/0"}, "", here},
		"another repository's": {server.Named{TaskID: other}, "", there},
		"a link of Treeherder": {
			server.Named{},
			treeherder + "/jobs?repo=autoland&selectedTaskRun=" + mine + ".0",
			here,
		},
		"with a job's number": {server.Named{}, treeherder + "/jobs?repo=autoland&selectedJob=51", here},
		"of a push": {
			server.Named{},
			treeherder + "/jobs?repo=autoland&revision=" + revisionOf(4),
			"autoland  00000abc0004",
		},
		"a link of Taskcluster": {server.Named{}, root + "/tasks/" + other, there},
		"of a group": {
			server.Named{},
			root + "/tasks/groups/" + tasks["mozilla-central group"],
			"mozilla-central  00000abc0007",
		},
		"a link of hg": {
			server.Named{},
			hg + "/integration/autoland/rev/" + revisionOf(4),
			"autoland  00000abc0004",
		},
		"a bare task": {server.Named{}, other, there},
		"unknown to Treeherder": {
			server.Named{JobID: numbered(50)},
			"",
			"expired: The job 50 of autoland has expired, or never was: Treeherder has no such job in autoland",
		},
		"a task that is gone": {
			server.Named{TaskID: strings.Repeat("a", 22)},
			"",
			"expired: The job " + strings.Repeat("a", 22) + " has expired, or never was",
		},
		"a job whose task is gone": {
			server.Named{JobID: numbered(52)}, "", "expired: Treeherder still shows the job 52, and its task aaaa",
		},
		"a job of Buildbot": {
			server.Named{JobID: numbered(53)},
			"",
			`not_found: The job 53 is of the CI "buildbot", and this service asks taskcluster.`,
		},
		"a job whose task is of another label": {
			server.Named{JobID: numbered(54)},
			"",
			`malformed answer: by Treeherder the job 54`,
		},
		"a job whose task is of another push": {
			server.Named{JobID: numbered(55)},
			"",
			`malformed answer: by Treeherder the job 55`,
		},
		"no id": {
			server.Named{TaskID: "run-7"},
			"",
			`not_found: No job is known by "run-7"`,
		},
		"another project than was said": {
			server.Named{TaskID: other, Project: "autoland"},
			"",
			`project: "autoland", and the job is of "mozilla-central"`,
		},
	} {
		l, err := p.Locate(t.Context(), ask(c.n, c.link))
		if got := said(l, err); !strings.HasPrefix(got, c.want) && !strings.Contains(got, ": "+c.want) ||
			err == nil && got != c.want {
			t.Errorf("%s: %s\nexpected %s", name, got, c.want)
		}
		if err == nil && l.Run != "" && !strings.Contains(l.Page,
			"selectedTaskRun="+strings.ReplaceAll(l.Run, "/", ".")) {
			t.Errorf("%s: its page is %q", name, l.Page)
		}
	}
	if _, err := link.Parse("http://other.example/tasks/"+mine, p.Deployments()); !errors.Is(err, link.ErrHost) {
		t.Errorf("another deployment: %v", err)
	}
}

// Each project is opened once, and works: its pushes, its jobs and its pages. Those that
// are not served are not there.
func TestServeOpens(t *testing.T) {
	tc, _, tasks, args := servedCI(t)
	p := placesOf(t, []string{"mozilla-central", "integration/autoland"}, args...)
	for name, project := range map[string]string{
		"": "autoland", "autoland": "autoland", "integration/autoland": "autoland",
		"mozilla-central": "mozilla-central",
	} {
		place, err := p.Open(t.Context(), name)
		if err != nil || place.Project != project || place.Repo.Name() != project {
			t.Fatalf("%q: %+v, %v", name, place, err)
		}
		push, err := place.Repo.Push(t.Context(), "tip")
		if err != nil || push.Repo != project {
			t.Fatalf("%q: %v, %v", name, push, err)
		}
		jobs, err := place.CI.Jobs(t.Context(), push, servedLabel)
		if err != nil || len(jobs) != 1 || jobs[0].ID() != tasks[project]+"/0" {
			t.Errorf("%q: %v, %v", name, jobs, err)
		}
		want := args[3] + "/jobs?repo=" + project + "&revision=" + push.Revision
		if got := place.PushPage(push); got != want {
			t.Errorf("%q: %s, expected %s", name, got, want)
		}
		if got := place.RangePage(push, push); !strings.Contains(got, "fromchange="+push.Revision) {
			t.Errorf("%q: %s", name, got)
		}
		if place.Judge("") != nil || place.Judge("a.js") == nil {
			t.Errorf("%q: a job is judged by its status, a test by its log", name)
		}
		again, err := p.Open(t.Context(), project)
		if err != nil || again.CI != place.CI || again.Repo != place.Repo {
			t.Errorf("%q was opened twice: %v", name, err)
		}
	}
	for _, name := range []string{"try", "mozilla-beta", "../x", "a b", strings.Repeat("a", 200)} {
		_, err := p.Open(t.Context(), name)
		var e *job.Error
		if !errors.Is(err, job.ErrNotFound) || !errors.As(err, &e) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := p.Open(t.Context(), "try"); !strings.Contains(err.Error(), "mozilla-central or autoland") {
		t.Errorf("%v", err)
	}
	tc.AddPush("try", 9, revisionOf(9), tctest.Label{Name: servedLabel, Planned: true})
	d := tc.Indexed("gecko.v2.try.revision." + revisionOf(9) + ".taskgraph.decision")
	if _, err := p.Locate(t.Context(), server.Named{TaskID: tc.Tasks(d, servedLabel)[0]}); !errors.Is(err,
		job.ErrNotFound) || !strings.Contains(err.Error(), "try is not served here") {
		t.Errorf("a job of a project that is not served: %v", err)
	}
}

// Projects share their clients, and no more are kept open than the bound says.
func TestServeSharesClients(t *testing.T) {
	_, _, _, args := servedCI(t)
	a := started(t, args[:4]...) // hg is Mozilla's: nothing is asked
	places, err := a.servePlaces(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := places.(*servedPlaces)
	tc, hg := a.clients.taskcluster, a.clients.hg
	var wg sync.WaitGroup
	for i := range 3 * mostOpen {
		wg.Go(func() {
			if _, err := s.Open(context.Background(), fmt.Sprintf("project-%d", i%100)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if now := a.clients; now.taskcluster != tc || now.hg != hg || tc == nil || hg == nil {
		t.Error("each project has a client of its own")
	}
	if n := s.opened.Len(); n != mostOpen {
		t.Errorf("%d projects are open, expected %d", n, mostOpen)
	}
	one, _ := s.open("firefox-dev") // on git: its pushes are Treeherder's
	if _, ok := one.Repo.(job.Scheduler); !ok || a.clients.treeherder == nil {
		t.Errorf("%T", one.Repo)
	}
}

// What is only of --repo is not of the others.
func TestServeFlagsOfOneProject(t *testing.T) {
	a := started(t, "--repo", "mine", "--branch", "b", "--codebase", "c", "--project", "p", "--trust-domain", "t")
	if b := a.forProject("mine", "mine"); b.branch != "b" || b.codebase != "c" || b.project != "p" ||
		b.trustDomain != "t" {
		t.Errorf("%+v", b)
	}
	if b := a.forProject("x", "mine"); b.repo != "x" || b.branch+b.codebase+b.project != "" || b.trustDomain != "t" {
		t.Errorf("%+v", b)
	}
}

func TestServeUsage(t *testing.T) {
	_, _, _, args := servedCI(t)
	w := jobtest.MustParse("repo autoland\npush l\n1 a001 pass\n")
	for want, c := range map[string]struct {
		names []string
		args  []string
		ci    *jobtest.CI
	}{
		"--trigger-ci taskcluster: the service asks": {
			nil,
			[]string{"--ci", "treeherder", "--trigger-ci", "taskcluster"},
			nil,
		},
		"--ci buildbot needs --buildbot-url":  {nil, []string{"--ci", "buildbot"}, nil},
		"--repo nss is not served":            {[]string{"autoland"}, []string{"--repo", "nss"}, nil},
		`--serve "../a"`:                      {[]string{"../a"}, nil, nil},
		`--serve ""`:                          {[]string{""}, nil, nil},
		"--serve nss: the world has autoland": {[]string{"nss"}, nil, jobtest.NewCI(w, nil)},
	} {
		_, err := started(t, append(args, c.args...)...).servePlaces(c.names, w, c.ci)
		var wrong *usageError
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
	}
	if _, err := started(t, append(args, "--trigger-ci", "taskcluster")...).servePlaces(nil, nil, nil); err != nil {
		t.Errorf("the same CI twice: %v", err)
	}
}

// A world has its repositories over one CI, whose runs have numbers.
func TestServeWorld(t *testing.T) {
	w := jobtest.MustParse("repo autoland\npush l\n1 a001 pass\n2 a002 fail\n\nrepo nss\npush m\n1 b001 fail\n")
	ci := jobtest.NewCI(w, nil)
	p, err := started(t, "--repo", "nss").servePlaces(nil, w, ci)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "nss", "autoland": "autoland"} {
		place, err := p.Open(t.Context(), name)
		if err != nil || place.Project != want || place.Repo.Name() != want || place.CI != job.Scheduler(ci) ||
			place.PushPage != nil || place.RangePage != nil {
			t.Errorf("%q: %+v, %v", name, place, err)
		}
		if j := place.Judge("t"); j == nil || place.Judge("") == nil {
			t.Errorf("%q: no judge", name)
		} else if _, ok := any(j).(analysis.Judge); !ok {
			t.Errorf("%T", j)
		}
	}
	if _, err := p.Open(t.Context(), "try"); !errors.Is(err, job.ErrNotFound) ||
		!strings.Contains(err.Error(), "autoland or nss") {
		t.Errorf("%v", err)
	}
	for _, c := range []struct {
		n    server.Named
		want string
	}{
		{server.Named{TaskID: "run-2"}, "autoland l a00"},
		{server.Named{JobID: numbered(3)}, "nss m b00"},
		{server.Named{JobID: numbered(9)}, `not_found: No job is known by "run-9"`},
		{server.Named{TaskID: "x"}, `not_found: No job is known by "x"`},
	} {
		l, err := p.Locate(t.Context(), c.n)
		if got := said(l, err); !strings.HasPrefix(got, c.want) || l.Page != "" {
			t.Errorf("%+v: %s, expected %s", c.n, got, c.want)
		}
	}
	if _, err := link.Parse("https://treeherder.mozilla.org/jobs?repo=autoland", p.Deployments()); !errors.Is(err,
		link.ErrHost) {
		t.Errorf("a world has links to elsewhere: %v", err)
	}
	late := jobtest.NewCI(w, &jobtest.CIOptions{Play: true})
	if p, err = started(t).servePlaces(nil, w, late); err != nil {
		t.Fatal(err)
	}
	if l, err := p.Locate(t.Context(), server.Named{TaskID: "run-2"}); err == nil {
		t.Errorf("what is yet to come is found: %+v", l)
	}
}

// Treeherder alone, and what does not answer, which is no refusal.
func TestServeTreeherder(t *testing.T) {
	_, th, _, args := servedCI(t)
	p := placesOf(t, nil, "--ci", "treeherder", "--treeherder-url", args[3])
	l, err := p.Locate(t.Context(), server.Named{JobID: numbered(51)})
	if got := said(l, err); got != "autoland "+servedLabel+" 00000abc0004 51" ||
		!strings.Contains(l.Page, "selectedJob=51") {
		t.Errorf("%s, %s", got, l.Page)
	}
	srv := httptest.NewServer(th)
	srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p = placesOf(t, nil, "--ci", "treeherder", "--treeherder-url", srv.URL)
	var no *server.Refusal
	if _, err := p.Locate(ctx, server.Named{JobID: numbered(51)}); err == nil || errors.As(err, &no) {
		t.Errorf("%v", err)
	}
}

// A master's requests, and its pages.
func TestServeBuildbot(t *testing.T) {
	d := bbtest.NewDouble(t)
	d.Change(bbtest.Revision(1), nil)
	stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)}
	d.Ask(bbtest.BuildRequest{Builder: d.Builder("linux test"), Results: []int{5, 2}, Stamps: stamps})
	p := placesOf(t, nil, "--ci", "buildbot", "--buildbot-url", d.URL+"/", "--repo", "main")
	want := fmt.Sprintf("main linux test %.12s 1/2", bbtest.Revision(1))
	for _, text := range []string{
		"", "/#/buildrequests/1", "/#/builders/1/builds/2",
		"/#/builders/linux%20test/builds/2",
	} {
		n := server.Named{JobID: numbered(1)}
		if text != "" {
			l, err := link.Parse(d.URL+text, p.Deployments())
			if err != nil {
				t.Fatal(err)
			}
			n = server.Named{Link: &l}
		}
		l, err := p.Locate(t.Context(), n)
		if got := said(l, err); got != want || l.Page != d.URL+"/#/builders/1/builds/2" {
			t.Errorf("%q: %s, page %s; expected %s", text, got, l.Page, want)
		}
	}
	if _, err := p.Locate(t.Context(), server.Named{JobID: numbered(7)}); !strings.HasPrefix(said(server.Located{},
		err),
		"expired: The job 7 has expired, or never was") {
		t.Errorf("%v", err)
	}
}
