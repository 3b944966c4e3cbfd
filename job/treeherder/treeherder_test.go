package treeherder_test

import (
	"errors"
	"fmt"
	"net/http"
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

// All pages are read, each job once, also where pages overlap or an offset is
// not honoured.
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
	if jobs, err := stuck.Jobs(t.Context(), oldest[0], "many"); err != nil || len(jobs) != 2000 {
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
		p := project(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/jobs/") {
				_, _ = w.Write(pages[i])
				return
			}
			s.ServeHTTP(w, r)
		}), "autoland")
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

// good is a list of one push, with more members.
func good(s string) string {
	return `{"results":[{"id":1,"revision":"` + strings.Repeat("a", 40) + `","push_timestamp":7` + s + `}]}`
}

// malformed are answers that are not what is documented.
var malformed = map[string]struct {
	status     int
	push, jobs string
	want       error
	says       string
}{
	"404":        {404, `{"detail":"No project with that name"}`, "", job.ErrNotFound, "No project"},
	"500":        {500, "oops", "", job.ErrUnavailable, "500"},
	"HTML":       {200, "<html>", "", job.ErrMalformed, "<html>"},
	"half":       {200, `{"results":[{"id":1,"rev`, "", job.ErrMalformed, "unexpected end"},
	"no results": {200, `{"meta":{}}`, "", job.ErrMalformed, "no results"},
	"id":         {200, `{"results":[{"id":"x"}]}`, "", job.ErrMalformed, "cannot unmarshal"},
	"no id": {
		200, `{"results":[{"revision":"` + strings.Repeat("a", 40) + `","push_timestamp":7}]}`, "",
		job.ErrMalformed, "id 0",
	},
	"revision": {
		200, `{"results":[{"id":1,"revision":"tip","push_timestamp":7}]}`, "", job.ErrMalformed,
		`revision "tip"`,
	},
	"another": {
		200, strings.ReplaceAll(good(""), "aaaaaaaa", "bbbbbbbb"), "", job.ErrMalformed,
		"none contains aaaaaaaaaaaa",
	},
	"jobs": {200, good(""), `{"results":null}`, job.ErrMalformed, "no results"},
	"row too short": {
		200, good(""), `{"results":[[1]],"job_property_names":["id","state"]}`, job.ErrMalformed,
		"1 values for 2",
	},
	"row of what": {200, good(""), `{"results":[7]}`, job.ErrMalformed, "job 1"},
	"no push": {
		200, good(""), `{"results":[{"id":1,"job_type_name":"l","state":"running"}]}`,
		job.ErrMalformed, "is of push 0, expected 1",
	},
	"other push": {
		200, good(""), `{"results":[{"id":1,"push_id":2,"job_type_name":"l","state":"running"}]}`,
		job.ErrMalformed, "is of push 2, expected 1",
	},
	"other project": {
		200, good(""), `{"meta":{"repository":"try"},"results":[]}`, job.ErrMalformed,
		`about "try", expected "autoland"`,
	},
	"its pushes": {
		200, `{"meta":{"repository":"try"},` + good("")[1:], "", job.ErrMalformed,
		`about "try", expected "autoland"`,
	},
	"state": {
		200, good(""), `{"results":[{"id":1,"push_id":1,"job_type_name":"l","state":"pondering"}]}`,
		job.ErrUnknownWord, `treeherder says state "pondering"`,
	},
	"result": {
		200, good(""),
		`{"results":[{"id":1,"push_id":1,"job_type_name":"l","state":"completed","result":"purple"}]}`,
		job.ErrUnknownWord, `treeherder says result "purple"`,
	},
	"no label": {
		200, good(""), `{"results":[{"id":1,"push_id":1,"state":"running"}]}`, job.ErrMalformed,
		`label ""`,
	},
}

func TestMalformedAnswers(t *testing.T) {
	for name, c := range malformed {
		synctest.Test(t, func(t *testing.T) {
			p := project(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(c.status)
				body := c.push
				if strings.Contains(r.URL.Path, "/jobs/") {
					body = c.jobs
				}
				_, _ = w.Write([]byte(body))
			}), "autoland")
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
