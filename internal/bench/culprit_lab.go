package main

import (
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/mozci/mozci/analysis/culprit"
)

// lab is a simulated job whose culprit is known. The results of each push's runs come from a random
// stream of its own, so that every method meets the same luck.
type lab struct {
	seed, trial uint64
	n, h        int // h is the culprit, 1 to n; n+1 means that nothing broke it
	p, q        float64
	infra       float64
	dead        float64 // share of the pushes between the ends on which infrastructure ends every run
	others      float64 // rate at which other tests in the job fail; if blind, such failures cannot be told apart
	blind       bool
	older       culprit.Counts
	newer       culprit.Counts
	count       map[int]uint64
	runs        int
	ended       int // number of runs that infrastructure ended
}

// The random streams of a trial that do not belong to a push's results.
const (
	streamCulprit = 1 << 40
	streamOlder   = 1 << 41
	streamNewer   = 1 << 42
	streamKind    = 1 << 43
	streamFree    = 1 << 44
	streamDead    = 1 << 45
	streamSeen    = 1 << 46
	streamInfra   = 1 << 50 // plus the push
	streamOthers  = 1 << 51 // plus the push, or plus another stream
)

// newLab draws a job: its culprit, and the runs of older and newer pushes.
func newLab(seed, trial uint64, n int, p, q float64, older, newer int) *lab {
	l := &lab{seed: seed, trial: trial, n: n, p: p, q: q, count: map[int]uint64{}}
	l.h = 1 + int(l.uniform(streamCulprit, 0)*float64(n))
	l.outside(older, newer)
	return l
}

// outside draws the runs of older and newer pushes.
func (l *lab) outside(older, newer int) {
	l.older, l.newer = culprit.Counts{}, culprit.Counts{}
	for j := range uint64(older) {
		add(&l.older, l.fails(streamOlder, j, l.q))
	}
	for j := range uint64(newer) {
		add(&l.newer, l.fails(streamNewer, j, l.p))
	}
}

// fails reports whether run j of a stream fails: with the sought failure, or with another one that
// cannot be told from it.
func (l *lab) fails(stream, j uint64, rate float64) bool {
	return l.uniform(stream, j) < rate || l.blind && l.uniform(stream|streamOthers, j) < l.others
}

func add(c *culprit.Counts, failed bool) {
	if failed {
		c.Failed++
	} else {
		c.Passed++
	}
}

// uniform is the j-th number of a stream, 0 to 1. It applies SplitMix64's finaliser to the name of
// the stream and j, so any number of any stream is available without the ones before it.
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
	if l.infra > 0 && l.uniform(uint64(x)|streamInfra, j) < l.infra || l.isDead(x) {
		l.ended++
		return culprit.RunInfra
	}
	if l.fails(uint64(x), j, l.rate(x)) {
		return culprit.RunFailed
	}
	return culprit.RunPassed
}

// isDead reports whether infrastructure ends every run on push x. It never does on the ends of the
// range, which have results.
func (l *lab) isDead(x int) bool {
	return l.dead > 0 && x > 0 && x < l.n && l.uniform(streamDead, uint64(x)) < l.dead
}

// failed runs push x until infrastructure does not end the run, and reports whether it failed.
func (l *lab) failed(x int) bool {
	for {
		if r := l.run(x); r != culprit.RunInfra {
			return r == culprit.RunFailed
		}
	}
}

// answer is a method's answer: a push, 0 for none of them, -1 for giving up, or -2 for "broken
// before the range", which is never true in a lab.
type answer struct {
	push   int
	rounds int     // 0 means one run in each round
	stated float64 // the probability that the method states, if it states one
	class  []int   // the pushes that it cannot tell from push, including push
	either bool    // it says that nothing broke it, or that something before the range did
}

// method is a way to search.
type method func(l *lab) answer

// score is a method's record over many trials.
type score struct {
	trials, right, wrong, gaveUp int
	accused                      int // how many of the wrong answers name a push
	either                       int // how many of the right answers have either set
	runs, rounds, stated, size   float64
	runSquares, roundSquares     float64
	statedDecided                float64   // sum of stated over the trials that are right or wrong
	infra                        float64   // number of runs that infrastructure ended
	each                         []float64 // runs of each trial
}

func (s score) accuracy() float64 { return s.share(s.right) }
func (s score) mean() float64     { return s.runs / float64(s.trials) }

func (s score) share(of int) float64 { return float64(of) / float64(s.trials) }

// shareOf is a share of the trials with its standard error.
func (s score) shareOf(of int) measured {
	n := float64(s.trials)
	a := (float64(of) + 2) / (n + 4)
	return measured{s.share(of), math.Sqrt(a * (1 - a) / (n + 4))}
}

func (s score) rightShare() measured { return s.shareOf(s.right) }

func (s score) meanRuns() measured { return meanOf(s.runs, s.runSquares, s.trials) }

func (s score) meanRounds() measured { return meanOf(s.rounds, s.roundSquares, s.trials) }

func meanOf(sum, squares float64, trials int) measured {
	n := float64(trials)
	mean := sum / n
	return measured{mean, math.Sqrt(math.Max(0, squares/n-mean*mean) / n)}
}

// over is the ratio of two methods' mean runs. Both met the same luck, so its error is computed
// from trial by trial.
func (s score) over(base score) measured {
	r := s.mean() / base.mean()
	squares := 0.0
	for i, x := range s.each {
		d := x - r*base.each[i]
		squares += d * d
	}
	n := float64(s.trials)
	return measured{r, math.Sqrt(squares/n/n) / base.mean()}
}

// within is half of the 95 % intervals of the accuracy and of the mean number of runs.
func (s score) within() (accuracy, runs float64) {
	return 1.96 * s.rightShare().deviation, 1.96 * s.meanRuns().deviation
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
	decided := true
	switch {
	case a.push == -1:
		s.gaveUp++
		decided = false
	case a.push == l.h, a.push > 0 && slices.Contains(a.class, l.h), a.push == 0 && l.h > l.n:
		s.right++
	default:
		s.wrong++
		if a.push > 0 {
			s.accused++
		}
	}
	if a.either && a.push == 0 && l.h > l.n {
		s.either++
	}
	runs, rounds := float64(l.runs), float64(a.rounds)
	if a.rounds == 0 {
		rounds = runs
	}
	s.each = append(s.each, runs)
	s.infra += float64(l.ended)
	s.runs += runs
	s.runSquares += runs * runs
	s.rounds += rounds
	s.roundSquares += rounds * rounds
	s.stated += a.stated
	if decided {
		s.statedDecided += a.stated
	}
	s.size += float64(len(a.class))
}

// ours is mozci's engine with some options. Older and newer runs are the lab's.
func ours(k int, o culprit.Options) method {
	return func(l *lab) answer { return play(engine(k, o, l), l) }
}

// engine is a search of a lab, with k runs at a time.
func engine(k int, o culprit.Options, l *lab) *culprit.Search {
	o.Batch, o.Older, o.Newer = k, l.older, l.newer
	s, err := culprit.New(l.n, &o)
	if err != nil {
		panic(err) // the options of this file are valid
	}
	return s
}

func play(s *culprit.Search, l *lab) answer {
	d, err := culprit.Rehearse(s, l.run, nil)
	if err != nil {
		panic(err)
	}
	a := answer{push: -1, rounds: s.Rounds(), stated: d.Probability}
	switch d.Outcome {
	case culprit.Found:
		a.push, a.class = d.Culprit, d.Class
	case culprit.NotARegression:
		a.push = 0
	case culprit.Older:
		a.push = -2
	case culprit.OlderOrNothing:
		a.push, a.either = 0, true
	}
	return a
}

// forecast is the engine's forecast before a search.
func forecast(s *culprit.Search) (runs, rounds float64) {
	f := s.Forecast()
	return f.Runs, f.Rounds
}

// oracle is the engine when it knows the rates.
func oracle(k int, o culprit.Options) method {
	return func(l *lab) answer {
		o := o
		o.Known = &culprit.Rates{After: l.p, Before: l.q}
		return play(engine(k, o, l), l)
	}
}
