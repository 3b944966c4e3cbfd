package suspect

import (
	"math"
	"slices"
)

// MostAtOnce is how many outcomes are looked at together; a larger batch is made of
// several.
const MostAtOnce = 8

// Joint is the joint distribution of the outcomes of some runs, by regions of
// hypotheses between candidates.
type Joint struct {
	At     []int   // candidates, ascending positions
	Chosen int     // how many runs there are
	Info   float64 // what they tell together, in nats

	mass   []float64 // by region: hypotheses after one candidate up to the next; then "nothing"
	after  []float64 // mean rates in the region, of a run at the culprit or after it
	before []float64
	dist   [][]float64 // by region: the probabilities of the outcomes so far
	doubt  float64     // the entropy of the outcomes that is left whatever the hypothesis is
}

// NewJoint cuts the hypotheses at candidates. rates are the chances of a run that say
// that the culprit lies at it or before it, if a hypothesis holds, on either side of the
// culprit; nothing is that chance if nothing did it.
func NewJoint(at []int, prob []float64, rates func(h int) (after, before float64), nothing float64) *Joint {
	m := len(prob) - 1
	b := &Joint{At: at}
	region := 0
	mass, after, before := 0.0, 0.0, 0.0
	flush := func() {
		a, q := 0.0, 0.0
		if mass > 0 {
			a, q = after/mass, before/mass
		}
		b.mass, b.after, b.before = append(b.mass, mass), append(b.after, a), append(b.before, q)
		mass, after, before = 0, 0, 0
	}
	for h := range m {
		for region < len(at) && h > at[region] {
			flush()
			region++
		}
		a, q := rates(h)
		mass += prob[h]
		after += float64(prob[h] * a)
		before += float64(prob[h] * q)
	}
	for ; region <= len(at); region++ {
		flush()
	}
	b.mass, b.after, b.before = append(b.mass, prob[m]), append(b.after, nothing), append(b.before, nothing)
	for range b.mass {
		b.dist = append(b.dist, []float64{1})
	}
	return b
}

// Quantiles are candidates for k runs: positions at the quantiles of what is believed, and
// those before them.
func Quantiles(prob []float64, k int) []int {
	m := len(prob) - 1
	candidates := float64(4*k + 7)
	var at []int
	sum, next, total := 0.0, 0.5, 1-prob[m]
	for h := range m {
		sum += prob[h]
		for total > 0 && next < candidates && sum/total*candidates >= next {
			at = append(at, h, max(0, h-1))
			next++
		}
	}
	return at
}

// Candidates are some positions, ascending, each once, but for those that are not open.
func Candidates(at []int, open func(x int) bool) []int {
	slices.Sort(at)
	return slices.DeleteFunc(slices.Compact(at), func(x int) bool { return !open(x) })
}

// Thinned are at most so many of some runs, of as many pushes as there are: runs that
// others have asked for must not stand in the way of every run of one's own.
func Thinned(running []int, most int) []int {
	if len(running) <= most {
		return running
	}
	times := map[int]int{} // how often a push was there already
	byTurn := make([][]int, len(running))
	for _, x := range running {
		byTurn[times[x]] = append(byTurn[times[x]], x)
		times[x]++
	}
	return slices.Concat(byTurn...)[:most]
}

// Under adds the runs that are under way, each at the candidate that stands for its
// position.
func (b *Joint) Under(running []int) {
	for _, x := range running {
		i, _ := slices.BinarySearch(b.At, x)
		if c := min(i, len(b.At)-1); c >= 0 {
			b.Add(c)
		}
	}
}

// rate is the chance at a candidate if the hypothesis is in a region: region i has the
// hypotheses up to candidate i.
func (b *Joint) rate(region, candidate int) float64 {
	if region <= candidate || region == len(b.mass)-1 {
		return b.after[region]
	}
	return b.before[region]
}

// Next is the candidate with the best score, of those that score makes one of how much
// more a run at a position tells, in nats; -1 where there is none.
func (b *Joint) Next(score func(x int, more float64) (float64, bool)) int {
	best, most := -1, 0.0
	outcomes := make([]float64, 2<<b.Chosen)
	for c, x := range b.At {
		clear(outcomes)
		info := -b.doubt
		for r, w := range b.mass {
			if w == 0 {
				continue
			}
			f := b.rate(r, c)
			info -= float64(w * Coin(f))
			for i, d := range b.dist[r] {
				outcomes[2*i] += float64(w*d) * f
				outcomes[2*i+1] += float64(w*d) * (1 - f)
			}
		}
		s, ok := score(x, info+entropyOf(outcomes)-b.Info)
		if ok && (best < 0 || s > most+Tie) {
			best, most = c, s
		}
	}
	return best
}

// Add adds a run at a candidate.
func (b *Joint) Add(c int) {
	for r, w := range b.mass {
		f := b.rate(r, c)
		b.doubt += float64(w * Coin(f))
		next := make([]float64, 0, 2*len(b.dist[r]))
		for _, d := range b.dist[r] {
			next = append(next, float64(d*f), float64(d*(1-f)))
		}
		b.dist[r] = next
	}
	b.Chosen++
	outcomes := make([]float64, 1<<b.Chosen)
	for r, w := range b.mass {
		for i, d := range b.dist[r] {
			outcomes[i] += float64(w * d)
		}
	}
	b.Info = entropyOf(outcomes) - b.doubt
}

// entropyOf is the entropy of outcomes, in nats.
func entropyOf(outcomes []float64) float64 {
	e := 0.0
	for _, o := range outcomes {
		if o > 0 {
			e -= float64(o * math.Log(o))
		}
	}
	return e
}
