package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// sums are running sums over hypotheses, of their probabilities and what they
// say about a run: at x, those up to x say that it is broken.
type sums struct {
	// By position: the chance of a failure there, and the doubt that is left about
	// it whatever h is.
	fail, doubt []float64
}

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

// leastGain is how much a run must be expected to tell, in nats: a run that tells
// less than that of everything that is not known is not worth its hour.
const leastGain = 1e-4

// informative is the position whose run is expected to tell most about the
// hypothesis for its cost; -1 if none may run, or none tells anything.
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

// How many runs of the failing push are asked for at once before the search
// begins, where nobody knows how often it fails, and how many in all where these
// do not all end alike.
const (
	probeFirst = 4
	probeMore  = 8
	probeBatch = 4 // where so many may run at a time
)

// probe is how many runs of the failing push to ask for before anything else: in
// a search with rounds they tell the rate for the price of one.
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

func (s *Search) cost(i int) float64 {
	if s.o.RunCost == nil {
		return 1
	}
	return s.o.RunCost[s.in.Index[i]]
}

// batch chooses k positions for their joint information, after those that run
// already. With a cost for each round, it stops where more runs give less
// information for what they cost.
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
	for i := 0; len(out) < k && len(out) > 0 && s.o.RoundCost == 0; i++ { // more than are looked at together: again
		out = append(out, out[i])
	}
	return out
}

// joint is the joint distribution of the outcomes of no runs yet: its candidates are the
// quantiles of what is believed, and the most informative position.
func (s *Search) joint(informative, k int) *suspect.Joint {
	p := s.believe()
	at := suspect.Candidates(append(suspect.Quantiles(p.prob, k), informative), s.open)
	return suspect.NewJoint(at, p.prob, func(h int) (after, before float64) {
		return p.after[p.segment[h]], p.before[p.segment[h]]
	}, p.flake)
}
