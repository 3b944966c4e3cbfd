package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// How probable it is, before anything is known of it, that infrastructure ends
// every run of a push; that it does so from now on where a run had a result; and
// from which probability on nothing more is asked for there.
const (
	deadPrior = 0.1
	deadLater = 0.01
	deadFrom  = 0.98
)

// What is known of the share of runs that infrastructure ends on a push that can
// be run, before anything is: a Beta distribution.
const (
	infraA = 0.5
	infraB = 2.5
)

// dead is the probability that infrastructure ends every run of the push at a
// position from now on: that, or the runs which it ended there in a row were as
// unlucky as others are now and then.
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

// mute reports whether infrastructure ends every run at a position, as far as one
// can know: the search has tried it, and not only others before, whose infrastructure
// may have been mended since.
func (s *Search) mute(i int) bool {
	return s.seen[i].tried > 0 && (s.seen[i].silent >= s.o.MaxInfra || s.dead(i) >= deadFrom)
}

// open reports whether runs may be asked for at a position.
func (s *Search) open(i int) bool {
	x := s.in.Index[i]
	return s.in.Testable(x) && (s.o.Closed == nil || !s.o.Closed[x]) && !s.mute(i)
}

// severalPushes is on how many pushes infrastructure must end the runs to have ended
// all.
const severalPushes = 2

// silence reports whether infrastructure ends the runs of all pushes: so many in
// a row, on several of them.
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

// setAside leaves out the pushes on which infrastructure ended every run.
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

// again puts what is known of the pushes into the new classes.
func (s *Search) again(from []int) {
	s.seen, s.post = suspect.Carry(from, s.in.Index, s.seen), nil
}

// ObserveInfra tells of a run that infrastructure ended: it says nothing about
// the culprit, and has its own cap. chosen says that this search asked for it: what
// ended others' runs before may be mended by now.
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

// alive is how likely a run at a position is to have a result, beside one on a
// push of which nothing is known.
func (s *Search) alive(i int) float64 { return math.Max(0, 1-s.dead(i)) }
