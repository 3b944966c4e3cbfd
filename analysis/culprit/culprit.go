// Package culprit searches for the push that broke a job, also when the job is flaky:
// observations go in, the next runs and a probability come out. It is pure: no clock, no
// network, no randomness. The same observations always give the same next step.
//
// Start with [New], which makes a [Search] over n+1 pushes, oldest first. Tell it about
// finished runs with [Search.Observe], ask [Search.Decide] what to do, and run what
// Decision.Next says, until Decision.Done:
//
//	search, err := culprit.New(20, &culprit.Options{Older: culprit.Counts{Passed: 50}})
//	d := search.Decide(4)               // up to 4 runs at a time
//	err = search.Observe(9, true, true) // a run on push 9 failed; the search chose it
//	d = search.Decide(4, 12, 12)        // two runs on push 12 are still under way
//
// [Rehearse] plays a whole search against a function that answers for the runs; see its
// example. [Search.Forecast] estimates what is still to come, [Limit] what no search can
// beat.
//
// Pushes are numbers from 0 to n. Probabilities, confidences and rates are fractions from
// 0 to 1. Options or observations that make no sense give job.ErrInvalid; doubts about an
// answer are in Decision.Warnings. A Search is not safe for concurrent use.
//
// # The model
//
// Push 0 is believed to be good, and the failure was seen on push n. There are n+2
// hypotheses: push h broke the job (1 to n); it was broken before the range (0); nothing
// broke it (n+1), and the failure is a flake or comes from infrastructure. A run on push
// x fails with probability p if x is h or newer, and with probability q if it is older;
// if nothing broke the job, every run fails with the same probability r. Runs are
// independent. None of the rates is known: each has a prior on a fixed grid, and the
// search sums over the grids.
//
// The likelihood of a hypothesis depends only on how many runs failed and passed on
// either side of it, so all hypotheses between two neighbouring tested pushes have the
// same likelihood. The next run goes to the push whose outcome is expected to lower the
// entropy of the hypothesis most: a greedy search, like git_bayesect's and Horstein's of
// 1963. Several runs at a time are chosen for their joint information.
//
// # When it stops
//
// The search believes the most probable hypothesis when its probability reaches 1 - (1 -
// confidence) s. s is smaller than 1 while the failure rate is known only from runs that
// the search chose itself, since it would otherwise believe too early: with a confidence
// of 0.95 and s = 0.5 it needs 0.975. It names a culprit only after a failure on it and a
// pass on its parent. A search also ends where more runs would not help; see [Outcome]
// and [Decision.Why]. internal/bench culprit measures how often it is right.
package culprit

import (
	"fmt"
	"math"

	"github.com/mozci/mozci/internal/suspect"
	"github.com/mozci/mozci/job"
)

// Counts counts the runs that ended with a result.
type Counts struct{ Failed, Passed int }

func (c Counts) total() int { return c.Failed + c.Passed }

func (c *Counts) add(failed bool) {
	if failed {
		c.Failed++
	} else {
		c.Passed++
	}
}

// Plus returns the sum of both counts.
func (c Counts) Plus(d Counts) Counts { return Counts{c.Failed + d.Failed, c.Passed + d.Passed} }

// Options configure a search. Nil means the defaults.
type Options struct {
	// Confidence is the probability at which the search believes a hypothesis, 0.5 to
	// less than 1. Default 0.95.
	Confidence float64
	// Older are runs on pushes before the range, Newer those on pushes after it. They are
	// evidence that cost nothing, because the search did not choose them.
	Older, Newer Counts
	// Weights say how likely each push 0 to n is to have broken the job, relative to the
	// others: 2 is twice as likely as 1. The first is not used, since push 0 is believed
	// to be good. Default: all the same.
	Weights []float64
	// PriorOlder and PriorNothing are the prior probabilities that the job was broken
	// before the range, and that nothing broke it. Defaults 0.02 and 0.1. A PriorNothing
	// of 0.4 suits a CI whose alarms are mostly flakes. Zero means the default, so a
	// negative value stands for 0.
	PriorOlder, PriorNothing float64
	// MinEffect and MinOdds are the minimum difference and the minimum odds ratio between
	// the failure rates after and before a culprit. Defaults 0.04 and 1.6. In a CI 0.1
	// and 2.5 are better: smaller changes are not worth a search there.
	MinEffect, MinOdds float64
	// Permanent says that every run on a broken push fails, as with compilers.
	Permanent bool
	// Known gives the true failure rates. It is meant for simulations; a CI never knows
	// them.
	Known *Rates
	// Untestable says, for each push 0 to n, that nothing can run on it. The answer may
	// then be several pushes that cannot be told apart. Closed says that nothing more can
	// run on it, while its finished runs still count: such a push is observed, but never
	// in Decision.Next.
	Untestable, Closed []bool
	// Trust is s in the package page. By default, 0, the search adapts it between
	// LeastTrust and 1: failures among the runs of broken pushes that the search did not
	// choose raise it.
	//
	// LeastTrust is 0.75 by default for runs one at a time, rising to 0.85 for four or
	// more at a time, since those lie around the answer before it is believed; it is 0.4
	// where MinEffect is below 0.1. A smaller value costs more runs, and is wrong less
	// often. LeastTrust is at most 0.25 where the rates before and after are close to
	// each other, and where hardly any run on older pushes is known.
	Trust, LeastTrust float64
	// Batch is the maximum number of runs at a time. Default 1.
	Batch int
	// MaxRuns is the maximum number of runs that the search may choose. Default: no
	// limit.
	MaxRuns int
	// MaxInfra is how many runs in a row infrastructure may end: on one push, before the
	// search chooses no more runs there; and in all, while no other result was seen,
	// before the search gives up. Default 10. The search mostly leaves a push alone after
	// fewer, as soon as its silence is better explained by the push itself than by the
	// infrastructure failures seen elsewhere.
	MaxInfra int
	// RunCost says what a run costs on each push 0 to n, RoundCost what a round costs,
	// both in the same unit of your choice. A push with an existing build is cheaper.
	// Defaults: 1 for each run, and 0.
	RunCost   []float64
	RoundCost float64
}

// Rates are the probabilities, 0 to 1, that a run fails on a broken push (After) and on
// one that is not broken (Before).
type Rates struct{ After, Before float64 }

// Outcome says how a search ended.
type Outcome string

// The outcomes. A search that has not ended is Undecided too.
const (
	Found          Outcome = "culprit"          // confirmed: it failed on the culprit and passed on its parent
	NotARegression Outcome = "not_a_regression" // one failure rate explains all runs, older ones too
	Older          Outcome = "older"            // broken before the range
	// OlderOrNothing means Older or NotARegression: no push in the range broke the job,
	// and without runs on older pushes the two cannot be told apart.
	OlderOrNothing Outcome = "older_or_nothing"
	Undecided      Outcome = "undecided" // the budget is spent, more runs would not help, or nothing can run
	Infra          Outcome = "infra"     // infrastructure failures end the runs
)

// Search is a search under way. New makes one. It is not safe for concurrent use.
type Search struct {
	o  Options
	n  int // pushes 0 to n
	in *suspect.Classes

	grid    grid    // the failure rates that are summed over
	refined int     // the number of runs when the grids were last made; see refine
	seen    []known // by position: the index in in.Index, the testable pushes
	silent  int     // chosen runs in a row that infrastructure ended
	heard   bool    // a run that the search chose had a result
	bought  int     // runs with a result that the search chose
	rounds  int     // calls of Decide that chose runs

	post *posterior // nil when it must be computed again
}

// known is what was observed on a push.
type known struct {
	runs   Counts
	free   Counts // those of runs that the search did not choose
	infra  int    // runs that infrastructure ended
	silent int    // those of infra since the last result
	tried  int    // those of silent that the search chose
}

// New returns a search over pushes 0 to n, where the job is believed good on push 0 and
// failed on push n. Options that make no sense, such as probabilities outside of 0 to 1,
// give job.ErrInvalid.
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

// defaults fills in and checks the options. Conditions are written !(x > y), which also
// refuses NaN.
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
		return invalid("priors %v and %v leave nothing for a culprit", o.PriorOlder, o.PriorNothing)
	case !(o.MinEffect > 0 && o.MinEffect < 1) || !(o.MinOdds >= 1):
		return invalid("minimum effect %v and odds ratio %v, expected 0 to 1 and 1 or more", o.MinEffect, o.MinOdds)
	case o.Older.Failed < 0 || o.Older.Passed < 0 || o.Newer.Failed < 0 || o.Newer.Passed < 0:
		return invalid("negative counts of runs: older %v, newer %v", o.Older, o.Newer)
	case o.Weights != nil && len(o.Weights) != s.n+1:
		return invalid("Weights has %d entries for %d pushes", len(o.Weights), s.n+1)
	case o.Untestable != nil && len(o.Untestable) != s.n+1:
		return invalid("Untestable has %d entries for %d pushes", len(o.Untestable), s.n+1)
	case o.Closed != nil && len(o.Closed) != s.n+1:
		return invalid("Closed has %d entries for %d pushes", len(o.Closed), s.n+1)
	case o.RunCost != nil && len(o.RunCost) != s.n+1:
		return invalid("RunCost has %d entries for %d pushes", len(o.RunCost), s.n+1)
	case o.Known != nil && !(o.Known.After > o.Known.Before && o.Known.Before >= 0 && o.Known.After <= 1):
		return invalid("known rates %v, expected 0 <= before < after <= 1", *o.Known)
	case !(o.Trust >= 0 && o.Trust <= 1) || !(o.LeastTrust > 0 && o.LeastTrust <= 1):
		return invalid("trust %v and least trust %v, expected 0 to 1", o.Trust, o.LeastTrust)
	}
	for i, w := range o.Weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return invalid("weight %v of push %d, expected 0 or more", w, i)
		}
	}
	for i, c := range o.RunCost {
		if !(c > 0) || math.IsInf(c, 0) {
			return invalid("cost %v of push %d, expected more than 0", c, i)
		}
	}
	return nil
}

func orDefault(v *float64, d float64) {
	if *v == 0 {
		*v = d
	}
}

// Observe records a run that ended on a push with a result. chosen says that this search
// chose the run; other runs are evidence that cost nothing. A push that is outside of the
// range, or that cannot be tested, gives job.ErrInvalid.
func (s *Search) Observe(push int, failed, chosen bool) error {
	if from := s.in.Index; s.in.Return(push) { // it was set aside as silent, and gives results after all
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

// position returns the index of a push among the pushes that can be tested.
func (s *Search) position(push int) (int, error) {
	i, err := s.in.Position(push)
	if err != nil {
		return 0, fmt.Errorf("culprit: %w: %w", job.ErrInvalid, err)
	}
	return i, nil
}

// Runs returns how many runs with a result the search chose.
func (s *Search) Runs() int { return s.bought }

// Rounds returns how often Decide chose runs.
func (s *Search) Rounds() int { return s.rounds }
