package culprit

import (
	"fmt"
	"math"
)

// enough is the probability at which the hypothesis at a position is believed.
func (s *Search) enough(best int) float64 { return 1 - (1-s.o.Confidence)*s.trust(best) }

// apart reports whether what was seen tells "older" and "nothing" apart, and not
// only what was believed of them beforehand.
func (s *Search) apart(d *Decision, history int) bool {
	m := len(s.in.Index)
	return history >= shortHistory || d.Nothing*s.in.Prior[0] >= leastOdds*d.Older*s.in.Prior[m]
}

// nobody is the probability at which it is believed that no push of the range did it.
// That accuses nobody: where older pushes tell nothing, more runs would be spent for
// little.
func (s *Search) nobody(history int) float64 {
	if history < shortHistory {
		return s.o.Confidence
	}
	return s.enough(len(s.in.Index))
}

// leastOdds is how much better "nothing" must explain what was seen than "older".
const leastOdds = 3

// How short the history before the range is when "older" and "nothing" cannot be
// told apart.
const shortHistory = 10

// After how many runs, at the least, and how many times what was expected at
// first, a search ends that finds nothing.
const (
	wearyFrom  = 12
	wearyNone  = 0.05 // as long as it is as probable that no push of the range did it
	wearyTimes = 3
	wearyMore  = 27 // so many times more with enough runs on older pushes,
	wearyOlder = 50
	wearyFlake = 0.4 // and where alarms are seldom flakes
	wearyFew   = 0.1
)

// stop ends the search where an answer is believed, and where more runs would not
// give one.
func (s *Search) stop(d *Decision, p *posterior, best int) {
	m := len(s.in.Index)
	enough := d.Probability >= s.enough(best)
	none := d.Older + d.Nothing // no push of the range did it
	history := s.o.Older.total()
	switch {
	case enough && best == m,
		best == m && none >= s.nobody(history) && d.Nothing >= s.o.Confidence*none && s.apart(d, history):
		d.Done, d.Outcome, d.Why = true, NotARegression, fmt.Sprintf("one rate of %.3g explains all runs", p.flake)
	case enough && best == 0:
		d.Done, d.Outcome, d.Why = true, Older, "it was broken before the oldest push of the range that can be tested"
	case none >= s.nobody(history) && history < shortHistory:
		d.Done, d.Outcome, d.Probability = true, OlderOrNothing, none
		d.Why = "it was broken before the range, or nothing broke it: without runs on older pushes these cannot be " +
			"told apart"
	case enough && d.Confirmed:
		d.Done, d.Outcome, d.Why = true, Found, "confirmed: it failed on the culprit and passed on its parent"
	case s.silence():
		d.Done, d.Outcome = true, Infra
		d.Why = fmt.Sprintf("infrastructure ended %d runs in a row", s.silent)
	case s.o.MaxRuns > 0 && s.bought >= s.o.MaxRuns:
		d.Done, d.Why = true, fmt.Sprintf("the budget of %d runs is spent", s.o.MaxRuns)
	case s.weary(none):
		d.Done = true
		d.Why = fmt.Sprintf("more runs will not tell: %d were made where about %.0f were expected, and whether any "+
			"push of the range broke it is as open as before", s.bought, s.first())
	}
}

// weary reports whether a search that may well have nothing to find took much more
// than was expected of it.
func (s *Search) weary(none float64) bool {
	if none < wearyNone || s.bought < wearyFrom {
		return false
	}
	more := math.Max(between(float64(s.o.Older.total()), 0, wearyOlder),
		1-between(s.o.PriorNothing, wearyFew, wearyFlake))
	times := wearyTimes + wearyMore*more
	return float64(s.bought+s.o.Batch) > times*s.first()
}

// first is how many runs the search was expected to take before any was bought.
func (s *Search) first() float64 {
	c := *s
	c.seen = make([]known, len(s.seen))
	for i, k := range s.seen {
		c.seen[i] = known{runs: k.free, free: k.free}
	}
	c.bought, c.silent, c.refined, c.post = 0, 0, 0, nil
	c.grid = newGrid(c.o)
	return c.expected()
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
// among them, make it right. The runs of the failing push count with these: they
// are asked for to learn the rate.
func (s *Search) trust(best int) float64 {
	if s.o.Known != nil {
		return 1
	}
	if s.o.Trust > 0 {
		return s.o.Trust
	}
	m := len(s.in.Index)
	least := s.leastTrust(best)
	if best == m {
		return math.Max(nothingLeast, math.Min(least, nothingMost))
	}
	if best == 0 {
		return least
	}
	if s.o.Permanent {
		return 1
	}
	free := s.o.Newer.Plus(s.seen[m-1].free)
	if s.o.Batch >= probeBatch {
		free = s.o.Newer.Plus(s.seen[m-1].runs)
	}
	for _, k := range s.seen[best : m-1] {
		free = free.Plus(k.free)
	}
	q, n := s.believe().before[s.believe().segment[best]], float64(free.total())
	z := (float64(free.Failed) - float64(q*n)) / math.Sqrt(float64(q*(1-q)*n)+0.5)
	far := least + (1-least)*between(z, trustFrom, trustTo)
	near := math.Min(leastTrust, far)
	return near + (far-near)*between(oddsRatio(s.believe().ratesAt(best)), nearFrom, nearTo)
}

// Below how many runs on older pushes the least trust falls to the one below.
const fewOlder = 20

// leastTrust is what is trusted without failures that nobody chose.
func (s *Search) leastTrust(best int) float64 {
	older := s.o.Older.total()
	for _, k := range s.seen[:min(best, len(s.seen))] {
		older += k.free.total()
	}
	least := math.Min(leastTrust, s.o.LeastTrust)
	return least + (s.o.LeastTrust-least)*between(float64(older), 0, fewOlder)
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

// effectCI is the least MinEffect with which rates that are nearly alike are not
// looked for: the stated probability is more robust then.
const effectCI = 0.1

// carefulTrust is the default of LeastTrust below effectCI.
const carefulTrust = 0.4

// Between which bounds the trust is where nothing seems to have broken it: that a
// rare failure did not show up in a few runs says little, and the rate of a flake
// has many runs on all pushes.
const (
	nothingLeast = 0.5
	nothingMost  = 0.9
)
