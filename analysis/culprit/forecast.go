package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// Forecast is how many more runs a search is expected to need, with the confirmation, and
// in how many rounds of Options.Batch runs. Both are means, and so not whole numbers.
type Forecast struct{ Runs, Rounds float64 }

// Forecast estimates what the search still needs: the uncertainty left in bits, divided
// by what a run tells at the estimated rates, times a factor for not
// knowing the rates, plus what it takes to be sure in the end. The factors were fitted to
// the simulations of internal/bench culprit; the mean over many searches is within a
// fifth. A search that is done needs nothing.
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

// expected returns how many more runs the search is expected to need if they run one at a
// time.
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
	// How strict the stop is, relative to an allowed error of 1/20: 1 for a confidence of
	// 0.95 and full trust, 1.3 for a probability of 0.98.
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

// learning is the factor by which a search takes longer because it must learn the failure
// rates too: 1, no extra cost, with twenty runs on broken pushes and fifty on others.
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

// confirming returns how many of the two results that confirm the best guess were seen: 0
// to 2.
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
