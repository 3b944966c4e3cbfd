// Package perf searches for the push that changed a measured value, such as the time a
// page takes to load: observations go in, the next runs and a probability come out. It is
// pure: no clock, no network, no randomness. The same observations always give the same
// next step. The package also reads the values that performance jobs report to
// Perfherder: [ReadRun], [ReadLog], [ReadArtifact] and [Choose].
//
// Start with [New], which makes a [Search] over n+1 pushes, oldest first. Tell it what
// was measured with [Search.Observe], ask [Search.Decide] what to do, and run what
// culprit.Decision.Next says, until culprit.Decision.Done; then [Search.Change] says how
// the value changed. [Rehearse] plays a whole search against a function, as the package
// example shows. The search is like that of analysis/culprit, with a mean and a variance
// instead of failure rates.
//
// Pushes are numbers from 0 to n. Values have any unit, as long as all have the same;
// probabilities are fractions from 0 to 1. Options, pushes or values that make no sense
// give job.ErrInvalid. A Search is not safe for concurrent use.
//
// # The model
//
// Push 0 is believed to be unchanged. A hypothesis is that push h changed the mean (1 to
// n), that it changed before the range (0), or that none of the pushes changed it (n+1).
// Values are Gaussian around the mean before or after the change, with one unknown
// variance. The priors are conjugate (normal-inverse-gamma): the mean is flat, the
// variance is about that of neighbouring values, and the change is normal with a width of
// 1.6, 4, 12 or 100 standard deviations, over which the search sums. So the likelihood of
// a hypothesis has a closed form, and is the same between two tested pushes.
//
// # What is not Gaussian
//
// A value far from its neighbours is drawn in to three standard deviations (see
// clean.go), so that a single outlier proves nothing. Values may also drift, or have
// changed once before the range or after it: each hypothesis is weighed with and without
// that. Where one side has few values, a culprit is named only if a rank test agrees,
// which assumes nothing about the distribution: noise with two modes is no change.
//
// # When it stops
//
// The search believes the most probable hypothesis when its probability reaches the
// confidence, or more where the model is known to fit badly. It names a culprit only when
// both the culprit and the push before it have values. internal/bench perf measures how
// often it is right.
package perf

import (
	"fmt"
	"math"
	"slices"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/internal/suspect"
	"github.com/mozci/mozci/job"
)

// Improvement is the outcome of a search that found a push which changed the value for
// the better. A change for the worse is culprit.Found.
const Improvement culprit.Outcome = "improvement"

// Options configure a search. Nil means the defaults.
type Options struct {
	// Confidence is the probability at which the search believes a hypothesis, 0.5 to
	// less than 1. Default 0.95.
	Confidence float64
	// Older are values of pushes before the range, Newer those of pushes after it, both
	// oldest first. They are evidence that cost nothing.
	Older, Newer []float64
	// HigherIsBetter says that higher values are better. Default: lower is better, as in
	// Perfherder.
	HigherIsBetter bool
	// Weights say how likely each push 0 to n is to have changed the value, relative to
	// the others. The first is not used. Default: all the same.
	Weights []float64
	// PriorOlder and PriorNothing are the prior probabilities that the value changed
	// before the range, and that nothing in the range changed it. Defaults 0.02 and 0.3.
	// Zero means the default, so a negative value stands for 0.
	PriorOlder, PriorNothing float64
	// Untestable says, for each push 0 to n, that nothing can run on it. The answer may
	// then be several pushes that cannot be told apart. Closed says that nothing more can
	// run on it, while its values still count.
	Untestable, Closed []bool
	// MaxRuns is the maximum number of runs that the search may choose. Default: no
	// limit.
	MaxRuns int
	// MaxInfra is how many runs in a row may end without a value on a push before the
	// search chooses no more runs there. Default 4.
	MaxInfra int
}

// Change says how the value changed.
type Change struct {
	Before, After float64 // the means on either side, in the unit of the values
	Percent       float64 // the change in percent of the mean before, such as 4.9; 0 where that is 0
	LowerIsBetter bool
	// Drift says that the values drift, whether or not they also changed at once.
	Drift bool
}

// Better reports whether the change is an improvement.
func (c Change) Better() bool { return (c.After < c.Before) == c.LowerIsBetter }

// Search is a search under way. New makes one. It is not safe for concurrent use.
type Search struct {
	o  Options
	n  int // pushes 0 to n
	in *suspect.Classes

	values [][]float64 // by position: the index in in.Index; each in ascending order
	infra  []int       // by position: runs in a row without a value
	bought int         // runs with a value that the search chose
	rounds int         // calls of Decide that chose runs

	post *posterior // nil when it must be computed again
}

// New returns a search over pushes 0 to n. Options that make no sense, such as values
// that are not numbers, give job.ErrInvalid.
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

// defaults fills in and checks the options. Conditions are written !(x > y), which also
// refuses NaN.
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
		return invalid("priors %v and %v leave nothing for a culprit", o.PriorOlder, o.PriorNothing)
	case o.Weights != nil && len(o.Weights) != s.n+1:
		return invalid("Weights has %d entries for %d pushes", len(o.Weights), s.n+1)
	case o.Untestable != nil && len(o.Untestable) != s.n+1:
		return invalid("Untestable has %d entries for %d pushes", len(o.Untestable), s.n+1)
	case o.Closed != nil && len(o.Closed) != s.n+1:
		return invalid("Closed has %d entries for %d pushes", len(o.Closed), s.n+1)
	}
	for _, v := range slices.Concat(o.Older, o.Newer) {
		if !sane(v) {
			return invalid("value %v, expected at most 1e12", v)
		}
	}
	for i, w := range o.Weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return invalid("weight %v of push %d, expected 0 or more", w, i)
		}
	}
	return nil
}

// mostValue is the largest absolute value allowed, as in the schema of Perfherder.
const mostValue = 1e12

func sane(v float64) bool { return math.Abs(v) <= mostValue } // false for NaN

// setAside takes the pushes out of the range on which MaxInfra runs in a row ended
// without a value, and none had one. Their neighbours' classes grow over them; a later
// value brings a push back (see Observe).
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

// again moves what is known about the pushes to their new positions, after the classes
// changed. from are the pushes by their old positions.
func (s *Search) again(from []int) {
	s.values, s.infra = suspect.Carry(from, s.in.Index, s.values), suspect.Carry(from, s.in.Index, s.infra)
	s.post = nil
}

// Observe records a value that was measured on a push. chosen says that this search chose
// the run. A push that is outside of the range, or that cannot be tested, and a value
// beyond 1e12 give job.ErrInvalid.
func (s *Search) Observe(push int, value float64, chosen bool) error {
	if !sane(value) {
		return fmt.Errorf("perf: %w: value %v of push %d, expected at most 1e12", job.ErrInvalid, value, push)
	}
	if from := s.in.Index; s.in.Return(push) { // it was set aside, and gives a value after all
		s.again(from)
	}
	i, err := s.position(push)
	if err != nil {
		return err
	}
	// Values are kept in ascending order, so a decision does not depend on which run
	// ended first.
	at, _ := slices.BinarySearch(s.values[i], value)
	s.values[i] = slices.Insert(s.values[i], at, value)
	if chosen {
		s.bought++
	}
	s.infra[i] = 0
	s.post = nil
	return nil
}

// ObserveInfra records a run that ended without a value.
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

// open reports whether the search may choose runs at a position.
func (s *Search) open(i int) bool {
	x := s.in.Index[i]
	return s.in.Testable(x) && s.infra[i] < s.o.MaxInfra && (s.o.Closed == nil || !s.o.Closed[x])
}

// position returns the index of a push among the pushes that can be tested.
func (s *Search) position(push int) (int, error) {
	i, err := s.in.Position(push)
	if err != nil {
		return 0, fmt.Errorf("perf: %w: %w", job.ErrInvalid, err)
	}
	return i, nil
}

// Runs returns how many runs with a value the search chose.
func (s *Search) Runs() int { return s.bought }

// Rounds returns how often Decide chose runs.
func (s *Search) Rounds() int { return s.rounds }
