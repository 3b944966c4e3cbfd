package taskcluster_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/job"
)

// Two processes with ledgers of their own fire the same at the same time: one of
// the two action tasks is stopped, and both say which one stays.
func TestRivals(t *testing.T) {
	for _, noFires := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, decision := world()
			s.NoFires = noFires
			both := make(chan struct{})
			var waiting atomic.Int64
			s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/trigger") { // both have looked before either fires
					nth := waiting.Add(1)
					if nth == 2 {
						close(both)
					}
					<-both
					time.Sleep(time.Duration(nth) * time.Millisecond) // no two come at one moment
				}
				return false
			}
			receipts := make(chan job.Receipt, 2)
			for range 2 {
				go func() {
					receipts <- ok(inMemory(s).Project("autoland", nil).Trigger(t.Context(),
						job.Request{Label: test, Push: push(20), Count: 2, Times: 3}))
				}()
			}
			a, b := <-receipts, <-receipts
			s.Settle()
			if n := len(s.Tasks(decision, test)) - 1; n != 2 {
				t.Errorf("fires hidden %t: %d runs were made, expected 2: %+v, %+v", noFires, n, a, b)
			}
			if a.By != b.By || (a.State == job.ReceiptAlreadyAsked) == (b.State == job.ReceiptAlreadyAsked) {
				t.Errorf("fires hidden %t: the receipts are %+v and %+v", noFires, a, b)
			}
		})
	}
}

// What others asked for since the plan was made is not asked for again: it is in
// flight, or there.
func TestLooksJustBefore(t *testing.T) {
	s, decision := world()
	p := serve(t, s).Project("autoland", nil)
	other := serve(t, s).Project("autoland", nil)
	req := job.Request{Label: test, Push: push(20), Count: 2, Times: 3} // planned when one was there
	first := ok(other.Trigger(t.Context(), req))
	if got := ok(p.Trigger(t.Context(), req)); got.State != job.ReceiptAlreadyAsked || got.By != first.By ||
		got.Link == "" {
		t.Errorf("in flight: %+v", got)
	}
	s.Settle()
	if got := ok(p.Trigger(t.Context(), req)); got.State != job.ReceiptAlreadyAsked {
		t.Errorf("there: %+v", got)
	}
	req.Count, req.Times = 4, 5
	if got := ok(p.Trigger(t.Context(), req)); got.State != job.ReceiptAccepted {
		t.Errorf("more: %+v", got)
	}
	s.Settle()
	if n := len(s.Tasks(decision, test)); n != 5 {
		t.Errorf("%d tasks, expected the 5 that are wanted in all", n)
	}
}
