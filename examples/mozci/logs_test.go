package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// mozci errorlines and mozci failures over the real logs, as people run them.
func TestLogsOfRealData(t *testing.T) {
	dir := testenv.Shared(t, "data", "6-logs")
	names, err := filepath.Glob(filepath.Join(dir, "*.expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		var want expectedLog
		if err := json.Unmarshal(testenv.Read(t, "data", "6-logs", filepath.Base(name)), &want); err != nil {
			t.Fatal(err)
		}
		if want.Log != "" {
			want.errorLines(t, filepath.Join(dir, "treeherder__"+want.Log))
			continue
		}
		log := strings.TrimSuffix(name, ".expected.json")
		if strings.HasSuffix(log, "_raw") {
			log += ".log.gz"
		}
		want.failures(t, log)
	}
	if len(names) < 30 {
		t.Errorf("%d logs were compared", len(names))
	}
}

// expectedLog is what a recorded log is known to say.
type expectedLog struct {
	Log         string
	TruncatedAt *int                            `json:"truncated_at"`
	ErrorLines  []struct{ Line string }         `json:"error_lines"`
	TestResults []struct{ Test, Status string } `json:"test_results"`
	Unexpected  []struct{ Test, Status string }
}

// errorLines compares with Treeherder's, which says a line that repeats once.
func (want *expectedLog) errorLines(t *testing.T, log string) {
	t.Helper()
	out, errOut, status := mozci(t, "errorlines", "--json", log)
	var got struct{ Lines []struct{ Text string } }
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != 0 {
		t.Fatalf("%s: exit %d, %s, %v", want.Log, status, errOut, err)
	}
	var ours, theirs []string
	for _, l := range want.ErrorLines {
		if n := len(theirs); n == 0 || theirs[n-1] != l.Line {
			theirs = append(theirs, l.Line)
		}
	}
	for _, l := range got.Lines {
		ours = append(ours, l.Text)
	}
	if want.TruncatedAt != nil {
		ours = ours[:len(theirs)]
	}
	if d := cmp.Diff(theirs, ours); d != "" {
		t.Errorf("%s (-Treeherder +ours):\n%s", want.Log, d)
	}
}

func (want *expectedLog) failures(t *testing.T, log string) {
	t.Helper()
	out, errOut, status := mozci(t, "failures", "--json", log)
	var ours, theirs []string
	for _, r := range append(want.TestResults, want.Unexpected...) {
		theirs = append(theirs, r.Status+" "+r.Test)
	}
	for line := range strings.Lines(out) {
		var f struct{ Test, Status string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		ours = append(ours, fmt.Sprint(f.Status, " ", f.Test))
	}
	if d := cmp.Diff(theirs, ours); d != "" || status != 0 {
		t.Errorf("%s: exit %d, %s (-want +got):\n%s", log, status, errOut, d)
	}
}

// From standard input, of which there is nothing here.
func TestFailuresOfStandardInput(t *testing.T) {
	out, errOut, status := mozci(t, "failures", "-")
	if status != 1 || !strings.Contains(errOut, "error: standard input: it is empty") {
		t.Errorf("exit %d, %s%s", status, errOut, out)
	}
}

// Groups that failed without naming a test, or did not end, are never "no
// failures"; tests without an end are listed.
func TestFailuresThatNobodyNames(t *testing.T) {
	const samples = "../../analysis/joblog/testdata/"
	out, errOut, status := mozci(t, "failures", samples+"c6_errorsummary.log")
	if status != 3 || out != "" || !strings.Contains(errOut, "1 group failed without naming a test: a/m.toml") {
		t.Errorf("exit %d, %s%s", status, errOut, out)
	}
	log := filepath.Join(t.TempDir(), "a_errorsummary.log")
	if err := os.WriteFile(log, []byte(`{"action":"test_groups","groups":["a.toml","b.toml"]}`+"\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, status = mozci(t, "failures", "--json", log)
	if status != 1 || out != "" || !strings.Contains(errOut, "2 groups did not end: a.toml, b.toml") {
		t.Errorf("exit %d, %s%s", status, errOut, out)
	}
	log = filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(log, []byte("TEST-START | a/x.js\nTEST-PASS | a/x.js | one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, status = mozci(t, "failures", log)
	if status != 0 || !strings.Contains(out, "a/x.js") || !strings.Contains(out, "the test began and did not end") {
		t.Errorf("exit %d, %s%s", status, errOut, out)
	}
}

// The failures of a job on a recorded CI.
func TestFailuresOfARecordedJob(t *testing.T) {
	_, places := tcServer(t)
	_, errOut, status := mozci(t, append([]string{"failures", "--job", "AAAAAAAAQAaAAAAAAAAAAA/0"}, places...)...)
	if status != 3 || !strings.Contains(errOut, "does not correspond to a task that exists") {
		t.Errorf("exit %d, %s", status, errOut)
	}
	_, errOut, status = mozci(t, "failures", "--job", "1", "--ci", "treeherder")
	if status != 1 || !strings.Contains(errOut, "has no logs") {
		t.Errorf("exit %d, %s", status, errOut)
	}
}

// A backfill by test, over the logs of a deployment: the job is red on the
// newest push for the sake of another test, and the test failed on the one
// before it.
func TestBackfillByTest(t *testing.T) {
	s, places := tcServer(t)
	jobs := jobsOf(t, places)
	put := func(id, body string) {
		s.Put(strings.TrimSuffix(id, "/0"), 0, "public/test_info/m_errorsummary.log", []byte(body))
	}
	groups := `{"action":"test_groups","line":1,"groups":["dom/a.toml"]}` + "\n"
	put(jobs[4],
		groups+
			`{"action":"test_result","line":2,"test":"dom/x.html","group":"dom/a.toml","status":"FAIL","expected":"PASS"}`+"\n"+`{"action":"group_result","line":3,"group":"dom/a.toml","status":"ERROR"}`+"\n")
	put(jobs[1], groups+`{"action":"group_result","line":3,"group":"dom/a.toml","status":"OK"}`+"\n")
	args := append([]string{"backfill", "--label", "test-linux64/opt-m-1", "--rev", "tip"}, places...)
	out, errOut, status := mozci(t, append(args, "--test", "dom/x.html")...)
	if status != 0 || !strings.Contains(out, "last good  1 ") {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
	_, errOut, status = mozci(t, append(args, "--test", "dom/y.html")...)
	if status != 3 || !strings.Contains(errOut, "did not fail on push") {
		t.Errorf("another test: exit %d, %s", status, errOut)
	}
	out, errOut, status = mozci(t, append([]string{"failures", "--job", jobs[4], "--json"}, places...)...)
	if status != 0 || !strings.Contains(out, `"test":"dom/x.html"`) {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
}

// jobsOf are the ids of the test's jobs by push.
func jobsOf(t *testing.T, places []string) map[int64]string {
	t.Helper()
	ids := map[int64]string{}
	for _, push := range []int64{1, 4} {
		out, errOut, status := mozci(t, append(
			[]string{"jobs", "--rev", revisionOf(push), "--label", "test-linux64/opt-m-1", "--json"}, places...)...)
		var j struct{ ID string }
		if err := json.Unmarshal([]byte(out), &j); err != nil || status != 0 {
			t.Fatalf("exit %d, %s: %v", status, errOut, err)
		}
		ids[push] = j.ID
	}
	return ids
}
