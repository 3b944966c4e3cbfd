package main

import (
	"fmt"

	"github.com/mozci/mozci/analysis/culprit"
)

// signature lets other tests of the job fail too: 0.1 of the runs of good pushes fail, and one in
// ten of these has the sought failure.
func (b *sim) signature() {
	const n, p, q, all = 64, 0.5, 0.01, 0.1
	fmt.Printf("\nother failures in the job, n = %d, p = %v, T2: %v of the runs of good pushes fail, %v with the "+
		"sought signature\n", n, p, all, q)
	draw := func(blind bool) func(uint64) *lab {
		return func(i uint64) *lab {
			l := newLab(b.seed+11, i, n, effective(p, q), q, 0, 0)
			l.others, l.blind = 1-(1-all)/(1-q), blind
			l.outside(200, 20)
			return l
		}
	}
	for _, k := range []int{1, 4} {
		m := ours(k, culprit.Options{})
		without, with := try(b.trials(1000), draw(true), m), try(b.trials(1000), draw(false), m)
		learnt := try(b.trials(1000), func(i uint64) *lab { return learn(draw(false)(i)) }, m)
		ratio := with.over(without)
		fmt.Printf("k = %d   by status %s   by the signature %s, %.2f times   by that of the first failure seen %s\n",
			k, cellText(without), cellText(with), ratio.value, cellText(learnt))
		b.atMost(ratio, 0.65, 0.6, "signatures, %d at a time: runs of those without", k)
		b.atLeast(with.rightShare(), 0.95, 0.95, "signatures, %d at a time: right", k)
	}
}

// learn takes the signature from the first failed run of the newest push. If that is another
// failure, the search looks for a failure that no push broke; the answer still counts as right only
// if it names the culprit.
func learn(l *lab) *lab {
	for j := uint64(0); ; j++ {
		sought := l.uniform(streamSeen, j) < l.p
		other := l.uniform(streamSeen|streamOthers, j) < l.others
		if sought {
			return l
		}
		if other {
			l.p, l.q = l.others, l.others
			l.outside(200, 20)
			return l
		}
	}
}
