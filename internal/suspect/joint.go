package suspect

import (
	"math"
	"slices"
)

// MostAtOnce is the maximum number of runs whose joint outcomes are computed: k runs have
// 2^k outcomes. A larger batch is composed of several.
const MostAtOnce = 8

// Joint is the joint distribution of the outcomes of some runs. It says how much these runs
// together would tell about the culprit: their mutual information with the hypothesis, which
// is the entropy of the outcomes minus the mean entropy that is left once the hypothesis is
// known (Cover and Thomas, Elements of Information Theory, chapter 2).
//
// Hypotheses between two candidates predict the same for each run, except for their rates.
// They are grouped into regions with the mean rates, so the cost depends on the number of
// candidates and not on the length of the range. For the candidates 3 and 7 the regions are
// the hypotheses 0 to 3, 4 to 7, from 8 on, and the last one, no culprit.
type Joint struct {
	At     []int   // candidates, ascending positions
	Chosen int     // the number of runs added
	Info   float64 // what they tell together about the hypothesis, in nats

	mass   []float64 // by region: its probability; the last is that of no culprit
	after  []float64 // by region: the mean rate of a run at the culprit or after it
	before []float64 // by region: the mean rate of a run before the culprit
	// dist is, by region, the probability of each outcome of the runs so far. The bits of
	// an outcome's index are the runs, the last one in the lowest bit; 0 is a run that says
	// "at or before", 1 one that does not. With two runs dist[r][1] is the chance of 0, 1.
	dist  [][]float64
	doubt float64 // the mean entropy of the outcomes once the hypothesis is known, in nats
}

// NewJoint returns the distribution of no runs, with regions cut at the candidates. A run
// says either "the culprit is at my push or before it" or not. The function rates returns
// the chance that it says so when hypothesis h holds: for a run at the culprit or after it,
// and for a run before it. nothing is the chance when there is no culprit.
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

// Quantiles are candidates for k runs: the positions at the quantiles of prob, and the one
// before each. There are 4k+7 quantiles, at (i+½)/(4k+7) of the probability that there is a
// culprit. A good next run halves what is probable, so it is at a quantile, and this number
// is fine enough. Positions may come twice; Candidates sorts that out.
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

// Candidates are the open positions among at, ascending, each once. It sorts at in place.
func Candidates(at []int, open func(x int) bool) []int {
	slices.Sort(at)
	return slices.DeleteFunc(slices.Compact(at), func(x int) bool { return !open(x) })
}

// Thinned keeps no more than most runs, and spreads them over as many pushes as possible:
// first one run of each push, then a second one, and so on. For 5 5 5 8 9 and 4 it keeps
// 5 8 9 5. A search counts the runs that others have triggered, but too many of them must
// not fill the whole batch.
func Thinned(running []int, most int) []int {
	if len(running) <= most {
		return running
	}
	times := map[int]int{} // by push: how many of its runs were seen
	byTurn := make([][]int, len(running))
	for _, x := range running {
		byTurn[times[x]] = append(byTurn[times[x]], x)
		times[x]++
	}
	return slices.Concat(byTurn...)[:most]
}

// Under adds the runs that are under way. A run whose position is no candidate is taken to
// be at the next candidate after it, or at the last one.
func (b *Joint) Under(running []int) {
	for _, x := range running {
		i, _ := slices.BinarySearch(b.At, x)
		if c := min(i, len(b.At)-1); c >= 0 {
			b.Add(c)
		}
	}
}

// rate is the chance that a run at a candidate says "at or before" when the hypothesis is
// in a region. Region i has the hypotheses up to candidate i, so a run at candidate c is at
// the culprit or after it for the regions 0 to c. The last region is no culprit.
func (b *Joint) rate(region, candidate int) float64 {
	if region <= candidate || region == len(b.mass)-1 {
		return b.after[region]
	}
	return b.before[region]
}

// Next is the index of the candidate with the best score, or -1 where none is allowed. The
// function score gets a candidate's position x and the information in nats that a run there
// would add; it returns the score, and false for a position that may not be used. Of equal
// scores (within Tie) the oldest candidate wins.
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

// Add adds a run at a candidate, by its index. Each outcome so far splits into two: index i
// becomes 2i, with the run saying "at or before", and 2i+1, without.
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
