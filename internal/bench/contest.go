package main

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// contest is what is measured, and by how much it may be worse than its baseline.
type contest struct {
	what               string
	size               int     // of what is read, in bytes
	most               float64 // times the baseline's time
	memory             uint64  // above what the result holds, in bytes
	baseline, measured func() any
}

// How often a baseline and what is measured are run in turns, and how often the heap is
// watched.
const (
	contestRounds = 9
	contestPeaks  = 3
)

// contend runs a baseline and what is measured in turns, and prints the median of the
// rounds' ratios and the peak of the heap above what the result holds. The times are the
// processor's, of all threads, and not the clock's: what else the machine does hits the
// two differently.
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

// rate is how many megabytes are read in a second.
func rate(size int, d time.Duration) float64 { return float64(size) / 1e6 / d.Seconds() }

// worked is how much of the processor f takes.
func worked(f func() any) time.Duration {
	runtime.GC()
	began := processor()
	runtime.KeepAlive(f())
	return processor() - began
}
