package main

import (
	"fmt"
	"math"

	"github.com/mozci/mozci/analysis/culprit"
)

// forecasts compares the forecast of a search with what the search took.
func (b *sim) forecasts() {
	fmt.Printf("\nforecast and what it took, n = 64 and 256, T2\n%5s %4s %5s %10s %10s %8s %6s %8s %8s %6s\n",
		"n", "p", "q", "at a time", "said runs", "took", "", "rounds", "took", "")
	for _, n := range []int{64, 256} {
		for _, r := range []culprit.Rates{
			{After: 1},
			{After: 1, Before: 0.1},
			{After: 0.5, Before: 0.01},
			{After: 0.5, Before: 0.1},
			{After: 0.2, Before: 0.01},
		} {
			for _, k := range []int{1, 4} {
				b.forecast(n, r, k)
			}
		}
	}
}

func (b *sim) forecast(n int, r culprit.Rates, k int) {
	trials := b.trials(500)
	said := make([][2]float64, trials)
	took := try(trials, func(i uint64) *lab {
		return newLab(b.seed+7, i, n, effective(r.After, r.Before), r.Before, 200, 20)
	}, func(l *lab) answer {
		s := engine(k, culprit.Options{}, l)
		runs, rounds := forecast(s)
		said[l.trial] = [2]float64{runs, rounds}
		return play(s, l)
	})
	var runs, rounds float64
	for _, x := range said {
		runs += x[0] / float64(trials)
		rounds += x[1] / float64(trials)
	}
	of := func(said float64, took measured) (ratio, apart measured) {
		ratio = measured{said / took.value, said / took.value * took.deviation / took.value}
		return ratio, measured{math.Abs(ratio.value - 1), ratio.deviation}
	}
	ofRuns, runsApart := of(runs, took.meanRuns())
	ofRounds, roundsApart := of(rounds, took.meanRounds())
	fmt.Printf("%5d %4.1f %5.2f %10d %10.1f %8.1f %6.2f %8.1f %8.1f %6.2f\n", n, r.After, r.Before, k, runs,
		took.mean(), ofRuns.value, rounds, took.meanRounds().value, ofRounds.value)
	name := fmt.Sprintf("forecast, n %d, p %v, q %v, %d at a time", n, r.After, r.Before, k)
	b.atMost(runsApart, 0.2, 0.1, "%s: runs apart", name)
	if k > 1 {
		b.atMost(roundsApart, 0.3, 0.2, "%s: rounds apart", name)
	}
}
