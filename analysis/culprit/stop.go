package culprit

import (
	"fmt"
	"math"

	"github.com/mozci/mozci/internal/phrase"
)

// enough returns the probability at which the search believes the hypothesis at a
// position: 1 - (1 - confidence) s.
func (s *Search) enough(best int) float64 { return 1 - (1-s.o.Confidence)*s.trust(best) }

// apart reports whether the evidence tells "older" and "nothing" apart, and not only
// their priors: there are enough older runs, or the likelihood of "nothing" is leastOdds
// times that of "older".
func (s *Search) apart(d *Decision, history int) bool {
	m := len(s.in.Index)
	return history >= shortHistory || d.Nothing*s.in.Prior[0] >= leastOdds*d.Older*s.in.Prior[m]
}

// clean returns the probability at which the search believes that no push in the range
// broke the job. That answer blames no one, so where older pushes tell nothing the plain
// confidence is enough: more runs would gain little.
func (s *Search) clean(history int) float64 {
	if history < shortHistory {
		return s.o.Confidence
	}
	return s.enough(len(s.in.Index))
}

// leastOdds is how many times better "nothing" must explain the runs than "older".
const leastOdds = 3

// shortHistory is the number of runs before the range below which "older" and "nothing"
// cannot be told apart.
const shortHistory = 10

// When a search ends that finds nothing: after at least wearyFrom runs, and wearyTimes
// what was expected at first.
const (
	wearyFrom  = 12
	wearyNone  = 0.05 // only while "no push in the range" is at least this probable
	wearyTimes = 3
	wearyMore  = 27  // added to wearyTimes with enough older runs,
	wearyOlder = 50  // which is this many,
	wearyFlake = 0.4 // or where alarms are seldom flakes: none of it for this PriorNothing,
	wearyFew   = 0.1 // all of it for this one
)

// stop ends the search where an answer is believed, and where more runs would not give
// one. The order of the cases matters: an answer comes before a reason to give up.
func (s *Search) stop(d *Decision, p *posterior, best int) {
	m := len(s.in.Index)
	enough := d.Probability >= s.enough(best)
	none := d.Older + d.Nothing // no push of the range did it
	history := s.o.Older.total()
	switch {
	case enough && best == m,
		best == m && none >= s.clean(history) && d.Nothing >= s.o.Confidence*none && s.apart(d, history):
		d.Done, d.Outcome = true, NotARegression
		d.Why = fmt.Sprintf("one failure rate, %s, explains all runs", about(p.flake))
	case enough && best == 0:
		d.Done, d.Outcome, d.Why = true, Older, "it was broken before the oldest push in the range that can be tested"
	case none >= s.clean(history) && history < shortHistory:
		d.Done, d.Outcome, d.Probability = true, OlderOrNothing, none
		d.Why = "it was broken before the range, or nothing broke it: without runs on older pushes these cannot be " +
			"told apart"
	case enough && d.Confirmed:
		d.Done, d.Outcome, d.Why = true, Found, "confirmed: it failed on the culprit and passed on its parent"
	case s.silence():
		d.Done, d.Outcome = true, Infra
		d.Why = fmt.Sprintf("infrastructure ended %s in a row", runs(s.silent))
	case s.o.MaxRuns > 0 && s.bought >= s.o.MaxRuns:
		d.Done, d.Why = true, fmt.Sprintf("the budget of %s is spent", runs(s.o.MaxRuns))
	case s.weary(none):
		d.Done = true
		d.Why = fmt.Sprintf("more runs will not help: after %s, where about %.0f were expected, it is still unclear "+
			"whether any push in the range broke it", runs(s.bought), s.first())
	}
}

// weary reports whether a search that may have nothing to find took much longer than
// expected. It allows 3 to 30 times the expected runs, more with a long history before
// the range, or where flakes are rare.
func (s *Search) weary(none float64) bool {
	if none < wearyNone || s.bought < wearyFrom {
		return false
	}
	more := math.Max(between(float64(s.o.Older.total()), 0, wearyOlder),
		1-between(s.o.PriorNothing, wearyFew, wearyFlake))
	times := wearyTimes + wearyMore*more
	return float64(s.bought+s.o.Batch) > times*s.first()
}

// first returns how many runs the search was expected to take before it chose any: the
// forecast of a copy that knows only the runs that it did not choose.
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

// How many standard deviations the failures among the runs that the search did not choose
// must exceed the expected flakes: from trustFrom on the stated probability begins to be
// trusted, from trustTo on it is taken as it is.
const (
	trustFrom = 0.5
	trustTo   = 1.5
)

// trust returns s: the share of the allowed error that the stop may use. Where the
// failure rate is known only from runs that the search chose, the stated probability is a
// little too high. Failures that it did not choose make it right, less the flakes to be
// expected among them. Runs of the failing push count with these in a search with rounds:
// probe chooses them to learn the rate.
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

// fewOlder is the number of runs on older pushes below which LeastTrust falls towards
// leastTrust.
const fewOlder = 20

// leastTrust returns s where no failure was seen except in runs that the search chose.
func (s *Search) leastTrust(best int) float64 {
	older := s.o.Older.total()
	for _, k := range s.seen[:min(best, len(s.seen))] {
		older += k.free.total()
	}
	least := math.Min(leastTrust, s.o.LeastTrust)
	return least + (s.o.LeastTrust-least)*between(float64(older), 0, fewOlder)
}

// Odds ratios between which the rates after and before a culprit count as ever less close
// to each other. The closer they are, the less robust the stated probability is.
const (
	nearFrom   = 2.0
	nearTo     = 2.4
	leastTrust = 0.25 // s where they are close
)

// between returns 0 below from, 1 above to, and rises linearly in between: between(15,
// 10, 30) is 0.25.
func between(x, from, to float64) float64 {
	return math.Max(0, math.Min(1, (x-from)/(to-from)))
}

// oddsRatio is +Inf where a broken push always fails, or others never do.
func oddsRatio(r Rates) float64 {
	if r.After >= 1 || r.Before <= 0 {
		return math.Inf(1)
	}
	return r.After * (1 - r.Before) / (r.Before * (1 - r.After))
}

// effectCI is the MinEffect from which on the search does not look for rates that are
// nearly alike, which makes the stated probability more robust.
const effectCI = 0.1

// carefulTrust is the default of LeastTrust where MinEffect is below effectCI.
const carefulTrust = 0.4

// The bounds of s where nothing seems to have broken the job. At least: a rare failure
// that did not show up in a few runs says little. At most: the rate of a flake is known
// well, from the runs on all pushes.
const (
	nothingLeast = 0.5
	nothingMost  = 0.9
)

func runs(n int) string { return phrase.Count(n, "run") }

// about is a rate in words, as a whole percentage: "about 3%". Below 1% it is "less than
// 1%" and above 99% "more than 99%", because nothing here is certain.
func about(p float64) string {
	text := phrase.Sureness(p)
	if text == phrase.Percent(p) {
		return "about " + text
	}
	return text
}
