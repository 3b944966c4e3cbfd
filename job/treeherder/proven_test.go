package treeherder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/job/treeherder"
)

// replaced answers one path of a server with a text, and the others as the server
// does.
func replaced(s http.Handler, path, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, path) {
			_, _ = w.Write([]byte(text))
			return
		}
		s.ServeHTTP(w, r)
	})
}

// answered is what a server answers.
func answered(s http.Handler, uri string) string {
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, uri, nil))
	return rec.Body.String()
}

func oneJob() *thtest.Server {
	s := server("autoland", "1@0")
	s.Repositories = []thtest.Object{{"name": "autoland"}}
	s.AddJob(thtest.Object{"id": 9, "push_id": 1, "state": "completed", "result": "success", "job_type_name": "l"})
	s.Classify(9, 4)
	s.AddNote(thtest.Object{"job_id": 9, "failure_classification_id": 4, "who": "a", "created": "2026-01-05T00:00:00"})
	return s
}

// The members that mozci reads of each answer.
var read = map[string]struct {
	path, uri string
	members   []string
	optional  []string // of these, what may be absent
	ask       func(context.Context, *treeherder.Project) error
}{
	"push": {
		"/push/", "/api/project/autoland/push/?full=true&count=10&revision=" + revision(1),
		[]string{
			"meta", "meta.repository", "meta.count", "results", "results[0].id", "results[0].revision",
			"results[0].author", "results[0].push_timestamp", "results[0].revision_count", "results[0].revisions",
			"results[0].revisions[0].revision", "results[0].revisions[1].author", "results[0].revisions[1].comments",
		},
		[]string{
			"meta", "meta.repository", "meta.count", "results[0].author", "results[0].revision_count",
			"results[0].revisions[1].author", "results[0].revisions[1].comments",
		},
		func(ctx context.Context, p *treeherder.Project) error { _, err := p.Push(ctx, revision(1)); return err },
	},
	"jobs": {
		"/jobs/", "/api/project/autoland/jobs/?push_id=1&count=2000",
		[]string{
			"meta", "meta.repository", "meta.count", "meta.offset", "results", "results[0].id", "results[0].push_id",
			"results[0].state", "results[0].result", "results[0].job_type_name", "results[0].build_system_type",
			"results[0].ref_data_name", "results[0].tier", "results[0].submit_timestamp", "results[0].start_timestamp",
			"results[0].end_timestamp",
		},
		[]string{
			"meta", "meta.repository", "meta.count", "meta.offset", "results[0].tier",
			"results[0].ref_data_name", "results[0].build_system_type",
		},
		jobsOfOne,
	},
	"note": {
		"/note/", "/api/project/autoland/note/?job_id=9",
		[]string{"[0].id", "[0].job_id", "[0].failure_classification_id", "[0].created", "[0].who"},
		nil,
		func(ctx context.Context, p *treeherder.Project) error {
			_, err := p.Classification(ctx, job.New(job.Fields{ID: "9"}))
			return err
		},
	},
	"repository": {
		"/repository/", "/api/repository/",
		[]string{"[0].name", "[0].branch", "[0].is_try_repo"},
		nil,
		func(ctx context.Context, p *treeherder.Project) error { return p.Line(ctx) },
	},
}

func jobsOfOne(ctx context.Context, p *treeherder.Project) error {
	_, err := p.Jobs(ctx, job.Push{Repo: "autoland", ID: 1, Revision: revision(1)})
	return err
}

// A member that is absent, null or of another type is an error that names the source
// and the place, never a default.
func TestEveryRequiredMember(t *testing.T) {
	for name, c := range read {
		s := oneJob()
		text := answered(s, c.uri)
		if err := c.ask(t.Context(), project(t, replaced(s, c.path, text), "autoland")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		tried := 0
		for d := range damage.All([]byte(text), 9, 1) {
			switch {
			case d.Kind == damage.Removed && slices.Contains(c.optional, d.Path),
				d.Kind != damage.Removed && d.Kind != damage.Null && d.Kind != damage.Type,
				!slices.Contains(c.members, d.Path), d.Path == "[0].branch" && (d.Kind == damage.Null || d.What == `"damaged"`):
				continue
			}
			tried++
			err := c.ask(t.Context(), project(t, replaced(s, c.path, string(d.Text)), "autoland"))
			var broken *contract.Error
			if !errors.Is(err, job.ErrMalformed) || !errors.As(err, &broken) || broken.Source != "treeherder/"+name ||
				!strings.HasPrefix(broken.Path, strings.TrimSuffix(d.Path, ".id")) {
				t.Errorf("%s: %v: %v, expected an error of the contract", name, d, err)
			}
		}
		if tried < 5*len(c.members) {
			t.Errorf("%s: %d damages of %d members", name, tried, len(c.members))
		}
	}
}

// Rows are as the columns say, each of which is there once.
func TestRows(t *testing.T) {
	s := oneJob()
	text := answered(s, "/api/project/autoland/jobs/?push_id=1&count=2000&return_type=list")
	if err := jobsOfOne(t.Context(), project(t, replaced(s, "/jobs/", text), "autoland")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, says string }{
		"a column more":  {`"who"]`, `"who","why"]`, "results[0]: 37 values for 38 job_property_names"},
		"a column fewer": {`,"who"]`, `]`, "results[0]: 37 values for 36 job_property_names"},
		"a column twice": {`"who"]`, `"id"]`, `job_property_names[36]: "id" comes twice`},
		"other columns":  {`"job_type_name"`, `"job_title"`, "results[0].job_type_name: missing"},
		"no columns":     {`"job_property_names"`, `"names"`, "results[0]: 37 values for 0"},
		"no values":      {`"results":[[`, `"results":[[],[`, "results[0]: 0 values"},
		"null":           {`"results":[[`, `"results":[null,[`, "results[0]: null, expected an object"},
	} {
		if !strings.Contains(text, c.old) {
			t.Fatalf("%s is not in %s", c.old, text)
		}
		damaged := strings.Replace(text, c.old, c.new, 1)
		err := jobsOfOne(t.Context(), project(t, replaced(s, "/jobs/", damaged), "autoland"))
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "treeherder/jobs: "+c.says) {
			t.Errorf("%s: %v, expected %s", name, err, c.says)
		}
	}
}

// A server that ignores a parameter is noticed, whichever it is.
func TestIgnoredParameters(t *testing.T) {
	s := server("autoland", "101@0", "102@10", "103@20", "104@30")
	for i, label := range []string{"a", "b"} {
		s.AddJob(thtest.Object{"id": i + 1, "push_id": 101, "state": "running", "job_type_name": label})
		s.AddJob(thtest.Object{"id": i + 9, "push_id": 104, "state": "running", "job_type_name": label})
	}
	pushes := func(r job.Range) func(*treeherder.Project) error {
		return func(p *treeherder.Project) error { _, err := p.Pushes(t.Context(), r); return err }
	}
	jobs := func(names ...string) func(*treeherder.Project) error {
		return func(p *treeherder.Project) error {
			_, err := p.Jobs(t.Context(), job.Push{Repo: "autoland", ID: 1, Revision: revision(101)}, names...)
			return err
		}
	}
	at := time.Unix(1700000000, 0)
	for param, ask := range map[string]func(*treeherder.Project) error{
		"revision":            pushes(job.Between(revision(101), revision(101))),
		"id__gte":             pushes(job.IDs(103, 109)),
		"id__lte":             pushes(job.IDs(101, 102)),
		"push_timestamp__gte": pushes(job.Dates(at.Add(15*time.Second), at.Add(time.Hour))),
		"push_timestamp__lte": pushes(job.Dates(at, at.Add(15*time.Second))),
		"push_id":             jobs(), "job_type_name": jobs("a"), "count": jobs(),
	} {
		ignoring := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			q.Del(param)
			r.URL.RawQuery = q.Encode()
			s.ServeHTTP(w, r)
		})
		if err := ask(project(t, s, "autoland")); err != nil {
			t.Errorf("%s: %v", param, err)
		}
		if err := ask(project(t, ignoring, "autoland")); !errors.Is(err, job.ErrMalformed) ||
			!strings.Contains(err.Error(), "asked for") {
			t.Errorf("%s: %v, expected ErrMalformed", param, err)
		}
	}
}

// Pushes come newest first, and each once; paging relies on that.
func TestOrderOfPushes(t *testing.T) {
	s := server("autoland", "101@0", "102@10")
	text := answered(s, "/api/project/autoland/push/?full=true&count=1000")
	for name, c := range map[string]struct{ old, new, says string }{
		"oldest first":       {`"push_timestamp":1700000010`, `"push_timestamp":1699999999`, "[1].push_timestamp: 1700000000"},
		"an id twice":        {`"id":101`, `"id":102`, "results[1].id: push 102 comes twice"},
		"more than they are": {`"revision_count":2`, `"revision_count":1`, "results[0].revision_count: 1, but there are 2 revisions"},
		"of two pushes":      {revision(101), revision(102), "results[1].revision"},
		"a revision twice":   {revision(500102), revision(102), "results[0].revisions[1].revision"},
		"none of them":       {`"revisions":[`, `"revisions":[],"more":[`, "results[0].revision_count: 2, but there are 0 revisions"},
	} {
		body := strings.ReplaceAll(text, c.old, c.new)
		_, err := project(t, replaced(s, "/push/", body), "autoland").Pushes(t.Context(), job.IDs(101, 102))
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %s", name, err, c.says)
		}
	}
	// The ends of a range are in it.
	only := answered(server("autoland", "101@0"), "/api/project/autoland/push/?count=1000")
	gone := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("push_timestamp__gte") {
			_, _ = w.Write([]byte(only))
			return
		}
		s.ServeHTTP(w, r)
	})
	_, err := project(t, gone, "autoland").Pushes(t.Context(), job.Between(revision(101), revision(102)))
	if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "push 102 has") {
		t.Errorf("%v", err)
	}
}

// Every listing ends: pages that repeat, pages that are always full of something else,
// and pages that overlap each time.
func TestListingsEnd(t *testing.T) {
	s := server("autoland", "1@0")
	full := func(first, n int) string {
		var b strings.Builder
		one := &thtest.Server{Project: "autoland"}
		one.AddJob(thtest.Object{"id": 777, "push_id": 1, "state": "running", "job_type_name": "l"})
		text := answered(one, "/api/project/autoland/jobs/?push_id=1&count=2000")
		_, object, _ := strings.Cut(text, `"results":[`)
		object = object[:strings.LastIndex(object, "]")]
		for i := range n {
			b.WriteString(strings.Replace(object, `"id":777`, fmt.Sprintf(`"id":%d`, first+i), 1) + ",")
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	repeated, last := full(1, 2000), full(2000, 5)
	for name, c := range map[string]struct {
		page func(offset int) string
		want error
		says string
		max  int
	}{
		"the same again": {func(int) string { return repeated }, job.ErrMalformed, "the same 2000 jobs again", 2},
		"overlapping": {func(offset int) string {
			return map[int]string{0: repeated, 2000: last}[offset]
		}, job.ErrUnavailable, "overlapped 3 times", 6},
	} {
		asked := 0
		p := project(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "/jobs/") {
				s.ServeHTTP(w, r)
				return
			}
			asked++
			var offset int
			_, _ = fmt.Sscan(r.URL.Query().Get("offset"), &offset)
			_, _ = fmt.Fprintf(w, `{"meta":{"repository":"autoland","offset":%d,"count":2000},"results":[%s]}`, offset,
				c.page(offset))
		}), "autoland")
		err := jobsOfOne(t.Context(), p)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || asked != c.max {
			t.Errorf("%s: %v after %d pages, expected %s after %d", name, err, asked, c.says, c.max)
		}
	}
}

// A server that has always more pushes, none of which is of the branch, ends too.
func TestPushesEnd(t *testing.T) {
	asked, next := 0, int64(1<<40)
	p := project(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/push/") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		asked++
		var count int
		_, _ = fmt.Sscan(r.URL.Query().Get("count"), &count)
		var b bytes.Buffer
		for range count {
			next--
			fmt.Fprintf(&b, `,{"id":%d,"revision":"%040x","author":"","push_timestamp":%d,"branch":"b","revision_count":0,
				"revisions":[]}`, next, next, next/100)
		}
		_, _ = fmt.Fprintf(w, `{"meta":{"repository":"autoland","count":%d},"results":[%s]}`, count, b.Bytes()[1:])
	}), "autoland")
	p.CapPages(7)
	_, err := p.OnBranch("main").Push(t.Context(), "tip")
	if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "7 pages of 1000 pushes") || asked != 8 {
		t.Errorf("%v after %d pages", err, asked)
	}
}

// A server that hangs holds up nobody for longer than the deadline, whatever was
// asked, and that is not the caller's doing.
func TestDeadline(t *testing.T) {
	for op, call := range map[string]func(context.Context, *treeherder.Project) error{
		"treeherder.push": func(ctx context.Context, p *treeherder.Project) error {
			_, err := p.Push(ctx, revision(1))
			return err
		},
		"treeherder.pushes": func(ctx context.Context, p *treeherder.Project) error {
			_, err := p.Pushes(ctx, job.IDs(1, 9))
			return err
		},
		"treeherder.jobs": jobsOfOne,
		"treeherder.line": func(ctx context.Context, p *treeherder.Project) error { return p.Line(ctx) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s, err := treeherder.New("https://treeherder.example", &treeherder.Options{
				Deadline: 5 * time.Second, HTTP: &http.Client{Transport: hanging{}},
			})
			if err != nil {
				t.Fatal(err)
			}
			p := s.Project("autoland")
			began := time.Now()
			err = call(t.Context(), p)
			took := time.Since(began)
			var e *job.Error
			if !errors.Is(err, job.ErrUnavailable) || !errors.As(err, &e) || errors.Is(err, context.DeadlineExceeded) ||
				took != 5*time.Second || !strings.Contains(err.Error(), op+": no answer within 5s") {
				t.Errorf("%s: %v after %s", op, err, took)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := call(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: the caller's deadline: %v", op, err)
			}
		})
	}
}

// hanging answers nothing.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}
