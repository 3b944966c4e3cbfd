package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// The prior probability that infrastructure ends every run on a push: where nothing ran
// yet, and where a run had a result before; and the probability from which on the search
// chooses no more runs there.
const (
	deadPrior = 0.1
	deadLater = 0.01
	deadFrom  = 0.98
)

// The prior for the share of runs that infrastructure ends on a push that can run:
// Beta(infraA, infraB), with a mean of 1/6.
const (
	infraA = 0.5
	infraB = 2.5
)

// dead returns the probability that infrastructure ends every run on the push at a
// position from now on. The other explanation of the runs that it ended there in a row is
// bad luck, at the rate seen on other pushes.
func (s *Search) dead(i int) float64 {
	if s.seen[i].silent == 0 {
		return 0
	}
	a, b := infraA, infraB
	for _, k := range s.seen {
		if k.runs.total() > 0 {
			a += float64(k.infra - k.silent)
			b += float64(k.runs.total())
		}
	}
	// The chance of that many infrastructure failures in a row under the beta-binomial:
	// a/(a+b) (a+1)/(a+b+1) ...
	unlucky := 1.0
	for j := range s.seen[i].silent {
		unlucky *= (a + float64(j)) / (a + b + float64(j))
	}
	prior := deadPrior
	if s.seen[i].runs.total() > 0 {
		prior = deadLater
	}
	return prior / (prior + (1-prior)*unlucky)
}

// mute reports whether infrastructure ends every run at a position, as far as can be
// known. The search must have tried it itself: what ended earlier runs may have been
// fixed since.
func (s *Search) mute(i int) bool {
	return s.seen[i].tried > 0 && (s.seen[i].silent >= s.o.MaxInfra || s.dead(i) >= deadFrom)
}

// open reports whether the search may choose runs at a position.
func (s *Search) open(i int) bool {
	x := s.in.Index[i]
	return s.in.Testable(x) && (s.o.Closed == nil || !s.o.Closed[x]) && !s.mute(i)
}

// severalPushes is on how many pushes infrastructure must have ended runs before the
// search takes it for a failure of the whole CI.
const severalPushes = 2

// silence reports whether infrastructure ends the runs of all pushes: MaxInfra in a row,
// on several pushes. Once any chosen run had a result, it takes twice as many.
func (s *Search) silence() bool {
	most := s.o.MaxInfra
	if s.heard {
		most *= 2
	}
	if s.silent < most {
		return false
	}
	tried := 0
	for _, k := range s.seen {
		tried += min(k.tried, 1)
	}
	for x := range s.n + 1 {
		if s.in.Ended(x) {
			tried++
		}
	}
	return tried >= severalPushes
}

// setAside takes the pushes out of the range on which infrastructure ended every run.
// Their neighbours' classes then grow over them; a later result brings a push back (see
// Observe).
func (s *Search) setAside() {
	var mute []int
	for i, x := range s.in.Index {
		if s.seen[i].runs.total() == 0 && s.mute(i) {
			mute = append(mute, x)
		}
	}
	if from := s.in.Index; s.in.SetAside(mute) {
		s.again(from)
	}
}

// again moves what is known about the pushes to their new positions, after the classes
// changed. from are the pushes by their old positions.
func (s *Search) again(from []int) {
	s.seen, s.post = suspect.Carry(from, s.in.Index, s.seen), nil
}

// ObserveInfra records a run that infrastructure ended. It says nothing about the
// culprit, and has its own limit, Options.MaxInfra. chosen says that this search chose
// the run: what ended the runs of others may be fixed by now.
func (s *Search) ObserveInfra(push int, chosen bool) error {
	if s.in.Ended(push) {
		return nil
	}
	i, err := s.position(push)
	if err == nil {
		s.seen[i].infra++
		s.seen[i].silent++
		if chosen {
			s.seen[i].tried++
			s.silent++
		}
	}
	return err
}

// alive returns how likely a run at a position is to have a result, relative to a push
// about which nothing is known.
func (s *Search) alive(i int) float64 { return math.Max(0, 1-s.dead(i)) }
