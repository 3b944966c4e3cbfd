package perf

import (
	"fmt"
	"math"
	"slices"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/internal/suspect"
)

// Decide returns what the search believes and what to run next: at most k runs, beside
// those that are under way on the pushes in running (one entry for each run). The Rates
// of the decision are not used; see [Search.Change].
func (s *Search) Decide(k int, running ...int) culprit.Decision {
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

// Change returns how the value changed, assuming that the most probable culprit changed
// it. ok is false when no values are known.
func (s *Search) Change() (c Change, ok bool) {
	if len(s.in.Index) < 2 {
		return Change{}, false
	}
	p := s.believe()
	if len(p.data.z) == 0 {
		return Change{}, false
	}
	at := suspect.BestCulprit(p.prob)
	if suspect.Best(p.prob) == 0 {
		at = 0
	}
	f := p.fitAt(at)
	if left, right := s.sides(at); at > 0 && len(left) > 0 && len(right) > 0 && p.drift <= 0.5 {
		// The means of the values themselves, next to the change: those of the fit come
		// from values with outliers drawn in.
		f.before = mean(left[max(0, len(left)-window):], f.sigma) - p.data.mid
		f.after = mean(right[:min(window, len(right))], f.sigma) - p.data.mid
	}
	c = Change{
		Before: p.data.mid + f.before, After: p.data.mid + f.after, LowerIsBetter: !s.o.HigherIsBetter,
		Drift: p.drift > 0.5,
	}
	if c.Before != 0 {
		c.Percent = 100 * (c.After - c.Before) / math.Abs(c.Before)
	}
	return c, true
}

// window is how many values on either side of a change are used to tell how large it is.
const window = 20

// state returns what the search believes, without choosing runs. Hypothesis 0 is a change
// before the range, 1 to m-1 are culprits by their positions, and m is no change, where m
// is the number of pushes that can be tested. Done is set only by what is believed, by
// contradicting values and by the budget; next sets it when nothing is left to run.
func (s *Search) state() culprit.Decision {
	s.setAside()
	m := len(s.in.Index)
	if m < 2 {
		return culprit.Decision{
			Done: true, Outcome: culprit.Undecided, Culprit: -1,
			Why: fmt.Sprintf("pushes that can be tested: %d, and naming a culprit takes at least 2", m),
		}
	}
	p := s.believe()
	best := suspect.Best(p.prob)
	d := culprit.Decision{
		Outcome: culprit.Undecided, Culprit: -1, Probability: p.prob[best], Older: p.prob[0], Nothing: p.prob[m],
		Bits: suspect.Entropy(p.prob), Warnings: s.warnings(p, best), Credible: s.credible(p),
	}
	if best > 0 && best < m {
		d.Culprit, d.Class = s.in.Index[best], s.in.Class(best)
		d.Confirmed = s.confirmed(best)
	}
	enough := s.enough(d.Probability, best)
	switch {
	case math.IsNaN(d.Probability):
		d.Done, d.Why = true, "the observations contradict every hypothesis"
	// The order matters: with a short history, "older" and "nothing" are only believed
	// together.
	case s.enough(d.Older+d.Nothing, m) && len(s.o.Older) < fewOlder && len(s.lacking(nil)) == 0:
		d.Done, d.Outcome = true, culprit.OlderOrNothing
		d.Probability = d.Older + d.Nothing
		d.Why = fmt.Sprintf("nothing in the range changed it; %d values from before it do not tell whether it "+
			"changed earlier", len(s.o.Older))
	case enough && best == m && len(s.lacking(nil)) == 0:
		d.Done, d.Outcome, d.Why = true, culprit.NotARegression, s.nothing(p)
	case enough && best == 0:
		d.Done, d.Outcome, d.Why = true, culprit.Older,
			"it changed before the oldest push in the range that can be tested"
	case enough && d.Confirmed:
		d.Done, d.Outcome = true, culprit.Found
		c, _ := s.Change()
		if c.Better() {
			d.Outcome = Improvement
		}
		d.Why = fmt.Sprintf("confirmed: both the culprit and the push before it have values, around %.6g and %.6g",
			c.After, c.Before)
	case s.o.MaxRuns > 0 && s.bought >= s.o.MaxRuns:
		d.Done, d.Why = true, fmt.Sprintf("the budget of %d runs is spent", s.o.MaxRuns)
	}
	return d
}

// fewOlder is how many values from before the range it takes to tell "it changed before
// the range" and "nothing changed it" apart.
const fewOlder = 4

// The share of the allowed error that the stop may use where the model is not quite
// right: where there are outliers; and for "nothing but a drift", because a step beside a
// drift looks much like a larger drift.
const (
	outlierTrust = 0.4
	driftTrust   = 0.2
)

// enough reports whether a probability is high enough to believe the hypothesis h.
func (s *Search) enough(prob float64, h int) bool {
	p := s.believe()
	// An allowed error of 0.05 with a trust of 0.4 becomes 0.02: the hypothesis needs a
	// probability of 0.98.
	trust := 1.0
	switch {
	case h == len(s.in.Index):
		if p.nothing.drift > 0.5 {
			trust = driftTrust
		}
	case p.data.drawn > 0:
		trust = outlierTrust
	}
	return prob >= 1-(1-s.o.Confidence)*trust
}

// fewNewest is how many values the newest push must have before the search believes that
// nothing changed: an alert said that something did.
const fewNewest = 3

// lacking returns the runs of the newest push that are missing for that, not counting
// those under way: one entry for each. With positions 0 to 4, 1 value on position 4 and 1
// run under way there, it returns 4 alone; with nil for busy, 4 4. It returns nothing when
// the newest push cannot be run any more.
func (s *Search) lacking(busy []int) []int {
	last := len(s.in.Index) - 1
	have := len(s.values[last])
	for _, x := range busy {
		if x == last {
			have++
		}
	}
	var want []int
	for ; have < fewNewest && s.open(last); have++ {
		want = append(want, last)
	}
	return want
}

// nothing says in words what explains the values if nothing changed.
func (s *Search) nothing(p *posterior) string {
	if p.nothing.drift > 0.5 {
		return "the values drift: no single push in the range changed them"
	}
	return fmt.Sprintf("one mean of %.6g, with a standard deviation of %.3g, explains all %d values",
		p.data.mid+p.nothing.before, p.nothing.sigma, len(p.data.z))
}

// agreed is how many standard deviations apart the ranks must be (see agree) before a
// culprit is named, where one side has fewer than fewValues values. When all values on one
// side are above those on the other, 4 and 4 values reach it (2.31), and 3 and 4 do not
// (2.12).
const (
	agreed    = 2.3
	fewValues = 8
)

// confirmed reports whether the push at a position and the one before it have enough
// values to name the former as the culprit, and whether the rank test agrees where values
// are few.
func (s *Search) confirmed(at int) bool {
	if need := s.need(); len(s.values[at]) < need || len(s.values[at-1]) < need {
		return false
	}
	left, right := s.sides(at)
	if min(len(left), len(right)) >= fewValues {
		return true
	}
	return math.Abs(agree(left, right)) >= agreed
}

// need returns how many values the most probable push and the one before it must have: 2
// where outliers occur, because a single value may be one.
func (s *Search) need() int {
	if s.believe().data.drawn > 0 {
		return 2
	}
	return 1
}

// sides returns the values before a position, with the older ones, and those from it on,
// with the newer ones, both in the order of the pushes.
func (s *Search) sides(at int) (left, right []float64) {
	left = slices.Concat(s.o.Older, slices.Concat(s.values[:at]...))
	right = slices.Concat(slices.Concat(s.values[at:]...), s.o.Newer)
	return left, right
}

// next chooses runs: those that confirm what is believed, else the most informative ones.
// running are pushes; those that cannot be tested are left out. A run under way counts as
// one that was made, so the same confirmation is not chosen twice.
func (s *Search) next(d *culprit.Decision, k int, running []int) {
	if s.o.MaxRuns > 0 {
		k = min(k, s.o.MaxRuns-s.bought)
	}
	var busy []int
	for _, x := range running {
		if i, err := s.position(x); err == nil {
			busy = append(busy, i)
		}
	}
	if d.Culprit >= 0 && s.enough(d.Probability, s.in.Of(d.Culprit)) {
		s.confirm(d, s.in.Of(d.Culprit), k, busy)
		return
	}
	if m := len(s.in.Index); s.enough(d.Nothing, m) || s.enough(d.Older+d.Nothing, m) && len(s.o.Older) < fewOlder {
		switch want := s.lacking(busy); {
		case len(want) > 0:
			d.Next = s.in.Pushes(want[:min(k, len(want))])
			d.Why = "to confirm that nothing changed: values on the newest push"
			return
		case len(s.lacking(nil)) > 0:
			d.Why = "the confirmation is under way"
			return
		}
	}
	positions := s.batch(k, busy)
	switch {
	case len(positions) > 0:
		d.Next = s.in.Pushes(positions)
		d.Why = fmt.Sprintf("most informative next run (%.1f bits of uncertainty left)", d.Bits)
	case len(busy) > 0:
		d.Why = "waiting for the runs under way: nothing else can run beside them"
	default:
		d.Done = true
		d.Outcome, d.Why = s.nowhere()
	}
}

// confirm chooses runs on the most probable push and the one before it: first where
// values are lacking, then in turns, beginning on the side of the change that has fewer
// values. The turns are for the rank test, which may need more values than the two pushes
// must have. With k = 3:
//
//	the culprit lacks its only value            that one run, and no more while it is under way
//	none is lacking, fewer values on the right  the culprit, the push before it, the culprit
func (s *Search) confirm(d *culprit.Decision, at, k int, busy []int) {
	have := map[int]int{at: len(s.values[at]), at - 1: len(s.values[at-1])} // values, and runs under way
	for _, x := range busy {
		have[x]++
	}
	left, right := s.sides(at)
	// few says that the right side, from the culprit on, has fewer values.
	few, need := len(left) > len(right), s.need()
	lacking := func() int {
		for _, x := range []int{at, at - 1} {
			if have[x] < need && s.open(x) {
				return x
			}
		}
		if len(s.values[at]) < need || len(s.values[at-1]) < need {
			return -1 // the missing value is under way, or cannot be measured
		}
		order := []int{at - 1, at}
		if few {
			order = []int{at, at - 1}
		}
		for _, x := range order {
			if s.open(x) {
				return x
			}
		}
		return -1
	}
	var want []int
	for len(want) < k {
		x := lacking()
		if x < 0 {
			break
		}
		want = append(want, x)
		have[x]++
		few = !few
	}
	switch {
	case len(want) > 0:
		d.Next, d.Why = s.in.Pushes(want), "to confirm: values on the most probable push and the one before it"
	case len(busy) > 0:
		d.Why = "the confirmation is under way"
	default:
		d.Done = true
		d.Why = "it cannot be confirmed: the most probable push or the one before it cannot be run any more"
	}
}

// nowhere says how a search ends that has nothing left to run, or no run that would tell
// anything.
func (s *Search) nowhere() (o culprit.Outcome, why string) {
	mute := true
	for i := range s.in.Index {
		if s.open(i) {
			return culprit.Undecided, "more runs will not help: none is expected to change what is believed"
		}
		mute = mute && s.infra[i] >= s.o.MaxInfra
	}
	if !mute {
		return culprit.Undecided, "no push in the range can be run any more"
	}
	return culprit.Infra, fmt.Sprintf("%d runs in a row gave no value, on every push", s.o.MaxInfra)
}

// credible returns the smallest set of pushes whose probability reaches the confidence.
func (s *Search) credible(p *posterior) []culprit.Candidate {
	var out []culprit.Candidate
	for push, share := range s.in.Credible(p.prob, s.o.Confidence) {
		out = append(out, culprit.Candidate{Push: push, Probability: share})
	}
	return out
}

// warnings says in words why the probability may mislead.
func (s *Search) warnings(p *posterior, best int) []string {
	var out []string
	if best > 0 && best < len(s.in.Index) {
		if n := len(s.in.Class(best)); n > 1 {
			out = append(out, fmt.Sprintf("%d pushes cannot be told apart, because all but the newest of them cannot "+
				"be tested", n))
		}
	}
	if p.drift > 0.5 {
		out = append(out, "the values drift over the range")
	}
	if p.data.drawn > 0 && 10*p.data.drawn > len(p.data.z) {
		out = append(out, fmt.Sprintf("%d of %d values are far from their neighbours: they count as %d standard "+
			"deviations away", p.data.drawn, len(p.data.z), reach))
	}
	return out
}

// Posterior returns the probability of each push 0 to n to be the culprit. An untestable
// push has its share of the probability of its class, by the weights.
func (s *Search) Posterior() []float64 { return s.in.Posterior(s.believe().prob) }
