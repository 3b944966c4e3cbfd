package taskcluster_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// inFlight is how many runs of a label are asked for on a push.
func inFlight(t *testing.T, p *taskcluster.Project, label string) int {
	t.Helper()
	n := 0
	for _, r := range ok(p.Accepted(t.Context(), push(20), label)) {
		n += r.Count
	}
	return n
}

// A listing is used again for a few seconds, and not once something was done on
// the push by this very project: what was triggered, or cancelled, shows at once.
func TestListingsAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		p := inMemory(s).Project("autoland", nil)
		if n := inFlight(t, p, test); n != 0 {
			t.Errorf("%d runs are in flight before anything was triggered", n)
		}
		got := ok(p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2}))
		if n := inFlight(t, p, test); n != 2 {
			t.Errorf("%d runs are in flight, 2 were triggered", n)
		}
		if err := p.Cancel(t.Context(), got.By); err != nil {
			t.Fatal(err)
		}
		if n := inFlight(t, p, test); n != 0 {
			t.Errorf("%d runs are in flight once they were cancelled", n)
		}
		_ = ok(inMemory(s).Project("autoland", nil).Trigger(t.Context(),
			job.Request{Label: test, Push: push(20), Count: 3}))
		if n := inFlight(t, p, test); n != 0 {
			t.Errorf("%d runs are in flight: the listing is fresh, and was read once more", n)
		}
		time.Sleep(5 * time.Second)
		if n := inFlight(t, p, test); n != 3 {
			t.Errorf("%d runs are in flight 5 seconds later, somebody triggered 3", n)
		}
		time.Sleep(10 * time.Second)
		if n := taskcluster.Kept(p)["listings"]; n != 0 {
			t.Errorf("%d listings are kept that nobody may use any more", n)
		}
	})
}

// A listing that began before a request and ended after it, or that came between
// the request's own and its fire, does not hide what the request did.
func TestListingThatBeganBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		var p *taskcluster.Project
		var waited, between atomic.Bool
		s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			switch {
			case strings.HasSuffix(r.URL.Path, ".cron") && !waited.Swap(true): // the group was listed meanwhile
				time.Sleep(2 * time.Second)
			case strings.HasSuffix(r.URL.Path, "/scopes/expand") && !between.Swap(true):
				_ = inFlight(t, p, test)
			}
			return false
		}
		c := ok(taskcluster.New("http://tc.example", &taskcluster.Options{
			HTTP:        &http.Client{Transport: heedful{testenv.InMemory{Handler: s}}},
			Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
		}))
		p = c.Project("autoland", nil)
		var wg sync.WaitGroup
		wg.Go(func() { _ = ok(p.Jobs(t.Context(), push(20))) })
		time.Sleep(time.Second)
		_ = ok(p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2}))
		for _, when := range []string{"after the request", "after the listing that began before"} {
			if n := inFlight(t, p, test); n != 2 {
				t.Errorf("%s: %d runs are in flight, 2 were triggered", when, n)
			}
			wg.Wait()
		}
	})
}

// Two repositories have the same revision: each push is its own repository's, and
// so is what is known of a label.
func TestOneRevisionInTwoRepositories(t *testing.T) {
	s, decision := world()
	there := push(20)
	there.Repo = "mozilla-central"
	d := s.AddPush(there.Repo, 20, there.Revision, labels...)
	p := serve(t, s).Project("autoland", nil)
	for range 2 {
		for of, want := range map[*job.Push]string{ptr(push(20)): decision, &there: d} {
			jobs := ok(p.Jobs(t.Context(), *of, "Gecko Decision Task"))
			if len(jobs) != 1 || !strings.HasPrefix(jobs[0].ID(), want) {
				t.Errorf("%s: %s, expected %s", of.Repo, text(jobs), want)
			}
		}
	}
	s.Requests()
	_ = ok(p.Jobs(t.Context(), there))
	for _, r := range s.Requests() {
		if strings.HasPrefix(r, "POST /api/index") {
			t.Errorf("what is known of another repository was asked for again: %s", r)
		}
	}
	fresh := serve(t, s).Project("autoland", nil)
	_ = ok(fresh.Jobs(t.Context(), there))
	if depth, err := fresh.QueueDepth(t.Context(), test); err == nil {
		t.Errorf("the queue of a label that only another repository ran: %+v", depth)
	}
}

func ptr[T any](v T) *T { return &v }

// Of many listings the newest stay.
func TestNewestListingsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		p := inMemory(s).Project("autoland", nil)
		for i := range int64(20) {
			s.AddPush("autoland", 100+i, push(100+i).Revision, labels...)
			_ = ok(p.Jobs(t.Context(), push(100+i)))
			time.Sleep(time.Millisecond)
		}
		s.Requests()
		for i := int64(4); i < 20; i++ {
			_ = ok(p.Accepted(t.Context(), push(100+i), test))
		}
		if got := s.Requests(); len(got) > 0 {
			t.Errorf("listings that are fresh were read again: %q", got)
		}
	})
}
