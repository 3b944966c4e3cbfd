package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// costScale says how large the worlds are about which questions are asked.
type costScale struct {
	pushes int           // pushes of history that are read
	tasks  int           // tasks of a push on Taskcluster
	all    int           // tasks of the push of which the program lists one label
	jobs   int           // jobs of a push on Treeherder
	builds int           // builds of a push on Buildbot, each by another builder
	naive  int           // pushes that the naive way reads as whole groups, for the column "before"
	wait   time.Duration // how long to wait for runs
	graph  int           // bytes of a full-task-graph.json
}

// costRow is a question and what it cost.
type costRow struct {
	question string
	// each is the number of units to divide by, such as 101 pushes of one call; 0 means 1.
	each int
	// before is the cost of the naive way: push by push, whatever else the CI can do.
	before, now tally
	beforeEach  int // each, when the naive way was measured on another number
	most        costMost
	// waits says that the question waits for runs, so that it repeats requests on purpose.
	waits bool
}

// costMost is what a question may cost; 0 means no bound.
type costMost struct {
	requests, bytes float64
	// twice is how many requests one call may repeat. When a failed run lacks a kind of log, the
	// list of its files is read again for each kind.
	twice int
}

// costs counts what questions cost their sources, and fails when a question costs more than it may.
// It counts on doubles whose answers have the size of real ones, and measures no time, so the
// figures are the same on every machine.
func costs(t *testing.T) {
	scale := costScale{
		pushes: 100, tasks: 3000, all: 10_000, jobs: 1000, builds: 20, naive: 8, wait: time.Hour, graph: tcGraph,
	}
	if flag.Lookup("quick").Value.String() == "true" {
		scale.jobs, scale.builds, scale.naive, scale.graph = 200, 8, 3, 6<<20
	}
	fmt.Printf("cost: %d pushes of history; %d tasks a push on Taskcluster, %d jobs on Treeherder, %d builds on "+
		"Buildbot\n\n", scale.pushes, scale.tasks, scale.jobs, scale.builds)
	fmt.Printf("%-58s  %22s  %22s  %22s  %5s\n", "question", "before", "now", "must", "twice")
	for _, r := range append(costRows(t, scale), programCosts(t, scale)...) {
		fmt.Println(r)
		if why := r.missed(); why != "" {
			t.Errorf("%s: %s", r.question, why)
			fmt.Print(r.now.kinds())
		}
	}
	fmt.Println("\nbefore: the same call on a scheduler that has neither job.HistoryReader nor job.StatusReader " +
		"and, of Taskcluster, lists whole groups.")
	fmt.Println("Requests to other services, such as the pushlog, are not counted; twice counts all that were made " +
		"before in the same call.")
}

// costRows asks all questions that go through the library.
func costRows(t *testing.T, s costScale) []costRow {
	var rows []costRow
	for _, of := range []func(*testing.T, costScale) []costRow{
		treeherderCosts, buildbotCosts, taskclusterCosts, waitingCosts,
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(costToday))
			rows = append(rows, of(t, s)...)
		})
	}
	return rows
}

// costToday is later than everything in the doubles' histories.
var costToday = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// String is the row of the table.
func (r costRow) String() string {
	must := "-"
	if r.most.requests > 0 {
		must = fmt.Sprintf("%g", r.most.requests)
	}
	if r.most.bytes > 0 {
		must += ", " + size(int(r.most.bytes))
	}
	twice := fmt.Sprint(r.now.twice)
	if r.waits {
		twice = "-"
	}
	each := max(1, r.each)
	naive := each
	if r.beforeEach > 0 {
		naive = r.beforeEach
	}
	return fmt.Sprintf("%-58s  %22s  %22s  %22s  %5s", r.question, r.before.per(naive), r.now.per(each), must, twice)
}

// per divides a tally by n.
func (t tally) per(n int) string {
	if t.requests == 0 {
		return "-"
	}
	if n == 1 {
		return fmt.Sprintf("%d, %s", t.requests, size(t.bytes))
	}
	return fmt.Sprintf("%.2f, %s", float64(t.requests)/float64(n), size(t.bytes/n))
}

// missed says in which way the question cost more than it may; empty when it did not.
func (r costRow) missed() string {
	each := float64(max(1, r.each))
	requests, bytes := float64(r.now.requests)/each, float64(r.now.bytes)/each
	switch {
	case r.now.requests == 0:
		return "nothing was asked"
	case r.most.requests > 0 && requests > r.most.requests:
		return fmt.Sprintf("%.2f requests, at most %g", requests, r.most.requests)
	case r.most.bytes > 0 && bytes > r.most.bytes:
		return fmt.Sprintf("%s, at most %s", size(int(bytes)), size(int(r.most.bytes)))
	case r.now.twice > r.most.twice && !r.waits:
		return fmt.Sprintf("%d requests were made before in the same call", r.now.twice)
	}
	return ""
}

// costPlace is a source with its pushes. The first of the meters is the CI's own.
type costPlace struct {
	repo   job.Repository
	ci     job.Scheduler
	meters []*meter
}

// took returns what a call costs.
func (p costPlace) took(t *testing.T, call func(context.Context, job.Repository, job.Scheduler) error) tally {
	t.Helper()
	taken(p.meters)
	if err := call(t.Context(), p.repo, p.ci); err != nil {
		t.Fatal(err)
	}
	return taken(p.meters)
}

// client is an HTTP client that reaches a meter without a network. Each answer takes some virtual
// time, so that the same requests run at the same time in every run.
func (m *meter) client() *http.Client { return &http.Client{Transport: &late{m}} }

// costCell says how a label ended on the push that is distance before the newest, on which it
// failed. It did not run on a third of the pushes, as on a CI that skips what it can, and a few of
// its runs tell nothing.
func costCell(distance int) string {
	switch {
	case distance%3 == 1:
		return "-"
	case distance%11 == 5:
		return "exception"
	}
	return "fail"
}

// costProgram builds the program, to measure it as people use it.
func costProgram(t *testing.T) string {
	t.Helper()
	testenv.Program(t, "go", "golang")
	file := filepath.Join(t.TempDir(), "mozci")
	// #nosec G204 -- a test's own folder
	build := exec.CommandContext(t.Context(), "go", "build", "-o", file, "./examples/mozci")
	build.Dir = testenv.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// programCosts are questions to the program, from its start to its answer, over the loopback
// interface.
func programCosts(t *testing.T, s costScale) []costRow {
	program := costProgram(t)
	run := func(m []*meter, args ...string) tally {
		t.Helper()
		taken(m)
		cmd := exec.CommandContext(t.Context(), program, args...) // #nosec G204 -- what was just built
		cmd.Env = append(cmd.Environ(), "TASKCLUSTER_ROOT_URL=", "HOME="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return taken(m)
	}
	tc := newCostTaskcluster(t, 1, s.all, newCostFiles(s.graph), costCell)
	tc.ran(t, 1)
	th := newCostTreeherder(s, 1)
	jobs := []string{
		"jobs", "--rev", "tip", "--root-url", served(t, tc.meters[0]), "--hg-url", served(t, tc.meters[1]),
	}
	return []costRow{
		{
			question: fmt.Sprintf("mozci jobs --label, a push of %d tasks, Taskcluster", s.all),
			before:   run(tc.meters, jobs...),
			now:      run(tc.meters, append(jobs, "--label", costLabel)...),
			most:     costMost{bytes: 400_000},
		},
		{
			question: "mozci frequency over 50 pushes, Treeherder",
			before:   th.pushByPush(t, 50),
			now: run(th.meters, "frequency", "--ci", "treeherder", "--treeherder-url", served(t, th.meters[0]),
				"--label", costLabel, "--last", "50"),
			most: costMost{requests: 4},
		},
	}
}

// served serves a meter until the test ends, and returns its URL.
func served(t *testing.T, m *meter) string {
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return s.URL
}
