package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// posterior is what is believed after some observations. Its m+1 hypotheses are
// positions: 0 is "before the range" (with the class of the oldest testable push), 1 to
// m-1 are culprits, m is "nothing".
//
// A segment is a stretch of hypotheses with the same likelihood. With runs on positions 2
// and 5 of 0 to 6, hypotheses 0 to 2 are segment 0, 3 to 5 segment 1, and 6 is segment 2:
// a culprit at 2 and one at 1 both say that 2 is broken.
type posterior struct {
	prob    []float64
	segment []int     // by hypothesis, all but "nothing"
	after   []float64 // by segment: the mean failure rate since the culprit, if it lies there
	before  []float64 // by segment: the mean failure rate before it
	flake   float64   // the mean failure rate if nothing broke the job
}

// believe returns the posterior, and computes it if something was observed since.
func (s *Search) believe() *posterior {
	if s.post == nil {
		s.post = s.compute()
		if s.refine(s.post) {
			s.post = s.compute()
		}
	}
	return s.post
}

// refine puts more points on the grids where the runs so far say that the rates are,
// assuming that the most probable push is the culprit. It does so from 12 runs on, each
// time that their number has grown by a third. On a grid that is too coarse for many
// runs, the rate nearest to the true one would get all of the probability.
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
	// Segment by segment, the runs of one tested push move from the right of the culprit
	// to its left.
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
		// Relative to the largest likelihood, so that the largest factor is 1 and none
		// overflows.
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

// segment returns the log likelihood that the culprit lies in a segment, and the mean
// rates if it does; left and right are the runs before and since it. Pairs of rates are
// allowed where before is far enough below after: for each rate after, the first most[i]
// rates before. Their sums are running sums, so the double sum takes one pass.
func (g *grid) segment(left, right Counts, buf *[2][]float64) (float64, Rates) {
	a, scaleA := g.p.likelihoods(right, buf[0])
	b, scaleB := g.q.likelihoods(left, buf[1])
	buf[0], buf[1] = a, b
	var sum, sumP, sumQ float64
	var mass, massQ float64 // of the rates before that are allowed so far
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

// nothing returns the log likelihood that one failure rate explains all runs, and its
// mean.
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

// ratesAt returns the mean failure rates if the hypothesis is true; for "nothing" both
// are the same.
func (p *posterior) ratesAt(h int) Rates {
	if h >= len(p.segment) {
		return Rates{p.flake, p.flake}
	}
	return Rates{p.after[p.segment[h]], p.before[p.segment[h]]}
}
