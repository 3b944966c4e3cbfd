package main

import (
	"flag"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/perf"
)

// seedPerf is the seed that is reported. The method was tuned on seedPerfTuning.
const (
	seedPerf       = 20261126
	seedPerfTuning = 7
)

// noise is a way in which values scatter. draw makes a value with mean 0 and standard deviation
// about 1 from two uniform numbers.
type noise struct {
	name  string
	draw  func(u, w float64) float64
	drift float64 // of the mean over history and range, in standard deviations
	least float64 // minimum share of changes of two standard deviations that must be found
}

// bell is a Gaussian value from two uniform numbers, by the Box-Muller transform.
func bell(u, w float64) float64 {
	return math.Sqrt(-2*math.Log(1-u*0.999999999)) * math.Cos(2*math.Pi*w)
}

// modes is noise with two modes. share is the share of the upper one, and spread the scatter within
// each.
func modes(share, spread float64) func(u, w float64) float64 {
	unit := math.Sqrt(share*(1-share) + spread*spread)
	return func(u, w float64) float64 {
		x := -share
		if u < share {
			x, u = 1-share, u/share
		} else {
			u = (u - share) / (1 - share)
		}
		return (x + spread*bell(u, w)) / unit
	}
}

var noises = []noise{
	{name: "gaussian", draw: bell, least: 0.95},
	{name: "bimodal 50/50", draw: modes(0.5, 0.1), least: 0.95},
	{name: "bimodal 20/80", draw: modes(0.2, 0.1), least: 0.9},
	{name: "outliers 5 %", least: 0.8, draw: func(u, w float64) float64 {
		if u < 0.05 {
			return 10 + bell(u/0.05, w)
		}
		return bell((u-0.05)/0.95, w)
	}},
	{name: "drift of 1", draw: bell, drift: 1, least: 0.93},
}

// perfLab is a simulated performance job whose culprit is known.
type perfLab struct {
	lab
	noise  noise
	effect float64 // size of the change in standard deviations
	before []float64
	after  []float64
	free   map[int]float64 // values that the CI measured anyway: on the last push, and on one push in four
}

const perfOlder, perfNewer = 20, 4

func newPerfLab(seed, trial uint64, n int, kind noise, effect float64) *perfLab {
	l := &perfLab{lab: lab{seed: seed, trial: trial, n: n, count: map[int]uint64{}}, noise: kind, effect: effect}
	l.h = n + 1
	if effect != 0 {
		l.h = 1 + int(l.uniform(streamCulprit, 0)*float64(n))
		if l.uniform(streamCulprit, 1) < 0.5 {
			l.effect = -effect
		}
	}
	for j := range perfOlder {
		l.before = append(l.before, l.value(j-perfOlder, 0))
	}
	for j := range perfNewer {
		l.after = append(l.after, l.value(n+1+j, 0))
	}
	l.free = map[int]float64{n: l.value(n, 1<<20)}
	for x := range n {
		if l.uniform(streamFree, uint64(x)) < 0.25 {
			l.free[x] = l.value(x, 1<<20)
		}
	}
	return l
}

// value is the j-th value of push x, around 100 with a standard deviation of 1.
func (l *perfLab) value(x int, j uint64) float64 {
	v := 100 + l.noise.draw(l.uniform(uint64(x+1000), 2*j), l.uniform(uint64(x+1000), 2*j+1))
	v += l.noise.drift * float64(x+perfOlder) / float64(l.n+perfOlder+perfNewer)
	if x >= l.h && l.h <= l.n {
		v += l.effect
	}
	return v
}

func (l *perfLab) measure(x int) (float64, bool) {
	j := l.count[x]
	l.count[x]++
	l.runs++
	return l.value(x, j), true
}

// perfMethod is a way to search a performance job.
type perfMethod func(l *perfLab) answer

// search is the engine with everything that is known.
func (l *perfLab) search() *perf.Search {
	s, err := perf.New(l.n, &perf.Options{Older: l.before, Newer: l.after, MaxRuns: 100})
	if err != nil {
		panic(err) // the options of this file are valid
	}
	for x := range l.n + 1 {
		if v, ok := l.free[x]; ok {
			if err := s.Observe(x, v, false); err != nil {
				panic(err)
			}
		}
	}
	return s
}

// perfOurs is the engine with k runs at a time, and at most 100 runs.
func perfOurs(k int) perfMethod {
	return func(l *perfLab) answer {
		s := l.search()
		d, err := perf.Rehearse(s, k, l.measure, nil)
		if err != nil {
			panic(err)
		}
		a := answer{push: -1, rounds: s.Rounds(), stated: d.Probability, class: d.Class}
		switch d.Outcome {
		case culprit.Found, perf.Improvement:
			a.push = d.Culprit
		case culprit.NotARegression:
			a.push = 0
		}
		return a
	}
}

// perfBisect is what people do: several runs on both ends and on each push in the middle, where
// Welch's t-test says which end the push belongs to.
func perfBisect(repeats int) perfMethod {
	return func(l *perfLab) answer {
		rounds := 0
		sample := func(x int) []float64 {
			out := make([]float64, repeats)
			for i := range out {
				out[i], _ = l.measure(x)
			}
			return out
		}
		good, bad := sample(0), sample(l.n)
		rounds++
		if math.Abs(welch(good, bad)) < 3 {
			return answer{push: 0, rounds: rounds}
		}
		lo, hi := 0, l.n
		for hi-lo > 1 {
			mid := (lo + hi) / 2
			v := sample(mid)
			rounds++
			if math.Abs(welch(good, v)) > math.Abs(welch(bad, v)) {
				hi = mid
			} else {
				lo = mid
			}
		}
		return answer{push: hi, rounds: rounds}
	}
}

// welch is Welch's t of two samples.
func welch(a, b []float64) float64 {
	ma, va := moments(a)
	mb, vb := moments(b)
	return (mb - ma) / math.Sqrt(va/float64(len(a))+vb/float64(len(b))+1e-12)
}

func moments(v []float64) (mean, variance float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		variance += (x - mean) * (x - mean) / float64(len(v)-1)
	}
	return mean, variance
}

// tryPerf plays a method over many trials, on all cores.
func tryPerf(trials int, draw func(trial uint64) *perfLab, m perfMethod) score {
	type out struct {
		l *perfLab
		a answer
	}
	results := make([]out, trials)
	var all sync.WaitGroup
	next := make(chan int)
	for range runtime.NumCPU() {
		all.Go(func() {
			for i := range next {
				l := draw(uint64(i))
				results[i] = out{l, m(l)}
			}
		})
	}
	for i := range trials {
		next <- i
	}
	close(next)
	all.Wait()
	s := score{trials: trials}
	for _, r := range results {
		s.add(&r.l.lab, r.a)
	}
	return s
}

// perfs measures the search for the push that changed a value.
func perfs(t *testing.T) {
	b := &sim{t: t, seed: seedPerf, quick: flagged("quick")}
	if flagged("tuning") {
		b.seed = seedPerfTuning
	}
	if seed := flag.Lookup("seed").Value.String(); seed != "0" {
		b.seed, _ = strconv.ParseUint(seed, 10, 64) // the flag package has checked that it is a number
	}
	fmt.Printf("perf: simulated searches, seeds %d, confidence 0.95, %d older values, %d newer ones, one push in four "+
		"of the range has a value; ± is the 95 %% interval of the trials\n", b.seed, perfOlder, perfNewer)
	b.recovery()
	b.alarms()
	b.foreseen()
	b.decisions()
}

func (b *sim) recovery() {
	fmt.Printf("\nright / wrong / gave up, runs, rounds; the change in standard deviations\n")
	fmt.Printf("%-14s %4s %6s  %32s  %32s  %32s\n", "noise", "n", "change", "ours, 4 at a time", "ours, one at a time",
		"t-test bisect x5")
	for _, kind := range noises {
		for _, n := range []int{8, 32} {
			for _, effect := range []float64{2, 4, 8} {
				if b.quick && (n != 32 || effect == 8) {
					continue
				}
				trials := b.trials(500)
				draw := func(i uint64) *perfLab { return newPerfLab(b.seed, i, n, kind, effect) }
				four, one := tryPerf(trials, draw, perfOurs(4)), tryPerf(trials, draw, perfOurs(1))
				base := tryPerf(trials, draw, perfBisect(5))
				fmt.Printf("%-14s %4d %6.0f  %32s  %32s  %32s\n", kind.name, n, effect, perfText(four), perfText(one),
					perfText(base))
				least := 0.95
				if effect == 2 { // outliers are much larger than that
					least = kind.least
				}
				b.reached(four, least, "%s, n = %d, change %v: right in %.3f", kind.name, n, effect, four.accuracy())
				b.must(four.mean() <= base.mean() || effect == 2, "%s, n = %d, change %v: %.1f runs, bisect %.1f",
					kind.name, n, effect, four.mean(), base.mean())
			}
		}
	}
}

// reached checks an accuracy: the estimate itself or, with few trials, its interval.
func (b *sim) reached(s score, least float64, format string, args ...any) {
	within := 0.0
	if b.quick {
		within, _ = s.within()
	}
	b.must(s.accuracy()+within >= least, format+fmt.Sprintf(", expected %.2f", least), args...)
}

func perfText(s score) string {
	n := float64(s.trials)
	_, runs := s.within()
	return fmt.Sprintf("%.3f/%.3f/%.3f %5.1f ±%.1f %4.1f", s.accuracy(), float64(s.wrong)/n, float64(s.gaveUp)/n,
		s.mean(), runs, s.rounds/n)
}

func (b *sim) alarms() {
	fmt.Printf("\nfalse alarms: nothing changed; right is that nothing did\n")
	for _, kind := range noises {
		trials := b.trials(1000)
		draw := func(i uint64) *perfLab { return newPerfLab(b.seed+1, i, 32, kind, 0) }
		four, one := tryPerf(trials, draw, perfOurs(4)), tryPerf(trials, draw, perfOurs(1))
		base := tryPerf(trials, draw, perfBisect(5))
		fmt.Printf("%-14s %4d %6.0f  %32s  %32s  %32s\n", kind.name, 32, 0.0, perfText(four), perfText(one),
			perfText(base))
		accused := float64(four.wrong) / float64(trials)
		b.must(accused <= 0.03 || b.quick && four.wrong <= 8, "%s: a push is accused in %.3f", kind.name, accused)
		if kind.drift == 0 { // people have to judge a drift
			b.reached(four, 0.93, "%s: that nothing changed it is found in %.3f", kind.name, four.accuracy())
		}
	}
}

// foreseen compares the forecast of a search with what the search took.
func (b *sim) foreseen() {
	fmt.Printf("\nforecast and what it took\n")
	for _, n := range []int{8, 32} {
		for _, effect := range []float64{2, 4, 8} {
			for _, k := range []int{1, 4} {
				trials := b.trials(300)
				said, rounds := make([]culprit.Forecast, trials), 0.0
				took := tryPerf(trials, func(i uint64) *perfLab {
					return newPerfLab(b.seed+2, i, n, noises[0], effect)
				}, func(l *perfLab) answer {
					said[l.trial] = l.search().Forecast(k)
					return perfOurs(k)(l)
				})
				mean := 0.0
				for _, x := range said {
					mean += x.Runs / float64(trials)
					rounds += x.Rounds / float64(trials)
				}
				ratio := mean / took.mean()
				b.must(b.quick || ratio >= 0.8 && ratio <= 1.25,
					"forecast n = %d, change %v, k = %d: %.2f of what it took", n, effect, k, ratio)
				fmt.Printf("n = %3d change %.0f k = %d   said %6.1f in %4.1f   took %6.1f in %4.1f   %.2f\n", n, effect,
					k, mean, rounds, took.mean(), took.rounds/float64(trials), ratio)
			}
		}
	}
}

// decisions measures the time of one decision.
func (b *sim) decisions() {
	l := newPerfLab(b.seed, 1, 1024, noises[0], 3)
	s, err := perf.New(l.n, &perf.Options{Older: l.before, Newer: l.after, MaxRuns: 40})
	if err != nil {
		b.t.Fatal(err)
	}
	count := 0
	began := time.Now()
	_, err = perf.Rehearse(s, 4, l.measure, func(culprit.Decision) { count++ })
	if err != nil {
		b.t.Fatal(err)
	}
	took := time.Since(began) / time.Duration(count)
	fmt.Printf("\na decision, n = 1024, 4 at a time: %v\n", took)
}
