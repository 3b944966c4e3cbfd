package culprit

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/suspect"
)

// Decision is what the search believes, and what to do next.
type Decision struct {
	Done    bool
	Outcome Outcome
	// Why says, in a phrase for people, why the runs in Next were chosen, or why the
	// search ended.
	Why string
	// Next are the pushes to run, once for each entry: [9 9 12] means two runs on push 9
	// and one on push 12.
	Next []int
	// Culprit is the most probable push, and Class the pushes that cannot be told apart
	// from it, itself included. They are -1 and nil where "before the range" or "nothing"
	// is most probable.
	Culprit int
	Class   []int
	// Probability is that of the most probable hypothesis, whichever it is. For the
	// outcome OlderOrNothing it is that of both together.
	Probability float64
	// Older and Nothing are the probabilities that the job was broken before the range,
	// and that nothing broke it.
	Older, Nothing float64
	// Credible is the smallest set of classes whose probability adds up to the
	// confidence, if there is one: the most probable class first, with the pushes of a
	// class next to each other.
	Credible []Candidate
	// Rates are the estimated failure rates, on the assumption that the most probable
	// hypothesis is true.
	Rates Rates
	// Bits is the uncertainty that is left about the hypothesis: its entropy in bits. 3
	// bits are as uncertain as 8 equally likely pushes.
	Bits float64
	// Confirmed says that a failure was seen on the culprit and a pass on its parent, the
	// testable push before it.
	Confirmed bool
	Warnings  []string
}

// Candidate is a push that may be the culprit. All pushes of a class are listed, each
// with its share of the probability of the class, by the weights.
type Candidate struct {
	Push        int
	Probability float64
}

// Decide returns what the search believes and what to run next: at most k runs, beside
// those that are under way on the pushes in running (one entry for each run). With k = 0
// it only says what is believed. Next may be empty while the search is not Done: then
// wait for the runs under way.
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

// state returns what the search believes, without choosing runs.
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

// hopeless is the decision where fewer than two pushes can be tested.
func (s *Search) hopeless() Decision {
	why := "only 1 push can be tested: naming a culprit takes at least 2"
	if !s.in.Testable(s.n) {
		why = "no push can be tested"
	}
	return Decision{Done: true, Outcome: Undecided, Culprit: -1, Why: why}
}

// next chooses runs: first those that confirm what is believed; then runs on the failing
// push, to learn how often it fails; else the most informative ones.
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
		d.Why = "measures how often it fails, before the search for the push begins"
		return
	}
	positions := s.batch(k, busy)
	switch {
	case len(positions) == 0 && len(busy) > 0:
		d.Why = "waiting for the runs under way: nothing else can run beside them"
	case len(positions) == 0:
		d.Done = true
		d.Outcome, d.Why = s.nowhere()
	default:
		d.Next = s.in.Pushes(positions)
		d.Why = fmt.Sprintf("most informative next run (%.1f bits of uncertainty left)", d.Bits)
	}
}

// nowhere says how a search ends that has no push left to run. When infrastructure
// failures alone are the reason, the outcome is Infra.
func (s *Search) nowhere() (o Outcome, why string) {
	infra, mute := 0, true
	for i, k := range s.seen {
		if s.open(i) {
			return Undecided, "no further run is expected to change what is believed"
		}
		infra, mute = infra+k.infra, mute && (s.mute(i) || k.infra > 0) // the caller may close a silent push too
	}
	if !mute {
		return Undecided, "no push in the range can be run any more"
	}
	return Infra, fmt.Sprintf("infrastructure ended %s, and no push in the range gives results any more", runs(infra))
}

// unconfirmed says which part of the confirmation is missing, where it cannot be run any
// more. at-1 is the parent of at: positions count testable pushes only.
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

// confirmations returns the positions to run, once each, to confirm a culprit: those that
// lack their result and have no run under way.
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

// credible returns the smallest set of pushes whose probability reaches the confidence.
func (s *Search) credible(p *posterior) []Candidate {
	var out []Candidate
	for push, share := range s.in.Credible(p.prob, s.o.Confidence) {
		out = append(out, Candidate{push, share})
	}
	return out
}

// warnings says in words why the probability may mislead.
func (s *Search) warnings(p *posterior, best int) []string {
	var out []string
	m := len(s.in.Index)
	if best > 0 && best < m {
		if n := len(s.in.Class(best)); n > 1 {
			out = append(out, fmt.Sprintf("%d pushes cannot be told apart, because all but the newest of them "+
				"cannot be tested", n))
		}
		// With rates this close a few runs that fail together, as on one bad machine,
		// look like a culprit.
		if r := p.ratesAt(best); r.After-r.Before < 0.2 && r.After < 0.5 {
			out = append(out, "the failure rates before and after are close to each other: the probability is right "+
				"only if the runs are independent")
		}
	}
	if s.seen[0].runs.Failed > 0 && best != m {
		out = append(out, fmt.Sprintf("the oldest push in the range failed in %d of %d runs", s.seen[0].runs.Failed,
			s.seen[0].runs.total()))
	}
	return out
}

// Posterior returns the probability of each push 0 to n to be the culprit. An untestable
// push has its share of the probability of its class, by the weights.
func (s *Search) Posterior() []float64 { return s.in.Posterior(s.believe().prob) }
