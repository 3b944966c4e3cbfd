package taskcluster_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// broken is a deployment with pushes 10 to 20: the test passed on the first and
// failed on the last, and has not run between. Builds of some failed, so that
// their tests stay unscheduled for ever.
func broken(failedBuilds ...int64) (*tctest.Server, job.Repository) {
	s := tctest.New()
	var pushes []job.Push
	for id := int64(10); id <= 20; id++ {
		pushes = append(pushes, push(id))
		ran := id == 10 || id == 20
		fails := false
		for _, f := range failedBuilds {
			fails = fails || f == id
		}
		d := s.AddPush("autoland", id, push(id).Revision, tctest.Label{Name: build, Planned: true},
			tctest.Label{Name: test, Build: build, Planned: ran || fails})
		b := s.Tasks(d, build)[0]
		if fails {
			s.Resolve(b, "failed", "failed")
			continue
		}
		s.Resolve(b, "completed", "completed")
		s.Put(b, 0, "public/build/target.zip", []byte("a build"))
		for _, id := range s.Tasks(d, test) {
			end(s, id, len(pushes) == 1)
		}
	}
	return s, job.NewList("autoland", pushes)
}

func end(s *tctest.Server, id string, passes bool) {
	state := "failed"
	if passes {
		state = "completed"
	}
	s.Resolve(id, state, state)
}

// work has actions make their tasks, and ends the runs of each push as the
// culprit says, every minute; those that slow says stay as they are.
func work(t *testing.T, s *tctest.Server, culprit int64, slow func(push int64, nth int) bool) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	ended := map[string]bool{}
	go func() {
		tick := time.NewTicker(time.Minute)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			s.Settle()
			for id := int64(10); id <= 20; id++ {
				for nth, x := range s.Tasks(decisionOf(s, id), test) {
					if !ended[x] && s.Waiting(x) && !slow(id, nth) {
						ended[x] = true
						end(s, x, id < culprit)
					}
				}
			}
		}
	}()
	return func() { close(done) }
}

func decisionOf(s *tctest.Server, id int64) string {
	return s.Indexed("gecko.v2.autoland.revision." + push(id).Revision + ".taskgraph.decision")
}

// A search goes on past pushes whose build failed, and past runs that never end;
// what it asked for and nobody needs any more is stopped.
func TestSearchPastFailures(t *testing.T) {
	never := func(int64, int) bool { return false }
	for name, c := range map[string]struct {
		failed  []int64
		batch   int
		culprit int64
		slow    func(push int64, nth int) bool
		within  time.Duration
	}{
		"builds that failed": {[]int64{12, 14, 17}, 1, 16, never, 3 * time.Hour},
		"a batch":            {[]int64{13}, 4, 16, never, 2 * time.Hour},
		"a batch, one run of which hangs": {
			nil, 4, 16, func(id int64, _ int) bool { return id == 11 || id == 13 }, 4 * time.Hour,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, repo := broken(c.failed...)
			stop := work(t, s, c.culprit, c.slow)
			defer stop()
			began := time.Now()
			got, err := backfill.Search(t.Context(), repo, inMemory(s).Project("autoland", nil), test,
				push(20).Revision, &backfill.SearchOptions{
					Ledger: ledger.NewMemory(), Batch: c.batch, Permanent: true, History: -1, Newer: -1,
					MaxRevisions: 10, Extend: -1, MaxRuns: 60,
				})
			if err != nil || got.Culprit == nil {
				t.Fatalf("%s: %v after %s: %+v", name, err, time.Since(began), got)
			}
			if got.Culprit.ID != c.culprit && !contains(got.Class, c.culprit) || time.Since(began) > c.within {
				t.Errorf("%s: %s after %s", name, got.Culprit, time.Since(began))
			}
			for _, p := range got.Pushes {
				why := ""
				for _, f := range c.failed {
					if f == p.Push.ID {
						why = "its build " + build + " failed here"
					}
				}
				if p.Running > 0 && why != "" || p.Untestable != "" && p.Untestable != why {
					t.Errorf("%s: push %d: %d under way, %q, expected %q", name, p.Push.ID, p.Running, p.Untestable,
						why)
				}
			}
			for id := int64(10); id <= 20; id++ {
				for _, x := range s.Tasks(decisionOf(s, id), test) {
					if s.Waiting(x) {
						t.Errorf("%s: a run on push %d was not stopped", name, id)
					}
				}
			}
		})
	}
}

// Somebody who stops what was to make runs on a push is heeded: nothing more is
// asked for there, and the search goes on elsewhere.
func TestSearchHeedsWhoCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, repo := broken()
		left := decisionOf(s, 15)
		cancels := func() {
			for _, action := range []string{"Action: add-new-jobs", "Action: retrigger-multiple", "Action: retrigger"} {
				for _, id := range s.Tasks(left, action) {
					if s.Waiting(id) {
						s.Resolve(id, "exception", "canceled")
					}
				}
			}
		}
		done := make(chan struct{})
		defer close(done)
		go func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					cancels()
				case <-done:
					return
				}
			}
		}()
		stop := work(t, s, 12, func(int64, int) bool { return false })
		defer stop()
		got, err := backfill.Search(t.Context(), repo, inMemory(s).Project("autoland", nil), test, push(20).Revision,
			&backfill.SearchOptions{
				Ledger: ledger.NewMemory(), Permanent: true, History: -1, Newer: -1, MaxRevisions: 10, Extend: -1,
				MaxRuns: 60, Batch: 9,
			})
		if err != nil || got.Culprit == nil || got.Culprit.ID != 12 {
			t.Fatalf("%v: %+v", err, got)
		}
		if n := len(s.Tasks(left, "Action: add-new-jobs")); n != 1 {
			t.Errorf("asked %d times where somebody stopped it, expected once", n)
		}
		for _, p := range got.Pushes {
			if (p.Push.ID == 15) != strings.Contains(p.Untestable, "was cancelled") {
				t.Errorf("push %d: %q", p.Push.ID, p.Untestable)
			}
		}
	})
}

func contains(pushes []job.Push, id int64) bool {
	for _, p := range pushes {
		if p.ID == id {
			return true
		}
	}
	return false
}

// A walk over the range reads no graph, says that a push's build failed, and
// fills the gap alone.
func TestFindOnTaskcluster(t *testing.T) {
	s, repo := broken(13)
	var graphs int
	s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "full-task-graph") {
			graphs++
		}
		return false
	}
	got, err := backfill.Find(t.Context(), repo, serve(t, s).Project("autoland", nil), test, push(20).Revision,
		&backfill.FindOptions{Times: 2})
	if err != nil || got.LastGood == nil || got.LastGood.ID != 10 || got.FirstBad.ID != 20 || got.Plan.Total() != 16 ||
		graphs > 0 {
		t.Errorf("%v: %+v, %d runs, %d graphs", err, got.LastGood, got.Plan.Total(), graphs)
	}
	if why := fmt.Sprint(got.Plan.LeftOut); len(got.Plan.LeftOut) != 1 ||
		!strings.Contains(why, "its build "+build+" failed here") {
		t.Errorf("left out: %s", why)
	}
}
