package main

import (
	"math"
	"runtime"
	"sync"

	"github.com/mozci/mozci/analysis/culprit"
)

// lab is a job whose culprit is known: how its runs end is drawn from a stream of
// each push's own, so that every method sees the same luck.
type lab struct {
	seed, trial uint64
	n, h        int // h is 1 to n, or n+1 for none
	p, q        float64
	infra       float64
	older       culprit.Counts
	newer       culprit.Counts
	count       map[int]uint64
	runs        int
}

// The streams of a trial that are not of a push.
const (
	streamCulprit = 1 << 40
	streamOlder   = 1 << 41
	streamNewer   = 1 << 42
	streamKind    = 1 << 43
	streamFree    = 1 << 44
)

// newLab draws a job: a culprit, and runs of older and newer pushes.
func newLab(seed, trial uint64, n int, p, q float64, older, newer int) *lab {
	l := &lab{seed: seed, trial: trial, n: n, p: p, q: q, count: map[int]uint64{}}
	l.h = 1 + int(l.uniform(streamCulprit, 0)*float64(n))
	for j := range older {
		add(&l.older, l.uniform(streamOlder, uint64(j)) < q)
	}
	for j := range newer {
		add(&l.newer, l.uniform(streamNewer, uint64(j)) < p)
	}
	return l
}

func add(c *culprit.Counts, failed bool) {
	if failed {
		c.Failed++
	} else {
		c.Passed++
	}
}

// uniform is the j-th number of a stream, from 0 to 1: SplitMix64's finaliser
// over the names of the stream.
func (l *lab) uniform(stream, j uint64) float64 {
	x := l.seed
	for _, v := range []uint64{l.trial, stream, j} {
		x += v*0x9e3779b97f4a7c15 + 0x7f4a7c15f39cc060
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return float64(x>>11) / (1 << 53)
}

func (l *lab) rate(x int) float64 {
	if x >= l.h {
		return l.p
	}
	return l.q
}

// run runs push x once more.
func (l *lab) run(x int) culprit.RunEnd {
	j := l.count[x]
	l.count[x]++
	l.runs++
	if l.infra > 0 && l.uniform(uint64(x)|1<<50, j) < l.infra {
		return culprit.RunInfra
	}
	if l.uniform(uint64(x), j) < l.rate(x) {
		return culprit.RunFailed
	}
	return culprit.RunPassed
}

// failed runs a push, again where infrastructure ended it.
func (l *lab) failed(x int) bool {
	for {
		if r := l.run(x); r != culprit.RunInfra {
			return r == culprit.RunFailed
		}
	}
}

// answer is what a method says: a push, 0 for none of them, -1 for giving up.
type answer struct {
	push   int
	rounds int
	stated float64 // the probability, where the method states one
	class  []int
}

// method is a way to search.
type method func(l *lab) answer

// score is how a method did over many trials.
type score struct {
	trials, right, wrong, gaveUp int
	runs, rounds                 float64
	squares                      float64 // of the runs
	stated                       float64
}

func (s score) accuracy() float64 { return float64(s.right) / float64(s.trials) }
func (s score) mean() float64     { return s.runs / float64(s.trials) }

// within is half the 95 % interval of the accuracy, and of the mean of the runs.
func (s score) within() (accuracy, runs float64) {
	n := float64(s.trials)
	a := (float64(s.right) + 2) / (n + 4)
	v := math.Max(0, s.squares/n-s.mean()*s.mean())
	return 1.96 * math.Sqrt(a*(1-a)/(n+4)), 1.96 * math.Sqrt(v/n)
}

// try plays a method over many trials, on all cores.
func try(trials int, draw func(trial uint64) *lab, m method) score {
	type out struct {
		l *lab
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
		s.add(r.l, r.a)
	}
	return s
}

func (s *score) add(l *lab, a answer) {
	switch {
	case a.push < 0:
		s.gaveUp++
	case a.push == l.h, a.push == 0 && l.h > l.n:
		s.right++
	default:
		s.wrong++
	}
	s.runs += float64(l.runs)
	s.squares += float64(l.runs) * float64(l.runs)
	s.rounds += float64(a.rounds)
	s.stated += a.stated
}

// ours is the engine with some options; history and later runs are the lab's.
func ours(k int, o culprit.Options) method {
	return func(l *lab) answer {
		o := o
		o.Older, o.Newer = l.older, l.newer
		s, err := culprit.New(l.n, &o)
		if err != nil {
			panic(err) // what is given here is plain
		}
		return play(s, k, l)
	}
}

func play(s *culprit.Search, k int, l *lab) answer {
	d, err := culprit.Rehearse(s, k, l.run, nil)
	if err != nil {
		panic(err)
	}
	a := answer{push: -1, rounds: s.Rounds(), stated: d.Probability, class: d.Class}
	switch d.Outcome {
	case culprit.Found:
		a.push = d.Culprit
	case culprit.NotARegression:
		a.push = 0
	}
	return a
}

// oracle is the engine told the rates.
func oracle(o culprit.Options) method {
	return func(l *lab) answer {
		o := o
		o.Known, o.Older, o.Newer = &culprit.Rates{After: l.p, Before: l.q}, l.older, l.newer
		s, err := culprit.New(l.n, &o)
		if err != nil {
			panic(err)
		}
		return play(s, 1, l)
	}
}
