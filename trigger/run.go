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

// RunOptions change how Run acts. Nil means the defaults.
type RunOptions struct {
	// Ledger remembers what was triggered. Default: one in memory, which forgets when Run
	// returns. Give the same one to Make and Run, and keep it.
	Ledger ledger.Ledger
	// Who is the owner of the requests, Purpose the plan or search that they are for.
	// Both are written into the ledger with each request. Who is optional; by default
	// Purpose names the plan by its steps.
	Who, Purpose string
	// Lease is how long no other process triggers what a step is triggering. It is
	// renewed while the request is under way, and must be longer than one call of the CI
	// can take. Default 75 seconds: calls end after one minute.
	Lease time.Duration
	// Grace is how long to wait for a request that another process is making, or was
	// making when it died. Default: until its lease is over. Negative: not at all.
	Grace time.Duration
	// Poll is the pause between two looks at a build that a step waits for, if the CI has
	// no events, or loses one. Default one minute, as hg.mozilla.org and Treeherder ask
	// of clients that poll.
	Poll time.Duration
	// OnStep is called after each step that triggered something or failed, in that order.
	// Optional.
	OnStep func(Step)
	// Logger gets what was done. Nil discards.
	Logger *slog.Logger
}

// Run carries out a plan. It triggers each step once, then waits for the builds that
// other steps need, and triggers those steps too. It returns the plan with receipts.
//
// A step that fails has its error, does not stop the others, and is joined into Run's
// error. A step that the CI denies stops those after it, which would be denied as well
// (ErrNotTried). A ledger that fails stops everything: without it no one would know what
// was triggered.
//
// A step whose key the ledger knows is not triggered again: its receipt says
// AlreadyAsked. A request that was intended and never settled, because a process died or
// an answer was lost, is looked up first. Where the CI carries keys (job.KeyCarrier), Run
// looks it up by its key: it settles it if its runs are there, and triggers it again
// under the same key once no other process is still doing that. Elsewhere it looks for
// the runs, visible or in flight. If they do not tell, the step fails with
// job.ErrUnavailable until the entry is ledger.UnsureExpires old; it is not repeated
// blindly.
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
		// Without the step whose request makes this build, it would never be made.
		if s.With != "" && !slices.ContainsFunc(out.Steps, s.comesWith) {
			return plan, job.Wrap("trigger.run", fmt.Sprintf("step %d", i+1), fmt.Errorf(
				"%w: %s comes with %s, which the plan does not trigger on %s: was the plan edited?", job.ErrInvalid,
				s.Label, s.With, s.Push))
		}
	}
	if r.opts.Purpose == "" {
		r.opts.Purpose = plan.name()
	}
	r.opts.Ledger = guarded{r.opts.Ledger}
	err := ledger.Ready(ctx, r.opts.Ledger) // before anything is triggered
	if err == nil {
		err = r.run(ctx, out.Steps)
	}
	r.made(out.Steps)
	return out, errors.Join(err, stepErrors(out.Steps, err))
}

// ErrNotTried says that a step was not tried, because the CI denied an earlier step for a
// reason that holds for this one too.
var ErrNotTried = errors.New("not tried: an earlier step was denied, and this one would be too")

// stepErrors joins the errors of the steps, each with its label and push, but not the one
// that Run already returns.
func stepErrors(steps []Step, but error) error {
	var errs []error
	for _, s := range steps {
		if s.Err != nil && s.With == "" && !errors.Is(but, s.Err) && !errors.Is(s.Err, ErrNotTried) {
			errs = append(errs, fmt.Errorf("%s on %s: %w", s.Label, s.Push, s.Err))
		}
	}
	return errors.Join(errs...)
}

// runner is one call of Run.
type runner struct {
	ci   job.Scheduler
	opts RunOptions
	log  *slog.Logger
	// holder names this run among those that share the ledger.
	holder string
	denied error // set once the CI denied a step: all later ones fail with it
	// unanswered is the last error of the CI when it was asked about a waiting step.
	unanswered map[*Step]error
	// waiting holds the IDs of the build runs that a step waits for; nil where only
	// reading the push tells more. looks counts how often the steps were looked at.
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

// run triggers the steps that wait for nothing, in their order, and then waits for the
// others.
func (r *runner) run(ctx context.Context, steps []Step) error {
	var waiting []*Step
	for i := range steps {
		s := &steps[i]
		switch s.Action {
		case ActionNothing:
			continue
		case ActionBuild:
			if s.With != "" {
				continue // the request of the label that needs it makes it
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

// done reports whether an earlier run of the plan triggered a waiting step: then there is
// nothing to wait for.
func (r *runner) done(ctx context.Context, s *Step) (bool, error) {
	known, err := r.opts.Ledger.Entries(ctx, ledger.Query{Key: s.Key})
	if err != nil || len(known) == 0 || !known[0].State.Made() {
		return false, err
	}
	s.Receipt = &job.Receipt{IDs: known[0].Receipt.IDs, State: job.ReceiptAlreadyAsked}
	r.step(*s)
	return true, nil
}

// do triggers a step and records what came of it. Its own error is one that ends the run:
// the ledger's, or the context's.
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
			s.Why += "; triggered before, found as " + strings.Join(receipt.IDs, ", ")
		}
		r.log.Info("triggered", "label", s.Label, "push", s.Push.ID, "count", s.Count, "state", string(receipt.State))
	case errors.As(err, &some):
		s.Receipt, s.Err = &some.Receipt, err
		r.log.Info("triggered in part", "label", s.Label, "push", s.Push.ID, "count", some.Taken, "err", err)
	default:
		s.Err = err
		r.log.Info("not triggered", "label", s.Label, "push", s.Push.ID, "err", err)
	}
	r.step(*s)
	if ofLedger(err) {
		return err
	}
	return ctx.Err()
}
