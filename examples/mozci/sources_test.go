package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job/contract"
)

// jobsAnswer is an exchange with Treeherder, of which one thing is replaced.
func jobsAnswer(old, replaced string) string {
	const exchange = `{
		"request": {"method": "GET", "url": "https://th.example/api/project/autoland/jobs/?push_id=7&count=2000"},
		"response": {"status": 200, "body": {
		"meta": {"repository": "autoland", "offset": 0, "count": 2000}, "results": [
		{"id": 1, "push_id": 7, "state": "completed", "result": "success", "job_type_name": "a",
		"submit_timestamp": 1700000000, "start_timestamp": 1700000001, "end_timestamp": 1700000002},
		{"id": 2, "push_id": 7, "state": "running", "result": "unknown", "job_type_name": "b",
		"submit_timestamp": 1700000000, "start_timestamp": 1700000001, "end_timestamp": 0}]}}}`
	return strings.Replace(exchange, old, replaced, 1)
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each finding has its word, and all but new make the exit status 1.
func TestCheckSources(t *testing.T) {
	for _, c := range []struct {
		old, replaced string
		path, kind    string
		status        int
	}{
		{"", "", "", "", 0},
		{`"result": "success", `, "", "results[].result", "missing", 1},
		{`"result": "success"`, `"result": null`, "results[].result", "type", 1},
		{`"push_id": 7, "state": "running"`, `"push_id": 8, "state": "running"`, "results[].push_id", "identity", 1},
		{`"id": 2`, `"id": -2`, "results[].id", "bound", 1},
		{`"result": "success"`, `"result": "lost"`, "results[].result", "word", 1},
		{`"result": "success"`, `"result": "success", "colour": "green"`, "results[].colour", "new", 0},
		{`{"id": 1`, `null, {"id": 1`, "results[]", "type", 1},
	} {
		out, errOut, status := mozci(t, "check-sources", "--json", file(t, "e.json", jobsAnswer(c.old, c.replaced)))
		var got []string
		for line := range strings.Lines(out) {
			var f finding
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %s %s", f.Source, f.Path, f.Kind))
		}
		var want []string
		if c.kind != "" {
			want = []string{"treeherder/jobs " + c.path + " " + c.kind}
		}
		if d := cmp.Diff(want, got); d != "" || status != c.status {
			t.Errorf("%s: exit %d, %s (-want +got):\n%s", c.replaced, status, errOut, d)
		}
		if !strings.Contains(errOut, "checked 1 item of 1 endpoint: treeherder/jobs") {
			t.Errorf("%s: %s", c.replaced, errOut)
		}
	}
}

func TestCheckSourcesTable(t *testing.T) {
	bad := file(t, "e.json", jobsAnswer(`"push_id": 7, "state": "running"`, `"state": "running"`))
	out, errOut, status := mozci(t, "check-sources", bad, file(t, "notes.txt", "no answer"))
	want := "  source           path               finding  detail   times  first in\n" +
		"✕ treeherder/jobs  results[].push_id  missing  missing      1  " + bad + "\n"
	if out != want || status != 1 {
		t.Errorf("exit %d\n%s", status, out)
	}
	for _, part := range []string{
		"notes.txt: its name is that of no known endpoint", "skipped 1 item that mozci does not recognise",
		"1 finding break",
	} {
		if !strings.Contains(errOut, strings.ReplaceAll(part, "1 finding break", "1 finding breaks")) {
			t.Errorf("%q is not in\n%s", part, errOut)
		}
	}
}

// A plain file is what --as says, or what its name or the table of its folder says.
func TestCheckSourcesPlain(t *testing.T) {
	const actions = `{"version": 1, "variables": {}, "actions": []}`
	dir := t.TempDir()
	for name, text := range map[string]string{
		"actions.json": actions, "x.json": `{"actions": 7}`, "INDEX.md": "| `x.json` | the queue's listTaskGroup |\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x := filepath.Join(dir, "x.json")
	for _, c := range []struct {
		args   []string
		want   string
		status int
	}{
		{[]string{filepath.Join(dir, "actions.json")}, "", 0},
		{[]string{x}, "taskcluster/queue.listTaskGroup", 1},
		{[]string{"--as", "actions.json", x}, "taskcluster/actions.json", 1},
		{[]string{"--as", "taskcluster/actions.json", x}, "taskcluster/actions.json", 1},
		{[]string{"--as", "nothing", x}, "", 2},
		{nil, "", 2},
		{[]string{filepath.Join(dir, "none")}, "", 1},
		{[]string{file(t, "notes.txt", "x")}, "", 1},
		{[]string{"--world", "w.txt", x}, "", 2},
	} {
		out, errOut, status := mozci(t, append([]string{"check-sources"}, c.args...)...)
		if status != c.status || !strings.Contains(out, c.want) {
			t.Errorf("%q: exit %d, expected %d\n%s%s", c.args, status, c.status, out, errOut)
		}
	}
}

// The services that answer now are asked as a question asks them, and nothing is
// triggered.
func TestCheckSourcesLive(t *testing.T) {
	out, errOut, status := mozci(t, append([]string{"check-sources", "--live", "--json"}, recordedPush(t)...)...)
	for _, endpoint := range []string{
		"pushlog/json-pushes", "taskcluster/queue.listTaskGroup", "taskcluster/index.findTask",
	} {
		if !strings.Contains(errOut, endpoint) {
			t.Errorf("%s was not checked", endpoint)
		}
	}
	if status != 0 || strings.Contains(out, `"missing"`) {
		t.Errorf("exit %d\n%s%s", status, out, errOut)
	}
}

// Everything that was recorded of real services has the shape that mozci reads.
func TestCheckSourcesRecorded(t *testing.T) {
	out, errOut, status := mozci(t, "check-sources", "--json", testenv.Shared(t, "wire"), testenv.Shared(t, "data"))
	if out != "" || status != 0 {
		t.Errorf("exit %d\n%s%s", status, out, errOut[max(0, len(errOut)-2000):])
	}
}

// Each title is there once, and an exchange fits one endpoint at most.
func TestContracts(t *testing.T) {
	var titles []string
	for _, e := range contracts() {
		if slices.Contains(titles, e.Title()) {
			t.Errorf("%s comes twice", e.Title())
		}
		titles = append(titles, e.Title())
	}
	for _, url := range []string{
		"https://th/api/project/x/jobs/?push_id=1", "https://tc/api/queue/v1/task-group/x/list",
		"https://hg/x/json-pushes?version=2&full=1", "http://bb/api/v2/builds?limit=1",
		"https://s/buildapi/self-serve/x/rev/123456789012?format=json",
	} {
		fits := slices.DeleteFunc(contracts(), func(e contract.Any) bool { return !e.Answers("GET", url) })
		if len(fits) != 1 {
			t.Errorf("%s fits %d endpoints", url, len(fits))
		}
	}
}

// The examples of a nightly run are YAML, and what they run is understood.
func TestNightly(t *testing.T) {
	for _, name := range []string{"github-workflow.yml", "taskcluster-task.yml"} {
		text, err := os.ReadFile(filepath.Join(testenv.Root(t), "examples", "nightly", name))
		if err != nil {
			t.Fatal(err)
		}
		var parsed map[string]any
		if err := yaml.Unmarshal(text, &parsed); err != nil || len(parsed) == 0 {
			t.Errorf("%s: %v", name, err)
		}
		_, after, ok := strings.Cut(string(text), "go run ./examples/mozci ")
		line, _, _ := strings.Cut(after, ">")
		args := strings.Fields(strings.ReplaceAll(line, "${{ matrix.ci }}", "treeherder"))
		if !ok || len(args) < 3 {
			t.Fatalf("%s runs nothing", name)
		}
		out, errOut, status := mozci(t, append(args, "--help")...)
		if status != 0 || !strings.Contains(out+errOut, "check-sources") {
			t.Errorf("%s: %q: exit %d, %s", name, args, status, errOut)
		}
	}
}

// The recorded messages of Pulse have what mozci reads, and nothing that it does not know.
func TestCheckSourcesOfMessages(t *testing.T) {
	for dir, checked := range map[string]string{
		"data/3-pulse": "checked 2291 items of 7 endpoints", "wire/pulse": "checked 29 items of 11 endpoints",
	} {
		out, errOut, status := mozci(t, "check-sources", "--json", testenv.Shared(t, strings.Split(dir, "/")...))
		if out != "" || status != 0 || !strings.Contains(errOut, checked) {
			t.Errorf("%s: exit %d\n%s\n%s", dir, status, out, errOut)
		}
	}
}
