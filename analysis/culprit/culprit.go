// Package culprit searches for the push that broke a job, also when the job is
// flaky: observations go in, the next runs and a probability come out. It is
// pure: no clock, no network, no randomness; the same observations give the same
// next step.
//
// Start with [New], a [Search] over n+1 pushes in order; tell it what ran with
// [Search.Observe], ask [Search.Decide] what to do, and run what [Decision.Next]
// says until it is Done. [Rehearse] plays a search against an oracle, which is a
// function.
//
// # The model
//
// Pushes 0 to n are in order. Push 0 is believed good, and the failure was seen
// on push n. A hypothesis is that push h broke the job (1 to n), that it was
// broken before the range (0), or that nothing broke it (n+1): a flake, or
// infrastructure. A run on push x fails with probability p if x is h or newer,
// with q if it is older, and with one rate r if nothing broke it; runs are
// independent. None of the rates is known: they have priors on fixed grids, and
// are summed over.
//
// The likelihood of a hypothesis depends only on how many runs failed and passed
// on either side of it, so that it is the same between two tested pushes. The
// next run is the push whose outcome is expected to lower the entropy of the
// hypothesis most (a greedy search, as git_bayesect's and Horstein's of 1963);
// several at a time are chosen for their joint information.
//
// # When it stops
//
// The most probable hypothesis is believed when its probability reaches
// 1 - (1 - confidence) s, where s is smaller than 1 while the failure rate is
// known only from runs that the search chose itself: it then believes too early
// otherwise. A culprit is named only after a failure on it and a pass on its
// parent. A search also ends where more runs would not tell: see [Outcome] and
// [Decision.Why]. The figures are in internal/bench culprit.
package culprit

import (
	"fmt"
	"math"

	"github.com/mozci/mozci/internal/suspect"
	"github.com/mozci/mozci/job"
)

// Counts are runs that ended.
type Counts struct{ Failed, Passed int }

func (c Counts) total() int { return c.Failed + c.Passed }

func (c *Counts) add(failed bool) {
	if failed {
		c.Failed++
	} else {
		c.Passed++
	}
}

// Plus are the runs of both.
func (c Counts) Plus(d Counts) Counts { return Counts{c.Failed + d.Failed, c.Passed + d.Passed} }

// Options configure a search; nil is zero options.
type Options struct {
	// Confidence is the probability at which a hypothesis is believed, 0.5 to
	// less than 1. Default 0.95.
	Confidence float64
	// Older are runs on pushes before the range, Newer those on pushes after
	// it: evidence that nobody bought.
	Older, Newer Counts
	// Weights say how likely each push 0 to n is to have broken it, relative to
	// the others; the first is not used. Default all the same.
	Weights []float64
	// PriorOlder and PriorNothing are the probabilities that it was broken before
	// the range, and that nothing broke it. Defaults 0.02 and 0.1; 0.4 suits a CI
	// whose alarms are mostly flakes. Negative is 0.
	PriorOlder, PriorNothing float64
	// MinEffect and MinOdds are the least difference and the least odds ratio
	// between the rates after and before a culprit. Defaults 0.04 and 1.6; 0.1
	// and 2.5 suit a CI, where less is not worth a search.
	MinEffect, MinOdds float64
	// Permanent says that a broken push fails always, as with compilers.
	Permanent bool
	// Known gives the rates where they are known; for measurements.
	Known *Rates
	// Untestable says of each push 0 to n whether it cannot be run; the answer
	// may then be a set of pushes. Closed says whether it can be run no more, while
	// what ran there tells: such a push is observed, and never one of Decision.Next.
	Untestable, Closed []bool
	// Trust is s above: 0 adapts it between LeastTrust and 1 by the failures
	// among the runs of broken pushes that the search did not choose. LeastTrust
	// is 0.75 by default where runs are asked for one at a time and 0.85 where four
	// or more are, since those lie around the answer before it is believed; 0.4
	// where MinEffect is below 0.1. Less buys more runs and is wrong less often. It
	// is at most 0.25 where the rates
	// before and after are near each other, and where hardly any run on older
	// pushes is known.
	Trust, LeastTrust float64
	// Batch is how many runs are asked for at a time. Default 1.
	Batch int
	// MaxRuns is how many runs may be bought. Default no limit.
	MaxRuns int
	// MaxInfra is how many runs in a row infrastructure may end on one push
	// before nothing more is asked for there, and how many everywhere, while
	// nothing else was seen, before the search gives up. Default 10. Mostly a few
	// are enough: a push is left alone as soon as its silence is better explained
	// by the push than by the infrastructure of the others.
	MaxInfra int
	// RunCost says what a run on each push costs, RoundCost what a round does,
	// in the same unit: an existing build is cheap. Default 1 for each run, and 0.
	RunCost   []float64
	RoundCost float64
}

// Rates are the probabilities that a run fails on a broken push and on one that
// is not.
type Rates struct{ After, Before float64 }

// Outcome says how a search ended.
type Outcome string

// The outcomes. Undecided is also what a search is that has not ended.
const (
	Found          Outcome = "culprit"
	NotARegression Outcome = "not_a_regression" // one rate everywhere
	Older          Outcome = "older"            // broken before the range
	// OlderOrNothing is one of the two before: no push of the range did it, and
	// without runs on older pushes they cannot be told apart.
	OlderOrNothing Outcome = "older_or_nothing"
	Undecided      Outcome = "undecided" // the budget is spent, more runs would not tell, or nothing can be run
	Infra          Outcome = "infra"     // infrastructure ends the runs
)

// Search is a search under way; New makes one. It is not safe for concurrent use.
type Search struct {
	o  Options
	n  int // pushes 0 to n
	in *suspect.Classes

	grid    grid
	refined int     // runs at which the grids were made
	seen    []known // by position
	silent  int     // runs that were bought and infrastructure ended, since one had a result
	heard   bool    // a run that was bought had a result
	bought  int
	rounds  int

	post *posterior // nil when it is to be computed
}

// known is what was observed of a push.
type known struct {
	runs   Counts
	free   Counts // of those, runs that nobody bought
	infra  int    // runs that infrastructure ended
	silent int    // of those, since the last result,
	tried  int    // and of these, runs that the search asked for
}

// New returns a search over pushes 0 to n. Options that make no sense, such as
// probabilities outside 0 to 1, give job.ErrInvalid.
func New(n int, opts *Options) (*Search, error) {
	s := &Search{n: n}
	if opts != nil {
		s.o = *opts
	}
	if err := s.defaults(); err != nil {
		return nil, fmt.Errorf("culprit: %w", err)
	}
	s.in = suspect.New(n, suspect.Options{
		Weights: s.o.Weights, Untestable: s.o.Untestable, Older: s.o.PriorOlder, Nothing: s.o.PriorNothing,
	})
	s.grid = newGrid(s.o)
	s.seen = make([]known, len(s.in.Index))
	return s, nil
}

func (s *Search) defaults() error {
	o := &s.o
	orDefault(&o.Confidence, 0.95)
	orDefault(&o.PriorOlder, 0.02)
	orDefault(&o.PriorNothing, 0.1)
	orDefault(&o.MinEffect, 0.04)
	orDefault(&o.MinOdds, 1.6)
	o.Batch = max(1, o.Batch)
	if o.MinEffect < effectCI {
		orDefault(&o.LeastTrust, carefulTrust)
	}
	orDefault(&o.LeastTrust, 0.75+0.1*between(float64(o.Batch), 1, 4))
	o.PriorOlder, o.PriorNothing = math.Max(0, o.PriorOlder), math.Max(0, o.PriorNothing)
	if o.MaxInfra <= 0 {
		o.MaxInfra = 10
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
	case !(o.MinEffect > 0 && o.MinEffect < 1) || !(o.MinOdds >= 1):
		return invalid("least effect %v and odds ratio %v, expected 0 to 1 and 1 or more", o.MinEffect, o.MinOdds)
	case o.Older.Failed < 0 || o.Older.Passed < 0 || o.Newer.Failed < 0 || o.Newer.Passed < 0:
		return invalid("counts %v and %v", o.Older, o.Newer)
	case o.Weights != nil && len(o.Weights) != s.n+1:
		return invalid("%d weights for %d pushes", len(o.Weights), s.n+1)
	case o.Untestable != nil && len(o.Untestable) != s.n+1:
		return invalid("%d marks of what is untestable for %d pushes", len(o.Untestable), s.n+1)
	case o.Closed != nil && len(o.Closed) != s.n+1:
		return invalid("%d marks of what is closed for %d pushes", len(o.Closed), s.n+1)
	case o.RunCost != nil && len(o.RunCost) != s.n+1:
		return invalid("%d costs for %d pushes", len(o.RunCost), s.n+1)
	case o.Known != nil && !(o.Known.After > o.Known.Before && o.Known.Before >= 0 && o.Known.After <= 1):
		return invalid("known rates %v, expected 0 <= before < after <= 1", *o.Known)
	case !(o.Trust >= 0 && o.Trust <= 1) || !(o.LeastTrust > 0 && o.LeastTrust <= 1):
		return invalid("trust %v and least trust %v, expected 0 to 1", o.Trust, o.LeastTrust)
	}
	for i, w := range o.Weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return invalid("weight %v of push %d", w, i)
		}
	}
	for i, c := range o.RunCost {
		if !(c > 0) || math.IsInf(c, 0) {
			return invalid("cost %v of push %d", c, i)
		}
	}
	return nil
}

func orDefault(v *float64, d float64) {
	if *v == 0 {
		*v = d
	}
}

// Observe tells of a run that ended on a push. chosen says that this search
// asked for it; other runs are evidence that nobody bought. A push that is not
// in the range, or cannot be tested, gives job.ErrInvalid.
func (s *Search) Observe(push int, failed, chosen bool) error {
	if from := s.in.Index; s.in.Return(push) { // it tells something after all
		s.again(from)
	}
	i, err := s.position(push)
	if err != nil {
		return err
	}
	k := &s.seen[i]
	k.runs.add(failed)
	if chosen {
		s.bought++
		s.heard = true
	} else {
		k.free.add(failed)
	}
	k.silent, k.tried, s.silent = 0, 0, 0
	s.post = nil
	return nil
}

func (s *Search) position(push int) (int, error) {
	i, err := s.in.Position(push)
	if err != nil {
		return 0, fmt.Errorf("culprit: %w: %w", job.ErrInvalid, err)
	}
	return i, nil
}

// Runs is how many runs were bought, Rounds in how many rounds (see Decide).
func (s *Search) Runs() int { return s.bought }

// Rounds is how often Decide gave something to run.
func (s *Search) Rounds() int { return s.rounds }
