package culprit

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/suspect"
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
	// Probability is that of the most probable hypothesis, whichever it is; of
	// OlderOrNothing, that of both.
	Probability float64
	// Older and Nothing are the probabilities of these.
	Older, Nothing float64
	// Credible is the smallest set of classes that has the culprit with the
	// confidence, if there is one: the most probable first, and the pushes of a
	// class together.
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

// Candidate is a push that may be the culprit. The pushes of a class are all there,
// each with its share of what the class has, by the weights.
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
	m := len(s.in.Index)
	if m < 2 {
		return s.hopeless()
	}
	p := s.believe()
	best := suspect.Best(p.prob)
	d := Decision{
		Outcome: Undecided, Culprit: -1, Probability: p.prob[best], Older: p.prob[0], Nothing: p.prob[m],
		Rates: p.ratesAt(best), Bits: suspect.Entropy(p.prob), Warnings: s.warnings(p, best),
	}
	d.Credible = s.credible(p)
	if best > 0 && best < m {
		d.Culprit, d.Class = s.in.Index[best], s.in.Class(best)
		d.Confirmed = s.seen[best].runs.Failed > 0 && s.seen[best-1].runs.Passed > 0
	}
	if math.IsNaN(d.Probability) || d.Probability == 0 {
		d.Done, d.Why = true, "the observations contradict every hypothesis"
		return d
	}
	s.stop(&d, p, best)
	return d
}

// hopeless is a search of too few pushes.
func (s *Search) hopeless() Decision {
	why := "only 1 push can be tested: a culprit needs two"
	if !s.in.Testable(s.n) {
		why = "no push can be tested"
	}
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
	if at := s.in.Of(max(0, d.Culprit)); d.Culprit >= 0 && d.Probability >= s.enough(at) {
		want := s.confirmations(at, busy)
		if len(want) > 0 {
			d.Next, d.Why = s.in.Pushes(want[:min(k, len(want))]),
				"to confirm: a failure on the most probable push, and a pass on its parent"
			return
		}
		if !d.Confirmed && len(busy) > 0 {
			d.Why = "the confirmation is under way"
			return
		}
		if !d.Confirmed {
			d.Done, d.Why = true, "it cannot be confirmed: "+s.unconfirmed(at)
			return
		}
	}
	if n := s.probe(k, busy); n > 0 {
		d.Next = slices.Repeat([]int{s.in.Index[len(s.in.Index)-1]}, n)
		d.Why = "tells how often it fails, before the search for the push begins"
		return
	}
	positions := s.batch(k, busy)
	switch {
	case len(positions) == 0 && len(busy) > 0:
		d.Why = "nothing can run beside what is under way"
	case len(positions) == 0:
		d.Done = true
		d.Outcome, d.Why = s.nowhere()
	default:
		d.Next = s.in.Pushes(positions)
		d.Why = fmt.Sprintf("tells most about the culprit: %.2f bits are left", d.Bits)
	}
}

// nowhere is how a search ends that cannot run anything any more.
func (s *Search) nowhere() (o Outcome, why string) {
	infra, mute := 0, true
	for i, k := range s.seen {
		if s.open(i) {
			return Undecided, "no run is expected to tell anything more"
		}
		infra, mute = infra+k.infra, mute && (s.mute(i) || k.infra > 0) // the caller closes such a push too
	}
	if !mute {
		return Undecided, "no push of the range can be run any more"
	}
	return Infra, fmt.Sprintf("infrastructure ended %d runs, and each push that can be tested is silent by now", infra)
}

// unconfirmed says what is missing of a confirmation that can be run no more.
func (s *Search) unconfirmed(at int) string {
	var missing []string
	if r := s.seen[at].runs; r.total() == 0 {
		missing = append(missing, "the most probable push never ran, and cannot be run any more")
	} else if r.Failed == 0 {
		missing = append(missing, "the most probable push has not failed, and cannot be run any more")
	}
	if r := s.seen[at-1].runs; r.total() == 0 {
		missing = append(missing, "its parent never ran, and cannot be run any more")
	} else if r.Passed == 0 {
		missing = append(missing, "its parent has not passed, and cannot be run any more")
	}
	return strings.Join(missing, "; ")
}

// confirmations are the positions whose runs confirm a culprit, as far as they
// are not under way.
func (s *Search) confirmations(at int, busy []int) []int {
	var want []int
	if s.seen[at].runs.Failed == 0 && s.open(at) && !slices.Contains(busy, at) {
		want = append(want, at)
	}
	if s.seen[at-1].runs.Passed == 0 && s.open(at-1) && !slices.Contains(busy, at-1) {
		want = append(want, at-1)
	}
	return want
}

// credible is the smallest set with the confidence.
func (s *Search) credible(p *posterior) []Candidate {
	var out []Candidate
	for push, share := range s.in.Credible(p.prob, s.o.Confidence) {
		out = append(out, Candidate{push, share})
	}
	return out
}

func (s *Search) warnings(p *posterior, best int) []string {
	var out []string
	m := len(s.in.Index)
	if best > 0 && best < m {
		if n := len(s.in.Class(best)); n > 1 {
			out = append(out, fmt.Sprintf("%d pushes cannot be told apart, since all but the newest of them "+
				"cannot be tested", n))
		}
		if r := p.ratesAt(best); r.After-r.Before < 0.2 && r.After < 0.5 {
			out = append(out, "the rates before and after are near each other: the runs must be independent for the "+
				"probability to mean what it says")
		}
	}
	if s.seen[0].runs.Failed > 0 && best != m {
		out = append(out, fmt.Sprintf("the oldest push of the range failed in %d of %d runs", s.seen[0].runs.Failed,
			s.seen[0].runs.total()))
	}
	return out
}

// Posterior is the probability of each push 0 to n: an untestable one has its
// share of its class's, by the weights.
func (s *Search) Posterior() []float64 { return s.in.Posterior(s.believe().prob) }
