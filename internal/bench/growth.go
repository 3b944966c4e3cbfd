package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger/ledger"
)

// The maximum growth of a service from a tenth of its questions to all of them. By the first tenth
// its caches are full.
const (
	grownHeap       = 16 << 20
	grownGoroutines = 10
	generation      = 100 // number of pushes at a time
)

// service is a source in a service that runs for months.
type service struct {
	name string
	// renew replaces the deployment by one whose pushes begin at first.
	renew func(first int)
	// ask asks about a push of the current generation.
	ask func(ctx context.Context, push int) error
}

// growth lets services answer very many questions about pushes that come and go, and measures what
// they keep.
func growth(t *testing.T) {
	questions := 100_000
	if flag.Lookup("quick").Value.String() == "true" {
		questions = 10_000
	}
	fmt.Printf("growth: %d questions to one service each, in generations of %d pushes\n\n", questions, generation)
	fmt.Println("             questions   heap after a tenth    after all   goroutines   after all")
	for _, s := range []service{growingTaskcluster(t), growingTreeherder(t), growingPushlog(t)} {
		grows(t, s, questions)
	}
	ledgerGrowth(t, questions)
	diskGrowth(t, questions)
}

func grows(t *testing.T, s service, questions int) {
	var heap [2]uint64
	var goroutines [2]int
	for i := range questions {
		if i%(5*generation) == 0 {
			s.renew(i/5 + 1)
		}
		if err := s.ask(t.Context(), i/5+1); err != nil {
			t.Fatalf("%s: question %d: %v", s.name, i, err)
		}
		if i == questions/10 || i == questions-1 {
			at := i / (questions - 1)
			heap[at], goroutines[at] = held(), runtime.NumGoroutine()
		}
	}
	fmt.Printf("%-12s %9d   %18s   %10s   %10d   %9d\n", s.name, questions, megabytes(heap[0]), megabytes(heap[1]),
		goroutines[0], goroutines[1])
	if heap[1] > heap[0]+grownHeap || goroutines[1] > goroutines[0]+grownGoroutines {
		t.Errorf("%s: heap %d to %d, goroutines %d to %d", s.name, heap[0], heap[1], goroutines[0], goroutines[1])
	}
}

// held is the heap in use, in bytes.
func held() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// replaced is a deployment that can be exchanged for another while a client goes on.
type replaced struct {
	mu  sync.Mutex
	now http.Handler
}

func (r *replaced) set(h http.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = h
}

func (r *replaced) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	h := r.now
	r.mu.Unlock()
	h.ServeHTTP(w, q)
}

func (r *replaced) client() *http.Client {
	return &http.Client{Transport: testenv.InMemory{Handler: r}}
}

func growingPush(i int) job.Push {
	return job.Push{Repo: "autoland", ID: int64(i), Revision: fmt.Sprintf("%012x%028x", i, i)}
}

func growingTaskcluster(t *testing.T) service {
	var r replaced
	c, err := taskcluster.New("http://tc.example", &taskcluster.Options{HTTP: r.client()})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Project("autoland", nil)
	return service{"Taskcluster", func(first int) {
		s := tctest.New()
		for i := first; i < first+generation; i++ {
			s.AddPush("autoland", int64(i), growingPush(i).Revision,
				tctest.Label{Name: actingBuild, Planned: true},
				tctest.Label{Name: actingTest, Build: actingBuild, Planned: true})
		}
		r.set(s)
	}, func(ctx context.Context, push int) error {
		jobs, err := p.Jobs(ctx, growingPush(push), actingTest)
		if err != nil || len(jobs) != 1 {
			return fmt.Errorf("%d jobs, %w", len(jobs), err)
		}
		if _, err := p.Catalog(ctx, growingPush(push), actingTest); err != nil {
			return err
		}
		_, err = p.WasAdded(ctx, jobs[0])
		return err
	}}
}

func growingTreeherder(t *testing.T) service {
	var r replaced
	c, err := treeherder.New("http://treeherder.example", &treeherder.Options{HTTP: r.client()})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Project("autoland")
	return service{"Treeherder", func(first int) {
		s := &thtest.Server{Project: "autoland"}
		for i := first; i < first+generation; i++ {
			rev := growingPush(i).Revision
			s.AddPush(thtest.Object{
				"id": i, "revision": rev, "author": "dev", "push_timestamp": 1_700_000_000 + i,
				"revisions": []any{thtest.Object{"revision": rev, "author": "dev", "comments": "Bug"}},
			})
			s.AddJob(thtest.Object{
				"id": i, "push_id": i, "job_type_name": actingTest, "state": "completed",
				"result": "success",
			})
		}
		r.set(s)
	}, func(ctx context.Context, push int) error {
		there, err := p.Push(ctx, growingPush(push).Revision)
		if err != nil {
			return err
		}
		jobs, err := p.Jobs(ctx, there, actingTest)
		if err == nil && len(jobs) != 1 {
			err = fmt.Errorf("%d jobs", len(jobs))
		}
		return err
	}}
}

func growingPushlog(t *testing.T) service {
	var r replaced
	s, err := pushlog.New("http://hg.example", &pushlog.Options{HTTP: r.client()})
	if err != nil {
		t.Fatal(err)
	}
	log := s.Repository("autoland")
	return service{"pushlog", func(first int) {
		h := hgtest.New()
		for i := max(1, first-10); i < first+generation; i++ {
			h.Add(pushlog.Path("autoland"), int64(i), hgtest.Push{
				Date: int64(1_700_000_000 + i), User: "dev",
				Changesets: []hgtest.Changeset{{Node: growingPush(i).Revision}},
			})
		}
		r.set(h)
	}, func(ctx context.Context, push int) error {
		_, err := log.Push(ctx, growingPush(push).Revision)
		return err
	}}
}

// ledgerGrowth records requests for months, and prunes those older than a month.
func ledgerGrowth(t *testing.T, questions int) {
	synctest.Test(t, func(t *testing.T) {
		l := ledger.NewMemory()
		var kept [2]int
		for i := range questions {
			p := growingPush(i)
			if _, _, err := l.Intend(t.Context(), ledger.Entry{Key: p.String(), Push: p, Label: actingTest, Count: 1},
				nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
			if i%1000 == 0 {
				if _, err := ledger.Prune(t.Context(), l, 30*24*time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			if i == questions/10 || i == questions-1 {
				all, err := l.Entries(t.Context(), ledger.Query{})
				if err != nil {
					t.Fatal(err)
				}
				kept[i/(questions-1)] = len(all)
			}
		}
		fmt.Printf("\nledger: %d requests in %d days of virtual time, pruned to a month: %d entries after a tenth, "+
			"%d after all\n",
			questions, questions*10/60/24, kept[0], kept[1])
		if kept[1] > 2*30*24*6 {
			t.Errorf("the ledger has %d entries", kept[1])
		}
	})
}

// diskGrowth stores answers in a cache on disk with a limit of 4 MiB.
func diskGrowth(t *testing.T, questions int) {
	const limit = 4 << 20
	dir := t.TempDir()
	d := rest.NewDisk(dir, limit)
	for i := range questions {
		url := fmt.Sprintf("http://x.example/%d", i)
		d.Store(url, &rest.Kept{URL: url, ETag: "e", Body: make([]byte, 1000)})
	}
	files, size := 0, int64(0)
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		files++
		size += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("disk: %d answers of 1 kB stored, %d files of %s are kept (limit %s)\n", questions, files,
		megabytes(uint64(size)), megabytes(limit)) // #nosec G115 -- a size
	if size > limit*3/2 {
		t.Errorf("the disk has %d bytes", size)
	}
}
