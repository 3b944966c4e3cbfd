package buildbot_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// offline is a project of a double that no server serves, for tests of time.
func offline(t *testing.T, d *bbtest.Double) *buildbot.Project {
	t.Helper()
	c, err := buildbot.New("http://master.example", &buildbot.Options{
		User: "sheriff", Password: "secret", HTTP: &http.Client{Transport: d},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Project("main", nil)
}

// A build that is to be retried, and was not yet, leaves its request waiting; what
// waits and runs is counted; what was cancelled in time was not merged.
func TestWaiting(t *testing.T) {
	d := bbtest.Offline()
	b := d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)}
	for _, results := range [][]int{{5, bbtest.Pending}, {bbtest.Running}, {bbtest.Running}, {0}, {}} {
		d.Ask(bbtest.BuildRequest{Builder: b, Results: results, Stamps: stamps})
	}
	d.End(5, 6)
	p := offline(t, d)
	const want = "1/1 retry, 1/2 pending, 2/1 running, 3/1 running, 4/1 success, 5/1 cancelled"
	if got := ran(t, p, at(t, p, "tip"), "test"); got != want {
		t.Errorf("%s, expected %s", got, want)
	}
	if q, err := p.QueueDepth(t.Context(), "test"); err != nil || q.Pending != 1 || q.Running != 2 {
		t.Errorf("%+v %v", q, err)
	}
	if merges, err := p.Coalesces(t.Context(), "test"); err != nil || merges {
		t.Errorf("a request that was cancelled was merged: %v", err)
	}
}

// A key's first run is not its tenth, nor another key's.
func TestKeysAreWhole(t *testing.T) {
	d := bbtest.Offline()
	b := d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	for _, reason := range []string{"[mozci k #10] x", "[mozci kk #1] x", "[mozci k #2"} {
		d.Ask(bbtest.BuildRequest{
			Builder: b, Results: []int{0}, Set: bbtest.Row{"reason": reason},
			Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)},
		})
	}
	d.Form("force", []string{"test"}, bbtest.Sources("", nil))
	p := offline(t, d)
	r, err := p.Trigger(t.Context(), job.Request{Key: "k", Label: "test", Push: at(t, p, "tip"), Count: 2})
	if err != nil || fmt.Sprint(r.IDs) != "[4/1 5/1]" {
		t.Errorf("%+v %v", r, err)
	}
}

// Of a push that no change tells of, only the clocks say how far back its runs can lie:
// by a day they may differ, and one that is quite wrong ends nothing.
func TestFarBackByClocks(t *testing.T) {
	d := bbtest.Offline()
	b := d.Builder("test")
	d.Change(bbtest.Revision(1), bbtest.Row{"branch": "main"})
	const n, began = 500, 1_760_000_000
	for i := range n {
		at := began + i*600
		if i == n-50 { // the last one on the first page
			at = 600_000_000
		}
		d.Ask(bbtest.BuildRequest{
			Builder: b, Results: []int{0}, At: at, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(1000+i), nil)},
		})
	}
	for _, back := range []int{10, 72, 130, 300} {
		for _, differ := range []time.Duration{0, 20 * time.Hour, -20 * time.Hour} {
			i := n - back
			push := job.Push{
				Repo: "main", ID: 7, Revision: bbtest.Revision(1000 + i),
				Time: time.Unix(int64(began+i*600), 0).Add(differ),
			}
			if got, want := ran(t, offline(t, d), push, "test"), fmt.Sprintf("%d/1 success", i+1); got != want {
				t.Errorf("%d requests ago, the clocks differ by %s: %q", back, differ, got)
			}
		}
	}
}

// A range around a push of long ago is read in pages, in both directions.
func TestFarRange(t *testing.T) {
	d := bbtest.Offline()
	for i := range 2000 {
		d.Change(bbtest.Revision(i), nil)
	}
	p := offline(t, d)
	pushes, err := p.Pushes(t.Context(), job.Around(bbtest.Revision(700), 650, 1100))
	if err != nil || len(pushes) != 1751 || pushes[0].ID != 51 || pushes[1750].ID != 1801 ||
		!slices.IsSortedFunc(pushes, func(a, b job.Push) int { return int(a.ID - b.ID) }) {
		t.Errorf("%d pushes, %v", len(pushes), err)
	}
}

// What waited has ended a little later, whichever way it is asked about.
func TestWhatEndsIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := bbtest.Offline()
		b := d.Builder("test")
		d.Change(bbtest.Revision(1), nil)
		stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)}
		d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{bbtest.Running}, Stamps: stamps})
		p := offline(t, d)
		push := at(t, p, "tip")
		if got := ran(t, p, push, "test"); got != "1/1 running" {
			t.Fatal(got)
		}
		d.End(1, 2)
		d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{bbtest.Pending}, Stamps: stamps})
		time.Sleep(time.Second)
		if got := words(t, p, push, "test"); got != "running" {
			t.Errorf("after a second: %s", got)
		}
		time.Sleep(2 * time.Second)
		if got := ran(t, p, push, "test"); got != "1/1 busted, 2/1 pending" {
			t.Errorf("after three seconds: %s", got)
		}
	})
}

// A master that comes back with another database is read anew: nothing of the old one
// is told.
func TestAnotherDatabase(t *testing.T) {
	for _, after := range []int{1, 3, 5} { // changes, where there were three
		synctest.Test(t, func(t *testing.T) {
			d := bbtest.Offline()
			fill := func(n, from, result, padding int) {
				b := d.Builder("test")
				for range padding { // so that buildsets have other ids than requests
					d.Buildset(nil)
				}
				for i := range n {
					d.Change(bbtest.Revision(from+i), nil)
					d.Ask(bbtest.BuildRequest{
						Builder: b, Results: []int{result},
						Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(from+i), nil)},
					})
				}
			}
			fill(3, 10, 0, 0)
			p := offline(t, d)
			if got := ran(t, p, at(t, p, "tip"), "test"); got != "3/1 success" {
				t.Fatal(got)
			}
			d.Edit(func(tables map[string][]bbtest.Row) { clear(tables) })
			fill(after, 20, 2, 4)
			time.Sleep(3 * time.Second)
			push := job.Push{Repo: "main", Revision: bbtest.Revision(20 + after - 1), Time: time.Unix(1_760_000_600, 0)}
			want := fmt.Sprintf("%d/1 busted", after)
			jobs, err := p.Jobs(t.Context(), push, "test")
			if err != nil || len(jobs) != 1 || jobs[0].ID()+" "+jobs[0].Status().String() != want {
				t.Errorf("%d changes: %v %v, expected %s", after, jobs, err, want)
			}
			if tip, err := p.Push(t.Context(), "tip"); after < 3 && (err != nil || tip.Revision != push.Revision) {
				t.Errorf("%d changes: the newest is %v, %v", after, tip, err)
			}
		})
	}
}
