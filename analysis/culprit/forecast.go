package culprit

import "math"

// Forecast is how many runs more the search is expected to need, confirmation
// included: the bits that are left, over the capacity at the estimated rates,
// times what not knowing the rates costs, and what it takes to be sure in the
// end. The factors are fitted to the simulations of internal/bench culprit; the
// mean over many searches is within a fifth.
func (s *Search) Forecast() float64 {
	if len(s.index) < 2 {
		return 0
	}
	if d := s.state(); d.Done {
		return 0
	}
	p := s.believe()
	m := len(s.index)
	var mass, runs float64
	bits := 0.0
	for h := 1; h < m; h++ {
		mass += p.prob[h]
	}
	if mass <= 0 {
		return 0
	}
	for h := 1; h < m; h++ {
		if x := p.prob[h] / mass; x > 0 {
			bits -= x * math.Log2(x)
		}
	}
	sure := math.Log2(1/((1-s.o.Confidence)*s.trust(p.bestCulprit()))) / math.Log2(20)
	weights := make([]float64, len(p.after))
	for h := 1; h < m; h++ {
		weights[p.segment[h]] += p.prob[h] / mass
	}
	for j, w := range weights {
		r := Rates{p.after[j], p.before[j]}
		c := capacity(r)
		if w == 0 || c <= 0 {
			continue
		}
		end := (1.25 + 3.2*math.Sqrt(r.Before)) * math.Sqrt(1-r.After) * sure
		// The estimate of a rate that is not near 1 strays, and so does the
		// capacity, more upwards than downwards.
		stray := 1 - 0.25*between(1-r.After, 0, 0.2)
		runs += w * stray * ((1+0.09/r.After)*bits + end) / c
	}
	return math.Max(runs*s.learning(), 2-float64(count(p, s)))
}

// learning is what it costs to find the rates out beside the culprit: nothing
// with twenty runs on broken pushes and fifty on others.
func (s *Search) learning() float64 {
	if s.o.Known != nil {
		return 1
	}
	after, before := s.o.Newer.total(), s.o.Older.total()
	at := s.believe().bestCulprit()
	for i, c := range s.runs {
		if i < at {
			before += c.total()
		} else {
			after += c.total()
		}
	}
	factor := 1 + 0.25*(1-between(float64(before), 0, 50))
	if !s.o.Permanent {
		factor += 0.7 * (1 - between(float64(after), 0, 20))
	}
	return factor
}

// count is how many of the two runs that confirm the best guess were seen.
func count(p *posterior, s *Search) int {
	h, n := p.bestCulprit(), 0
	if s.runs[h].Failed > 0 {
		n++
	}
	if s.runs[h-1].Passed > 0 {
		n++
	}
	return n
}

// bestCulprit is the most probable push, of those that can be a culprit.
func (p *posterior) bestCulprit() int {
	best := 1
	for h := 1; h < len(p.prob)-1; h++ {
		if p.prob[h] > p.prob[best]+tie {
			best = h
		}
	}
	return best
}
