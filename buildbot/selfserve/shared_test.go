package selfserve_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// slow is the service, which takes a minute for what is slow, and counts.
type slow struct {
	s    *service
	slow func(path string) bool

	mu   sync.Mutex
	seen map[string]int
}

func (h *slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.seen[r.URL.Path]++
	h.mu.Unlock()
	if h.slow(r.URL.Path) {
		select {
		case <-time.After(time.Minute):
		case <-r.Context().Done():
			return
		}
	}
	h.s.ServeHTTP(w, r)
}

// revisions is how often the revision was asked for.
func (h *slow) revisions() int { return h.seen["/self-serve/mozilla-inbound/rev/"+push.Short()] }

func (h *slow) project(t *testing.T) *selfserve.Project {
	t.Helper()
	c, err := selfserve.New("http://buildapi.test", &selfserve.Options{
		HTTP: &http.Client{Transport: testenv.InMemory{Handler: h}}, BuildDataURL: "http://builddata.test",
		Now: func() time.Time { return ended.Add(10 * time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Project("mozilla-inbound")
}

// A caller stops waiting when its own context ends, whoever fetches what it wants;
// and what one caller began is not lost for the others when its context ends.
func TestEachWaitsWithItsOwnContext(t *testing.T) {
	for what, part := range map[string]string{
		"the listing": "/rev/", "a dump": "/builds-", "the builders": "/builders",
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				s.build(theBuild, 0, 71)
				s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71, nil))
				within := func(path string) bool { return strings.Contains(path, part) }
				h := &slow{s: s, slow: within, seen: map[string]int{}}
				p := h.project(t)
				ask := func(ctx context.Context) error {
					_, err := p.Jobs(ctx, push)
					if err == nil {
						_, err = p.Catalog(ctx, push)
					}
					return err
				}
				first, give := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := ask(first); !errors.Is(err, context.Canceled) {
						t.Errorf("the first: %v", err)
					}
				})
				wg.Go(func() {
					if err := ask(t.Context()); err != nil {
						t.Errorf("the patient one: %v", err)
					}
				})
				synctest.Wait()
				ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer stop()
				began := time.Now()
				var e *job.Error
				if err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) ||
					time.Since(began) > 100*time.Millisecond {
					t.Errorf("the impatient one, after %s: %v", time.Since(began), err)
				}
				time.Sleep(30 * time.Second)
				give()
				wg.Wait()
				for path, n := range h.seen {
					if strings.Contains(path, part) && n != 1 {
						t.Errorf("%s was asked for %d times", path, n)
					}
				}
			})
		})
	}
}

// What was read before a write is not the answer to who asks after it.
func TestReadsAfterAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.build(theBuild, 2, 71)
		rev := func(path string) bool { return strings.Contains(path, "/rev/") }
		h := &slow{s: s, slow: rev, seen: map[string]int{}}
		p := h.project(t)
		var wg sync.WaitGroup
		ask := func() {
			if _, err := p.Jobs(t.Context(), push); err != nil {
				t.Error(err)
			}
		}
		wg.Go(ask)
		wg.Go(ask)
		synctest.Wait()
		if err := p.Cancel(t.Context(), "71/1"); err != nil {
			t.Error(err)
		}
		wg.Go(ask)
		wg.Wait()
		if h.revisions() != 2 {
			t.Errorf("%d times asked for the revision, expected once before and once after", h.revisions())
		}
	})
}

// One plan asks for the revision once, and for what it triggers once more.
func TestRequestsOfAPlan(t *testing.T) {
	s := newService()
	s.build(theBuild, 0, 71)
	s.build(theTest, 1, 72)
	s.files[files+"p"], s.files[files+"t"] = true, true
	s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71,
		map[string]any{"packageUrl": files + "p", "testPackagesUrl": files + "t"}))
	h := &slow{s: s, slow: func(string) bool { return false }, seen: map[string]int{}}
	p := h.project(t)
	plan, err := trigger.Make(t.Context(), p, []job.Push{push}, []string{theTest, theBuild}, 3, nil)
	if err != nil || plan.Total() != 4 || h.revisions() != 1 {
		t.Errorf("%d runs, %v; asked %v", plan.Total(), err, h.seen)
	}
	if _, err := trigger.Run(t.Context(), p, plan, nil); err != nil || h.revisions() != 3 {
		t.Errorf("%v; asked %v", err, h.seen)
	}
}

// A service that runs for months asks about many days and revisions, and keeps no more
// than the bounds say.
func TestGrowth(t *testing.T) {
	s := newService()
	now := ended
	c := s.client(t, selfserve.Options{Now: func() time.Time { return now }})
	p := c.Project("mozilla-inbound")
	before := runtime.NumGoroutine()
	const days, each = 1500, 4
	for day := range days {
		finished := ended.Add(time.Duration(day) * 24 * time.Hour)
		now = finished.Add(48 * time.Hour)
		if day%4 == 0 { // the dumps of the other days are gone
			s.dumps["builds-"+finished.Format(time.DateOnly)+".js.gz"] = dumpOf(t,
				dumpedAt(finished, theBuild, fmt.Sprintf("%040x", day*each), int64(1+day*each), nil))
		}
		for i := range each {
			rev := fmt.Sprintf("%040x", day*each+i)
			s.entries = map[string][]map[string]any{}
			b := s.buildAt(finished, theBuild, 0, int64(1+day*each+i))
			b["revision"], b["requests"].([]map[string]any)[0]["revision"] = rev, rev
			s.entries = map[string][]map[string]any{rev[:12]: {b}}
			q := job.Push{Repo: "mozilla-inbound", ID: int64(day), Revision: rev}
			if jobs, err := p.Jobs(t.Context(), q); err != nil || len(jobs) != 1 {
				t.Fatal(jobs, err)
			}
			if i == 0 {
				if _, err := p.Trigger(t.Context(), job.Request{Label: theBuild, Push: q, Count: 1}); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.dumps, s.gets, s.posts, s.pending = map[string][]byte{}, nil, nil, nil
	}
	kept := c.Kept()
	t.Log(kept)
	if kept["dumps"] != 4 || kept["dumps that are not there"] != 1000 ||
		kept["listings"]+kept["names"]+kept["fetches"] > 0 {
		t.Errorf("%v", kept)
	}
	testenv.NoMoreRoutines(t, before)
}
