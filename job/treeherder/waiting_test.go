package treeherder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
)

// gated is a project behind a gate.
func gated(t *testing.T, h http.Handler, name string) (*treeherder.Project, *hgtest.Gate) {
	t.Helper()
	client, gate := hgtest.Gated(hgtest.Client(h))
	s, err := treeherder.New("https://treeherder.example", &treeherder.Options{HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return s.Project(name), gate
}

// hgPushes are the pushes of smallProject as hg's pushlog has them: their ids say
// nothing to Treeherder.
func hgPushes(t *testing.T) []job.Push {
	t.Helper()
	pushes, err := project(t, smallProject(), "autoland").Pushes(t.Context(), job.IDs(0, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	for i := range pushes {
		pushes[i].ID = int64(i)
	}
	return pushes
}

// Callers of the jobs of several pushes whose ids are not known share the searches:
// one brings the ids of the pushes before it. Each waits with its own context.
func TestSearchIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pushes := hgPushes(t)
		s := smallProject()
		p, gate := gated(t, s, "autoland")
		release := gate.Hang()
		first, giveUp := context.WithCancel(t.Context())
		var firstErr error
		var found atomic.Int32
		var wg sync.WaitGroup
		wg.Go(func() { _, firstErr = p.Jobs(first, pushes[6]) })
		synctest.Wait()
		for i := range 14 {
			wg.Go(func() {
				if jobs, err := p.Jobs(t.Context(), pushes[i%7]); err == nil && len(jobs) == 6 {
					found.Add(1)
				}
			})
		}
		synctest.Wait()
		hasty, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		for _, q := range []job.Push{pushes[6], pushes[0]} {
			began := time.Now()
			_, err := p.Jobs(hasty, q)
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 50*time.Millisecond {
				t.Errorf("a caller in a hurry ended after %s with %v", took, err)
			}
		}
		giveUp()
		synctest.Wait()
		if !errors.Is(firstErr, context.Canceled) {
			t.Errorf("the first caller's error: %v", firstErr)
		}
		release()
		wg.Wait()
		searches := 0
		for _, r := range s.Requests() {
			if strings.Contains(r, "revision=") {
				searches++
			}
		}
		if found.Load() != 14 || searches != 1 {
			t.Errorf("%d of 14 callers found their jobs, in %d searches", found.Load(), searches)
		}
	})
}

// A search that fails is for whoever asked the same; another push is looked for anew.
func TestFailedSearchesAreTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pushes := hgPushes(t)
		absent := pushes[3]
		absent.Revision = strings.Repeat("deadbeef", 5)
		p, gate := gated(t, smallProject(), "autoland")
		release := gate.Hang()
		var wg sync.WaitGroup
		errs := make([]error, 3)
		for i, q := range []job.Push{absent, absent, pushes[6]} {
			wg.Go(func() { _, errs[i] = p.Jobs(t.Context(), q) })
			synctest.Wait()
		}
		release()
		wg.Wait()
		if !errors.Is(errs[0], job.ErrNotFound) || !errors.Is(errs[1], job.ErrNotFound) || errs[2] != nil {
			t.Errorf("%v", errs)
		}
	})
}

// Two pushes whose revisions begin with the same twelve digits are two pushes; by
// these digits alone the server is asked.
func TestRevisionsThatBeginAlike(t *testing.T) {
	const head = "abcdef012345"
	s := &thtest.Server{Project: "autoland"}
	var pushes []job.Push
	for i, rest := range []string{"1", "2"} {
		rev := head + strings.Repeat(rest, 28)
		s.AddPush(thtest.Object{
			"id": 10 + i, "revision": rev, "author": "dev", "push_timestamp": 1700000000 + i*60,
			"revisions": []any{thtest.Object{"revision": rev, "author": "dev", "comments": "Bug 1"}},
		})
		s.AddJob(thtest.Object{
			"id": 100 + i, "push_id": 10 + i, "state": "completed", "result": "success", "job_type_name": "build",
		})
		pushes = append(pushes, job.Push{Repo: "autoland", ID: int64(i), Revision: rev})
	}
	p := project(t, s, "autoland")
	ask := func(rev string, want string) {
		t.Helper()
		jobs, err := p.Jobs(t.Context(), job.Push{Repo: "autoland", ID: 1, Revision: rev})
		if err != nil || len(jobs) != 1 || jobs[0].ID() != want {
			t.Errorf("%s: %v, %v; expected job %s", rev, jobs, err, want)
		}
	}
	for range 2 {
		ask(pushes[0].Revision, "100")
		ask(pushes[1].Revision, "101")
		ask(strings.ToUpper(pushes[0].Revision), "100")
		ask(pushes[0].Revision[:20], "100")
		ask(pushes[1].Revision[:20], "101")
		// By these digits alone neither is meant.
		_, err := p.Jobs(t.Context(), job.Push{Repo: "autoland", ID: 1, Revision: head})
		if !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), pushes[1].Revision) {
			t.Errorf("%s: %v", head, err)
		}
	}
}

// A push that is named by twelve digits is known by what a search brought.
func TestTwelveDigitsAreKnown(t *testing.T) {
	pushes := hgPushes(t)
	s := smallProject()
	p := project(t, s, "autoland")
	for i := range pushes {
		q := pushes[len(pushes)-1-i]
		q.Revision = q.Revision[:12]
		if jobs, err := p.Jobs(t.Context(), q, "build-linux/opt"); err != nil || len(jobs) != 2 {
			t.Fatalf("%v: %d jobs, %v", q, len(jobs), err)
		}
	}
	if n := len(s.Requests()); n != len(pushes)+2 {
		t.Errorf("%d requests:\n%s", n, strings.Join(s.Requests(), "\n"))
	}
}

// The table of repositories is fetched once for all who want it, and again after it
// could not be read.
func TestTableIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smallProject()
		s.Repositories = []thtest.Object{{"name": "autoland"}}
		p, gate := gated(t, s, "autoland")
		release := gate.Hang()
		first, giveUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var firstErr, secondErr error
		wg.Go(func() { firstErr = p.Line(first) })
		synctest.Wait()
		wg.Go(func() { secondErr = p.Line(t.Context()) })
		synctest.Wait()
		hasty, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := p.Line(hasty); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller in a hurry: %v", err)
		}
		giveUp()
		synctest.Wait()
		release()
		wg.Wait()
		if !errors.Is(firstErr, context.Canceled) || secondErr != nil {
			t.Errorf("the first caller %v, the second %v", firstErr, secondErr)
		}
		if err := p.Line(t.Context()); err != nil || len(s.Requests()) != 1 {
			t.Errorf("%v; %d requests for the table", err, len(s.Requests()))
		}
	})
}

// endless has a push for every revision, in every project.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	rev := r.URL.Query().Get("revision")
	project, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/project/"), "/")
	switch {
	case strings.HasSuffix(r.URL.Path, "/repository/"):
		_, _ = io.WriteString(w, `[{"name":"autoland","branch":null,"is_try_repo":false}]`)
	case strings.HasSuffix(r.URL.Path, "/jobs/"):
		_, _ = fmt.Fprintf(w, `{"meta":{"repository":%q,"offset":0,"count":2000},"results":[],"job_property_names":[]}`,
			project)
	case rev == "":
		_, _ = fmt.Fprintf(w, `{"meta":{"repository":%q,"count":0},"results":[]}`, project)
	default:
		id := strings.TrimLeft(rev[:12], "0")
		_, _ = fmt.Fprintf(w, `{"meta":{"repository":%q,"count":1},"results":[{"id":%s,"revision":%q,"author":"dev",
			"push_timestamp":1700000000,"revision_count":0,"revisions":[]}]}`, project, id, rev)
	}
}

// However many pushes are asked about, in however many projects, what a server keeps
// has a bound, and nothing goes on afterwards.
func TestManyQuestions(t *testing.T) {
	opts := &treeherder.Options{HTTP: hgtest.Client(http.HandlerFunc(endless))}
	s, err := treeherder.New("https://treeherder.example", opts)
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	ask := func(i int) {
		p := s.Project(fmt.Sprint("project-", i%500))
		if _, err := p.Push(t.Context(), fmt.Sprintf("%012d%028d", i+1, 7)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range treeherder.MostIDs/2 + 2000 {
		ask(i)
	}
	for i := range 200 {
		push := job.Push{Repo: "autoland", ID: 1, Revision: fmt.Sprintf("%012d%028d", i+1, 8)}
		if _, err := s.Project("autoland").Jobs(t.Context(), push); err != nil {
			t.Fatal(err)
		}
		if err := s.Project(fmt.Sprint("project-", i)).Line(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if ids, tables, searches := s.Kept(); ids != treeherder.MostIDs || tables != 1 || searches != 0 {
		t.Errorf("%d ids, %d tables and %d searches are kept", ids, tables, searches)
	}
	testenv.NoMoreRoutines(t, before)
}
