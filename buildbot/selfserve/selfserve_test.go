package selfserve_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

const today = "builds-2015-06-01.js.gz"

func TestKit(t *testing.T) {
	s := newService()
	s.build(theBuild, 0, 71)
	s.build(theTest, 1, 72)
	s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71, nil))
	err := jobtest.CheckScheduler(t.Context(), s.client(t, selfserve.Options{}).Project("mozilla-inbound"), jobtest.SchedulerCase{
		Push: push, Labels: []string{theBuild, theTest}, Runs: 1, Settle: s.settle, NotScheduled: job.Push{Repo: "mozilla-inbound", ID: 8},
	})
	if err != nil {
		t.Error(err)
	}
}

// What is true takes both sources.
func TestTrueStatus(t *testing.T) {
	other := strings.Repeat("f", 40)
	now := ended.Add(10 * time.Hour)
	for _, c := range []struct {
		what   string
		status any
		ids    []int64
		dump   []map[string]any
		now    time.Time
		want   string
	}{
		{"its own revision", 0, []int64{1}, []map[string]any{dumped(theBuild, push.Revision, 1, nil)}, now, "success"},
		{"in twelve digits", 0, []int64{1}, []map[string]any{dumped(theBuild, push.Short(), 1, nil)}, now, "success"},
		{"another's", 0, []int64{1}, []map[string]any{dumped(theBuild, other, 1, nil)}, now, "coalesced"},
		{"not in the dump yet", 0, []int64{1}, []map[string]any{dumped(theBuild, other, 2, nil)}, now, "running"},
		{"never in the dump", 0, []int64{1}, []map[string]any{dumped(theBuild, other, 2, nil)}, now.Add(99 * time.Hour), "unknown"},
		{"the day is missing", 0, []int64{1}, nil, now.Add(99 * time.Hour), "unknown"},
		{"no properties", 0, []int64{1}, []map[string]any{{"id": 1, "request_ids": []int64{1}, "result": 0, "buildnumber": 4372, "endtime": ended.Unix()}}, now, "unknown"},
		{"properties only", 0, []int64{1}, []map[string]any{{"id": 1, "request_ids": []int64{5}, "properties": map[string]any{"request_ids": []int64{1, 2}, "revision": push.Short()}}}, now, "success"},
		{"merged", 0, []int64{1, 2}, []map[string]any{dumped(theBuild, push.Revision, 2, nil)}, now, "coalesced success"},
		{"two builds of one request", 0, []int64{1}, []map[string]any{dumped(theBuild, other, 1, nil), dumped(theBuild, push.Revision, 1, nil)}, now, "coalesced"},
		{"no requests", 0, nil, nil, now, "unknown"},
		{"warnings", 1, []int64{1}, nil, now, "test_failed"},
		{"failure", 2, []int64{1}, nil, now, "busted"},
		{"skipped", 3, []int64{1}, nil, now, "skipped"},
		{"exception", 4, []int64{1}, nil, now, "exception"},
		{"retry", 5, []int64{1}, nil, now, "retry"},
		{"cancelled", 6, []int64{1}, nil, now, "cancelled"},
		{"ended without a status", nil, []int64{1}, nil, now, "unknown"},
	} {
		s := newService()
		s.build(theBuild, c.status, c.ids...)
		if c.dump != nil {
			s.dumps[today] = dumpOf(t, c.dump...)
		}
		if got := statuses(t, s.client(t, selfserve.Options{Now: func() time.Time { return c.now }}).Project("mozilla-inbound")); got != c.want {
			t.Errorf("%s: %s, expected %s", c.what, got, c.want)
		}
	}
	s := newService()
	s.build(theBuild, 7, 1)
	s.build(theTest, 1, 2)
	jobs, err := s.client(t, selfserve.Options{}).Project("mozilla-inbound").Jobs(t.Context(), push)
	if len(jobs) != 1 || !errors.Is(err, job.ErrUnknownWord) || !strings.Contains(err.Error(), theBuild) {
		t.Errorf("a word that is not known: %v %v", jobs, err)
	}
}

// The recorded answer of self-serve in its forms.
func TestRecordedEntry(t *testing.T) {
	var all struct {
		Selfserve map[string]string
	}
	unmarshal(t, shared(t, "mozilla_ci_tools__selfserve_and_treeherder_samples.json"), &all)
	text := all.Selfserve["BASE_JSON"]
	for _, c := range []struct{ status, completeAt, complete, end, want string }{
		{"null", "null", "0", "null", "running"},
		{"null", "1433166610", "1", "1433166609", "unknown"},
		{"2", "1433166610", "1", "1433166609", "busted"},
	} {
		var entries []selfserve.Entry
		unmarshal(t, fmt.Appendf(nil, text, c.status, c.completeAt, c.complete, c.end), &entries)
		if e := entries[0]; e.BuildID != 72398103 || e.Builder != "Linux x86-64 try build" || e.Requests[0].ID != 71123549 || !e.Scheduled {
			t.Errorf("%+v", e)
		}
		s := newService()
		s.entries[push.Short()] = []map[string]any{}
		var raw []map[string]any
		unmarshal(t, fmt.Appendf(nil, text, c.status, c.completeAt, c.complete, c.end), &raw)
		s.entries[push.Short()] = raw
		if got := statuses(t, s.client(t, selfserve.Options{}).Project("try")); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

const files = "http://ftp.test/"

func TestBuildFirst(t *testing.T) {
	with := map[string]any{"packageUrl": files + "target.tar.bz2", "testsUrl": files + "tests.zip", "testPackagesUrl": files + "test_packages.json"}
	for _, c := range []struct {
		what   string
		status any
		there  []string
		dump   map[string]any
		says   string // empty: it is asked for with what posts holds
		posts  string
	}{
		{"files", 0, []string{"target.tar.bz2", "test_packages.json"}, with, "", "test_packages.json"},
		{"older tests", 0, []string{"target.tar.bz2", "tests.zip"}, map[string]any{"packageUrl": files + "target.tar.bz2", "testsUrl": files + "tests.zip"}, "", "tests.zip"},
		{"a failed build with files", 1, []string{"target.tar.bz2", "test_packages.json"}, with, "", "test_packages.json"},
		{"expired", 0, []string{"test_packages.json"}, with, "its files are not there", ""},
		{"no files", 2, nil, nil, "its files are not there", ""},
		{"running", nil, nil, nil, "has not ended", ""},
	} {
		s := newService()
		s.build(theBuild, c.status, 71)
		s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71, c.dump))
		for _, f := range c.there {
			s.files[files+f] = true
		}
		_, err := s.client(t, selfserve.Options{}).Project("mozilla-inbound").Trigger(t.Context(), job.Request{Label: theTest, Push: push, Count: 2})
		if c.says != "" {
			if !errors.Is(err, job.ErrNoBuild) || !strings.Contains(err.Error(), c.says) || len(s.posts) > 0 {
				t.Errorf("%s: %v, %q", c.what, err, s.posts)
			}
			continue
		}
		if err != nil || len(s.posts) != 2 || !strings.Contains(s.posts[0], c.posts) || !strings.Contains(s.posts[0], "/self-serve/mozilla-inbound/builders/"+theTest+"/"+push.Revision+" ") {
			t.Errorf("%s: %v, %q", c.what, err, s.posts)
		}
	}
}

func TestWrites(t *testing.T) {
	for _, c := range []struct {
		what    string
		answers []answer
		is      error
		says    string
		posts   int
	}{
		{"busy", []answer{{503, `{"status": "FAILED", "msg": "Couldn't create JobRequest row"}`}}, nil, "", 2},
		{"202 and failed", []answer{{202, `{"status": "FAILED", "msg": "Couldn't send message to broker"}`}}, nil, "", 2},
		{"always busy", slices.Repeat([]answer{{503, `{"status": "FAILED", "msg": "try later"}`}}, 9), job.ErrUnavailable, "503 try later", 4},
		{"a proxy's 503", []answer{{503, "<html>"}}, job.ErrUnavailable, "503", 1},
		{"500", []answer{{500, "<html>"}}, job.ErrUnavailable, "500", 1},
		{"401", []answer{{401, "<html>LDAP"}}, job.ErrDenied, "401", 1},
		{"403", []answer{{403, "<html>ACCESS DENIED!"}}, job.ErrDenied, "403", 1},
		{"404", []answer{{404, `{"status": "FAILED", "msg": "Branch x not found"}`}}, job.ErrNotFound, "404 Branch x not found", 1},
		{"a page", []answer{{202, "<html>"}}, job.ErrMalformed, "", 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				s.build(theBuild, 2, 71)
				s.answers = c.answers
				_, err := s.client(t, selfserve.Options{User: "u", Password: "p"}).Project("mozilla-inbound").Trigger(t.Context(), job.Request{Label: theBuild, Push: push, Count: 3})
				if !errors.Is(err, c.is) || (c.says != "" && !strings.Contains(fmt.Sprint(err), c.says)) || len(s.posts) != c.posts {
					t.Errorf("%v, %q", err, s.posts)
				}
				if !strings.Contains(s.posts[0], "POST /self-serve/mozilla-inbound/request count=3&request_id=71") {
					t.Errorf("%q", s.posts)
				}
			})
		})
	}
	s := newService()
	s.answers = []answer{{202, `{"status": "OK", "request_id": 5}`}, {404, "<html>"}}
	p := s.client(t, selfserve.Options{}).Project("mozilla-inbound")
	_, err := p.Trigger(t.Context(), job.Request{Label: theBuild, Push: push, Count: 3})
	if !errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "1 of 3 runs were accepted") {
		t.Errorf("half done: %v", err)
	}
	if in, err := p.Accepted(t.Context(), push, theBuild); err != nil || len(in) != 1 || in[0].Count != 1 {
		t.Errorf("in flight: %v %v", in, err)
	}
	c := s.client(t, selfserve.Options{})
	if _, err := c.Reprioritise(t.Context(), "try", 5, 3); err != nil || s.posts[len(s.posts)-1] != "PUT /self-serve/try/request/5 priority=3" {
		t.Errorf("%v %q", err, s.posts)
	}
	if err := p.Cancel(t.Context(), "71/1"); err != nil || !strings.HasPrefix(s.posts[len(s.posts)-1], "DELETE /self-serve/mozilla-inbound/request/71") {
		t.Errorf("%v %q", err, s.posts)
	}
	for _, label := range []string{"Quantum Phone 2031 build", "Linux x86-64 fx-team build"} {
		if _, err := p.Trigger(t.Context(), job.Request{Label: label, Push: push, Count: 1}); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: %v", label, err)
		}
	}
}

// A dump is fetched when it is needed, and again, once, when it may have more.
func TestDumpsAreFetchedOnce(t *testing.T) {
	s := newService()
	for i := range 20 {
		s.build(theBuild, 0, int64(100+i))
	}
	now := ended.Add(time.Hour)
	p := s.client(t, selfserve.Options{Now: func() time.Time { return now }}).Project("mozilla-inbound")
	s.dumps["builds-4hr.js.gz"] = dumpOf(t, dumped(theBuild, push.Revision, 100, nil))
	if got := statuses(t, p); strings.Count(got, "running") != 19 || len(s.gets) > 3 {
		t.Errorf("%s after %q", got, s.gets)
	}
	before := len(s.gets)
	var all []map[string]any
	for i := range 20 {
		all = append(all, dumped(theBuild, push.Revision, int64(100+i), nil))
	}
	s.dumps["builds-4hr.js.gz"] = dumpOf(t, all...)
	now = now.Add(10 * time.Minute)
	if got := statuses(t, p); strings.Count(got, "success") != 20 || len(s.gets) != before+1 {
		t.Errorf("%s after %q", got, s.gets[before:])
	}
}

func TestDumpsAreKept(t *testing.T) {
	dir := t.TempDir()
	s := newService()
	s.build(theBuild, 0, 1)
	s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 1, nil))
	later := func() time.Time { return ended.Add(48 * time.Hour) }
	ask := func() string {
		return statuses(t, s.client(t, selfserve.Options{CacheDir: dir, CacheBytes: 1000, Now: later}).Project("mozilla-inbound"))
	}
	for range 3 {
		if got := ask(); got != "success" {
			t.Error(got)
		}
	}
	if len(s.gets) != 1 {
		t.Errorf("%q, expected it once", s.gets)
	}
	kept := filepath.Join(dir, "builddata", today)
	text, err := os.ReadFile(kept) // #nosec G304 -- the test's own folder
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "success" || len(s.gets) != 2 {
		t.Errorf("a torn file: %s after %q", got, s.gets)
	}
	old := filepath.Join(dir, "builddata", "builds-2015-01-01.js.gz")
	if err := os.WriteFile(old, make([]byte, 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(old, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	ask()
	if left, err := filepath.Glob(filepath.Join(dir, "builddata", "*")); err != nil || len(left) != 1 || left[0] != kept {
		t.Errorf("over the cap: %q %v", left, err)
	}
}

func TestDumpsThatAreTorn(t *testing.T) {
	whole := dumpOf(t, dumped(theBuild, push.Revision, 1, nil))
	for what, body := range map[string][]byte{
		"a page": []byte("<html>Not here</html>"), "nothing": {}, "half": whole[:len(whole)/2], "no builds": []byte(`{"starttime": 1}`),
		"builds no list": []byte(`{"builds": {"id": 1}}`), "an id no number": []byte(`{"builds": [{"id": "x"}]}`), "cut text": []byte(`{"builds": [{"id": 1}, {"id"`),
	} {
		s := newService()
		s.build(theBuild, 0, 1)
		s.dumps[today] = body
		_, err := s.client(t, selfserve.Options{}).Project("mozilla-inbound").Jobs(t.Context(), push)
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), today) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s := newService()
	s.build(theBuild, 0, 1)
	s.dumps[today] = []byte(`{"builds": [{"id": 1, "request_ids": [1], "properties": {"revision": "` + push.Short() + `", "blobber_files": "{torn"}}]}`)
	if got := statuses(t, s.client(t, selfserve.Options{}).Project("mozilla-inbound")); got != "success" {
		t.Errorf("named as packed, and not: %s", got)
	}
}

// Every recorded build is read as those who recorded it say.
func TestRecordedBuilds(t *testing.T) {
	var want map[string]struct {
		Action struct {
			Status   string  `json:"buildbot_status"`
			Start    float64 `json:"start_time"`
			End      float64 `json:"end_time"`
			Number   int     `json:"job_number"`
			Requests []struct {
				ID int64 `json:"request_id"`
			}
		}
		Build struct{ Name, Branch, Revision12 string }
	}
	unmarshal(t, shared(t, "ActiveData-ETL__buildjson_builds.expected.json.gz"), &want)
	words := map[int]string{0: "success", 1: "warnings", 2: "failure", 3: "skipped", 4: "exception", 5: "retry", 6: "cancelled", selfserve.NoResult: ""}
	n := 0
	err := selfserve.ReadDump(strings.NewReader(string(shared(t, "ActiveData-ETL__buildjson_builds.json.gz"))), func(b selfserve.DumpBuild) error {
		w, ok := want[fmt.Sprint(b.ID)]
		if !ok {
			t.Errorf("build %d is not expected", b.ID)
			return nil
		}
		n++
		if words[b.Result] != w.Action.Status || (!b.Finished.IsZero() && b.Finished.Unix() != int64(w.Action.End)) || (w.Action.Start != 0 && b.Started.Unix() != int64(w.Action.Start)) {
			t.Errorf("build %d: result %d, %v to %v; expected %+v", b.ID, b.Result, b.Started, b.Finished, w.Action)
		}
		if w.Build.Revision12 != "" && !strings.HasPrefix(b.Revision, w.Build.Revision12) {
			t.Errorf("build %d: revision %q, expected %q", b.ID, b.Revision, w.Build.Revision12)
		}
		for _, r := range w.Action.Requests {
			if !slices.Contains(b.Requests, r.ID) {
				t.Errorf("build %d: requests %v, expected %d", b.ID, b.Requests, r.ID)
			}
		}
		return nil
	})
	if err != nil || n != 92 {
		t.Errorf("%d builds, %v", n, err)
	}
}

func TestRecordedDump(t *testing.T) {
	for file, want := range map[string]map[int]int{
		"treeherder__builds-4hr_2014.json": {0: 23, 1: 7, 2: 1, 4: 1}, "treeherder__builds-4hr_missing_revision.json": {0: 2},
	} {
		got := map[int]int{}
		err := selfserve.ReadDump(strings.NewReader(string(shared(t, file))), func(b selfserve.DumpBuild) error {
			got[b.Result]++
			if b.Builder == "" || len(b.Requests) == 0 || b.Finished.IsZero() {
				t.Errorf("%+v", b)
			}
			return nil
		})
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v %v, expected %v", file, got, err, want)
		}
	}
}

func TestAllTheThings(t *testing.T) {
	all, err := selfserve.ReadAllTheThings(strings.NewReader(string(shared(t, "mozilla_ci_tools__mock_allthethings.json"))))
	if err != nil {
		t.Fatal(err)
	}
	for tester, want := range map[string]string{
		"Platform1 try opt test mochitest-1":                       "Platform1 try build",
		"Platform1 try debug test mochitest-1":                     "Platform1 try leak test build",
		"Platform1 try talos tp5o":                                 "Platform1 try build",
		"Platform1 mozilla-beta talos tp5o":                        "Platform1 mozilla-beta build",
		"Platform1 mozilla-beta pgo talos tp5o":                    "Platform1 mozilla-beta build",
		"Platform2 mozilla-beta talos tp5o":                        "Platform2 mozilla-beta build",
		"Platform1 try build":                                      "",
		"Rev4 MacOSX Snow Leopard 10.6 fx-team debug test cppunit": "",
	} {
		if got := strings.Join(all.Upstream(tester), ", "); got != want {
			t.Errorf("%s: %q, expected %q", tester, got, want)
		}
	}
	if a, b := all.MaxRevisions("Rev4 MacOSX Snow Leopard 10.6 fx-team debug test cppunit"), all.MaxRevisions("Platform1 try build"); a != 11 || b != 8 {
		t.Errorf("max revisions %d and %d, expected one and a half of 7 and of 5", a, b)
	}
	if got := all.Builders("mozilla-inbound"); len(got) != 4 {
		t.Errorf("%q", got)
	}
	s := newService()
	p := s.client(t, selfserve.Options{Builders: all}).Project("try")
	entries, err := p.Catalog(t.Context(), push)
	if err != nil || len(entries) != 6 {
		t.Errorf("%v %v", entries, err)
	}
	if _, err := p.Trigger(t.Context(), job.Request{Label: theTest, Push: push, Count: 1}); !errors.Is(err, job.ErrNotFound) || !strings.Contains(err.Error(), "allthethings.json") {
		t.Errorf("a builder that is not there: %v", err)
	}
	for _, text := range []string{"", "<html>", "{}", `{"builders": {"x": {}}}`, `{"builders": [`} {
		if _, err := selfserve.ReadAllTheThings(strings.NewReader(text)); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestLogs(t *testing.T) {
	s := newService()
	s.build(theBuild, 0, 1)
	s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 1, map[string]any{"log_url": "http://logs.test/builds-log", "blobber_files": `{"mochitest_errorsummary.log": "http://logs.test/builds-errorsummary"}`}))
	s.dumps["builds-log"], s.dumps["builds-errorsummary"] = []byte("plain"), []byte("{}")
	p := s.client(t, selfserve.Options{}).Project("mozilla-inbound")
	jobs, err := p.Jobs(t.Context(), push)
	if err != nil {
		t.Fatal(err)
	}
	for which, want := range map[job.LogKind]string{job.LogText: "plain", job.LogErrorSummary: "{}", job.LogStructured: ""} {
		j := jobs[0]
		if which == job.LogText { // by its ID alone, as a person gives it
			j = job.New(job.Fields{ID: j.ID()})
		}
		r, err := p.OpenLog(t.Context(), j, which)
		if want == "" {
			if !errors.Is(err, job.ErrNotFound) {
				t.Errorf("%s: %v", which, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(text) != want {
			t.Errorf("%s: %q %v", which, text, err)
		}
	}
}

// Pages and nothing in place of lists.
func TestBadAnswers(t *testing.T) {
	for _, body := range []string{"<html>", "", `[{"build_id": "x"}]`, `[{"status": "good"}]`, `{"a": 1}`, `[{"build_id": 1`} {
		c, err := selfserve.New("http://buildapi.test", &selfserve.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: answers(body)}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Project("try").Jobs(t.Context(), push); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%q: %v", body, err)
		}
	}
	for body, none := range map[string]bool{
		`{"msg": "Revision 123456123456 not found on branch try", "status": "FAILED"}`: true,
		`{"msg": "Branch tri not found", "status": "FAILED"}`:                          false,
		"<html>nginx": false,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, body)
		}))
		c, err := selfserve.New(s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := c.Project("try").Jobs(t.Context(), push)
		s.Close()
		if len(jobs) > 0 || none != (err == nil) || (!none && !errors.Is(err, job.ErrNotFound)) {
			t.Errorf("404 %s: %v %v", body, jobs, err)
		}
	}
	if _, err := selfserve.New("buildapi", nil); !errors.Is(err, job.ErrInvalid) {
		t.Error(err)
	}
}

type answers string

func (a answers) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, string(a))
}

func FuzzReadDump(f *testing.F) {
	f.Add(dumpOf(f, dumped(theBuild, push.Revision, 1, nil)))
	f.Add([]byte(`{"builds": [{"id": 1, "properties": {"request_ids": {}, "revision": null}}]}`))
	f.Add([]byte(`[{"id": 1}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := selfserve.ReadDump(strings.NewReader(string(text)), func(b selfserve.DumpBuild) error {
			b.Files()
			b.Blobs()
			return nil
		})
		if err != nil && !errors.Is(err, job.ErrMalformed) {
			t.Error(err)
		}
	})
}
