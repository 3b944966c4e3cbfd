package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// posterior is what is believed after some observations, over positions: 0 is
// "before" (with the class of the oldest testable push), 1 to m-1 are culprits, m
// is "nothing".
type posterior struct {
	prob    []float64
	segment []int     // of each hypothesis but the last
	after   []float64 // by segment: the mean rates, if the culprit is in it
	before  []float64
	flake   float64 // the mean rate if nothing broke it
}

// believe computes the posterior, or returns the one that is still right.
func (s *Search) believe() *posterior {
	if s.post == nil {
		s.post = s.compute()
		if s.refine(s.post) {
			s.post = s.compute()
		}
	}
	return s.post
}

// refine makes the grids dense where the runs so far say that the rates are, if
// the most probable push is the culprit: each time that there are a third more
// runs. A grid that is too coarse for many runs takes the nearest of its rates
// for the right one.
func (s *Search) refine(p *posterior) bool {
	total := 0
	for _, k := range s.seen {
		total += k.runs.total()
	}
	if s.o.Known != nil || len(s.in.Index) < 2 || total < 12 || 3*total < 4*s.refined {
		return false
	}
	s.refined = total
	best := suspect.BestCulprit(p.prob)
	o := s.o
	for i, k := range s.seen {
		if i < best {
			o.Older = o.Older.Plus(k.runs)
		} else {
			o.Newer = o.Newer.Plus(k.runs)
		}
	}
	s.grid = newGrid(o)
	return true
}

// compute computes the posterior on the grids as they are.
func (s *Search) compute() *posterior {
	m := len(s.in.Index)
	p := &posterior{prob: make([]float64, m+1), segment: make([]int, m)}
	var tested []int
	all := s.o.Newer
	for i, k := range s.seen {
		if k.runs.total() > 0 {
			tested = append(tested, i)
			all = all.Plus(k.runs)
		}
	}
	left, right := s.o.Older, all
	var buf [2][]float64
	logs := make([]float64, len(tested)+1)
	most := math.Inf(-1)
	for j := range logs {
		var mean Rates
		logs[j], mean = s.grid.segment(left, right, &buf)
		p.after, p.before = append(p.after, mean.After), append(p.before, mean.Before)
		most = math.Max(most, logs[j])
		if j < len(tested) {
			c := s.seen[tested[j]].runs
			left = left.Plus(c)
			right.Failed, right.Passed = right.Failed-c.Failed, right.Passed-c.Passed
		}
	}
	var nothing float64
	nothing, p.flake = s.grid.nothing(s.o.Older.Plus(all), &buf)
	most = math.Max(most, nothing)
	sum, j := 0.0, 0
	for h := range m {
		for j < len(tested) && h > tested[j] {
			j++
		}
		p.segment[h] = j
		p.prob[h] = s.in.Prior[h] * math.Exp(logs[j]-most)
		sum += p.prob[h]
	}
	p.prob[m] = s.in.Prior[m] * math.Exp(nothing-most)
	sum += p.prob[m]
	if sum > 0 {
		for h := range p.prob {
			p.prob[h] /= sum
		}
	}
	return p
}

// segment is the logarithm of the likelihood that the culprit lies between two
// tested pushes, and the mean rates if it does. The allowed pairs of rates are,
// for each rate after, the first rates before: their sums are running sums.
func (g *grid) segment(left, right Counts, buf *[2][]float64) (float64, Rates) {
	a, scaleA := g.p.likelihoods(right, buf[0])
	b, scaleB := g.q.likelihoods(left, buf[1])
	buf[0], buf[1] = a, b
	var sum, sumP, sumQ float64
	var mass, massQ float64 // of the first rates before
	at := 0
	for i, x := range a {
		for ; at < g.most[i]; at++ {
			mass += b[at]
			massQ += float64(b[at] * g.q.rate[at])
		}
		sum += float64(x * mass)
		sumP += float64(x*g.p.rate[i]) * mass
		sumQ += float64(x * massQ)
	}
	if sum <= 0 {
		return math.Inf(-1), Rates{}
	}
	return scaleA + scaleB + math.Log(sum), Rates{sumP / sum, sumQ / sum}
}

// nothing is the logarithm of the likelihood that one rate holds everywhere, and
// its mean.
func (g *grid) nothing(all Counts, buf *[2][]float64) (float64, float64) {
	a, scale := g.r.likelihoods(all, buf[0])
	buf[0] = a
	var sum, mean float64
	for i, x := range a {
		sum += x
		mean += float64(x * g.r.rate[i])
	}
	if sum <= 0 {
		return math.Inf(-1), 0
	}
	return scale + math.Log(sum), mean / sum
}

// rates at the best guess.
func (p *posterior) ratesAt(h int) Rates {
	if h >= len(p.segment) {
		return Rates{p.flake, p.flake}
	}
	return Rates{p.after[p.segment[h]], p.before[p.segment[h]]}
}
