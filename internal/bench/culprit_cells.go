package main

import (
	"fmt"

	"github.com/mozci/mozci/analysis/culprit"
)

// cells is the table of cells of one size: the rates known, and the tiers of what is
// known beforehand.
func (b *sim) cells(n int) {
	if b.quick && n > 64 {
		return
	}
	fmt.Printf("\nruns / right, n = %d; T2: 200 older runs and 20 newer ones (40: 40 newer), T1: 50 older runs, T0: nothing; "+
		"limit: Fano\n", n)
	fmt.Printf("%4s %5s  %6s  %14s  %22s %22s  %14s  %14s  %14s  %14s  %14s  %14s\n", "p", "q", "limit", "oracle",
		"T2 (of oracle)", "40 (of oracle)", "T1", "T0", "bayesect T1", "FACF T1", "git bisect", "x6, likeliest")
	for _, p := range []float64{1, 0.5, 0.2} {
		for _, q := range []float64{0, 0.01, 0.1, 0.3} {
			b.cell(n, p, q)
		}
	}
}

func (b *sim) cell(n int, p, q float64) {
	pe := effective(p, q)
	limit := culprit.Limit(n, culprit.Rates{After: pe, Before: q}, 0.05)
	if limit > 300 || b.quick && limit > 60 {
		return
	}
	draw := func(older, newer int) func(uint64) *lab {
		return func(i uint64) *lab { return newLab(b.seed, i, n, pe, q, older, newer) }
	}
	trials := b.trials(500)
	more := trials // where a ratio has a must
	if !b.quick && p > 0.2 && (n == 64 || n == 256) {
		more = 1000
	}
	t := culprit.Options{}
	best, t2 := try(more, draw(200, 20), oracle(1, t)), try(more, draw(200, 20), ours(1, t))
	best40, t40 := try(more, draw(200, 40), oracle(1, t)), try(more, draw(200, 40), ours(1, t))
	t1, t0 := try(trials, draw(50, 0), ours(1, t)), try(trials, draw(0, 0), ours(1, t))
	few := max(40, trials/5) // of the others, which are only printed
	ratio, ratio40 := t2.over(best), t40.over(best40)
	fmt.Printf("%4.2f %5.2f  %6.1f  %14s  %22s %22s  %14s  %14s  %14s  %14s  %14s  %14s\n", p, q, limit,
		cellText(best), fmt.Sprintf("%s (%.2f)", cellText(t2), ratio.value),
		fmt.Sprintf("%s (%.2f)", cellText(t40), ratio40.value), cellText(t1), cellText(t0),
		cellText(try(few, draw(50, 0), bayesect(true, 3000, nil))), cellText(try(trials, draw(50, 0), facf)),
		cellText(try(trials, draw(0, 0), bisect)), cellText(try(few, draw(0, 0), decoded(6))))
	name := fmt.Sprintf("n %d, p %v, q %v", n, p, q)
	b.atLeast(t2.rightShare(), 0.95, 0.95, "%s, T2: right", name)
	b.atLeast(t1.rightShare(), 0.95, 0.95, "%s, T1: right", name)
	b.atLeast(t0.rightShare(), 0.95, 0.95, "%s, T0: right", name)
	switch {
	case n != 64 && n != 256:
	case p == 1:
		b.atMost(ratio, 1.05, 1.05, "%s, T2: runs of the oracle's", name)
	case p == 0.5 && q <= 0.01:
		b.atMost(ratio, 1.25, 1.1, "%s, T2: runs of the oracle's", name)
		b.atMost(ratio40, 1.25, 1.1, "%s, 40 newer: runs of the oracle's", name)
	}
}

func cellText(s score) string {
	_, runs := s.within()
	return fmt.Sprintf("%.1f ±%.1f / %.3f", s.mean(), runs, s.accuracy())
}
