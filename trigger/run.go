package trigger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// RunOptions change how Run acts; nil is zero options.
type RunOptions struct {
	// Ledger remembers what was asked for. Default: one in memory, which
	// forgets when Run returns; give the same one to Make and Run, and keep it.
	Ledger ledger.Ledger
	// Who, the owner, and Purpose, which plan or search it is for, are written into
	// the ledger beside each request. Who is optional; the default of Purpose names
	// the plan by its steps.
	Who, Purpose string
	// Lease is for how long nobody else asks for what a step is asking for; it is
	// renewed while the CI is being asked, and must be longer than one of its
	// calls can take. Default 75 seconds: calls end after one minute.
	Lease time.Duration
	// Grace is how long a request that another process is making, or was when it
	// died, is waited for. Default until its lease is over, negative for not at
	// all.
	Grace time.Duration
	// Poll is how often a build that a step waits for is looked at, when the
	// CI has no events, or loses one. Default one minute, what hg.mozilla.org
	// and Treeherder ask of clients that poll.
	Poll time.Duration
	// OnStep is called after each step that acted or failed, in the order in
	// which they did. Optional.
	OnStep func(Step)
	// Logger gets what was done. Nil discards.
	Logger *slog.Logger
}

// Run carries a plan out: it asks for each step that asks for something, once,
// then waits for the builds that steps wait for and asks for those too. It
// returns the plan with receipts. A step that fails has its error, does not
// stop the others, and is joined into Run's error; one that the CI denies stops
// those that follow, which would be denied as well (ErrNotTried). A ledger that
// fails stops everything, since without it nobody knows what was asked for.
//
// A step whose key the ledger knows is not asked for again: its receipt says
// AlreadyAsked. One that was intended and never settled, by a process that died
// or with an answer that was lost, is looked up by its key where the CI carries
// keys (it is a job.KeyCarrier): it is settled at once when its runs are there, and
// asked for again under its key once no other process is asking any more.
// Elsewhere its runs, visible or in flight, are looked up; where they do not tell, it
// fails with job.ErrUnavailable until the entry is ledger.UnsureExpires old, and is not
// repeated blindly.
func Run(ctx context.Context, ci job.Scheduler, plan Plan, opts *RunOptions) (Plan, error) {
	r := &runner{
		ci: ci, log: slog.New(slog.DiscardHandler), holder: rand.Text(), unanswered: map[*Step]error{},
		waiting: map[*Step][]string{},
	}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Ledger == nil {
		r.opts.Ledger = ledger.NewMemory()
	}
	if r.opts.Lease <= 0 {
		r.opts.Lease = 75 * time.Second
	}
	if r.opts.Grace == 0 {
		r.opts.Grace = r.opts.Lease
	}
	if r.opts.Poll <= 0 {
		r.opts.Poll = time.Minute
	}
	if r.opts.Logger != nil {
		r.log = r.opts.Logger
	}
	out := Plan{Steps: slices.Clone(plan.Steps), LeftOut: slices.Clone(plan.LeftOut)}
	for i, s := range out.Steps {
		if err := s.check(); err != nil {
			return plan, job.Wrap("trigger.run", fmt.Sprintf("step %d", i+1), err)
		}
		if s.With != "" && !slices.ContainsFunc(out.Steps, s.comesWith) {
			return plan, job.Wrap("trigger.run", fmt.Sprintf("step %d", i+1), fmt.Errorf(
				"%w: %s comes with %s, which the plan does not ask for on %s: was the plan edited?", job.ErrInvalid,
				s.Label, s.With, s.Push))
		}
	}
	if r.opts.Purpose == "" {
		r.opts.Purpose = plan.name()
	}
	r.opts.Ledger = guarded{r.opts.Ledger}
	err := ledger.Ready(ctx, r.opts.Ledger) // before anything is asked for
	if err == nil {
		err = r.run(ctx, out.Steps)
	}
	r.made(out.Steps)
	return out, errors.Join(err, stepErrors(out.Steps, err))
}

// ErrNotTried says of a step that it was not tried, since the CI had denied
// another one what it would deny this one as well.
var ErrNotTried = errors.New("not tried: what was denied before would be denied here too")

func stepErrors(steps []Step, but error) error {
	var errs []error
	for _, s := range steps {
		if s.Err != nil && s.With == "" && !errors.Is(but, s.Err) && !errors.Is(s.Err, ErrNotTried) {
			errs = append(errs, fmt.Errorf("%s on %s: %w", s.Label, s.Push, s.Err))
		}
	}
	return errors.Join(errs...)
}

type runner struct {
	ci   job.Scheduler
	opts RunOptions
	log  *slog.Logger
	// holder names this run among those that share the ledger.
	holder string
	denied error // what the CI denied a step, and so all that follow
	// unanswered is the last question about a step that waits which the CI did not
	// answer.
	unanswered map[*Step]error
	// waiting are the runs of builds that a step waits for, by ID; nil where only reading
	// the push tells more. looks is how often the steps were looked at.
	waiting map[*Step][]string
	looks   int
}

// made gives the builds that came with another step's request its receipt.
func (r *runner) made(steps []Step) {
	for i := range steps {
		b := &steps[i]
		if b.With == "" {
			continue
		}
		for _, s := range steps {
			if b.comesWith(s) {
				b.Receipt, b.Err = s.Receipt, s.Err
			}
		}
	}
}

// comesWith reports whether the request of another step makes this build.
func (s Step) comesWith(o Step) bool {
	return o.Label == s.With && o.Action != ActionNothing && o.Push.Repo == s.Push.Repo && o.Push.ID == s.Push.ID &&
		o.Push.Revision == s.Push.Revision
}

func (r *runner) run(ctx context.Context, steps []Step) error {
	var waiting []*Step
	for i := range steps {
		s := &steps[i]
		switch s.Action {
		case ActionNothing:
			continue
		case ActionBuild:
			if s.With != "" {
				continue // it comes with what needs it
			}
		case ActionWait:
			done, err := r.done(ctx, s)
			if err != nil {
				return err
			}
			if !done {
				waiting = append(waiting, s)
			}
			continue
		}
		if err := r.do(ctx, s); err != nil {
			return err
		}
	}
	return r.wait(ctx, waiting)
}

// done reports whether a step that waits was asked for by an earlier run of the
// plan: then there is nothing to wait for.
func (r *runner) done(ctx context.Context, s *Step) (bool, error) {
	known, err := r.opts.Ledger.Entries(ctx, ledger.Query{Key: s.Key})
	if err != nil || len(known) == 0 || !known[0].State.Made() {
		return false, err
	}
	s.Receipt = &job.Receipt{IDs: known[0].Receipt.IDs, State: job.ReceiptAlreadyAsked}
	r.step(*s)
	return true, nil
}

// do asks for a step and notes what came of it. Its error is one that ends the
// run: the ledger's, or the context's.
func (r *runner) do(ctx context.Context, s *Step) error {
	var receipt job.Receipt
	found, err := false, r.denied
	if err == nil {
		receipt, found, err = r.ask(ctx, *s)
		if errors.Is(err, job.ErrDenied) {
			r.denied = fmt.Errorf("%w: %w", ErrNotTried, err)
		}
	}
	var some *job.PartialError
	switch {
	case err == nil:
		s.Receipt = &receipt
		if found {
			s.Why += "; asked for before, found as " + strings.Join(receipt.IDs, ", ")
		}
		r.log.Info("asked", "label", s.Label, "push", s.Push.ID, "count", s.Count, "state", string(receipt.State))
	case errors.As(err, &some):
		s.Receipt, s.Err = &some.Receipt, err
		r.log.Info("asked in part", "label", s.Label, "push", s.Push.ID, "count", some.Taken, "err", err)
	default:
		s.Err = err
		r.log.Info("not asked", "label", s.Label, "push", s.Push.ID, "err", err)
	}
	r.step(*s)
	if ofLedger(err) {
		return err
	}
	return ctx.Err()
}
