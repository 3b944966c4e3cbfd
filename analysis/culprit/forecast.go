package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// Forecast is how many runs more a search is expected to need, confirmation
// included, and in how many rounds of Options.Batch.
type Forecast struct{ Runs, Rounds float64 }

// Forecast is what the search is expected to take from here: the bits that are left,
// over the capacity at the estimated rates, times what not knowing the rates costs,
// and what it takes to be sure in the end. The factors are fitted to the simulations
// of internal/bench culprit; the mean over many searches is within a fifth.
func (s *Search) Forecast() Forecast {
	if len(s.in.Index) < 2 {
		return Forecast{}
	}
	if d := s.state(); d.Done {
		return Forecast{}
	}
	one := s.expected()
	if s.o.Batch == 1 {
		return Forecast{one, one}
	}
	r := s.believe().ratesAt(suspect.BestCulprit(s.believe().prob))
	rounds := one
	if c := capacity(r); c > 0 {
		rounds = one * c / roundCapacity(r, s.o.Batch)
	}
	rounds = math.Max(1, rounds)
	return Forecast{math.Max(one, rounds*float64(s.o.Batch)), rounds}
}

// expected is how many runs more the search is expected to need, one at a time.
func (s *Search) expected() float64 {
	p := s.believe()
	m := len(s.in.Index)
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
	sure := math.Log2(1/((1-s.o.Confidence)*s.trust(suspect.BestCulprit(p.prob)))) / math.Log2(20)
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
	return math.Max(runs*s.learning(), float64(2-s.confirming()))
}

// learning is what it costs to find the rates out beside the culprit: nothing
// with twenty runs on broken pushes and fifty on others.
func (s *Search) learning() float64 {
	if s.o.Known != nil {
		return 1
	}
	after, before := s.o.Newer.total(), s.o.Older.total()
	at := suspect.BestCulprit(s.believe().prob)
	for i, k := range s.seen {
		if i < at {
			before += k.runs.total()
		} else {
			after += k.runs.total()
		}
	}
	factor := 1 + 0.25*(1-between(float64(before), 0, 50))
	if !s.o.Permanent {
		factor += 0.7 * (1 - between(float64(after), 0, 20))
	}
	return factor
}

// confirming is how many of the two runs that confirm the best guess were seen.
func (s *Search) confirming() int {
	h, n := suspect.BestCulprit(s.believe().prob), 0
	if s.seen[h].runs.Failed > 0 {
		n++
	}
	if s.seen[h-1].runs.Passed > 0 {
		n++
	}
	return n
}
