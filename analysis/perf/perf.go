// Package perf searches for the push that changed a measured value: observations
// go in, the next runs and a probability come out. It is pure: no clock, no
// network, no randomness; the same observations give the same next step. It also
// reads the values, from the data that performance jobs leave for Perfherder; see
// [ReadLog] and [ReadArtifact].
//
// Start with [New], a [Search] over n+1 pushes in order; tell it what was measured
// with [Search.Observe], ask [Search.Decide] what to do, and run what
// culprit.Decision.Next says until it is Done. It is analysis/culprit with a mean
// and a variance in place of a rate.
//
// # The model
//
// Pushes 0 to n are in order. A hypothesis is that the mean changed with push h (1 to
// n), that it changed before the range (0), or that it changed with none of them
// (n+1). Values are Gaussian around the mean before or after the change, with one
// variance that is not known. The priors are conjugate (normal-inverse-gamma): the
// mean is flat, the variance is about that of neighbouring values, and the change is
// normal with a width of 1.6, 4, 12 or 100 standard deviations, which are summed over. So
// the likelihood of a hypothesis has a closed form, and is the same between two tested
// pushes.
//
// # What is not Gaussian
//
// A value far from its neighbours is drawn in to three standard deviations (see
// clean.go), so that one outlier proves nothing. Values may drift, or have changed once
// before the range or after it: each hypothesis is weighed with and without. Where there
// are few values on a side, a culprit is named only if a rank test agrees, which
// knows nothing of a distribution: noise with two modes is no change.
//
// # When it stops
//
// The most probable hypothesis is believed when its probability reaches the
// confidence. A culprit is named only when it and the push before it have values. The
// figures are in internal/bench perf.
package perf

import (
	"fmt"
	"math"
	"slices"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/internal/suspect"
	"github.com/mozci/mozci/job"
)

// Improvement is the outcome of a search that found the push that changed the value,
// for the better. Of one for the worse it is culprit.Found.
const Improvement culprit.Outcome = "improvement"

// Options configure a search; nil is zero options.
type Options struct {
	// Confidence is the probability at which a hypothesis is believed, 0.5 to
	// less than 1. Default 0.95.
	Confidence float64
	// Older are values of pushes before the range, Newer those of pushes after it,
	// in the order of the pushes: evidence that nobody bought.
	Older, Newer []float64
	// HigherIsBetter says that more is better. Default: less is, as in Perfherder.
	HigherIsBetter bool
	// Weights say how likely each push 0 to n is to have changed it, relative to
	// the others; the first is not used. Default all the same.
	Weights []float64
	// PriorOlder and PriorNothing are the probabilities that it changed before the
	// range, and that nothing in it changed it. Defaults 0.02 and 0.3. Negative is 0.
	PriorOlder, PriorNothing float64
	// Untestable says of each push 0 to n whether it cannot be run; the answer may
	// then be a set of pushes. Closed says whether it can be run no more, while it
	// has values.
	Untestable, Closed []bool
	// MaxRuns is how many runs may be bought. Default no limit.
	MaxRuns int
	// MaxInfra is how many runs in a row may end without a value on one push,
	// before it counts as one that cannot be run. Default 4.
	MaxInfra int
}

// Change is what happened to the value.
type Change struct {
	Before, After float64 // the means, in the value's unit
	Percent       float64 // of the mean before; 0 where that is 0
	LowerIsBetter bool
	// Drift says that the values drift, whatever else they do.
	Drift bool
}

// Better reports whether the change is an improvement.
func (c Change) Better() bool { return (c.After < c.Before) == c.LowerIsBetter }

// Search is a search under way; New makes one. It is not safe for concurrent use.
type Search struct {
	o  Options
	n  int // pushes 0 to n
	in *suspect.Classes

	values [][]float64 // by position
	infra  []int       // in a row, by position
	bought int
	rounds int

	post *posterior // nil when it is to be computed
}

// New returns a search over pushes 0 to n. Options that make no sense, such as
// values that are no numbers, give job.ErrInvalid.
func New(n int, opts *Options) (*Search, error) {
	s := &Search{n: n}
	if opts != nil {
		s.o = *opts
	}
	if err := s.defaults(); err != nil {
		return nil, fmt.Errorf("perf: %w", err)
	}
	s.in = suspect.New(n, suspect.Options{
		Weights: s.o.Weights, Untestable: s.o.Untestable, Older: s.o.PriorOlder, Nothing: s.o.PriorNothing,
	})
	s.values, s.infra = make([][]float64, len(s.in.Index)), make([]int, len(s.in.Index))
	return s, nil
}

func (s *Search) defaults() error {
	o := &s.o
	for _, d := range []struct {
		v *float64
		d float64
	}{{&o.Confidence, 0.95}, {&o.PriorOlder, 0.02}, {&o.PriorNothing, 0.3}} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	o.PriorOlder, o.PriorNothing = math.Max(0, o.PriorOlder), math.Max(0, o.PriorNothing)
	if o.MaxInfra <= 0 {
		o.MaxInfra = 4
	}
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", job.ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case s.n < 0:
		return invalid("%d pushes", s.n+1)
	case !(o.Confidence >= 0.5 && o.Confidence < 1):
		return invalid("confidence %v, expected 0.5 to less than 1", o.Confidence)
	case !(o.PriorOlder+o.PriorNothing < 1):
		return invalid("before %v and nothing %v leave nothing for a culprit", o.PriorOlder, o.PriorNothing)
	case o.Weights != nil && len(o.Weights) != s.n+1:
		return invalid("%d weights for %d pushes", len(o.Weights), s.n+1)
	case o.Untestable != nil && len(o.Untestable) != s.n+1:
		return invalid("%d marks of what is untestable for %d pushes", len(o.Untestable), s.n+1)
	case o.Closed != nil && len(o.Closed) != s.n+1:
		return invalid("%d marks of what is closed for %d pushes", len(o.Closed), s.n+1)
	}
	for _, v := range slices.Concat(o.Older, o.Newer) {
		if !sane(v) {
			return invalid("value %v outside of the range", v)
		}
	}
	for i, w := range o.Weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return invalid("weight %v of push %d", w, i)
		}
	}
	return nil
}

// mostValue bounds values, as Perfherder's schema does.
const mostValue = 1e12

func sane(v float64) bool { return math.Abs(v) <= mostValue } // false for NaN

// setAside leaves out the pushes on which as many runs as may be ended without a
// value, and none had one.
func (s *Search) setAside() {
	var mute []int
	for i, x := range s.in.Index {
		if s.infra[i] >= s.o.MaxInfra && len(s.values[i]) == 0 {
			mute = append(mute, x)
		}
	}
	if from := s.in.Index; s.in.SetAside(mute) {
		s.again(from)
	}
}

// again puts what is known of the pushes into the new classes.
func (s *Search) again(from []int) {
	s.values, s.infra = suspect.Carry(from, s.in.Index, s.values), suspect.Carry(from, s.in.Index, s.infra)
	s.post = nil
}

// Observe tells of a value that was measured on a push. chosen says that this
// search asked for the run. A push that is not in the range, or cannot be tested,
// and a value beyond 1e12 give job.ErrInvalid.
func (s *Search) Observe(push int, value float64, chosen bool) error {
	if !sane(value) {
		return fmt.Errorf("perf: %w: value %v of push %d", job.ErrInvalid, value, push)
	}
	if from := s.in.Index; s.in.Return(push) { // it tells something after all
		s.again(from)
	}
	i, err := s.position(push)
	if err != nil {
		return err
	}
	// In order of size: what is decided does not depend on which run ended first.
	at, _ := slices.BinarySearch(s.values[i], value)
	s.values[i] = slices.Insert(s.values[i], at, value)
	if chosen {
		s.bought++
	}
	s.infra[i] = 0
	s.post = nil
	return nil
}

// ObserveInfra tells of a run that ended without a value.
func (s *Search) ObserveInfra(push int) error {
	if s.in.Ended(push) {
		return nil
	}
	i, err := s.position(push)
	if err == nil {
		s.infra[i]++
	}
	return err
}

// open reports whether runs may be asked for at a position.
func (s *Search) open(i int) bool {
	x := s.in.Index[i]
	return s.in.Testable(x) && s.infra[i] < s.o.MaxInfra && (s.o.Closed == nil || !s.o.Closed[x])
}

func (s *Search) position(push int) (int, error) {
	i, err := s.in.Position(push)
	if err != nil {
		return 0, fmt.Errorf("perf: %w: %w", job.ErrInvalid, err)
	}
	return i, nil
}

// Runs is how many runs with a value were bought.
func (s *Search) Runs() int { return s.bought }

// Rounds is how often Decide gave something to run.
func (s *Search) Rounds() int { return s.rounds }
