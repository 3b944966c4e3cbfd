package main

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// contest is what is measured, and how much worse than its baseline it may be.
type contest struct {
	what               string
	size               int     // bytes that are read
	most               float64 // maximum ratio to the baseline's time
	memory             uint64  // maximum heap above what the result holds, in bytes
	baseline, measured func() any
}

// How often the baseline and the measured function run in turns, and how often the heap is sampled.
const (
	contestRounds = 9
	contestPeaks  = 3
)

// contend runs a baseline and the measured function in turns. It prints the median of the rounds'
// ratios, and the peak of the heap above what the result holds. Times are processor time of all
// threads, not clock time: other work on the machine would slow the two differently.
func contend(t *testing.T, c contest) {
	t.Helper()
	var base, ours []time.Duration
	var ratios []float64
	var above, held uint64
	for range contestRounds {
		b, o := worked(c.baseline), worked(c.measured)
		base, ours, ratios = append(base, b), append(ours, o), append(ratios, float64(o)/float64(b))
	}
	for range contestPeaks {
		a, h := peak(c.measured)
		above, held = max(above, a), max(held, h)
	}
	slices.Sort(ratios)
	b, o, ratio := slices.Min(base), slices.Min(ours), ratios[contestRounds/2]
	fmt.Printf("%-16s bare decode %6.1f ms, %3.0f MB/s   took %6.1f ms, %3.0f MB/s   ratio %.2f (at most %.2f)   "+
		"heap %5.1f MiB above a result of %5.1f MiB (at most %d)\n", fmt.Sprintf("%s, %d MB", c.what, c.size>>20),
		ms(b), rate(c.size, b), ms(o), rate(c.size, o), ratio, c.most, mib(above), mib(held), c.memory>>20)
	if ratio > c.most || above > c.memory {
		t.Errorf("%s: ratio %.2f, %.1f MiB", c.what, ratio, mib(above))
	}
}

// rate is megabytes per second.
func rate(size int, d time.Duration) float64 { return float64(size) / 1e6 / d.Seconds() }

// worked returns how much processor time f takes.
func worked(f func() any) time.Duration {
	runtime.GC()
	began := processor()
	runtime.KeepAlive(f())
	return processor() - began
}
