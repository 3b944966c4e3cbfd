package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

var autopilotSeeds = flag.Int("autopilot-weeks", 1,
	"server: how many weeks the autopilot plays, each with a seed of its own")

// autopilotWeek plays a week of a CI in which the autopilot acts: 200 pushes, 300 labels, 40 of
// them flaky, and 25 real breaks, 5 of which came with a merge. The autopilot must name the breaks
// that stay visible, spend little, and act on each flake at most once.
func autopilotWeek(t *testing.T, quick bool) {
	size := weekSize{pushes: 200, labels: 300, flakes: 40, breaks: 25, merges: 5}
	if quick {
		size = weekSize{pushes: 60, labels: 100, flakes: 13, breaks: 8, merges: 2}
	}
	fmt.Printf("autopilot: %d pushes, %d labels, %d flakes, %d breaks, %d of them by a merge\n", size.pushes,
		size.labels,
		size.flakes, size.breaks, size.merges)
	var all weekFigures
	for seed := range max(1, *autopilotSeeds) {
		began := time.Now()
		f := playWeek(t, newWeek(size, uint64(seed)+1))
		fmt.Printf("week %d: %s (%.0f s)\n", seed+1, f, time.Since(began).Seconds())
		all.add(f)
	}
	if len(all.wrong) > 0 {
		fmt.Println("not named: " + strings.Join(all.wrong, "; "))
	}
	right := float64(all.right) / float64(max(1, all.lasting))
	perBreak := float64(all.runs) / float64(max(1, all.breaks))
	fmt.Printf("named right %.3f (0.95 wanted), %.1f runs per break (40), a flake acted on %d times at most (1)\n",
		right,
		perBreak, all.flake)
	if right < 0.95 || perBreak > 40 || all.flake > 1 {
		t.Errorf("the autopilot's week: %.3f named right, %.1f runs per break, a flake acted on %d times", right,
			perBreak,
			all.flake)
	}
}

// weekFigures are the results of a week.
type weekFigures struct {
	breaks, lasting int // lasting are the breaks that stay visible until they are backed out
	right           int // number of lasting breaks whose culprit was named
	named, false    int // number of culprits named, and of those that broke nothing
	undecided       int
	runs, red       int
	flake           int // the maximum number of times that one flake was acted on
	acted           int // number of flakes that were acted on
	mode            autopilot.Mode
	wrong           []string
}

func (f *weekFigures) add(o weekFigures) {
	f.breaks, f.lasting, f.right = f.breaks+o.breaks, f.lasting+o.lasting, f.right+o.right
	f.runs, f.flake, f.wrong = f.runs+o.runs, max(f.flake, o.flake), append(f.wrong, o.wrong...)
}

func (f weekFigures) String() string {
	return fmt.Sprintf("%d of %d lasting breaks named right, %d culprits named, %d of them false, %d undecided; "+
		"%d runs, %d red; %d flakes acted on; ended in mode %s",
		f.right, f.lasting, f.named, f.false, f.undecided, f.runs, f.red, f.acted, f.mode)
}

// playWeek plays a week in virtual time, with one robot.
func playWeek(t *testing.T, w *week) (f weekFigures) {
	world, err := jobtest.ParseWorld("week", strings.NewReader(w.text))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ci := jobtest.NewCI(world, &jobtest.CIOptions{Play: true})
		store := autopilot.NewMemory(ci.Now)
		cfg := autopilot.Defaults()
		cfg.Repositories, cfg.Mode = []string{weekOuter, weekInner}, autopilot.Act
		var mu sync.Mutex
		var told []autopilot.Case
		places := autopilot.Places{CI: ci, Repository: ci.Repository, Ledger: ledger.NewMemory()}
		robot, err := autopilot.New(places, store, cfg, &autopilot.Options{
			Who: "bench",
			OnReport: func(_ context.Context, c autopilot.Case) error {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, c)
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = ci.Play(ctx, func(d time.Duration) time.Duration { return d }) })
		all.Go(func() { _ = robot.Run(ctx) })
		time.Sleep(w.lasts)
		f.mode, _ = robot.Mode(ctx)
		stop()
		all.Wait()
		cases, err := store.Cases(t.Context(), autopilot.CaseQuery{})
		if err != nil {
			t.Fatal(err)
		}
		w.judge(&f, cases)
	})
	runtime.GC()
	return f
}

// judge compares the robot's answers with the truth.
func (w *week) judge(f *weekFigures, cases []autopilot.Case) {
	flakes := map[string]int{}
	culprits := map[job.PushKey]bool{}
	for _, b := range w.breaks {
		culprits[b.culprit] = true
	}
	named := map[job.PushKey][]string{}
	for _, c := range cases {
		f.runs, f.red = f.runs+c.Cost.Runs, f.red+c.Cost.RedRuns
		if s := c.Test; strings.HasPrefix(s, "flake-") && c.Cost.Runs > 0 {
			flakes[s]++
		}
		switch {
		case c.Report == nil:
		case c.Report.Outcome == autopilot.Undecided:
			f.undecided++
		case c.Report.Culprit != nil:
			f.named++
			k := c.Report.Culprit.Push().Key()
			named[k] = append(named[k], c.Test)
			if !culprits[k] {
				f.false++
			}
		}
	}
	for _, n := range flakes {
		f.flake = max(f.flake, n)
	}
	f.acted = len(flakes)
	for _, b := range w.breaks {
		f.breaks++
		if !b.lasting {
			continue
		}
		f.lasting++
		if slices.Contains(named[b.culprit], b.sign) {
			f.right++
			continue
		}
		f.wrong = append(f.wrong, fmt.Sprintf("%s of %s %d (%s)", b.sign, b.culprit.Repo, b.culprit.ID,
			w.said(cases, b)))
	}
}

// said is what the robot said about a break.
func (w *week) said(cases []autopilot.Case, b weekBreak) string {
	var out []string
	for _, c := range cases {
		if c.Test != b.sign {
			continue
		}
		what := "open: " + c.Doing
		if c.Report != nil {
			what = fmt.Sprintf("%s, %s", c.Report.Outcome, c.Report.Why)
			if c.Report.Culprit != nil {
				what += fmt.Sprintf(", %s %d", c.Report.Culprit.Repo, c.Report.Culprit.ID)
			}
		}
		out = append(out, what)
	}
	if len(out) == 0 {
		return "no case"
	}
	return strings.Join(out, " | ")
}
