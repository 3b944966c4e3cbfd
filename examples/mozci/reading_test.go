package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// firefoxCI is Firefox's CI, at its own addresses: hg, Taskcluster, and a Treeherder
// that hears of Taskcluster's runs each time that it is asked.
type firefoxCI struct {
	tc  *tctest.Server
	th  *thtest.Server
	hg  http.Handler
	own *taskcluster.Project // what Treeherder listens to

	mu    sync.Mutex
	hears func(push int64, j job.Job) bool
	told  bool // of the pushes
	down  bool
	asked map[string]int // requests, by host
}

// newFirefoxCI has the history of tcServer: bad on push 4, good on push 1, and on those
// between nothing ran.
func newFirefoxCI(t *testing.T) *firefoxCI {
	t.Helper()
	s, _ := tcServer(t)
	t.Setenv("TASKCLUSTER_ROOT_URL", "")
	hg := hgtest.New()
	for id := int64(1); id <= 4; id++ {
		hg.Add("integration/autoland", id, hgtest.Push{
			Date: 1700000000 + id, User: "dev", Changesets: []hgtest.Changeset{{Node: revisionOf(id)}},
		})
	}
	f := &firefoxCI{tc: s, th: &thtest.Server{Project: "autoland"}, hg: hg, asked: map[string]int{}}
	c, err := taskcluster.New(taskcluster.FirefoxCI, &taskcluster.Options{HTTP: hgtest.Client(s)})
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
		p := job.Push{Repo: "autoland", ID: id, Revision: revisionOf(id)}
		if !f.told {
			f.th.AddPush(thtest.Object{
				"id": 8000 + id, "revision": p.Revision, "push_timestamp": 1700000000 + id, "revision_count": 1,
				"revisions": []any{thtest.Object{"revision": p.Revision}},
			})
		}
		jobs, err := f.own.Jobs(ctx, p)
		if err != nil {
			panic(err)
		}
		for _, j := range jobs {
			if f.hears != nil && !f.hears(id, j) {
				continue
			}
			state, result := "completed", "success"
			if j.Status() == job.StatusTestFailed {
				result = "testfailed"
			} else if j.Status().Waiting() {
				state, result = j.Status().String(), "unknown"
			}
			task, _, _ := strings.Cut(j.ID(), "/")
			f.th.PutJob(thtest.Object{
				"id": numberOf(j.ID()), "push_id": 8000 + id, "job_type_name": j.Name(), "state": state,
				"result": result, "task_id": task,
			})
		}
	}
	f.told = true
}

// numberOf is an id for Treeherder, always the same for a run.
func numberOf(id string) int {
	n := 7
	for _, c := range id {
		n = (n*131 + int(c)) % 1_000_003
	}
	return n + 1
}

// mozci runs the program there.
func (f *firefoxCI) mozci(t *testing.T, args ...string) (out, errOut string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &o, err: &e, witness: &http.Client{Transport: f}}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(&o)
	root.SetErr(&e)
	err := root.ExecuteContext(t.Context())
	if closeErr := a.close(); err == nil {
		err = closeErr
	}
	status = a.exit(err)
	return o.String(), e.String(), status
}

const backfilled = "test-linux64/opt-m-1"

// By default the history is Treeherder's, the runs are Taskcluster's, and what Treeherder
// has not heard of is asked for once.
func TestHistoryThroughTreeherder(t *testing.T) {
	for name, hears := range map[string]func(int64, job.Job) bool{
		"of all": nil,
		"of nothing new": func(push int64, j job.Job) bool {
			return push == 1 || push == 4 || j.Name() != backfilled
		},
		"of half of it":     func(_ int64, j job.Job) bool { return j.Name() != backfilled || numberOf(j.ID())%2 == 0 },
		"of no run on push": func(push int64, _ job.Job) bool { return push != 2 },
	} {
		f := newFirefoxCI(t)
		if name != "of half of it" {
			f.hears = hears
		}
		args := []string{
			"backfill", "--label", backfilled, "--rev", "tip", "--times", "2", "--yes", "--ledger",
			filepath.Join(t.TempDir(), "ledger.db"),
		}
		for i, want := range []string{"4 runs triggered", "There is nothing", "There is nothing"} {
			out, errOut, status := f.mozci(t, args...)
			if status != 0 || !strings.Contains(out, want) || !strings.Contains(out, "(last good)") {
				t.Errorf("%s, time %d: exit %d, %s\n%s", name, i+1, status, errOut, out)
			}
			f.tc.Settle()
			f.hears = hears
			args[len(args)-1] = filepath.Join(t.TempDir(), "ledger.db") // nobody remembers
		}
		if f.asked["treeherder.mozilla.org"] == 0 {
			t.Errorf("%s: Treeherder was not asked", name)
		}
	}
}

// The plan and its JSON are the same whoever tells the history.
func TestSameThroughTreeherder(t *testing.T) {
	for _, command := range [][]string{
		{"backfill", "--label", backfilled, "--rev", "tip", "--times", "2", "--json"},
		{"frequency", "--label", backfilled, "--rev", "tip", "--last", "4", "--json"},
		{"culprit", "--label", backfilled, "--rev", "tip", "--json", "--dry-run"},
	} {
		f := newFirefoxCI(t)
		command = append(command, "--ledger", filepath.Join(t.TempDir(), "ledger.db"))
		got, errOut, status := f.mozci(t, command...)
		through := f.asked["treeherder.mozilla.org"]
		want, _, wantStatus := f.mozci(t, append(command, "--ci", "taskcluster")...)
		if d := cmp.Diff(want, got); d != "" || status != wantStatus || errOut != "" {
			t.Errorf("%s: exit %d, %s (-Taskcluster +through Treeherder)\n%s", command[0], status, errOut, d)
		}
		if n := f.asked["treeherder.mozilla.org"]; through == 0 || n != through {
			t.Errorf("%s: Treeherder was asked %d times, and %d more with --ci taskcluster", command[0], through,
				n-through)
		}
	}
}

// By name it is so for every command, with Treeherder's pushes and Taskcluster's IDs.
func TestThroughTreeherderByName(t *testing.T) {
	f := newFirefoxCI(t)
	named := []string{
		"--ci", "treeherder", "--trigger-ci", "taskcluster", "--json", "--ledger",
		filepath.Join(t.TempDir(), "ledger.db"),
	}
	out, errOut, status := f.mozci(t, append([]string{
		"jobs", "--rev", revisionOf(4), "--label", backfilled,
	}, named...)...)
	var run struct {
		ID     string
		PushID int64 `json:"push_id"`
	}
	if err := json.Unmarshal([]byte(out), &run); err != nil || status != 0 || run.PushID != 8004 ||
		!strings.HasSuffix(run.ID, "/0") || len(run.ID) != 24 {
		t.Errorf("exit %d, %s, %s", status, errOut, out)
	}
	out, errOut, status = f.mozci(t, append([]string{
		"culprit", "--label", backfilled, "--rev", "tip", "--dry-run",
	}, named...)...)
	if status != 0 || !strings.Contains(out, `"plan":`) {
		t.Errorf("exit %d, %s, %s", status, errOut, out)
	}
	f.asked = map[string]int{}
	if out, errOut, status = f.mozci(t, "jobs", "--rev", revisionOf(4), "--json"); status != 0 || out == "" ||
		f.asked["treeherder.mozilla.org"] != 0 {
		t.Errorf("exit %d, %s, %s, asked %v; expected one push to be Taskcluster's", status, errOut, out, f.asked)
	}
}

// Without Treeherder the answer is the same, and one line says why.
func TestTreeherderIsMissing(t *testing.T) {
	f := newFirefoxCI(t)
	f.down = true
	out, errOut, status := f.mozci(t, "backfill", "--label", backfilled, "--rev", "tip", "--dry-run", "--ledger",
		filepath.Join(t.TempDir(), "ledger.db"))
	if status != 0 || !strings.Contains(out, "(last good)") || strings.Count(errOut, "warning: ") != 1 ||
		strings.Count(errOut, "\n") != 1 || !strings.Contains(errOut, "come from the CI itself") {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
}

// Whoever names another place is not sent to Firefox's Treeherder.
func TestWhoReadsThroughTreeherder(t *testing.T) {
	t.Setenv("TASKCLUSTER_ROOT_URL", "")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"old": "url: https://firefox-ci-tc.example/\n", "new": "jobs/?push_id__in=1\n",
	} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, tapeName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]bool{
		"backfill":           true,
		"culprit":            true,
		"frequency":          true,
		"trigger --backfill": true,
		"trigger":            false,
		"jobs":               false,
		"backfill --root-url " + taskcluster.FirefoxCI + "/":                       true,
		"backfill --root-url https://tc.example":                                   false,
		"backfill --ci taskcluster":                                                false,
		"backfill --ci treeherder":                                                 false,
		"jobs --ci treeherder --trigger-ci taskcluster":                            true,
		"backfill --hg-url http://hg.example":                                      false,
		"backfill --treeherder-url http://th.example":                              false,
		"backfill --project other":                                                 false,
		"backfill --ci selfserve":                                                  false,
		"backfill --ci treeherder --trigger-ci selfserve":                          false,
		"backfill --replay " + filepath.Join(dir, "old"):                           false,
		"backfill --replay " + filepath.Join(dir, "new"):                           true,
		"backfill --replay " + filepath.Join(dir, "nothing"):                       false,
		"backfill --record " + filepath.Join(dir, "new"):                           true,
		"jobs --ci treeherder --trigger-ci taskcluster --treeherder-url file.json": false,
	} {
		args := strings.Fields(text)
		a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
		cmd, rest, err := a.root().Find(args)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Fatal(err)
		}
		if err := a.start(cmd); err != nil {
			t.Fatal(err)
		}
		if got := a.throughTreeherder(); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	t.Setenv("TASKCLUSTER_ROOT_URL", "https://community-tc.services.mozilla.com")
	a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	cmd, _, _ := a.root().Find([]string{"backfill"})
	if err := a.start(cmd); err != nil || a.throughTreeherder() {
		t.Errorf("another deployment's environment: %v", err)
	}
}
