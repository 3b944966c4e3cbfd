package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
)

const recordedSuite = "test-linux2404-64/opt-mochitest-browser-chrome-2"

// revisionOf is the revision of a push that was derived by hand; push 20 is the
// recorded one.
func revisionOf(id int64) string {
	if id == tctest.RecordedID {
		return tctest.RecordedRevision
	}
	return fmt.Sprintf("%012x%028x", 0xabc0000+id, id)
}

// autolandLog is the pushlog of these pushes.
func autolandLog(t *testing.T, ids ...int64) string {
	t.Helper()
	hg := hgtest.New()
	for _, id := range ids {
		hg.Add("integration/autoland", id, hgtest.Push{
			Date: 1700000000 + id, User: "dev",
			Changesets: []hgtest.Changeset{{Node: revisionOf(id)}},
		})
	}
	return listen(t, hg)
}

// recordedPush serves the recorded push 20, on which the suite failed, and three
// older ones that are derived from it: on 19 it was canceled, on 18 it did not
// run, and on 17 it passed.
func recordedPush(t *testing.T) (args []string) {
	t.Helper()
	r, err := tctest.ReplayPush(testenv.Shared(t, "wire", "taskcluster"), testenv.Shared(t, "wire", "decision"),
		"185-gecko")
	if err != nil {
		t.Fatal(err)
	}
	r.URL = listen(t, r)
	const build = "build-linux64/opt"
	r.Derive(19, revisionOf(19), map[string]string{build: "completed", recordedSuite: "canceled"})
	r.Derive(18, revisionOf(18), map[string]string{build: "completed"})
	r.Derive(17, revisionOf(17), map[string]string{build: "completed", recordedSuite: "completed"})
	return []string{
		"--ci", "taskcluster", "--root-url", r.URL, "--hg-url", autolandLog(t, 17, 18, 19, 20), "--ledger",
		filepath.Join(t.TempDir(), "ledger.db"),
	}
}

func TestJobsOnRecordedTaskcluster(t *testing.T) {
	out, errOut, status := mozci(t, append([]string{"jobs", "--rev", "tip"}, recordedPush(t)...)...)
	want := `Push 20 567d57332b25 has 4 runs: 3 success, 1 test_failed.

  result       job                                               run                       took
✓ success      Gecko Decision Task                               A5O76NnPRt--HRPWdpOVlA/0   0 s
✓ success      build-linux64/opt                                 DTvVh6M-RnOO-JItzOp-RQ/0   0 s
✕ test_failed  test-linux2404-64/opt-mochitest-browser-chrome-2  A0cKfsxWTMq5ESDjLOnkVg/0   0 s
✓ success      test-linux2404-64/opt-xpcshell-4                  eUSX8V6mThidPX7LS38kAg/0   0 s
`
	if d := cmp.Diff(want, out); d != "" || status != 0 {
		t.Errorf("exit %d, %s (-want +got):\n%s", status, errOut, d)
	}
}

func TestBackfillOnRecordedTaskcluster(t *testing.T) {
	args := append([]string{"backfill", "--label", recordedSuite, "--rev", "tip", "--times", "2", "--dry-run"},
		recordedPush(t)...)
	out, errOut, status := mozci(t, args...)
	out, _, _ = strings.Cut(out, "The same in")
	want := `test-linux2404-64/opt-mochitest-browser-chrome-2 broke between push 17 (last
good) and 20 (first bad).
The 2 pushes between them have no result. mozci would trigger 2 runs.

  push             result     runs         plan
✕ 20 567d57332b25  first bad  1 failed
- 19 00000abc0013  no result  1 cancelled  none: cancelled by a person
- 18 00000abc0012  no result  no runs      2 runs
✓ 17 00000abc0011  last good  1 passed

`
	if d := cmp.Diff(want, out); d != "" || status != 0 {
		t.Errorf("exit %d, %s (-want +got):\n%s", status, errOut, d)
	}
	out, errOut, status = mozci(t, append(args, "--json")...)
	var found struct {
		LastGood struct{ ID int64 } `json:"last_good"`
		FirstBad struct{ ID int64 } `json:"first_bad"`
		Missing  []struct{ ID int64 }
		Plan     struct {
			Total int
			Steps []struct {
				Push   struct{ ID int64 }
				Action string
				Count  int
			}
			LeftOut []struct{ Why string } `json:"left_out"`
		}
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || status != 0 {
		t.Fatalf("exit %d, %s: %v", status, errOut, err)
	}
	p := found.Plan
	if found.LastGood.ID != 17 || found.FirstBad.ID != 20 || p.Total != 2 || len(p.Steps) != 1 ||
		p.Steps[0].Push.ID != 18 ||
		len(p.LeftOut) != 1 || !strings.Contains(p.LeftOut[0].Why, "a person cancelled it") {
		t.Error(out)
	}
}

// tcServer is a deployment that acts: the suite is bad on the newest of four
// pushes, good on the oldest, and has not run on those between.
func tcServer(t *testing.T) (*tctest.Server, []string) {
	t.Helper()
	s := tctest.New()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for id, result := range map[int64]string{1: "completed", 2: "", 3: "", 4: "failed"} {
		labels := []tctest.Label{
			{Name: "build-linux64/opt", Planned: true},
			{
				Name: "test-linux64/opt-m-1", Build: "build-linux64/opt", Planned: result != "",
				Manifests: []string{"dom/a.toml"},
			},
		}
		d := s.AddPush("autoland", id, revisionOf(id), labels...)
		b := s.Tasks(d, "build-linux64/opt")[0]
		s.Resolve(b, "completed", "completed")
		s.Put(b, 0, "public/build/target.zip", []byte("a build"))
		if result != "" {
			s.Resolve(s.Tasks(d, "test-linux64/opt-m-1")[0], result, result)
		}
	}
	t.Setenv("TASKCLUSTER_CLIENT_ID", "me")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "secret")
	t.Setenv("TASKCLUSTER_ROOT_URL", server.URL)
	return s, []string{"--hg-url", autolandLog(t, 1, 2, 3, 4), "--ledger", filepath.Join(t.TempDir(), "ledger.db")}
}

// The main job, over HTTP and signed, twice: it asks once.
func TestBackfillOnTaskcluster(t *testing.T) {
	s, places := tcServer(t)
	args := append([]string{
		"backfill", "--label", "test-linux64/opt-m-1", "--rev", "tip", "--times", "2", "--manifest",
		"dom/a.toml", "--yes",
	}, places...)
	for i, want := range []string{"4 runs triggered", "nothing to trigger", "nothing to trigger"} {
		out, errOut, status := mozci(t, args...)
		if status != 0 || !strings.Contains(out, want) || !strings.Contains(out, "push 1 (last good)") {
			t.Errorf("time %d: exit %d, %s\n%s", i+1, status, errOut, out)
		}
		s.Settle()
	}
	out, errOut, status := mozci(t, append([]string{
		"jobs", "--rev", revisionOf(2), "--label", "test-linux64/opt-m-1",
		"--json",
	}, places...)...)
	if status != 0 || strings.Count(out, `"status":"pending"`) != 2 {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
	out, errOut, status = mozci(t, append([]string{"labels", "--rev", "tip", "--json"}, places...)...)
	if status != 0 ||
		!strings.Contains(out, `{"label":"test-linux64/opt-m-1","kind":"test","upstreams":["build-linux64/opt"]}`) {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
}

// What a plan triggered is cancelled: the action that is still to make its runs,
// and the runs that another has made.
func TestCancelOnTaskcluster(t *testing.T) {
	const label = "test-linux64/opt-m-1"
	for name, settled := range map[string]bool{"the actions are pending": false, "the runs are there": true} {
		s, places := tcServer(t)
		plan := filepath.Join(t.TempDir(), "plan.json")
		out, errOut, status := mozci(t, append(
			[]string{"backfill", "--label", label, "--rev", "tip", "--times", "2", "--yes", "--json"}, places...)...)
		if status != 0 || strings.Count(out, `"by":"`) != 2 || strings.Count(out, `"link":"`) != 2 {
			t.Fatalf("%s: exit %d, %s\n%s", name, status, errOut, out)
		}
		if err := os.WriteFile(plan, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		want := 2
		if settled {
			s.Settle()
			want = 4
		}
		out, errOut, status = mozci(t, append([]string{"cancel", "--plan", plan, "--yes"}, places...)...)
		if status != 0 || strings.Count(out, "cancelled ") != want {
			t.Errorf("%s: exit %d, %s\n%s", name, status, errOut, out)
		}
		s.Settle()
		for id := int64(2); id <= 3; id++ {
			out, _, _ := mozci(t, append([]string{"jobs", "--rev", revisionOf(id), "--json"}, places...)...)
			if strings.Contains(out, `"status":"pending"`) ||
				settled && strings.Count(out, `"status":"cancelled"`) != 2 {
				t.Errorf("%s: push %d: %s", name, id, out)
			}
		}
	}
}

// What cannot be done is said once, with what to set; a refusal by the service is
// no wrong usage.
func TestRefusedOnTaskcluster(t *testing.T) {
	s, places := tcServer(t)
	s.Scopes = []string{"queue:*"}
	out, errOut, status := mozci(t, append([]string{
		"backfill", "--label", "test-linux64/opt-m-1", "--rev", "tip",
		"--yes",
	}, places...)...)
	if status != 1 || strings.Count(out+errOut,
		"hooks:trigger-hook:project-gecko/in-tree-action-3-generic/0123456789") != 1 ||
		strings.Contains(errOut, "--help") ||
		!strings.Contains(out, "not triggered, for the same reason\n") {
		t.Errorf("without scopes: exit %d, %s\n%s", status, errOut, out)
	}
	t.Setenv("TASKCLUSTER_CLIENT_ID", "")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "")
	out, errOut, status = mozci(t, append([]string{
		"backfill", "--label", "test-linux64/opt-m-1", "--rev", "tip",
		"--yes",
	}, places...)...)
	if status != 1 || strings.Count(out+errOut, "set TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN") != 1 {
		t.Errorf("without credentials: exit %d, %s\n%s", status, errOut, out)
	}
	for _, command := range []string{"jobs", "labels"} {
		_, errOut, status = mozci(t, append([]string{
			command, "--rev", "tip", "--trust-domain", "mine", "--project",
			"elsewhere",
		}, places...)...)
		if status != 3 || !strings.Contains(errOut, "looked for mine.v2.elsewhere.revision."+revisionOf(4)) ||
			!strings.Contains(errOut, "nothing at all is indexed under mine.v2.elsewhere") {
			t.Errorf("%s of a project that is not there: exit %d, %s", command, status, errOut)
		}
	}
	_, errOut, status = mozci(t, append([]string{
		"backfill", "--label", "test-linux64/opt-m-1", "--rev", "tip",
		"--trust-domain", "mine",
	}, places...)...)
	if status != 3 || !strings.Contains(errOut, "looked for mine.v2.autoland.revision.") {
		t.Errorf("backfill of a project that is not there: exit %d, %s", status, errOut)
	}
}

// A project on git: its pushes are Treeherder's, those of one branch, and its
// decision tasks are where its trust domain has them.
func TestGitProjectOnTaskcluster(t *testing.T) {
	tc, th := tctest.New(), &thtest.Server{Project: "mozilla-vpn-client"}
	const label = "test-linux64/opt-unit"
	for id, branch := range map[int64]string{1: "main", 2: "main", 3: "releases/2.1", 4: "main"} {
		th.AddPush(thtest.Object{
			"id": 100 + id, "revision": revisionOf(id), "author": "dev", "push_timestamp": 1700000000 + 60*id,
			"branch": branch, "revision_count": 1,
			"revisions": []any{thtest.Object{"revision": revisionOf(id), "author": "dev", "comments": "a change"}},
		})
		d := tc.AddPush("elsewhere", 1000+id, revisionOf(id), tctest.Label{Name: "build-linux64/opt", Planned: true},
			tctest.Label{Name: label, Build: "build-linux64/opt", Planned: id != 2})
		tc.Index("mozillavpn.v2.mozilla-vpn-client.revision."+revisionOf(id)+".taskgraph.decision", d)
		tc.Resolve(tc.Tasks(d, "build-linux64/opt")[0], "completed", "completed")
		for _, run := range tc.Tasks(d, label) {
			end := map[bool]string{true: "failed", false: "completed"}[id == 4]
			tc.Resolve(run, end, end)
		}
	}
	t.Setenv("TASKCLUSTER_ROOT_URL", listen(t, tc))
	out, errOut, status := mozci(t, "backfill", "--repo", "mozilla-vpn-client", "--treeherder-url", listen(t, th),
		"--label", label, "--rev", revisionOf(4), "--ledger", filepath.Join(t.TempDir(), "l.db"))
	if status != 0 || !strings.Contains(out, "push 101 (last good)") || !strings.Contains(out, "and 104 (first bad)") ||
		strings.Contains(out, "103 ") {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
}

// Any in-tree action, with an input from a file or standard input.
func TestAction(t *testing.T) {
	s, places := tcServer(t)
	file := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(file, []byte(`{"label": "test-linux64/opt-m-1", "times": 3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"trigger", "--action", "backfill-task", "--input", file, "--rev", revisionOf(2), "--json"},
		places...)
	fired := 0
	s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/trigger") {
			fired++
		}
		return false
	}
	for i, c := range []struct {
		yes   bool
		want  string
		fired int
	}{
		{false, `"ci_action":"backfill-task"`, 0},
		{true, `"receipt":{"ids":[],"state":"accepted","by":"`, 1},
		{true, `"state":"already_asked"`, 1},
	} {
		now := args
		if c.yes {
			now = append(now, "--yes")
		}
		out, errOut, status := mozci(t, now...)
		if status != 0 || !strings.Contains(out, c.want) || fired != c.fired {
			t.Errorf("%d: exit %d, fired %d times, %s\n%s", i, status, fired, errOut, out)
		}
	}
	out, errOut, status := mozci(t, append([]string{
		"trigger", "--action", "confirm-failures", "--label",
		"test-linux64/opt-m-1", "--rev", "tip", "--yes",
	}, places...)...)
	if status != 0 || !strings.Contains(out, "confirm-failures on test-linux64/opt-m-1\ntriggered: http://127.0.0.1:") {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
	for words, args := range map[string][]string{
		`no action \"dance\"`:         {"--action", "dance", "--rev", "tip", "--yes"},
		"expected a JSON object":      {"--action", "backfill-task", "--input", "main.go", "--rev", "tip"},
		"no such file":                {"--action", "backfill-task", "--input", "none.json", "--rev", "tip"},
		"--input goes with --action":  {"--input", file, "--rev", "tip"},
		"--action needs --rev":        {"--action", "backfill-task"},
		"one --label at most":         {"--action", "backfill-task", "--rev", "tip", "--label", "a", "--label", "b"},
		`missing property 'label'`:    {"--action", "backfill-task", "--rev", "tip", "--yes"},
		"--times 0: expected 1 or mo": {"--action", "backfill-task", "--rev", "tip", "--times", "0"},
	} {
		_, errOut, status := mozci(t, append(append([]string{"trigger", "--json"}, args...), places...)...)
		if status != 2 || !strings.Contains(errOut, words) {
			t.Errorf("%q: exit %d, %s", args, status, errOut)
		}
	}
}

// Half of the credentials in the environment is wrong usage, and says which.
func TestHalfCredentials(t *testing.T) {
	t.Setenv("TASKCLUSTER_CLIENT_ID", "me")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "")
	_, errOut, status := mozci(t, "jobs", "--rev", "tip", "--hg-url", autolandLog(t, 1))
	if status != 2 || !strings.Contains(errOut, "TASKCLUSTER_ACCESS_TOKEN is not") {
		t.Errorf("exit %d, %s", status, errOut)
	}
}
