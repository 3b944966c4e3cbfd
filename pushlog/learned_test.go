package pushlog_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// An answer that was overtaken by a newer one is no reset, and does not hide one.
func TestOvertakenAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		last := make(chan int, 3) // by request: the last push id that it is told
		l := newHandlerServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			id := <-last
			if id == 5 {
				<-slow
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"lastpushid":%d,"pushes":{}}`, id%100)
		})).Repository("autoland")
		ask := func() error { _, err := l.Pushes(t.Context(), job.IDs(1, 2)); return err }
		var overtaken error
		var wg sync.WaitGroup
		last <- 5
		wg.Go(func() { overtaken = ask() })
		synctest.Wait()
		last <- 6
		if err := ask(); err != nil {
			t.Error(err)
		}
		close(slow)
		wg.Wait()
		if overtaken != nil {
			t.Errorf("the answer that came late: %v", overtaken)
		}
		last <- 105 // that is 5 again
		if err := ask(); !errors.Is(err, pushlog.ErrReset) {
			t.Errorf("from 6 to 5: %v", err)
		}
	})
}

// A search on one branch is not the answer for another, nor for all of them.
func TestSearchOfABranchIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hg := mirror(900, 500)
		c := hgtest.Changeset{Node: hgHash(1), Author: "Dev", Desc: "Bug", Branch: "GECKO_RELBRANCH"}
		push := hgtest.Push{Date: 1_800_000_000, User: "dev", Changesets: []hgtest.Changeset{c}}
		hg.Add("integration/autoland", 901, push)
		client, gate := hgtest.Gated(hgtest.Client(hg))
		gate.Only = func(r *http.Request) bool { return !r.URL.Query().Has("changeset") }
		s, err := pushlog.New("https://hg.example", &pushlog.Options{HTTP: client})
		if err != nil {
			t.Fatal(err)
		}
		l := s.Repository("autoland")
		release := gate.Hang()
		var wg sync.WaitGroup
		var errs [2]error
		for i, of := range []*pushlog.Log{l.OnBranch("GECKO_RELBRANCH"), l} {
			wg.Go(func() { _, errs[i] = of.Push(t.Context(), gitHash(8001)) })
			synctest.Wait()
		}
		release()
		wg.Wait()
		if !errors.Is(errs[0], job.ErrNotFound) || errs[1] != nil {
			t.Errorf("on the branch %v, on all of them %v", errs[0], errs[1])
		}
	})
}

// A pair of hashes that its push disproves is not kept: Lando is asked again.
func TestDisprovedPairsAreNotKept(t *testing.T) {
	answers := []int{8001 + 20, 8001} // first another push's
	lando := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := answers[0]
		answers = answers[1:]
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"git_hash":%q,"hg_hash":%s}`, gitHash(8001), strconv.Quote(hgHash(n)))
	})
	l := both(t, mirror(900, 500), lando).Repository("autoland")
	if _, err := l.Push(t.Context(), gitHash(8001)); !errors.Is(err, job.ErrMalformed) {
		t.Errorf("another push's hash: %v", err)
	}
	if p, err := l.Push(t.Context(), gitHash(8001)); err != nil || !p.Contains(hgHash(8001)) {
		t.Errorf("%v, %v", p, err)
	}
}
