package main

import (
	"fmt"

	"github.com/mozci/mozci/analysis/culprit"
)

// cells prints the table of one size and rate: for the rates known, and for the tiers of prior
// knowledge.
func (b *sim) cells(n int, p float64) {
	if b.quick && n > 64 {
		return
	}
	fmt.Printf("\nruns / right, n = %d, p = %v; T2: 200 older runs and 20 newer ones (40: 40 newer), T1: 50 older "+
		"runs, T0: nothing; limit: Fano\n", n, p)
	fmt.Printf("%5s  %6s  %18s  %25s %25s  %18s  %18s  %18s  %18s  %18s  %18s\n", "q", "limit", "oracle",
		"T2 (of oracle)", "40 (of oracle)", "T1", "T0", "bayesect T1", "FACF T1", "git bisect", "x6, likeliest")
	for _, q := range []float64{0, 0.01, 0.1, 0.3} {
		b.cell(n, p, q)
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
	trials, name := b.trials(500), fmt.Sprintf("n %d, p %v, q %v", n, p, q)
	t := culprit.Options{}
	best, t2 := try(trials, draw(200, 20), oracle(1, t)), try(trials, draw(200, 20), ours(1, t))
	ratio, more := t2.over(best), ""
	sized := n == 64 || n == 256
	if sized && p == 0.5 && q <= 0.01 {
		t40 := try(trials, draw(200, 40), ours(1, t))
		ratio40 := t40.over(try(trials, draw(200, 40), oracle(1, t)))
		more = fmt.Sprintf("%s (%.2f)", cellText(t40), ratio40.value)
		b.atMost(ratio, 1.25, 1.1, "%s, T2: runs of the oracle's", name)
		b.atMost(ratio40, 1.25, 1.1, "%s, 40 newer: runs of the oracle's", name)
	}
	t1, t0 := try(trials, draw(50, 0), ours(1, t)), try(trials, draw(0, 0), ours(1, t))
	few := max(40, trials/10) // trials of methods that are only printed
	fmt.Printf("%5.2f  %6.1f  %18s  %25s %25s  %18s  %18s  %18s  %18s  %18s  %18s\n", q, limit, cellText(best),
		fmt.Sprintf("%s (%.2f)", cellText(t2), ratio.value), more, cellText(t1), cellText(t0),
		cellText(try(few, draw(50, 0), bayesect(true, 3000, nil))), cellText(try(trials, draw(50, 0), facf)),
		cellText(try(trials, draw(0, 0), bisect)), cellText(try(trials, draw(0, 0), decoded(6))))
	b.atLeast(t2.rightShare(), 0.95, 0.95, "%s, T2: right", name)
	b.atLeast(t1.rightShare(), 0.95, 0.95, "%s, T1: right", name)
	b.atLeast(t0.rightShare(), 0.95, 0.95, "%s, T0: right", name)
	if sized && p == 1 {
		b.atMost(ratio, 1.05, 1.05, "%s, T2: runs of the oracle's", name)
	}
}

func cellText(s score) string {
	_, runs := s.within()
	return fmt.Sprintf("%.1f ±%.1f / %.3f", s.mean(), runs, s.accuracy())
}
