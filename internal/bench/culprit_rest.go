package main

import (
	"fmt"
	"math"

	"github.com/mozci/mozci/analysis/culprit"
)

// parallel compares the number of rounds with the theoretical limit.
func (b *sim) parallel() {
	fmt.Printf("\nseveral at a time, n = 256, p = 0.5, q = 0.1, T2; limit: the batch capacity of the channel\n")
	r := culprit.Rates{After: effective(0.5, 0.1), Before: 0.1}
	draw := func(i uint64) *lab { return newLab(b.seed+3, i, 256, r.After, r.Before, 200, 20) }
	for _, k := range []int{1, 4, 8} {
		s, best := try(b.trials(500), draw, ours(k, culprit.Options{})), try(b.trials(500), draw,
			oracle(k, culprit.Options{}))
		limit := culprit.LimitRounds(256, r, 0.05, k)
		fmt.Printf("k = %d   %s in %.1f rounds   oracle %s in %.1f rounds   limit %.1f rounds\n", k, cellText(s),
			s.meanRounds().value, cellText(best), best.meanRounds().value, limit)
		of := measured{s.meanRounds().value / limit, s.meanRounds().deviation / limit}
		b.atLeast(s.rightShare(), 0.95, 0.95, "parallel, %d at a time: right", k)
		b.atMost(of, 2, 1.6, "parallel, %d at a time: rounds of the limit", k)
	}
}

// infra lets infrastructure end some runs anywhere.
func (b *sim) infra() {
	fmt.Printf("\ninfra ends 20 %% of the runs, n = 64, 50 older runs; runs with those that it ended\n")
	for _, r := range []culprit.Rates{{After: 1}, {After: 0.5, Before: 0.01}} {
		draw := func(infra float64) func(uint64) *lab {
			return func(i uint64) *lab {
				l := newLab(b.seed+4, i, 64, effective(r.After, r.Before), r.Before, 50, 0)
				l.infra = infra
				return l
			}
		}
		for _, k := range []int{1, 4} {
			m := ours(k, culprit.Options{})
			with, without := try(b.trials(500), draw(0.2), m), try(b.trials(500), draw(0), m)
			times := with.over(without)
			fmt.Printf("p = %.1f q = %.2f k = %d   %s   without %s   %.2f times\n", r.After, r.Before, k,
				cellText(with), cellText(without), times.value)
			least := map[float64]float64{1: 0.99, 0.5: 0.95}[r.After]
			b.atLeast(with.rightShare(), least, least, "infra, p %v, %d at a time: right", r.After, k)
			b.atMost(times, 1.35, 1.25, "infra, p %v, %d at a time: runs of those without", r.After, k)
		}
	}
}

// dead has pushes on which infrastructure ends every run. Such a push cannot be told from the next
// one that can be tested.
func (b *sim) dead() {
	fmt.Printf("\n10 %% of the pushes are dead: infra ends every run there. n = 64, 50 older runs; right: the " +
		"culprit is among the answer\n")
	for _, c := range []struct{ p, q, runs, goalRuns, right float64 }{
		{1, 0, 11, 10, 0.99},
		{0.5, 0.01, 40, 38.5, 0.96},
	} {
		draw := func(dead float64) func(uint64) *lab {
			return func(i uint64) *lab {
				l := newLab(b.seed+9, i, 64, effective(c.p, c.q), c.q, 50, 0)
				l.dead = dead
				return l
			}
		}
		for _, k := range []int{1, 4} {
			m := ours(k, culprit.Options{})
			s, none := try(b.trials(1000), draw(0.1), m), try(b.trials(1000), draw(0), m)
			fmt.Printf("p = %.1f q = %.2f k = %d   %s in %.1f rounds, %.1f of the runs ended by infra, %.2f pushes in "+
				"the answer, gave up %.3f   without dead ones %s\n", c.p, c.q, k, cellText(s), s.meanRounds().value,
				s.infra/float64(s.trials), s.size/float64(s.trials), s.share(s.gaveUp), cellText(none))
			b.atLeast(s.rightShare(), c.right, c.right, "dead pushes, p %v, %d at a time: right", c.p, k)
			if k == 1 {
				b.atMost(s.meanRuns(), c.runs, c.goalRuns, "dead pushes, p %v: runs", c.p)
			}
		}
	}
}

// untestable marks three pushes in ten as untestable. The culprit must still be in the answer.
func (b *sim) untestable() {
	s := try(b.trials(500), func(i uint64) *lab { return newLab(b.seed+6, i, 64, 1, 0, 50, 0) }, func(l *lab) answer {
		o := culprit.Options{Untestable: make([]bool, l.n+1)}
		for x := 1; x < l.n; x++ {
			o.Untestable[x] = l.uniform(streamFree, uint64(x)) < 0.3
		}
		return play(engine(1, o, l), l)
	})
	fmt.Printf("\n30 %% of the pushes cannot be tested: the culprit is in the answer in %.3f, of %.2f pushes on "+
		"average\n",
		s.accuracy(), s.size/float64(s.trials))
	b.atLeast(s.rightShare(), 0.99, 0.99, "untestable pushes: right")
	b.atMost(measured{s.size / float64(s.trials), 0.03}, 2, 1.9, "untestable pushes: size of the answer")
}

// permanent has only permanent failures, which is what flake-aware culprit finding is made for.
func (b *sim) permanent() {
	fmt.Printf("\npermanent only, 50 older runs\n")
	for _, n := range []int{64, 256, 1024} {
		draw := func(i uint64) *lab { return newLab(b.seed+5, i, n, 1, 0, 50, 0) }
		trials := b.trials(500)
		mine, theirs := try(trials, draw, ours(1, culprit.Options{Permanent: true})), try(trials, draw, facf)
		fmt.Printf("n = %4d: %s   FACF %s\n", n, cellText(mine), cellText(theirs))
		b.atMost(mine.over(theirs), 1, 0.9, "permanent only, n %d: runs of FACF's", n)
	}
}

// fresh has flakes without history: nothing broke them, and no run before the range is known.
func (b *sim) fresh() {
	fmt.Printf("\nflakes without history, n from 2 to 1024, rate from 0.01 to 0.5, at most 400 runs\n")
	for _, k := range []int{1, 4} {
		trials := b.trials(1000)
		said, worst, inside := make([]float64, trials), 0.0, 0
		ratio := make([]float64, trials)
		s := try(trials, b.flakeLab, func(l *lab) answer {
			s := engine(k, ciOptions(), l)
			said[l.trial], _ = forecast(s)
			a := play(s, l)
			// A round is always whole, so up to k-1 runs more than needed are not held against the
			// forecast.
			ratio[l.trial] = math.Max(0, float64(l.runs-(k-1))) / said[l.trial]
			return a
		})
		mean := 0.0
		for i, r := range ratio {
			worst = math.Max(worst, r)
			mean += said[i] / float64(trials)
			if r <= 3 {
				inside++
			}
		}
		fmt.Printf("k = %d   %s in %.1f rounds, wrong %.3f (accused %.3f), gave up %.3f, older or nothing %.3f; "+
			"forecast %.1f; within 3 times its own forecast %.3f, the worst %.1f times\n", k, cellText(s),
			s.meanRounds().value,
			s.share(s.wrong), s.share(s.accused), s.share(s.gaveUp), s.share(s.either), mean,
			float64(inside)/float64(trials), worst)
		b.atMost(s.shareOf(s.accused), 0.03, 0.02, "flakes without history, %d at a time: accused", k)
		b.atMost(measured{s.meanRuns().value / mean, s.meanRuns().deviation / mean}, 3, 2,
			"flakes without history, %d at a time: runs of the forecast", k)
		b.atLeast(s.shareOf(inside), 1, 1, "flakes without history, %d at a time: within 3 x its forecast", k)
	}
}

// flakeLab is a flake of the mix, without history.
func (b *sim) flakeLab(i uint64) *lab {
	seed := &lab{seed: b.seed + 10, trial: i}
	n := int(math.Round(math.Exp(math.Log(2) + seed.uniform(streamKind, 0)*(math.Log(1024)-math.Log(2)))))
	r := math.Exp(math.Log(0.01) + seed.uniform(streamKind, 1)*(math.Log(0.5)-math.Log(0.01)))
	l := newLab(b.seed+10, i, n, r, r, 0, 0)
	l.h = n + 1
	return l
}
