package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// sums holds, for each position, what a run there would tell. They are running sums over
// the hypotheses: for a run at x, hypotheses up to x say that the push is broken, and
// those above x say that it is not.
type sums struct {
	// fail is the chance that a run at a position fails. doubt is the mean entropy of its
	// result, in nats, once the hypothesis is known: the part of the surprise that says
	// nothing about the culprit.
	fail, doubt []float64
}

// sums computes them in one pass: going from x to x+1, hypothesis x+1 moves from the side
// that says "not broken" to the side that says "broken".
func (s *Search) sums() sums {
	p := s.believe()
	m := len(s.in.Index)
	segments := len(p.after)
	doubtA, doubtB := make([]float64, segments), make([]float64, segments)
	for j := range segments {
		doubtA[j], doubtB[j] = suspect.Coin(p.after[j]), suspect.Coin(p.before[j])
	}
	rightFail, rightDoubt := 0.0, 0.0
	for h := range m {
		j := p.segment[h]
		rightFail += float64(p.prob[h] * p.before[j])
		rightDoubt += float64(p.prob[h] * doubtB[j])
	}
	out := sums{make([]float64, m), make([]float64, m)}
	nothingFail, nothingDoubt := float64(p.prob[m]*p.flake), float64(p.prob[m]*suspect.Coin(p.flake))
	leftFail, leftDoubt := 0.0, 0.0
	for x := range m {
		j := p.segment[x]
		w := p.prob[x]
		leftFail += float64(w * p.after[j])
		leftDoubt += float64(w * doubtA[j])
		rightFail -= float64(w * p.before[j])
		rightDoubt -= float64(w * doubtB[j])
		out.fail[x] = leftFail + math.Max(rightFail, 0) + nothingFail
		out.doubt[x] = leftDoubt + math.Max(rightDoubt, 0) + nothingDoubt
	}
	return out
}

// leastGain is the minimum that a run must be expected to tell, in nats. A run that tells
// less about everything unknown is not worth the hour it takes.
const leastGain = 1e-4

// informative returns the position whose run is expected to tell most about the
// hypothesis for its cost. The gain is the mutual information of result and hypothesis:
// H(fail) - doubt. It returns -1 if no position may run, or none tells anything.
func (s *Search) informative() int {
	u := s.sums()
	best, most := -1, 0.0
	for x := range u.fail {
		gain := (suspect.Coin(u.fail[x]) - u.doubt[x]) * s.alive(x)
		if gain < leastGain || !s.open(x) {
			continue
		}
		if score := gain / s.cost(x); best < 0 || score > most+suspect.Tie {
			best, most = x, score
		}
	}
	return best
}

// How many runs of the failing push the search chooses at once before anything else,
// where it is not known how often it fails; and how many in all where those do not all
// end alike.
const (
	probeFirst = 4
	probeMore  = 8
	probeBatch = 4 // only where at least this many may run at a time
)

// probe returns how many runs of the failing push to choose before anything else. In a
// search with rounds, they measure the failure rate in the time of a single run. It
// returns 0 once the search has chosen a run elsewhere, and while others are under way.
func (s *Search) probe(k int, busy []int) int {
	last := len(s.in.Index) - 1
	seen := s.seen[last]
	if s.o.Batch < probeBatch || s.o.Known != nil || s.o.Permanent || !s.open(last) || seen.silent > 0 ||
		s.bought > seen.runs.total()-seen.free.total() {
		return 0
	}
	known := s.o.Newer.Plus(seen.runs)
	want := probeFirst
	if known.Failed > 0 && known.Passed > 0 {
		want = probeMore
	}
	have := known.total()
	for _, x := range busy {
		if x != last {
			return 0
		}
		have++
	}
	return max(0, min(k, want-have))
}

// cost is what a run at a position costs, in the unit of Options.RunCost.
func (s *Search) cost(i int) float64 {
	if s.o.RunCost == nil {
		return 1
	}
	return s.o.RunCost[s.in.Index[i]]
}

// batch chooses k positions, one after the other, each for what it adds to the joint
// information of those chosen and those under way. With a cost for each round, it stops
// where another run would lower the information per cost of the whole round.
func (s *Search) batch(k int, running []int) []int {
	x := s.informative()
	switch {
	case x < 0:
		return nil
	case k == 1 && len(running) == 0:
		return []int{x}
	}
	running = suspect.Thinned(running, max(1, suspect.MostAtOnce-k))
	b := s.joint(x, k+len(running))
	b.Under(running)
	var out []int
	had, spent, best := b.Info, s.o.RoundCost, 0.0
	for len(out) < k && b.Chosen < suspect.MostAtOnce {
		at := b.Next(func(x int, more float64) (float64, bool) {
			more *= s.alive(x)
			return more / s.cost(x), more >= leastGain
		})
		if at < 0 {
			break
		}
		x := b.At[at]
		b.Add(at)
		spent += s.cost(x)
		value := (b.Info - had) / spent
		if s.o.RoundCost > 0 && len(out) > 0 && value < best-suspect.Tie {
			break
		}
		best = value
		out = append(out, x)
	}
	for i := 0; len(out) < k && len(out) > 0 && s.o.RoundCost == 0; i++ { // beyond what is chosen jointly: repeat
		out = append(out, out[i])
	}
	return out
}

// joint returns the joint distribution to which batch adds runs, with none in it yet. Its
// candidates are the quantiles of the posterior, and the most informative position.
func (s *Search) joint(informative, k int) *suspect.Joint {
	p := s.believe()
	at := suspect.Candidates(append(suspect.Quantiles(p.prob, k), informative), s.open)
	return suspect.NewJoint(at, p.prob, func(h int) (after, before float64) {
		return p.after[p.segment[h]], p.before[p.segment[h]]
	}, p.flake)
}
