package pushlog_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/pushlog"
)

// Who looks for a hash of git shares the search with others and waits with a context
// of their own: it is not looked for again because the first one gave up.
func TestSearchForGitIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hg := mirror(900, 500)
		client, gate := hgtest.Gated(hgtest.Client(hg))
		gate.Only = func(r *http.Request) bool { return !r.URL.Query().Has("changeset") } // the search
		s, err := pushlog.New("https://hg.example", &pushlog.Options{HTTP: client})
		if err != nil {
			t.Fatal(err)
		}
		l := s.Repository("autoland")
		first, giveUp := context.WithCancel(t.Context())
		var firstErr error
		var found atomic.Int32
		var wg sync.WaitGroup
		release := gate.Hang()
		wg.Go(func() { _, firstErr = l.Push(first, gitHash(8001)) })
		synctest.Wait()
		for range 9 {
			wg.Go(func() {
				if p, err := l.Push(t.Context(), gitHash(8001)); err == nil && p.Contains(hgHash(8001)) {
					found.Add(1)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		hasty, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = l.Push(hasty, gitHash(8001))
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 50*time.Millisecond {
			t.Errorf("a caller in a hurry ended after %s with %v", took, err)
		}
		giveUp()
		synctest.Wait()
		if !errors.Is(firstErr, context.Canceled) {
			t.Errorf("the first caller's error: %v", firstErr)
		}
		release()
		wg.Wait()
		if found.Load() != 9 {
			t.Errorf("%d of 9 callers found the push", found.Load())
		}
		pages := 0
		for _, r := range hg.Requests() {
			if strings.Contains(r, "startID") {
				pages++
			}
		}
		if pages != 1 {
			t.Errorf("the newest page was read %d times", pages)
		}
	})
}

// The repository kit by hashes of git, over a server that hangs: the search is
// waited for as everything else is.
func TestKitWhileSearching(t *testing.T) {
	client, gate := hgtest.Gated(hgtest.Client(mirror(900, 500)))
	s, err := pushlog.New("https://hg.example", &pushlog.Options{HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	l := s.Repository("autoland")
	pushes, err := l.Pushes(t.Context(), job.IDs(890, 900))
	if err != nil {
		t.Fatal(err)
	}
	c := jobtest.RepositoryCase{Pushes: pushes, Absent: strings.Repeat("deadbeef", 5), Bare: true, Hang: gate.Hang}
	if err := jobtest.CheckRepository(t.Context(), byGit{l}, c); err != nil {
		t.Error(err)
	}
}

// byGit looks pushes up by their hash of git.
type byGit struct{ *pushlog.Log }

func (g byGit) Push(ctx context.Context, rev string) (job.Push, error) {
	return g.Log.Push(ctx, strings.Replace(rev, "00000abc", "00009170", 1))
}

// endless has a push for every hash of hg, in every repository, and Lando knows a
// hash of git for each.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	rev := r.URL.Query().Get("changeset")
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/git2hg/"):
		git := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		_, _ = fmt.Fprintf(w, `{"git_hash":%q,"hg_hash":"a%s"}`, git, git[1:])
	case strings.HasPrefix(rev, "b"): // Lando's hashes of git
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"error":"unknown revision '%s'"}`, rev)
	default:
		_, _ = fmt.Fprintf(w, `{"lastpushid":7,"pushes":{"7":{"changesets":[%q],"date":1700000000,"user":"dev"}}}`, rev)
	}
}

// However many hashes are looked for, in however many repositories, what a server
// keeps has a bound, and nothing goes on afterwards.
func TestManyQuestions(t *testing.T) {
	s := both(t, http.HandlerFunc(endless), http.HandlerFunc(endless))
	before := runtime.NumGoroutine()
	for i := range pushlog.MostGits + 500 {
		if _, err := s.Repository("autoland").Push(t.Context(), fmt.Sprintf("b%039x", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range pushlog.MostPaths + 500 {
		if _, err := s.Repository(fmt.Sprint("user/repo-", i)).Push(t.Context(), fmt.Sprintf("a%039x", i)); err != nil {
			t.Fatal(err)
		}
	}
	if gits, paths := s.Kept(); gits != pushlog.MostGits || paths != pushlog.MostPaths {
		t.Errorf("%d hashes of git and %d repositories are kept", gits, paths)
	}
	testenv.NoMoreRoutines(t, before)
}

// A walk can be gone through again.
func TestWalkTwice(t *testing.T) {
	s := hgtest.New()
	want := history(s, "integration/autoland", "autoland", 7, 1)
	walk := pushlog.Walk(t.Context(), serve(t, s, "autoland"), want[6].Revision, nil)
	for round := range 2 {
		n := 0
		for _, err := range walk {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 7 {
			t.Errorf("round %d: %d pushes", round, n)
		}
	}
}
