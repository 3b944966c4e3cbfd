package perf

import (
	"math"
	"slices"
)

// To choose, a run is taken for a coin: its value is nearer to the mean since the
// change or to the one before it, and tells rightly with the chance that its fit
// says. Which run tells most is nearly the same as with the value itself.

// h2 is the entropy of a coin, in nats.
func h2(p float64) float64 {
	if p <= 0 || p >= 1 {
		return 0
	}
	return -float64(p*math.Log(p)) - float64((1-p)*math.Log1p(-p))
}

// mostAtOnce is how many outcomes are looked at together; a larger batch is made of
// several.
const mostAtOnce = 8

// leastGain is the least information, in nats, for which it is worth to run anything.
const leastGain = 1e-6

// joint is the joint distribution of the outcomes of some runs, by regions of
// hypotheses between candidates.
type joint struct {
	at     []int       // candidates, ascending positions
	mass   []float64   // by region: hypotheses after one candidate up to the next; then "nothing"
	tell   []float64   // by region
	flat   float64     // the chance that a run looks changed if nothing changed
	dist   [][]float64 // by region: the probabilities of the outcomes so far
	doubt  float64     // the entropy of the outcomes that is left whatever the hypothesis is
	chosen int
}

// batch chooses k positions for their joint information, after those that run
// already.
func (s *Search) batch(k int, running []int) []int {
	running = thinned(running, max(1, mostAtOnce-k))
	b := s.regions(k + len(running))
	for _, x := range running {
		b.add(b.region(x))
	}
	before := b.information()
	var out []int
	for len(out) < k && b.chosen < mostAtOnce {
		at, info := b.next()
		if at < 0 || len(out) == 0 && info-before < leastGain {
			break
		}
		b.add(at)
		out = append(out, b.at[at])
	}
	for i := 0; len(out) < k && len(out) > 0; i++ { // more than are looked at together: again
		out = append(out, out[i])
	}
	return out
}

// thinned are at most so many of some runs.
func thinned(running []int, most int) []int {
	running = slices.Sorted(slices.Values(running))
	if len(running) <= most {
		return running
	}
	out := slices.Compact(slices.Clone(running))
	return out[:min(len(out), most)]
}

// regions cuts the hypotheses at candidates: quantiles of the posterior, the most
// probable push and the ends.
func (s *Search) regions(k int) *joint {
	p := s.believe()
	m := len(s.index)
	best := p.bestCulprit()
	at := []int{0, m - 1, best, best - 1}
	candidates := float64(4*k + 7)
	sum, next, total := 0.0, 0.5, 1-p.prob[m]
	for h := range m {
		sum += p.prob[h]
		for total > 0 && next < candidates && sum/total*candidates >= next {
			at = append(at, h, max(0, h-1))
			next++
		}
	}
	slices.Sort(at)
	at = slices.Compact(at)
	at = slices.DeleteFunc(at, func(x int) bool { return !s.open(x) })
	b := &joint{at: at}
	region := 0
	mass, tell := 0.0, 0.0
	flush := func() {
		b.mass, b.tell = append(b.mass, mass), append(b.tell, tell/math.Max(mass, 1e-300))
		mass, tell = 0, 0
	}
	for h := range m {
		for region < len(at) && h > at[region] {
			flush()
			region++
		}
		mass += p.prob[h]
		tell += float64(p.prob[h] * p.fits[p.segment[h]].tell)
	}
	for ; region <= len(at); region++ {
		flush()
	}
	b.flat = 0.5
	if total > 0 {
		b.flat = 0
		for h := range m {
			b.flat += float64(p.prob[h]/total) * p.fits[p.segment[h]].flat
		}
	}
	b.mass, b.tell = append(b.mass, p.prob[m]), append(b.tell, b.flat)
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

// rate is the chance that a run at a candidate looks changed if the hypothesis is in a
// region: region i has the hypotheses up to candidate i.
func (b *joint) rate(region, candidate int) float64 {
	if region <= candidate || region == len(b.mass)-1 {
		return b.tell[region]
	}
	return 1 - b.tell[region]
}

// information is what the chosen runs tell together, in nats.
func (b *joint) information() float64 {
	info := -b.doubt
	for i := range 1 << b.chosen {
		o := 0.0
		for r, w := range b.mass {
			o += float64(w * b.dist[r][i])
		}
		if o > 0 {
			info -= float64(o * math.Log(o))
		}
	}
	return info
}

// next is the candidate whose run adds most information to those chosen, and how much
// they have together.
func (b *joint) next() (int, float64) {
	best, most := -1, 0.0
	outcomes := make([]float64, 2<<b.chosen)
	for c := range b.at {
		clear(outcomes)
		info := -b.doubt
		for r, w := range b.mass {
			if w == 0 {
				continue
			}
			f := b.rate(r, c)
			info -= float64(w * h2(f))
			for i, d := range b.dist[r] {
				outcomes[2*i] += float64(w*d) * f
				outcomes[2*i+1] += float64(w*d) * (1 - f)
			}
		}
		for _, o := range outcomes {
			if o > 0 {
				info -= float64(o * math.Log(o))
			}
		}
		if best < 0 || info > most+tie {
			best, most = c, info
		}
	}
	return best, most
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
