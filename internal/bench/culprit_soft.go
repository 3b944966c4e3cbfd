package main

import (
	"fmt"
	"math"

	"github.com/mozci/mozci/analysis/culprit"
)

// softCases are histories in which one push in five was tested.
var softCases = []culprit.Rates{
	{After: 1, Before: 0},
	{After: 1, Before: 0.05},
	{After: 0.5, Before: 0.01},
	{After: 0.3, Before: 0.01},
	{After: 0.6, Before: 0.1},
}

// freeRuns are the runs that the CI made anyway: one on every fifth push.
func freeRuns(l *lab) []culprit.Counts {
	out := make([]culprit.Counts, l.n+1)
	for x := range out {
		if l.uniform(streamFree, uint64(2*x)) < 0.2 {
			add(&out[x], l.uniform(streamFree, uint64(2*x+1)) < l.rate(x))
		}
	}
	return out
}

// softly is the engine when it knows these runs and, if told, the rates too.
func softly(k int, told bool) method {
	return func(l *lab) answer {
		o := culprit.Options{}
		if told {
			o.Known = &culprit.Rates{After: l.p, Before: l.q}
		}
		s := engine(k, o, l)
		for x, c := range freeRuns(l) {
			for i := range c.Failed + c.Passed {
				if err := s.Observe(x, i < c.Failed, false); err != nil {
					panic(err)
				}
			}
		}
		return play(s, l)
	}
}

func (b *sim) soft() {
	fmt.Printf("\nall history as evidence: one push in five was tested, n = 256, 50 older runs; k = 4: rounds, and " +
		"how many times the runs of k = 1, ours and the oracle's\n")
	fmt.Printf("%4s %5s  %18s  %18s  %8s %6s %6s  %22s  %18s\n", "p", "q", "ours", "k = 4", "rounds", "times",
		"oracle", "bayesect, same history", "nearest green")
	for _, r := range softCases {
		trials := b.trials(500)
		draw := func(i uint64) *lab { return newLab(b.seed+2, i, 256, effective(r.After, r.Before), r.Before, 50, 0) }
		one, four := try(trials, draw, softly(1, false)), try(trials, draw, softly(4, false))
		best1, best4 := try(trials, draw, softly(1, true)), try(trials, draw, softly(4, true))
		few := max(40, trials/5)
		times, least := four.over(one), best4.over(best1)
		fmt.Printf("%4.2f %5.2f  %18s  %18s  %8.1f %6.2f %6.2f  %22s  %18s\n", r.After, r.Before, cellText(one),
			cellText(four), four.meanRounds().value, times.value, least.value,
			cellText(try(few, draw, bayesect(true, 2000, freeRuns))), cellText(try(trials, draw, nearestGreen)))
		name := fmt.Sprintf("soft history, p %v, q %v", r.After, r.Before)
		b.atLeast(one.rightShare(), 0.95, 0.97, "%s: right", name)
		b.atLeast(four.rightShare(), 0.95, 0.97, "%s, batch 4: right", name)
		if r.After < 1 {
			growth := measured{times.value / least.value, math.Hypot(times.deviation, least.deviation) / least.value}
			b.atMost(growth, 1.1, 1, "%s, batch 4: growth of the runs, of the oracle's", name)
		}
	}
}

// nearestGreen bisects between the failure and the newest green run before it, as most people do.
func nearestGreen(l *lab) answer {
	free := freeRuns(l)
	lo, hi := 0, l.n
	for x := l.n - 1; x > 0; x-- {
		if free[x].Passed > 0 {
			lo = x
			break
		}
		if free[x].Failed > 0 {
			hi = x
		}
	}
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if l.failed(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return answer{push: hi}
}
