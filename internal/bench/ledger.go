package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

var kills = flag.Int("kills", 1000, "ledger: how often a process is killed, for each sort of CI")

const (
	ledgerSteps = 50
	processes   = 8
)

// ledgers measures the ledger: with processes that are killed, requests that are lost, a ledger
// that fails, a database that is restarted, and a million entries.
func ledgers(t *testing.T) {
	if flag.Lookup("quick").Value.String() == "true" {
		*kills, *entries = min(*kills, 40), min(*entries, 100_000)
	}
	killings(t)
	lives(t)
	restarts(t)
	sizes(t)
}

// killings carries out a plan of 50 steps with a real process on a real SQLite file, kills the
// process at random points, and starts it again until the plan is done. The CI answers late, loses
// its answer after it has acted, does not act, receives a request twice, or lists runs twice.
func killings(t *testing.T) {
	fmt.Printf("ledger: a plan of %d steps, SIGKILL at random points, a real SQLite file, a CI that misbehaves\n\n",
		ledgerSteps)
	fmt.Println("CI              processes   kills   plans   runs planned   requested   plans exactly right   more " +
		"than planned")
	for _, c := range []struct {
		keyed     bool
		processes int
		kills     int
	}{
		{true, 1, *kills},
		{false, 1, *kills},
		{true, processes, *kills / 5},
		{false, processes, *kills / 5},
		{true, processes, 0},
		{false, processes, 0},
	} {
		sum := killed{}
		for seed := uint64(1); sum.kills < c.kills || sum.plans < 3; seed++ {
			sum.add(trial(t, seed, c.keyed, c.processes, c.kills > 0))
		}
		name := "carries keys"
		if !c.keyed {
			name = "without keys"
		}
		fmt.Printf("%-15s %9d   %5d   %5d   %12d   %9d   %11d of %-5d   %17d\n", name, c.processes, sum.kills,
			sum.plans, sum.planned, sum.asked, sum.exact, sum.plans, sum.over)
		if sum.over > 0 || c.keyed && sum.exact != sum.plans {
			t.Errorf("%s, %d processes: %+v", name, c.processes, sum)
		}
	}
	fmt.Println("\nWithout keys a request that was cut off is not repeated blindly, so that some runs are missing " +
		"until ten minutes have passed.")
}

// killed sums up trials.
type killed struct{ kills, plans, planned, asked, exact, over int }

func (k *killed) add(o killed) {
	k.kills += o.kills
	k.plans += o.plans
	k.planned += o.planned
	k.asked += o.asked
	k.exact += o.exact
	k.over += o.over
}

// ledgerWorld is a history of 50 pushes, each with no run, one run, or a coalesced one. Their
// revisions begin with consecutive numbers, starting at first.
func ledgerWorld(rng *rand.Rand, first int) string {
	var world bytes.Buffer
	world.WriteString("push test\n")
	for i := range ledgerSteps {
		fmt.Fprintf(&world, "%d %04x %s\n", i+1, 0x1000+first+i, []string{"-", "pass", "coalesced"}[rng.IntN(3)])
	}
	return world.String()
}

// ledgerPlan is a plan of 50 steps, each for one to three runs.
func ledgerPlan(t *testing.T, rng *rand.Rand) trigger.Plan {
	w := jobtest.MustParse(ledgerWorld(rng, 0))
	plan, err := trigger.Make(t.Context(), jobtest.NewCI(w, nil), w.Pushes("autoland"), []string{"test"}, 2+rng.IntN(2),
		nil)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// trial carries out one plan, with processes that are killed and started again until each has
// finished.
func trial(t *testing.T, seed uint64, keyed bool, processes int, kill bool) killed {
	rng := rand.New(rand.NewPCG(seed, 4))
	plan := ledgerPlan(t, rng)
	dir := t.TempDir()
	planFile := filepath.Join(dir, "plan.json")
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(planFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ci := &hostileCI{rng: rng, keyed: keyed, runs: map[int64]int{}, keys: map[string]int{}}
	for _, s := range plan.Steps {
		ci.runs[s.Push.ID] = s.Seen
	}
	srv := httptest.NewServer(ci)
	defer srv.Close()
	out := killed{plans: 1, planned: plan.Total()}
	done := make(chan int)
	for range processes {
		go func() { done <- untilDone(t, ci, srv.URL, filepath.Join(dir, "ledger.db"), planFile, kill) }()
	}
	for range processes {
		out.kills += <-done
	}
	exact := true
	for _, s := range plan.Steps {
		n := ci.asked(s.Push.ID) - s.Seen
		out.asked += n
		exact = exact && n == s.Count
		if n > s.Count {
			out.over++
		}
	}
	if exact {
		out.exact = 1
	}
	return out
}

// untilDone runs a process until it ends by itself, and meanwhile kills it at random requests or
// times. It returns the number of kills.
func untilDone(t *testing.T, ci *hostileCI, url, file, plan string, kill bool) int {
	n := 0
	for {
		child := exec.Command(os.Args[0], "ledger-child", url, file, plan, fmt.Sprint(ci.keyed)) // #nosec G204 -- this program itself
		errOut, err := child.StderrPipe()
		if err != nil {
			t.Error(err)
			return n
		}
		if err := child.Start(); err != nil {
			t.Error(err)
			return n
		}
		stop := ci.doom(child.Process, kill)
		said, _ := io.ReadAll(errOut)
		err = child.Wait()
		if stop() {
			n++
			continue
		}
		// With a CI that carries keys every step can be settled. Without keys some steps stay
		// unknown.
		if err == nil || !ci.keyed && child.ProcessState.ExitCode() == 1 {
			return n
		}
		if child.ProcessState.ExitCode() == 1 { // the answers to some steps were lost, so start it again
			continue
		}
		t.Errorf("process: %v\n%s", err, said)
		return n
	}
}

// ledgerChild is the process that is killed.
func ledgerChild(args []string) int {
	ctx := context.Background()
	text, err := os.ReadFile(args[2])
	if err != nil {
		return fail(err)
	}
	var plan trigger.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return fail(err)
	}
	db, err := openSQLite(args[1])
	if err != nil {
		return fail(err)
	}
	defer func() { _ = db.Close() }()
	var ci job.Scheduler = &remoteCI{args[0]}
	if args[3] == "true" {
		ci = keyedCI{&remoteCI{args[0]}}
	}
	opts := &trigger.RunOptions{
		Ledger: ledger.NewSQL(db, ledger.SQLite), Grace: 500 * time.Millisecond,
		Lease: 200 * time.Millisecond,
	}
	if _, err := trigger.Run(ctx, ci, plan, opts); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func fail(err error) int {
	_, _ = fmt.Fprintln(os.Stderr, err)
	return 3
}
