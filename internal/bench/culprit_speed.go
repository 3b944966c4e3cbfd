package main

import (
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
)

// speed measures the time of a decision, and the time of a scan for a change beside that of the
// simplest implementation.
func (b *sim) speed() {
	fmt.Printf("\n")
	var times []time.Duration
	for _, n := range []int{1024, 16384} {
		l := newLab(b.seed, 1, n, 0.55, 0.1, 200, 20)
		s, err := culprit.New(n, &culprit.Options{Older: l.older, Newer: l.newer, MaxRuns: 40})
		if err != nil {
			b.t.Fatal(err)
		}
		decisions, began := 0, time.Now()
		if _, err := culprit.Rehearse(s, l.run, func(culprit.Decision) { decisions++ }); err != nil {
			b.t.Fatal(err)
		}
		times = append(times, time.Since(began)/time.Duration(decisions))
	}
	growth := float64(times[1]) / float64(times[0])
	fmt.Printf("one decision: n = 1024 %.0f µs, n = 16384 %.0f µs: %.1f times, for 16 times the pushes\n", us(times[0]),
		us(times[1]), growth)
	b.must(growth <= 16*1.25, "a decision grows by %.1f", growth)
	failed := make([]bool, 2000)
	for i := range failed {
		failed[i] = i%30 == 0 || i > 1500 && i%5 == 0
	}
	scanner := analysis.NewScanner(len(failed))
	runtime.GC()
	const rounds = 200
	began := time.Now()
	for range rounds {
		runtime.KeepAlive(scanner.Scan(failed))
	}
	fast := time.Since(began) / rounds
	began = time.Now()
	at := 0
	for range 3 {
		at = plainScan(failed)
	}
	slow := time.Since(began) / 3
	allocated := testing.AllocsPerRun(10, func() { _ = scanner.Scan(failed) })
	fmt.Printf("a change in 2,000 runs: %.0f µs, %v allocations; in two plain loops %.0f µs (%.0f times)\n", us(fast),
		allocated, us(slow), float64(slow)/float64(fast))
	b.must(allocated == 0 && at == scanner.Scan(failed).At, "%v allocations, at %d and %d", allocated, at,
		scanner.Scan(failed).At)
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// plainScan is the same in two loops: for each place it counts both sides.
func plainScan(failed []bool) int {
	best, at := math.Inf(-1), 0
	for k := 1; k < len(failed); k++ {
		var left, right culprit.Counts
		for i, f := range failed {
			if i < k {
				add(&left, f)
			} else {
				add(&right, f)
			}
		}
		if l := lnBeta(left) + lnBeta(right); l > best {
			best, at = l, k
		}
	}
	return at
}
