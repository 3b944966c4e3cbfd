package taskcluster_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) // #nosec G115 -- of a test
}

// asking asks a project everything about the n-th of many pushes, of many
// repositories, each with labels of its own.
func asking(t *testing.T, s *tctest.Server, p *taskcluster.Project, n int) {
	t.Helper()
	s.Clear()
	of := push(int64(n + 1))
	of.Repo = fmt.Sprint("mozilla-", n%50)
	own := fmt.Sprint(test, "-", n)
	s.AddPush(of.Repo, of.ID, of.Revision, tctest.Label{Name: build, Planned: true},
		tctest.Label{Name: own, Build: build, Planned: true}, tctest.Label{Name: spare + own, Build: build})
	_ = ok(p.Catalog(t.Context(), of))
	_ = ok(p.Catalog(t.Context(), of, own, spare+own))
	for _, j := range ok(p.Jobs(t.Context(), of, own)) {
		if added := ok(p.WasAdded(t.Context(), j)); added {
			t.Fatalf("push %d: %s was there from the start", n, j.Name())
		}
		_ = ok(p.ArtifactsExist(t.Context(), j))
	}
	if n%10 > 0 { // it takes longest
		return
	}
	got := ok(p.Trigger(t.Context(), job.Request{Label: own, Push: of, Count: 1}))
	s.Settle()
	if out := ok(p.Outcome(t.Context(), of, own, got)); len(out.IDs) != 1 {
		t.Fatalf("push %d: %+v", n, out)
	}
}

// A service asks about very many pushes: what a project keeps of them, its memory
// and its goroutines stay as they are.
func TestManyPushes(t *testing.T) {
	s := tctest.New()
	p := inMemory(s).Project("autoland", nil)
	taskcluster.Bound(p, 4, 16, 64)
	const warm, most = 40, 160
	for n := range warm {
		asking(t, s, p, n)
	}
	before, routines := heap(), runtime.NumGoroutine()
	for n := range most {
		asking(t, s, p, warm+n)
	}
	want := map[string]int{
		"decisions": 16, "runs": 16, "defined": 16, "offers": 4, "scopes": 4, "planned": 32, "queues": 64, "needs": 64,
		"proven": 16, "notes": 16, "samples": 0, "listings": 16,
	}
	kept := taskcluster.Kept(p)
	kept["listings"] = max(kept["listings"], 16) // on a slow machine they are past by now
	if d := cmp.Diff(want, kept); d != "" {
		t.Errorf("what is kept (-want +got):\n%s", d)
	}
	if more := heap() - before; more > 1<<20 {
		t.Errorf("%d kB more are in use after %d more pushes", more>>10, most)
	}
	testenv.NoMoreRoutines(t, routines)
	runtime.KeepAlive(p)
}

// The bounds that are documented.
func TestBounds(t *testing.T) {
	p := inMemory(tctest.New()).Project("autoland", nil)
	taskcluster.Fill(p, 60_000)
	kept := taskcluster.Kept(p)
	kept["listings"] = max(kept["listings"], 16)
	want := map[string]int{
		"decisions": 4096, "runs": 4096, "defined": 4096, "offers": 32, "scopes": 32, "planned": 256,
		"proven": 4096, "notes": 4096, "samples": 50_000, "queues": 50_000, "needs": 50_000, "listings": 16,
	}
	if d := cmp.Diff(want, kept); d != "" {
		t.Errorf("what is kept (-want +got):\n%s", d)
	}
}

// Which tasks a decision task made itself is known of so many pushes as are to be kept,
// and takes 24 bytes a task.
func TestMappingsAreBounded(t *testing.T) {
	const tasks, warm, most = 2000, 34, 54
	s := tctest.New()
	p := inMemory(s).Project("autoland", nil)
	taskcluster.Bound(p, 4, 64, 64)
	mapping := map[string]string{}
	for i := range tasks {
		label := fmt.Sprint("test-linux2404-64-qr/opt-mochitest-browser-chrome-", i)
		mapping[label] = slug.Of(fmt.Sprint("planned ", i))
	}
	body := ok(json.Marshal(mapping))
	empty, before := heap(), int64(0)
	for n := range most {
		s.Clear()
		of := push(int64(n + 1))
		d := s.AddPush("autoland", of.ID, of.Revision, labels...)
		s.Put(d, 0, "public/label-to-taskid.json", body)
		j := ok(p.Jobs(t.Context(), of, test))[0]
		if added := ok(p.WasAdded(t.Context(), j)); !added {
			t.Fatalf("%s is in no mapping", j.ID())
		}
		if n == warm {
			before = heap()
		}
	}
	if more := heap() - before; more > 512<<10 {
		t.Errorf("%d kB more are in use after %d more pushes", more>>10, most-warm)
	}
	if all := before - empty; all > 2*32*24*tasks {
		t.Errorf("%d kB are in use for 32 mappings of %d tasks", all>>10, tasks)
	}
	runtime.KeepAlive(p)
}
