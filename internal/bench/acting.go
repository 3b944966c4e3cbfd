package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

var plans = flag.Int("plans", 300, "acting: how many plans are carried out, by one process and by two")

// acting carries out plans on a deployment whose hooks and queue fail in every way that they can:
// it answers 400 after it has made a task, answers 500, 502, nothing or null; its actions fail or
// make nothing; a failed build leaves its tests unscheduled for ever. Processes are killed at
// random moments. It prints how many runs were planned and how many were made. Time is virtual.
func acting(t *testing.T) {
	n := *plans
	if flag.Lookup("quick").Value.String() == "true" {
		n = 30
	}
	fmt.Printf("acting: %d plans on a Taskcluster whose hooks, actions and builds fail, seeds 1 to %d\n\n", n, n)
	fmt.Println("processes   ledgers   plans   kills   faults   runs planned   runs made   plans exactly right   " +
		"plans with a run doubled")
	for _, c := range []struct {
		processes int
		kill      bool
		most      int // maximum number of plans in a hundred with a doubled run
	}{{1, true, 0}, {2, false, 1}, {2, true, 5}} {
		var sum acted
		for seed := range uint64(n) {
			synctest.Test(t, func(t *testing.T) { sum.add(actingTrial(t, seed+1, c.processes, c.kill)) })
		}
		fmt.Printf("%9d   %7d   %5d   %5d   %6d   %12d   %9d   %19d   %24d\n",
			c.processes, c.processes, sum.plans, sum.kills, sum.faults, sum.planned, sum.made, sum.exact, sum.doubled)
		if c.processes == 1 && sum.exact != sum.plans || sum.doubled*100 > c.most*max(sum.plans, 100) {
			t.Errorf("%d processes: %+v", c.processes, sum)
		}
	}
	fmt.Println("\nMust: one process makes exactly what was planned; two processes with ledgers of their own, within " +
		"two seconds of each")
	fmt.Println("other, double at most one plan in a hundred. One that is killed between its request and its look at " +
		"the others' cannot")
	fmt.Println("take its request back.")
}

// acted sums up trials.
type acted struct{ plans, kills, faults, planned, made, exact, doubled int }

func (a *acted) add(o acted) {
	a.plans += o.plans
	a.kills += o.kills
	a.faults += o.faults
	a.planned += o.planned
	a.made += o.made
	a.exact += o.exact
	a.doubled += o.doubled
}

const (
	actingBuild  = "build-linux64/opt"
	actingTest   = "test-linux2404-64/opt-mochitest-1"
	actingPushes = 6
)

func actingPush(id int64) job.Push {
	return job.Push{Repo: "autoland", ID: id, Revision: fmt.Sprintf("%040x", id), Time: time.Unix(1.7e9, 0)}
}

// actingWorld is a deployment with a few pushes. On some the test ran, on some not even its build,
// and on some its build failed.
func actingWorld(rng *rand.Rand) (*tctest.Server, []string) {
	s := tctest.New()
	var decisions []string
	for id := range int64(actingPushes) {
		kind := rng.IntN(4)
		d := s.AddPush("autoland", id+1, actingPush(id+1).Revision,
			tctest.Label{Name: actingBuild, Planned: kind > 0},
			tctest.Label{Name: actingTest, Build: actingBuild, Planned: kind != 1 && kind > 0})
		decisions = append(decisions, d)
		for _, b := range s.Tasks(d, actingBuild) {
			if kind == 3 && rng.IntN(2) == 0 {
				s.Resolve(b, "failed", "failed")
				continue
			}
			s.Resolve(b, "completed", "completed")
			s.Put(b, 0, "public/build/target.tar.xz", []byte("a build"))
		}
	}
	return s, decisions
}

// actingTrial carries out one plan, with processes that are killed and started again until nothing
// is missing.
func actingTrial(t *testing.T, seed uint64, processes int, kill bool) acted {
	rng := rand.New(rand.NewPCG(seed, 13)) // #nosec G404 -- a seed that can be repeated
	s, decisions := actingWorld(rng)
	out := acted{plans: 1}
	var mu sync.Mutex // guards rng
	draw := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
	faults := tctest.Faults()
	s.NoFires = draw(4) == 0
	s.Fault = func() tctest.Fault { // the deployment calls it and Act in turn, never both
		if draw(5) < 2 {
			out.faults++
			return faults[draw(len(faults))]
		}
		return tctest.Well
	}
	failed := map[int]bool{} // one action may fail in every tenth trial; two failures in a row are rightly given up
	s.Act = func(string) tctest.Ending {
		if draw(10) == 0 && !failed[0] {
			failed[0] = true
			return tctest.Ending(1 + draw(2))
		}
		return tctest.ActionMade
	}
	s.Before = func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(time.Duration(1+draw(60)) * time.Millisecond)
		return false
	}
	var pushes []job.Push
	for id := range int64(actingPushes) {
		pushes = append(pushes, actingPush(id+1))
	}
	times := 1 + draw(3)
	before := map[string]int{}
	for _, d := range decisions {
		before[d] = len(s.Tasks(d, actingTest)) + len(s.Tasks(d, actingBuild))
	}
	plan, err := trigger.Make(t.Context(), actingProject(&actor{s: s}), pushes, []string{actingTest}, times, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.planned = plan.Total()
	var group sync.WaitGroup
	var kills atomic.Int64
	for range processes {
		group.Go(func() {
			time.Sleep(time.Duration(draw(2000)) * time.Millisecond)
			kills.Add(int64(untilMade(t, s, plan, pushes, times, kill, draw)))
		})
	}
	group.Wait()
	out.kills = int(kills.Load())
	s.Settle()
	out.judge(s, decisions, before, times)
	return out
}

// judge counts what was made in addition to what was there before.
func (a *acted) judge(s *tctest.Server, decisions []string, before map[string]int, times int) {
	over := false
	for _, d := range decisions {
		a.made += len(s.Tasks(d, actingTest)) + len(s.Tasks(d, actingBuild)) - before[d]
		over = over || len(s.Tasks(d, actingTest)) > max(times, 1)
	}
	if a.made == a.planned && !over {
		a.exact = 1
	}
	if a.made > a.planned || over {
		a.doubled = 1
	}
}

// untilMade is one user: a process carries out the plan and is killed, and the next one plans what
// is missing and goes on, until nothing is missing.
func untilMade(
	t *testing.T, s *tctest.Server, plan trigger.Plan, pushes []job.Push, times int, kill bool, draw func(int) int,
) (kills int) {
	memory := ledger.NewMemory()
	nothing := 0 // number of plans in a row in which nothing was missing
	for n := range 60 {
		a := &actor{s: s, left: -1}
		if kill && n < 4 && draw(2) == 0 {
			a.left, a.after = int64(draw(60)), draw(2) == 0
		}
		p := actingProject(a)
		mine := mortal{memory, a}
		if n > 0 {
			made, err := trigger.Make(t.Context(), p, pushes, []string{actingTest}, times,
				&trigger.Options{Ledger: mine})
			nothing++
			if err != nil || made.Total() > 0 {
				nothing = 0
			}
			if nothing == 2 {
				return kills
			}
			plan = made
		}
		_, _ = trigger.Run(t.Context(), p, plan,
			&trigger.RunOptions{Ledger: mine, Logger: slog.New(slog.DiscardHandler)})
		if a.dead.Load() {
			kills++
		}
		time.Sleep(time.Duration(1+draw(300)) * time.Second)
		if nothing > 0 || n%3 == 2 { // by then every unclear request is decided
			time.Sleep(ledger.UnsureExpires)
		}
		s.Settle()
	}
	return kills
}

// actor is the HTTP transport of a process that dies at its left-th request, either before or after
// it is sent.
type actor struct {
	s     *tctest.Server
	left  int64
	after bool
	dead  atomic.Bool
	n     atomic.Int64
}

var errDead = errors.New("the process was killed")

// RoundTrip implements http.RoundTripper.
func (a *actor) RoundTrip(r *http.Request) (res *http.Response, err error) {
	if a.dead.Load() {
		return nil, errDead
	}
	last := a.left > 0 && a.n.Add(1) >= a.left
	if last && !a.after {
		a.dead.Store(true)
		return nil, errDead
	}
	defer func() {
		if v := recover(); v != nil {
			res, err = nil, io.ErrUnexpectedEOF // as when the server closes the connection
		}
		if last {
			a.dead.Store(true)
			res, err = nil, errDead
		}
	}()
	return testenv.InMemory{Handler: a.s}.RoundTrip(r)
}

func actingProject(a *actor) *taskcluster.Project {
	c, err := taskcluster.New("http://tc.example", &taskcluster.Options{
		HTTP: &http.Client{Transport: a}, Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
	})
	if err != nil {
		panic(err)
	}
	return c.Project("autoland", nil)
}

// mortal is the ledger of a process. What a dead process writes is lost.
type mortal struct {
	ledger.Ledger
	a *actor
}

func (m mortal) Intend(ctx context.Context, e ledger.Entry, instead *ledger.Entry) (ledger.Entry, bool, error) {
	if m.a.dead.Load() {
		return e, false, errDead
	}
	return m.Ledger.Intend(ctx, e, instead)
}

func (m mortal) Settle(ctx context.Context, e ledger.Entry) error {
	if m.a.dead.Load() {
		return errDead
	}
	return m.Ledger.Settle(ctx, e)
}
