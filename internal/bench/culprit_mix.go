package main

import (
	"fmt"
	"math"

	"github.com/mozci/mozci/analysis/culprit"
)

// mixLab is a failure as a CI has them: an old flake, a permanent failure, or an intermittent one.
func (b *sim) mixLab(i uint64) *lab {
	seed := &lab{seed: b.seed + 1, trial: i}
	u := func(j uint64) float64 { return seed.uniform(streamKind, j) }
	n := int(math.Round(math.Exp(math.Log(2) + u(0)*(math.Log(1024)-math.Log(2)))))
	kind := u(1)
	var l *lab
	switch {
	case kind < 0.35:
		r := math.Exp(math.Log(0.01) + u(2)*(math.Log(0.5)-math.Log(0.01)))
		l = newLab(b.seed+1, i, n, r, r, 50, 0)
		l.h = n + 1
	case kind < 0.75:
		q := 0.0
		if u(3) < 0.2 {
			q = 0.1 * u(4)
		}
		l = newLab(b.seed+1, i, n, 1, q, 50, 0)
	default:
		p := 0.15 + 0.8*u(5)
		q := 0.0
		if u(6) < 0.5 {
			q = math.Min(0.3, p/2) * u(7)
		}
		l = newLab(b.seed+1, i, n, effective(p, q), q, 50, 0)
	}
	return l
}

// ciOptions are the options for a CI.
func ciOptions() culprit.Options {
	return culprit.Options{PriorNothing: 0.4, MinEffect: 0.1, MinOdds: 2.5, MaxRuns: 400}
}

// mix measures the engine on a CI's mix of failures.
func (b *sim) mix() {
	row := b.mixRows()
	one := row("ours, one at a time", b.trials(2000), ours(1, ciOptions()))
	four := row("ours, batch 4 (the default)", b.trials(2000), ours(4, ciOptions()))
	row("ours, batch 8", b.trials(2000), ours(8, ciOptions()))
	b.atLeast(four.rightShare(), 0.975, 0.985, "mix, batch 4: right")
	b.atMost(four.meanRuns(), 30, 27, "mix, batch 4: runs")
	b.atMost(four.meanRounds(), 7.5, 6.5, "mix, batch 4: rounds")
	b.atLeast(one.rightShare(), 0.97, 0.975, "mix, one at a time: right")
	b.atMost(one.meanRuns(), 25.5, 24, "mix, one at a time: runs")
}

// peers measures other methods on the same mix.
func (b *sim) peers() {
	row, trials := b.mixRows(), b.trials(2000)
	row("git bisect", trials, bisect)
	row("bisect, 4 repeats, ends checked", trials, repeated(4))
	row("linear x1 (mozci 2015)", trials, linear)
	row("5 retriggers, x1 or x6 (2025)", trials, retriggers)
	row("LUCI, thirds and verification", trials, luci)
	row("FACF", trials, facf)
	if !b.quick {
		row("bayesect, with history", trials, bayesect(true, 400, nil))
	}
}

// mixRows prints the head of a table, and returns the function that measures and prints a row.
func (b *sim) mixRows() func(name string, trials int, m method) score {
	fmt.Printf("\na CI's mix: 35 %% old flakes, 40 %% permanent, 25 %% intermittent, n from 2 to 1024, 50 older " +
		"runs, at most 400 runs\n")
	fmt.Printf("%-34s %14s %6s %8s %12s %12s\n", "method", "right", "wrong", "gave up", "runs", "rounds")
	return func(name string, trials int, m method) score {
		s := try(trials, b.mixLab, m)
		right, runs, rounds := s.rightShare(), s.meanRuns(), s.meanRounds()
		fmt.Printf("%-34s %6.3f ±%5.3f %8.3f %8.3f %6.1f ±%4.1f %6.1f ±%4.1f\n", name, right.value,
			1.96*right.deviation, s.share(s.wrong), s.share(s.gaveUp), runs.value, 1.96*runs.deviation, rounds.value,
			1.96*rounds.deviation)
		return s
	}
}

// calibration compares the stated probability with the share of right answers, on the mix, at
// several confidence levels.
func (b *sim) calibration() {
	fmt.Printf("\nstated and true probability, over those of the mix that were decided\n%6s %10s %8s %8s %8s\n",
		"level", "at a time", "stated", "true", "apart")
	for _, level := range []float64{0.8, 0.9, 0.95, 0.98} {
		for _, k := range []int{1, 4} {
			o := ciOptions()
			o.Confidence = level
			s := try(b.trials(2000), b.mixLab, ours(k, o))
			decided := float64(s.right + s.wrong)
			stated, right := s.statedDecided/decided, float64(s.right)/decided
			fmt.Printf("%6.2f %10d %8.3f %8.3f %+8.3f\n", level, k, stated, right, stated-right)
			b.atMost(measured{math.Abs(stated - right), s.rightShare().deviation}, 0.03, 0.01,
				"calibration at %.2f, %d at a time: apart", level, k)
		}
	}
}
