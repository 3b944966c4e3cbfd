package culprit

import (
	"math"
	"slices"
)

// h2 is the entropy of a coin, in nats.
func h2(p float64) float64 {
	if p <= 0 || p >= 1 {
		return 0
	}
	return -float64(p*math.Log(p)) - float64((1-p)*math.Log1p(-p))
}

// sums are running sums over hypotheses, of their probabilities and what they
// say about a run: at x, those up to x say that it is broken.
type sums struct {
	// By position: the chance of a failure there, and the doubt that is left about
	// it whatever h is.
	fail, doubt []float64
}

func (s *Search) sums() sums {
	p := s.believe()
	m := len(s.index)
	segments := len(p.after)
	doubtA, doubtB := make([]float64, segments), make([]float64, segments)
	for j := range segments {
		doubtA[j], doubtB[j] = h2(p.after[j]), h2(p.before[j])
	}
	rightFail, rightDoubt := 0.0, 0.0
	for h := range m {
		j := p.segment[h]
		rightFail += float64(p.prob[h] * p.before[j])
		rightDoubt += float64(p.prob[h] * doubtB[j])
	}
	out := sums{make([]float64, m), make([]float64, m)}
	nothingFail, nothingDoubt := float64(p.prob[m]*p.flake), float64(p.prob[m]*h2(p.flake))
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
		gain := (h2(u.fail[x]) - u.doubt[x]) * s.alive(x)
		if gain < leastGain || !s.open(x) {
			continue
		}
		if score := gain / s.cost(x); best < 0 || score > most+tie {
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
	last := len(s.index) - 1
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
	return s.o.RunCost[s.index[i]]
}

// mostAtOnce is how many outcomes are looked at together; a larger batch is made
// of several.
const mostAtOnce = 8

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
	running = thinned(running, max(1, mostAtOnce-k))
	b := s.regions(k + len(running))
	for _, x := range running {
		b.add(b.region(x))
	}
	var out []int
	spent, best := s.o.RoundCost, 0.0
	for len(out) < k && b.chosen < mostAtOnce {
		at, info := b.next(s)
		if at < 0 {
			break
		}
		x := b.at[at]
		spent += s.cost(x)
		value := info / spent
		if s.o.RoundCost > 0 && len(out) > 0 && value < best-tie {
			break
		}
		best = value
		b.add(at)
		b.info = info
		out = append(out, x)
	}
	for i := 0; len(out) < k && len(out) > 0 && s.o.RoundCost == 0; i++ { // more than are looked at together: again
		out = append(out, out[i])
	}
	return out
}

// thinned are at most so many of some runs, of as many pushes as there are: runs
// that others have asked for must not stand in the way of every run of one's own.
func thinned(running []int, most int) []int {
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

// joint is the joint distribution of the outcomes of some runs, by regions of
// hypotheses between candidates.
type joint struct {
	at     []int     // candidates, ascending positions
	mass   []float64 // by region: hypotheses after one candidate up to the next; then "nothing"
	after  []float64 // mean rates in the region
	before []float64
	chosen int
	dist   [][]float64 // by region: the probabilities of the outcomes so far
	doubt  float64     // the entropy of the outcomes that is left whatever the hypothesis is
	info   float64     // what they tell together, in nats
}

// regions cuts the hypotheses at candidates: quantiles of the posterior, and the
// most informative position.
func (s *Search) regions(k int) *joint {
	p := s.believe()
	m := len(s.index)
	candidates := 4*k + 7
	var at []int
	sum, next := 0.0, 0.5
	total := 1 - p.prob[m]
	for h := range m {
		sum += p.prob[h]
		for total > 0 && next < float64(candidates) && sum/total*float64(candidates) >= next {
			at = append(at, h)
			if h > 0 {
				at = append(at, h-1)
			}
			next++
		}
	}
	if x := s.informative(); x >= 0 {
		at = append(at, x)
	}
	slices.Sort(at)
	at = slices.Compact(at)
	at = slices.DeleteFunc(at, func(x int) bool { return !s.open(x) })
	b := &joint{at: at}
	region := 0
	mass, after, before := 0.0, 0.0, 0.0
	flush := func() {
		r := Rates{}
		if mass > 0 {
			r = Rates{after / mass, before / mass}
		}
		b.mass, b.after, b.before = append(b.mass, mass), append(b.after, r.After), append(b.before, r.Before)
		mass, after, before = 0, 0, 0
	}
	for h := range m {
		for region < len(at) && h > at[region] {
			flush()
			region++
		}
		j := p.segment[h]
		mass += p.prob[h]
		after += float64(p.prob[h] * p.after[j])
		before += float64(p.prob[h] * p.before[j])
	}
	for ; region <= len(at); region++ {
		flush()
	}
	b.mass, b.after, b.before = append(b.mass, p.prob[m]), append(b.after, p.flake), append(b.before, p.flake)
	for range b.mass {
		b.dist = append(b.dist, []float64{1})
	}
	return b
}

// region is the candidate that stands for a position.
func (b *joint) region(x int) int {
	i, _ := slices.BinarySearch(b.at, x)
	return min(i, len(b.at)-1)
}

// rate is the chance of a failure at a candidate if the hypothesis is in a region:
// region i has the hypotheses up to candidate i.
func (b *joint) rate(region, candidate int) float64 {
	if region <= candidate || region == len(b.mass)-1 {
		return b.after[region]
	}
	return b.before[region]
}

// next is the candidate whose run is expected to add most information for its cost
// to those chosen, and how much they tell together then, in nats; -1 where none adds
// anything.
func (b *joint) next(s *Search) (int, float64) {
	best, most, gain := -1, 0.0, 0.0
	outcomes := make([]float64, 2<<b.chosen)
	for c, x := range b.at {
		clear(outcomes)
		doubt := b.doubt
		for r, w := range b.mass {
			if w == 0 {
				continue
			}
			f := b.rate(r, c)
			doubt += float64(w * h2(f))
			for i, d := range b.dist[r] {
				outcomes[2*i] += float64(w*d) * f
				outcomes[2*i+1] += float64(w*d) * (1 - f)
			}
		}
		info := -doubt
		for _, o := range outcomes {
			if o > 0 {
				info -= float64(o * math.Log(o))
			}
		}
		more := (info - b.info) * s.alive(x)
		if more < leastGain {
			continue
		}
		if score := more / s.cost(x); best < 0 || score > most+tie {
			best, most, gain = c, score, info
		}
	}
	return best, gain
}

func (b *joint) add(c int) {
	if c < 0 {
		return
	}
	for r, w := range b.mass {
		f := b.rate(r, c)
		b.doubt += float64(w * h2(f))
		next := make([]float64, 0, 2*len(b.dist[r]))
		for _, d := range b.dist[r] {
			next = append(next, float64(d*f), float64(d*(1-f)))
		}
		b.dist[r] = next
	}
	b.chosen++
}
