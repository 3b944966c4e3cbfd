package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// The seeds: the method was tuned on others than it is reported on.
const (
	seedTuning    = 5
	seedReporting = 20261125
)

// search measures the search for the culprit by simulation.
func search(t *testing.T) {
	b := &sim{t: t, seed: seedReporting}
	if slices.Contains(os.Args, "-tuning") {
		b.seed = seedTuning
	}
	b.quick = slices.Contains(os.Args, "-quick")
	fmt.Printf("culprit: simulated searches, seeds %d, confidence 0.95; ± is the 95 %% interval of the trials\n",
		b.seed)
	b.core()
	b.mix()
	b.soft()
	b.calibration()
	b.rest()
	b.replay()
	b.speed()
}

type sim struct {
	t     *testing.T
	seed  uint64
	quick bool
}

// trials is fewer when it must be quick.
func (b *sim) trials(n int) int {
	if b.quick {
		return max(40, n/8)
	}
	return n
}

// must notes a figure that is not reached.
func (b *sim) must(ok bool, format string, args ...any) {
	if !ok {
		b.t.Errorf(format, args...)
	}
}

// effective is the rate of a broken push that flakes too.
func effective(p, q float64) float64 { return 1 - (1-p)*(1-q) }

// core is the table of cells: the rates known, and the tiers of what is known
// beforehand.
func (b *sim) core() {
	fmt.Printf("\nruns / right; T2: 200 older runs and 20 newer ones, T1: 50 older runs, T0: nothing; limit: Fano\n")
	fmt.Printf("%5s %4s %5s  %6s  %14s  %22s  %14s  %14s  %14s  %14s  %14s  %14s\n", "n", "p", "q", "limit", "oracle",
		"T2 (of oracle)", "T1", "T0", "bayesect T1", "FACF T1", "git bisect", "linear x6")
	sizes := map[int]int{16: 1000, 64: 1000, 256: 500, 1024: 200}
	for _, n := range []int{16, 64, 256, 1024} {
		if b.quick && n > 64 {
			continue
		}
		for _, p := range []float64{1, 0.5, 0.2} {
			for _, q := range []float64{0, 0.01, 0.1, 0.3} {
				b.cell(n, p, q, b.trials(sizes[n]))
			}
		}
	}
}

func (b *sim) cell(n int, p, q float64, trials int) {
	pe := effective(p, q)
	limit := culprit.Limit(n, culprit.Rates{After: pe, Before: q}, 0.05)
	if limit > 300 || b.quick && limit > 120 {
		return
	}
	draw := func(older, newer int) func(uint64) *lab {
		return func(i uint64) *lab { return newLab(b.seed, i, n, pe, q, older, newer) }
	}
	best := try(trials, draw(200, 20), oracle(culprit.Options{}))
	t2 := try(trials, draw(200, 20), ours(1, culprit.Options{}))
	fewer := max(40, trials/4)
	t1, t0 := try(fewer, draw(50, 0), ours(1, culprit.Options{})), try(fewer, draw(0, 0), ours(1, culprit.Options{}))
	ratio := t2.mean() / best.mean()
	fmt.Printf("%5d %4.2f %5.2f  %6.1f  %14s  %22s  %14s  %14s  %14s  %14s  %14s  %14s\n", n, p, q, limit,
		cellText(best), fmt.Sprintf("%s (%.2f)", cellText(t2), ratio), cellText(t1), cellText(t0),
		cellText(try(fewer, draw(50, 0), bayesect(true, 3000, nil))), cellText(try(trials, draw(50, 0), facf)),
		cellText(try(trials, draw(0, 0), bisect(1))), cellText(try(fewer, draw(0, 0), linear(6))))
	accuracy, _ := t2.within()
	_, runs := t2.within()
	b.must(t2.accuracy()+accuracy >= 0.95, "n=%d p=%v q=%v: right in %.3f", n, p, q, t2.accuracy())
	if n >= 64 {
		most := map[float64]float64{1: 1.1, 0.5: 1.35, 0.2: 1.6}[p]
		b.must((t2.mean()-runs)/best.mean() <= most, "n=%d p=%v q=%v: %.2f times the oracle, expected %.2f", n, p, q,
			ratio, most)
	}
}

func cellText(s score) string {
	_, runs := s.within()
	return fmt.Sprintf("%.1f ±%.1f / %.2f", s.mean(), runs, s.accuracy())
}

// mixLab is a failure as a CI has them: an old flake, a permanent one, or an
// intermittent one.
func (b *sim) mixLab(i uint64) *lab {
	seed := &lab{seed: b.seed + 1, trial: i}
	u := func(j uint64) float64 { return seed.uniform(streamKind, j) }
	n := int(math.Round(math.Exp(math.Log(2) + u(0)*(math.Log(1024)-math.Log(2)))))
	kind := u(1)
	var l *lab
	switch {
	case kind < 0.35:
		r := math.Exp(math.Log(0.01) + u(2)*(math.Log(0.5)-math.Log(0.01)))
		l = newLab(b.seed+1, i, n, r, r, 50, 0)
		l.h = n + 1
	case kind < 0.75:
		q := 0.0
		if u(3) < 0.2 {
			q = 0.1 * u(4)
		}
		l = newLab(b.seed+1, i, n, 1, q, 50, 0)
	default:
		p := 0.15 + 0.8*u(5)
		q := 0.0
		if u(6) < 0.5 {
			q = math.Min(0.3, p/2) * u(7)
		}
		l = newLab(b.seed+1, i, n, effective(p, q), q, 50, 0)
	}
	return l
}

// ciOptions suit a CI.
func ciOptions() culprit.Options {
	return culprit.Options{PriorNothing: 0.4, MinEffect: 0.1, MinOdds: 2.5, MaxRuns: 400}
}

func (b *sim) mix() {
	fmt.Printf("\na CI's mix: 35 %% old flakes, 40 %% permanent, 25 %% intermittent, n from 2 to 1024, 50 older " +
		"runs, at most 400 runs\n")
	fmt.Printf("%-34s %6s %6s %8s %12s %7s\n", "method", "right", "wrong", "gave up", "runs", "rounds")
	trials := b.trials(1600)
	row := func(name string, m method) score {
		s := try(trials, b.mixLab, m)
		_, runs := s.within()
		fmt.Printf("%-34s %6.3f %6.3f %8.3f %6.1f ±%4.1f %7.1f\n", name, s.accuracy(), float64(s.wrong)/float64(trials),
			float64(s.gaveUp)/float64(trials), s.mean(), runs, s.rounds/float64(trials))
		return s
	}
	row("git bisect", bisect(1))
	row("bisect, 4 repeats", bisect(4))
	row("linear x1 (mozci 2015)", linear(1))
	row("5 retriggers, x1 or x6 (2025)", retriggers)
	row("LUCI, thirds and verification", luci)
	row("FACF", facf)
	row("bayesect, with history", bayesect(true, 400, nil))
	careful := ciOptions()
	careful.LeastTrust = 0.25
	row("ours, s = 0.25", ours(1, careful))
	s := row("ours, s = 0.5", ours(1, ciOptions()))
	k8 := row("ours, up to 8 at a time", ours(8, ciOptions()))
	accuracy, runs := s.within()
	b.must(s.accuracy()+accuracy >= 0.96 && float64(s.wrong)/float64(trials) <= 0.03+accuracy && s.mean()-runs <= 30,
		"the mix: right %.3f, wrong %.3f, %.1f runs", s.accuracy(), float64(s.wrong)/float64(trials), s.mean())
	b.must(k8.rounds/float64(trials) <= 8, "the mix, 8 at a time: %.1f rounds", k8.rounds/float64(trials))
}

// softCases are histories in which one push in five was tested.
var softCases = []culprit.Rates{
	{After: 1, Before: 0},
	{After: 1, Before: 0.05},
	{After: 0.5, Before: 0.01},
	{After: 0.3, Before: 0.01},
	{After: 0.6, Before: 0.1},
}

// freeRuns are the runs of every fifth push, once, that nobody bought.
func freeRuns(l *lab) []culprit.Counts {
	out := make([]culprit.Counts, l.n+1)
	for x := range out {
		if l.uniform(streamFree, uint64(2*x)) < 0.2 {
			add(&out[x], l.uniform(streamFree, uint64(2*x+1)) < l.rate(x))
		}
	}
	return out
}

// softly is the engine, told the runs that nobody bought.
func softly(k int) method {
	return func(l *lab) answer {
		o := culprit.Options{Older: l.older, Newer: l.newer}
		s, err := culprit.New(l.n, &o)
		if err != nil {
			panic(err)
		}
		for x, c := range freeRuns(l) {
			for i := range c.Failed + c.Passed {
				if err := s.Observe(x, i < c.Failed, false); err != nil {
					panic(err)
				}
			}
		}
		return play(s, k, l)
	}
}

func (b *sim) soft() {
	fmt.Printf("\nall history as evidence: one push in five was tested, n = 256, 50 older runs\n")
	fmt.Printf("%4s %5s  %16s  %16s  %8s  %22s  %14s\n", "p", "q", "ours", "k = 4", "rounds", "bayesect, same history",
		"nearest green")
	for _, r := range softCases {
		trials := b.trials(400)
		draw := func(i uint64) *lab { return newLab(b.seed+2, i, 256, effective(r.After, r.Before), r.Before, 50, 0) }
		one, four := try(trials, draw, softly(1)), try(trials, draw, softly(4))
		bay := try(trials, draw, bayesect(true, 2000, freeRuns))
		green := try(trials, draw, nearestGreen)
		fmt.Printf("%4.2f %5.2f  %16s  %16s  %8.1f  %22s  %14s\n", r.After, r.Before, cellText(one), cellText(four),
			four.rounds/float64(trials), cellText(bay), cellText(green))
		accuracy, _ := one.within()
		b.must(one.accuracy()+accuracy >= 0.97, "soft history p=%v q=%v: right in %.3f", r.After, r.Before,
			one.accuracy())
		if r.After < 1 {
			_, runs := four.within()
			b.must(four.mean()-runs <= 1.15*one.mean(),
				"soft history p=%v q=%v: k = 4 takes %.2f times the runs of k = 1", r.After, r.Before,
				four.mean()/one.mean())
		}
	}
}

// nearestGreen bisects between the newest green before the failure and the
// failure, as everybody does.
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

// calibration compares the stated probability with how often it is right, over
// the mix, at several levels.
func (b *sim) calibration() {
	fmt.Printf("\nstated and true probability, over the mix\n%10s %8s %8s %8s\n", "level", "stated", "true", "apart")
	for _, level := range []float64{0.8, 0.9, 0.95, 0.98} {
		trials := b.trials(1200)
		o := ciOptions()
		o.Confidence = level
		s := try(trials, b.mixLab, ours(1, o))
		decided := float64(s.right + s.wrong)
		stated, right := s.stated/float64(trials), float64(s.right)/decided
		accuracy, _ := s.within()
		fmt.Printf("%10.2f %8.3f %8.3f %+8.3f\n", level, stated, right, stated-right)
		b.must(math.Abs(stated-right) <= 0.03+accuracy, "at %v: stated %.3f, right %.3f", level, stated, right)
	}
}

// rest are the single figures.
func (b *sim) rest() {
	fmt.Printf("\n")
	trials := b.trials(400)
	r := culprit.Rates{After: effective(0.5, 0.1), Before: 0.1}
	draw := func(i uint64) *lab { return newLab(b.seed+3, i, 256, r.After, r.Before, 200, 20) }
	for _, k := range []int{1, 4, 8} {
		s := try(trials, draw, ours(k, culprit.Options{}))
		limit := culprit.Limit(256, r, 0.05) / float64(k)
		rounds := s.rounds / float64(trials)
		fmt.Printf("parallel, n = 256, p = 0.5, q = 0.1: k = %d   %s   %.1f rounds, limit %.1f\n", k, cellText(s),
			rounds, limit)
		b.must(k != 4 || rounds <= 2*math.Max(limit, 12.5), "k = 4: %.1f rounds", rounds)
	}
	infra := try(trials, func(i uint64) *lab {
		l := newLab(b.seed+4, i, 64, 1, 0, 50, 0)
		l.infra = 0.2
		return l
	}, ours(1, culprit.Options{}))
	fmt.Printf("infra ends 20 %% of the runs, n = 64, p = 1: %s\n", cellText(infra))
	b.must(infra.accuracy() >= 0.99, "infra: %.3f", infra.accuracy())
	for _, n := range []int{64, 256, 1024} {
		draw := func(i uint64) *lab { return newLab(b.seed+5, i, n, 1, 0, 50, 0) }
		mine, theirs := try(trials, draw, ours(1, culprit.Options{Permanent: true})), try(trials, draw, facf)
		fmt.Printf("permanent only, n = %4d: %s   FACF %s\n", n, cellText(mine), cellText(theirs))
		b.must(mine.mean() <= theirs.mean(), "permanent only, n = %d: %.1f runs, FACF %.1f", n, mine.mean(),
			theirs.mean())
	}
	b.untestable(trials)
	b.forecasts(trials)
}

// untestable marks three pushes in ten: the culprit is among the answer.
func (b *sim) untestable(trials int) {
	size, inside := 0, 0
	for i := range trials {
		l := newLab(b.seed+6, uint64(i), 64, 1, 0, 50, 0)
		marks := make([]bool, l.n+1)
		for x := 1; x < l.n; x++ {
			marks[x] = l.uniform(streamFree, uint64(x)) < 0.3
		}
		s, err := culprit.New(l.n, &culprit.Options{Older: l.older, Untestable: marks})
		if err != nil {
			b.t.Fatal(err)
		}
		a := play(s, 1, l)
		size += len(a.class)
		if slices.Contains(a.class, l.h) {
			inside++
		}
	}
	fmt.Printf("30 %% of the pushes cannot be tested: the culprit is in the answer in %.3f, of %.2f pushes "+
		"on average\n", float64(inside)/float64(trials), float64(size)/float64(trials))
	b.must(float64(inside)/float64(trials) >= 0.95, "untestable: %d of %d", inside, trials)
}

// forecasts compares what is said before a search with what it took.
func (b *sim) forecasts(trials int) {
	fmt.Printf("\nforecast and what it took, n = 64 and 256, T2\n")
	for _, n := range []int{64, 256} {
		for _, r := range []culprit.Rates{
			{After: 1},
			{After: 1, Before: 0.1},
			{After: 0.5, Before: 0.01},
			{After: 0.5, Before: 0.1},
			{After: 0.2, Before: 0.01},
		} {
			said := make([]float64, trials)
			took := try(trials, func(i uint64) *lab {
				return newLab(b.seed+7, i, n, effective(r.After, r.Before), r.Before, 200, 20)
			}, func(l *lab) answer {
				s, err := culprit.New(l.n, &culprit.Options{Older: l.older, Newer: l.newer})
				if err != nil {
					panic(err)
				}
				said[l.trial] = s.Forecast()
				return play(s, 1, l)
			})
			mean := 0.0
			for _, x := range said {
				mean += x / float64(trials)
			}
			ratio := mean / took.mean()
			fmt.Printf("n = %3d p = %.1f q = %.2f   said %6.1f   took %6.1f   %.2f\n", n, r.After, r.Before, mean,
				took.mean(), ratio)
			b.must(ratio >= 0.8 && ratio <= 1.2, "forecast n=%d p=%v q=%v: %.2f of what it took", n, r.After, r.Before,
				ratio)
		}
	}
}

// speed is the time of a decision, and of a scan for a change beside the plainest
// one.
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
		if _, err := culprit.Rehearse(s, 1, l.run, func(culprit.Decision) { decisions++ }); err != nil {
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

// plainScan is the same in two loops: for each place, count both sides.
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

// replay searches for the real culprits of nine days of autoland, on its real
// order of pushes; only the results are simulated.
func (b *sim) replay() {
	var days struct {
		Pushes []struct {
			Index int
		} `json:"pushes_in_order"`
		Culprits []struct {
			Culprit int `json:"culprit_index"`
			Backout int `json:"backout_index"`
		}
	}
	if err := json.Unmarshal(testenv.Read(b.t, "data", "7-datasets", "autoland_pushes_2022_jan19-jan29.culprits.json"),
		&days); err != nil {
		b.t.Fatal(err)
	}
	pairs := map[[2]int]bool{}
	for _, c := range days.Culprits {
		if c.Backout > c.Culprit {
			pairs[[2]int{c.Culprit, c.Backout}] = true
		}
	}
	keys := slices.SortedFunc(maps.Keys(pairs), func(x, y [2]int) int { return cmp.Or(x[0]-y[0], x[1]-y[1]) })
	fmt.Printf("\n%d real culprits of autoland, January 2022, each sought in the 50 pushes before its backout, "+
		"results simulated, 50 older runs\n", len(keys))
	for _, r := range []culprit.Rates{{After: 1}, {After: 0.5, Before: 0.01}, {After: 0.3, Before: 0.05}} {
		const each = 5
		s := try(each*len(keys), func(i uint64) *lab {
			pair := keys[int(i)%len(keys)]
			from := max(0, min(pair[1]-1-50, pair[0]-1))
			l := newLab(b.seed+8, i, pair[1]-1-from, effective(r.After, r.Before), r.Before, 50, 0)
			l.n = max(l.n, 1)
			l.h = max(1, pair[0]-from)
			return l
		}, ours(1, culprit.Options{}))
		fmt.Printf("p = %.1f q = %.2f: %s\n", r.After, r.Before, cellText(s))
		accuracy, _ := s.within()
		b.must(s.accuracy()+accuracy >= 0.95, "replay p=%v q=%v: %.3f", r.After, r.Before, s.accuracy())
	}
}
