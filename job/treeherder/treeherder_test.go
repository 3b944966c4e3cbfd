package treeherder_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/treeherder"
)

func project(t *testing.T, h http.Handler, name string) *treeherder.Project {
	t.Helper()
	s, err := treeherder.New("https://treeherder.example", &treeherder.Options{HTTP: hgtest.Client(h)})
	if err != nil {
		t.Fatal(err)
	}
	return s.Project(name)
}

// smallProject has seven pushes with ids far apart, and jobs of three labels.
func smallProject() *thtest.Server {
	s := &thtest.Server{Project: "autoland"}
	id := 1000
	for i := range 7 {
		push := 500000 + i*37
		rev := func(n int) string { return fmt.Sprintf("%012x%028x", push*10+n, 7) }
		s.AddPush(thtest.Object{
			"id": push, "revision": rev(1), "author": "dev@mozilla.example", "push_timestamp": 1700000000 + i*600,
			"revision_count": 2,
			"revisions": []any{
				thtest.Object{"revision": rev(1), "author": "Dev <dev@mozilla.example>", "comments": "Bug 2 - second"},
				thtest.Object{"revision": rev(0), "author": "Dev <dev@mozilla.example>", "comments": "Bug 1 - first"},
			},
		})
		for _, label := range []string{"test-linux/opt-xpcshell-1", "build-linux/opt", "Gecko Decision Task"} {
			for range 2 {
				id++
				s.AddJob(thtest.Object{
					"id": id, "push_id": push, "state": "completed", "result": "success", "job_type_name": label,
					"tier":             1,
					"submit_timestamp": 1700000000, "start_timestamp": 1700000100, "end_timestamp": 1700000200,
				})
			}
		}
	}
	return s
}

func TestKit(t *testing.T) {
	p, gate := gated(t, smallProject(), "autoland")
	want, err := p.Pushes(t.Context(), job.IDs(0, 1<<40))
	if err != nil || len(want) != 7 {
		t.Fatalf("%d pushes, %v", len(want), err)
	}
	if err := jobtest.CheckRepository(t.Context(), p,
		jobtest.RepositoryCase{Pushes: want, Absent: strings.Repeat("deadbeef", 5), Hang: gate.Hang}); err != nil {
		t.Errorf("repository:\n%v", err)
	}
	err = jobtest.CheckScheduler(t.Context(), p, jobtest.SchedulerCase{
		Push: want[3], Labels: []string{"test-linux/opt-xpcshell-1", "build-linux/opt", "Gecko Decision Task"}, Runs: 2,
		ReadOnly: true,
		Hang:     gate.Hang,
	})
	if err != nil {
		t.Errorf("scheduler:\n%v", err)
	}
}

// The repository kit over 500 real pushes of try.
func TestKitOnRealPushes(t *testing.T) {
	s := &thtest.Server{Project: "try"}
	if err := s.Load(testenv.Read(t, "data", "2-treeherder",
		"treeherder_api_push__try_2022-02_first500.json.gz")); err != nil {
		t.Fatal(err)
	}
	p := project(t, s, "try")
	want, err := p.Pushes(t.Context(), job.IDs(0, 1<<40))
	if err != nil || len(want) != 500 {
		t.Fatalf("%d pushes, %v", len(want), err)
	}
	for _, q := range want {
		if n := len(q.Changesets); n == 0 || q.Changesets[n-1].Node != q.Revision {
			t.Errorf("push %v: its last changeset is not its tip", q)
		}
	}
	if err := jobtest.CheckRepository(t.Context(), p,
		jobtest.RepositoryCase{Pushes: want, Absent: strings.Repeat("deadbeef", 5)}); err != nil {
		t.Error(err)
	}
}

// Jobs of a push that comes from hg's pushlog, with hg's id, are found by
// revision; a walk over thirty of them searches once.
func TestJoinedByRevision(t *testing.T) {
	s := smallProject()
	p := project(t, s, "autoland")
	pushes, err := project(t, smallProject(), "autoland").Pushes(t.Context(), job.IDs(0, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range slices.Backward(pushes) {
		q.ID = int64(i) // hg's
		jobs, err := p.Jobs(t.Context(), q, "build-linux/opt")
		if err != nil || len(jobs) != 2 || jobs[0].Push().ID != q.ID {
			t.Errorf("push %v: %d jobs, %v", q, len(jobs), err)
		}
	}
	if n := len(s.Requests()); n != len(pushes)+2 {
		t.Errorf("%d requests for the jobs of %d pushes, expected two more:\n%s", n, len(pushes),
			strings.Join(s.Requests(), "\n"))
	}
	_, err = p.Jobs(t.Context(), job.Push{Repo: "autoland", ID: 1, Revision: strings.Repeat("deadbeef", 5)})
	if !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a push that Treeherder does not have: %v, expected ErrNotFound", err)
	}
}

// All pages are read, each job once, and an offset that is not honoured is noticed.
func TestPages(t *testing.T) {
	s := smallProject()
	for i := range 4500 {
		s.AddJob(thtest.Object{
			"id": 9000 + i, "push_id": 500000, "state": "running", "result": "unknown",
			"job_type_name": "many",
		})
	}
	p := project(t, s, "autoland")
	oldest, err := p.Pushes(t.Context(), job.IDs(500000, 500000))
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := p.Jobs(t.Context(), oldest[0], "many", "build-linux/opt")
	if err != nil || len(jobs) != 4502 {
		t.Errorf("%d jobs, %v; expected 4502", len(jobs), err)
	}
	stuck := project(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Set("offset", "0")
		r.URL.RawQuery = q.Encode()
		s.ServeHTTP(w, r)
	}), "autoland")
	if jobs, err := stuck.Jobs(t.Context(), oldest[0], "many"); !errors.Is(err, job.ErrMalformed) ||
		!strings.Contains(err.Error(), "meta.offset: 0, asked for 2000") {
		t.Errorf("a server that knows no offset: %d jobs, %v", len(jobs), err)
	}
}

// Recorded answers of the two pages of one push, and of the older objects.
func TestRecordedPages(t *testing.T) {
	pages := [][]byte{
		testenv.Read(t, "data", "2-treeherder", "treeherder__page_1.json"),
		testenv.Read(t, "data", "2-treeherder", "treeherder__job_1.json"),
	}
	for i, want := range []string{
		"259537193 Gecko Decision Task success other,259537372 build-android-api-16/debug success build",
		"259537193 Gecko Decision Task success other,259537372 build-android-api-16/debug busted build,259537375 " +
			"source-test-mozlint-yaml running test," +
			"259539664 test-android-hw-p2-8-0-arm7-api-16/debug-fennec-jittest-1proc-6 test_failed test," +
			"259539665 test-android-hw-p2-8-0-arm7-api-16/debug-fennec-jittest-meh test_failed test",
	} {
		s := smallProject()
		s.AddPush(thtest.Object{
			"id": []int{526443, 511138}[i], "revision": strings.Repeat("ab", 20),
			"push_timestamp": 1800000000,
		})
		if err := s.LoadJobs(pages[i]); err != nil {
			t.Fatal(err)
		}
		p := project(t, s, "autoland")
		tip, err := p.Push(t.Context(), "tip")
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := p.Jobs(t.Context(), tip)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, j := range jobs {
			got = append(got, fmt.Sprint(j.ID(), " ", j.Name(), " ", j.Status(), " ", j.Kind()))
		}
		if strings.Join(got, ",") != want {
			t.Errorf("page %d:\n got %s\nwant %s", i+1, strings.Join(got, ","), want)
		}
	}
}

// tell is a server whose answers about pushes and about jobs are replaced: all of
// them, or a part.
type tell struct {
	status    int // 200 where it is 0
	push, job [2]string
}

// whole stands for a whole answer.
const whole = "*"

func (c tell) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rev := strings.Repeat("a", 40)
	s := &thtest.Server{Project: "autoland"}
	s.AddPush(thtest.Object{
		"id": 1, "revision": rev, "author": "dev", "push_timestamp": 7,
		"revisions": []any{thtest.Object{"revision": rev, "author": "dev", "comments": "Bug 1"}},
	})
	s.AddJob(thtest.Object{"id": 5, "push_id": 1, "state": "completed", "result": "success", "job_type_name": "label"})
	q := r.URL.Query()
	q.Del("return_type") // as objects, whose members are easy to replace
	r.URL.RawQuery = q.Encode()
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	body, part := rec.Body.String(), c.push
	if strings.Contains(r.URL.Path, "/jobs/") {
		part = c.job
	}
	if part[0] == whole {
		body = part[1]
	} else if part[0] != "" {
		if !strings.Contains(body, part[0]) {
			panic(part[0] + " is not in " + body)
		}
		body = strings.Replace(body, part[0], part[1], 1)
	}
	w.WriteHeader(max(c.status, http.StatusOK))
	_, _ = w.Write([]byte(body))
}

// malformed are answers that are not what is documented, or not about what was asked.
var malformed = map[string]struct {
	tell
	want error
	says string
}{
	"404":         {status(404, ofPush(whole, `{"detail":"No project"}`)), job.ErrNotFound, "No project"},
	"500":         {status(500, ofPush(whole, "oops")), job.ErrUnavailable, "500"},
	"HTML":        {ofPush(whole, "<html>"), job.ErrMalformed, "<html>"},
	"half":        {ofPush(whole, `{"results":[{"id":1,"rev`), job.ErrMalformed, "unexpected EOF"},
	"no results":  {ofPush(`"results"`, `"more"`), job.ErrMalformed, "treeherder/push: results: missing"},
	"id":          {ofPush(`"id":1`, `"id":"x"`), job.ErrMalformed, "results[0].id: a string"},
	"no id":       {ofPush(`"id":1,`, ``), job.ErrMalformed, "results[0].id: missing"},
	"no time":     {ofPush(`"push_timestamp":7`, `"push_timestamp":0`), job.ErrMalformed, "push_timestamp: 0"},
	"revision":    {ofPush(tip, `"repository_id":1,"revision":"tip"`), job.ErrMalformed, `results[0].revision: "tip"`},
	"a short one": {ofPush(tip, tip[:len(tip)-29]+`"`), job.ErrMalformed, "results[0].revision"},
	"another": {
		ofPush(tip, strings.ReplaceAll(tip, "aa", "bb")), job.ErrMalformed, "is not among the push's revisions",
	},
	"its pushes":    {ofPush(`"repository":"autoland"`, `"repository":"try"`), job.ErrMalformed, `meta.repository: "try"`},
	"jobs":          {ofJobs(whole, `{"results":null}`), job.ErrMalformed, "treeherder/jobs: results: null"},
	"no job":        {ofJobs(`"results":[{`, `"results":[null,{`), job.ErrMalformed, "results[0]: null"},
	"an empty job":  {ofJobs(`"results":[{`, `"results":[{},{`), job.ErrMalformed, "results[0].id: missing"},
	"row of what":   {ofJobs(`"results":[{`, `"results":[7,{`), job.ErrMalformed, "results[0]: a number"},
	"row of none":   {ofJobs(`"results":[{`, `"results":[[1],{`), job.ErrMalformed, "results[0]: 1 values for 0"},
	"no push":       {ofJobs(`"push_id":1`, `"more":1`), job.ErrMalformed, "results[0].push_id: missing"},
	"other push":    {ofJobs(`"push_id":1`, `"push_id":2`), job.ErrMalformed, "results[0].push_id: 2, asked for 1"},
	"other project": {ofJobs(`"repository":"autoland"`, `"repository":"try"`), job.ErrMalformed, `meta.repository: "try"`},
	"other count":   {ofJobs(`"count":2000`, `"count":10`), job.ErrMalformed, "meta.count"},
	"other page":    {ofJobs(`"offset":0`, `"offset":2000`), job.ErrMalformed, "meta.offset: 2000, asked for 0"},
	"state":         {ofJobs(`"completed"`, `"pondering"`), job.ErrUnknownWord, `treeherder says state "pondering"`},
	"result":        {ofJobs(`"success"`, `"purple"`), job.ErrUnknownWord, `treeherder says result "purple"`},
	"no label":      {ofJobs(`"job_type_name":"label",`, ``), job.ErrMalformed, "results[0].job_type_name: missing"},
	"empty label":   {ofJobs(`"job_type_name":"label"`, `"job_type_name":""`), job.ErrMalformed, "job_type_name: empty"},
}

// tip is where the push says which it is.
var tip = `"repository_id":1,"revision":"` + strings.Repeat("a", 40) + `"`

func ofPush(old, replaced string) tell { return tell{push: [2]string{old, replaced}} }

func ofJobs(old, replaced string) tell { return tell{job: [2]string{old, replaced}} }

func status(n int, t tell) tell {
	t.status = n
	return t
}

func TestMalformedAnswers(t *testing.T) {
	for name, c := range malformed {
		synctest.Test(t, func(t *testing.T) {
			p := project(t, c.tell, "autoland")
			push, err := p.Push(t.Context(), strings.Repeat("a", 40))
			if err == nil {
				_, err = p.Jobs(t.Context(), push)
			}
			var e *job.Error
			if !errors.Is(err, c.want) || !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error %v, expected %v with %q", name, err, c.want, c.says)
			}
		})
	}
	if _, err := treeherder.New("treeherder.mozilla.org", nil); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("New without a scheme: %v", err)
	}
}

// The other jobs come with the error of one; a word of a label that nobody
// asked about is not of interest.
func TestUnknownWordsAreNotDefaults(t *testing.T) {
	s := smallProject()
	s.AddJob(thtest.Object{
		"id": 1, "push_id": 500000, "state": "completed", "result": "purple",
		"job_type_name": "odd",
	})
	p := project(t, s, "autoland")
	push, err := p.Pushes(t.Context(), job.IDs(500000, 500000))
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := p.Jobs(t.Context(), push[0])
	if !errors.Is(err, job.ErrUnknownWord) || len(jobs) != 6 {
		t.Errorf("%d jobs, %v; expected the six others and the error", len(jobs), err)
	}
	if jobs, err = p.Jobs(t.Context(), push[0], "build-linux/opt"); err != nil || len(jobs) != 2 {
		t.Errorf("%d jobs, %v; expected two and no error", len(jobs), err)
	}
}
