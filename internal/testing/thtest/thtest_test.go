package thtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/shape"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
)

// get is what the double answers, which is JSON whatever it is.
func get(t *testing.T, s *thtest.Server, uri string, status int) []byte {
	t.Helper()
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, uri, nil))
	if kind := rec.Header().Get("Content-Type"); rec.Code != status || kind != "application/json" {
		t.Fatalf("%s: %d %q, expected %d and JSON", uri, rec.Code, kind, status)
	}
	return rec.Body.Bytes()
}

// same fails where the double's answer is not of the form that was recorded.
func same(t *testing.T, want, got []byte, keyed []string, onPurpose ...string) {
	t.Helper()
	if d := cmp.Diff([]string(nil), shape.Unexpected(shape.Diff(want, got, keyed...), onPurpose...)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// small has one push and one job, as tests write them.
func small() *thtest.Server {
	s := &thtest.Server{Project: "try", Repositories: []thtest.Object{{"name": "try", "is_try_repo": true}}}
	s.AddPush(thtest.Object{
		"id": 1, "revision": strings.Repeat("a", 40), "push_timestamp": 1700000000,
		"revisions": []any{thtest.Object{"revision": strings.Repeat("a", 40)}},
	})
	s.AddJob(thtest.Object{"id": 7, "push_id": 1, "job_type_name": "l", "state": "completed", "result": "success"})
	return s
}

var filters = []string{"meta.filter_params"} // they are what was asked for

func TestPushesAsRecorded(t *testing.T) {
	for file, query := range map[string]string{
		"treeherder__push_list.json":                        "?full=true&count=10",
		"treeherder__poll_push_list.json":                   "?full=true&count=10&push_timestamp__gte=1562707044",
		"treeherder_api_push__try_2022-02_first500.json.gz": "?count=1000&full=true",
	} {
		uri := "/api/project/try/push/" + query
		want := testenv.Read(t, "data", "2-treeherder", file)
		loaded := &thtest.Server{Project: "try"}
		if err := loaded.Load(want); err != nil {
			t.Fatal(err)
		}
		onPurpose := []string{}
		if strings.Contains(file, "poll") {
			onPurpose = []string{"meta.fromchange: missing"} // nobody asks for what is newer than a revision
		}
		same(t, want, get(t, loaded, uri, http.StatusOK), filters, onPurpose...)
		same(t, want, get(t, small(), "/api/project/try/push/?full=true", http.StatusOK), filters, onPurpose...)
	}
}

// The list of a project's jobs was not recorded: what is in it is, by the page of
// one job. Treeherder's source (webapp/api/jobs.py, JobsProjectViewSet) says what
// the page has besides.
func TestJobsAsRecorded(t *testing.T) {
	want := testenv.Read(t, "data", "2-treeherder", "treeherder__full_job.json")
	var list struct {
		Meta    json.RawMessage
		Results []json.RawMessage
	}
	if err := json.Unmarshal(get(t, small(), "/api/project/try/jobs/?push_id=1", http.StatusOK), &list); err != nil {
		t.Fatal(err)
	}
	same(t, []byte(`{"repository": "try", "offset": 0, "count": 10}`), list.Meta, nil)
	same(t, want, list.Results[0], nil, "logs: missing", "resource_uri: missing", "taskcluster_metadata: missing")
}

// Rows were recorded of the jobs of all projects, by name of column.
func TestRowsAsRecorded(t *testing.T) {
	want := testenv.Read(t, "data", "2-treeherder", "treeherder__job_1.json")
	got := get(t, small(), "/api/project/try/jobs/?push_id=1&return_type=list", http.StatusOK)
	// The list of all projects has pages, that of one project has meta.
	same(t, want, got, nil, "count: missing", "next: missing", "previous: missing", "meta: not in want")
	diff := slices.DeleteFunc(shape.Diff(objects(t, want), objects(t, got)), func(line string) bool {
		return strings.HasSuffix(line, ": not in want") // the list of one project has more
	})
	if d := cmp.Diff([]string{"[].duration: missing", "[].push_revision: missing"}, diff); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// objects are the jobs of a page of rows.
func objects(t *testing.T, body []byte) []byte {
	t.Helper()
	var page struct {
		Results [][]any
		Names   []string `json:"job_property_names"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatal(err)
	}
	jobs := []map[string]any{}
	for _, row := range page.Results {
		j := map[string]any{}
		for i, n := range page.Names {
			j[n] = row[i]
		}
		jobs = append(jobs, j)
	}
	out, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRepositoriesAsRecorded(t *testing.T) {
	var har struct {
		Log struct {
			Entries []struct {
				Request  struct{ URL string }
				Response struct{ Content struct{ Text string } }
			}
		}
	}
	text := testenv.Read(t, "data", "2-treeherder", "treeherder__recording_requests.har")
	if err := json.Unmarshal(text, &har); err != nil {
		t.Fatal(err)
	}
	for _, e := range har.Log.Entries {
		if strings.HasSuffix(e.Request.URL, "/api/repository/") {
			same(t, []byte(e.Response.Content.Text), get(t, small(), "/api/repository/", http.StatusOK), nil)
			return
		}
	}
	t.Error("the table of repositories is not in the recording")
}

// What the server refuses was not recorded; the texts are those of its source
// (webapp/api/push.py and jobs.py).
func TestRefusals(t *testing.T) {
	for uri, want := range map[string]struct {
		status int
		text   string
	}{
		"/api/project/foo/push/":            {404, "No project with name foo"},
		"/api/project/try/push/?count=1001": {400, "Specified count exceeds api limit: 1000"},
		"/api/project/try/jobs/?count=2001": {400, "Specified count exceeds API MAX_JOBS_COUNT value: 2000"},
	} {
		got := string(get(t, small(), uri, want.status))
		if got != `{"detail":"`+want.text+"\"}\n" {
			t.Errorf("%s: %s", uri, got)
		}
	}
}
