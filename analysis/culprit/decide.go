package culprit

import (
	"fmt"
	"math"
	"slices"
)

// Decision is what is believed, and what to do next.
type Decision struct {
	Done    bool
	Outcome Outcome
	// Why says why each of Next was chosen, or why the search ended.
	Why string
	// Next are pushes to run once each; one may be there several times.
	Next []int
	// Culprit is the most probable push, and Class the pushes that cannot be
	// told apart from it, itself among them. -1 and nil where no push is most
	// probable.
	Culprit int
	Class   []int
	// Probability is that of the most probable hypothesis, whichever it is.
	Probability float64
	// Older and Nothing are the probabilities of these.
	Older, Nothing float64
	// Credible is the smallest set of pushes that has the culprit with the
	// confidence, the most probable first.
	Credible []Candidate
	// Rates are the estimated ones, if the culprit is the most probable push.
	Rates Rates
	// Bits is the entropy of the hypothesis that is left.
	Bits float64
	// Confirmed says that a failure was seen on the culprit and a pass on its
	// parent.
	Confirmed bool
	Warnings  []string
}

// Candidate is a push that may be the culprit; of a class, the testable one.
type Candidate struct {
	Push        int
	Probability float64
}

// Decide says what is believed and what to run next, at most k runs beside those
// of running, pushes whose runs are under way.
func (s *Search) Decide(k int, running ...int) Decision {
	d := s.state()
	if d.Done || k < 1 {
		return d
	}
	s.next(&d, k, running)
	if len(d.Next) > 0 {
		s.rounds++
	}
	return d
}

// state is what is believed, without choosing what is next.
func (s *Search) state() Decision {
	s.setAside()
	m := len(s.index)
	if m < 2 {
		return s.hopeless(fmt.Sprintf("%d pushes can be tested: a culprit needs two", m))
	}
	p := s.believe()
	best := p.best()
	d := Decision{
		Outcome: Undecided, Culprit: -1, Probability: p.prob[best], Older: p.prob[0], Nothing: p.prob[m],
		Rates: p.ratesAt(best), Bits: p.entropy(), Warnings: s.warnings(p, best),
	}
	d.Credible = s.credible(p)
	if best > 0 && best < m {
		d.Culprit, d.Class = s.index[best], s.class(best)
		d.Confirmed = s.runs[best].Failed > 0 && s.runs[best-1].Passed > 0
	}
	enough := d.Probability >= 1-(1-s.o.Confidence)*s.trust(best)
	switch {
	case math.IsNaN(d.Probability) || d.Probability == 0:
		d.Done, d.Why = true, "the observations contradict every hypothesis"
	case enough && best == m:
		d.Done, d.Outcome, d.Why = true, NotARegression, fmt.Sprintf("one rate of %.3g explains all runs", p.flake)
	case enough && best == 0:
		d.Done, d.Outcome, d.Why = true, Older, "it was broken before the oldest push of the range that can be tested"
	case enough && d.Confirmed:
		d.Done, d.Outcome, d.Why = true, Found, "confirmed: it failed on the culprit and passed on its parent"
	case s.o.MaxRuns > 0 && s.bought >= s.o.MaxRuns:
		d.Done, d.Why = true, fmt.Sprintf("the budget of %d runs is spent", s.o.MaxRuns)
	}
	return d
}

func (s *Search) hopeless(why string) Decision {
	return Decision{Done: true, Outcome: Undecided, Culprit: -1, Why: why}
}

// next chooses runs: the confirmation of what is believed, else what tells most.
func (s *Search) next(d *Decision, k int, running []int) {
	if s.o.MaxRuns > 0 {
		k = min(k, s.o.MaxRuns-s.bought)
	}
	var busy []int
	for _, x := range running {
		if i, err := s.position(x); err == nil {
			busy = append(busy, i)
		}
	}
	if d.Culprit >= 0 && d.Probability >= 1-(1-s.o.Confidence)*s.trust(s.of[d.Culprit]) {
		at := s.of[d.Culprit]
		want := s.confirmations(at, busy)
		if len(want) > 0 {
			d.Next, d.Why = s.pushes(want[:min(k, len(want))]),
				"to confirm: a failure on the most probable push, and a pass on its parent"
			return
		}
		if !d.Confirmed && len(busy) > 0 {
			d.Why = "the confirmation is under way"
			return
		}
		if !d.Confirmed {
			d.Done, d.Why = true, "it cannot be confirmed: neither the most probable push nor its parent can be "+
				"run any more"
			if s.open(at) || s.open(at-1) {
				d.Why = "it cannot be confirmed: of the most probable push and its parent one can be run no more"
			}
			return
		}
	}
	positions := s.batch(k, busy)
	if len(positions) == 0 && len(busy) > 0 {
		d.Why = "nothing can run beside what is under way"
		return
	}
	if len(positions) == 0 {
		d.Done = true
		d.Outcome, d.Why = s.nowhere()
		return
	}
	d.Next = s.pushes(positions)
	d.Why = fmt.Sprintf("tells most about the culprit: %.2f bits are left", d.Bits)
}

// nowhere is how a search ends that cannot run anything any more.
func (s *Search) nowhere() (o Outcome, why string) {
	for i := range s.index {
		if s.infra[i] >= s.o.MaxInfra {
			continue
		}
		return Undecided, "no push of the range can be run any more"
	}
	return Infra, fmt.Sprintf("infrastructure ended %d runs in a row on every push", s.o.MaxInfra)
}

// confirmations are the positions whose runs confirm a culprit, as far as they
// are not under way.
func (s *Search) confirmations(at int, busy []int) []int {
	var want []int
	if s.runs[at].Failed == 0 && s.open(at) && !slices.Contains(busy, at) {
		want = append(want, at)
	}
	if s.runs[at-1].Passed == 0 && s.open(at-1) && !slices.Contains(busy, at-1) {
		want = append(want, at-1)
	}
	return want
}

func (s *Search) pushes(positions []int) []int {
	out := make([]int, len(positions))
	for i, x := range positions {
		out[i] = s.index[x]
	}
	return out
}

// How many standard deviations more failures than flakes there must be among the
// runs that nobody chose for the stated probability to begin to be trusted, and to
// be taken as it is.
const (
	trustFrom = 0.5
	trustTo   = 1.5
)

// trust is s: how much of the allowed error the stop may use. A rate that is
// known only from runs which the search chose makes the stated probability too
// high by a little; failures that nobody chose, less the flakes to be expected
// among them, make it right.
func (s *Search) trust(best int) float64 {
	if s.o.Known != nil {
		return 1
	}
	if s.o.Trust > 0 {
		return s.o.Trust
	}
	m := len(s.index)
	if best == m || best == 0 {
		return s.o.LeastTrust
	}
	if s.o.Permanent {
		return 1
	}
	q, n := s.believe().before[s.believe().segment[best]], float64(s.o.Newer.total())
	z := (float64(s.o.Newer.Failed) - float64(q*n)) / math.Sqrt(float64(q*(1-q)*n)+0.5)
	far := s.o.LeastTrust + (1-s.o.LeastTrust)*between(z, trustFrom, trustTo)
	near := math.Min(leastTrust, far)
	return near + (far-near)*between(oddsRatio(s.believe().ratesAt(best)), nearFrom, nearTo)
}

// Between which odds ratios the rates after and before a culprit are near each
// other: the stated probability is then the least robust.
const (
	nearFrom   = 2.0
	nearTo     = 2.4
	leastTrust = 0.25 // and then so much of the allowed error is used
)

// between is 0 below from, 1 above to, and even in between.
func between(x, from, to float64) float64 {
	return math.Max(0, math.Min(1, (x-from)/(to-from)))
}

func oddsRatio(r Rates) float64 {
	if r.After >= 1 || r.Before <= 0 {
		return math.Inf(1)
	}
	return r.After * (1 - r.Before) / (r.Before * (1 - r.After))
}

// credible is the smallest set with the confidence.
func (s *Search) credible(p *posterior) []Candidate {
	m := len(s.index)
	order := make([]int, 0, m)
	total := 0.0
	for h := 1; h < m; h++ {
		if p.prob[h] > 0 {
			order = append(order, h)
			total += p.prob[h]
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p.prob[a] > p.prob[b]+tie:
			return -1
		case p.prob[b] > p.prob[a]+tie:
			return 1
		}
		return a - b
	})
	var out []Candidate
	sum := 0.0
	for _, h := range order {
		if sum >= s.o.Confidence*total {
			break
		}
		sum += p.prob[h]
		out = append(out, Candidate{s.index[h], p.prob[h]})
	}
	return out
}

func (s *Search) warnings(p *posterior, best int) []string {
	var out []string
	m := len(s.index)
	if best > 0 && best < m {
		if n := len(s.class(best)); n > 1 {
			out = append(out, fmt.Sprintf("%d pushes cannot be told apart, since all but the newest of them "+
				"cannot be tested", n))
		}
		if r := p.ratesAt(best); r.After-r.Before < 0.2 && r.After < 0.5 {
			out = append(out, "the rates before and after are near each other: the runs must be independent for the "+
				"probability to mean what it says")
		}
	}
	if s.runs[0].Failed > 0 && best != m {
		out = append(out, fmt.Sprintf("the oldest push of the range failed in %d of %d runs", s.runs[0].Failed,
			s.runs[0].total()))
	}
	return out
}

// Posterior is the probability of each push 0 to n: an untestable one has its
// share of its class's, by the weights.
func (s *Search) Posterior() []float64 {
	out := make([]float64, s.n+1)
	if len(s.index) < 1 {
		return out
	}
	p := s.believe()
	for i := 1; i < len(s.index); i++ {
		class := s.class(i)
		sum := 0.0
		for _, x := range class {
			sum += s.weight(x)
		}
		for _, x := range class {
			if sum > 0 {
				out[x] = p.prob[i] * s.weight(x) / sum
			}
		}
	}
	return out
}

func (s *Search) weight(x int) float64 {
	if s.o.Weights == nil {
		return 1
	}
	return s.o.Weights[x]
}
