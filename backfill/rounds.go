package backfill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// afford returns ErrOverBudget for a search that is expected to need more runs than
// MaxRuns, unless the caller approves. A search that has already triggered runs continues
// in any case.
func (s *searcher) afford() error {
	if s.o.MaxRuns < 0 || s.spent() > 0 || s.forecast.Runs <= float64(s.o.MaxRuns) {
		return nil
	}
	if s.o.Approve != nil && s.o.Approve(s.forecast.Runs, s.o.MaxRuns) {
		return nil
	}
	return &plainError{
		fmt.Sprintf("about %s needed, more than the maximum of %d: raise the maximum to search all the same",
			needed(s.forecast), s.o.MaxRuns), ErrOverBudget,
	}
}

// needed is a forecast in words: "46 runs are" for 45.2, since a part of a run is a run.
func needed(f Outlook) string {
	n := int(math.Ceil(f.Runs))
	if n == 1 {
		return "1 run is"
	}
	return phrase.Count(n, "run") + " are"
}

// propose plans what would be triggered next.
func (s *searcher) propose(ctx context.Context) error {
	var known func(job.Push) ([]job.Job, bool)
	if !s.lean { // else the builds were not read
		known = func(p job.Push) ([]job.Job, bool) { at, ok := s.seen[p.Key()]; return at.jobs, ok && at.err == nil }
	}
	plan, err := s.steps(ctx, known)
	s.plan = plan
	return err
}

// steps plans the runs of the decision. A push on which the label cannot run is blocked;
// a budget that is spent ends the search. known is that of trigger.Options: without it
// the pushes are read again, as they must be before anything is triggered.
func (s *searcher) steps(ctx context.Context, known func(job.Push) ([]job.Job, bool)) (trigger.Plan, error) {
	want := map[int]int{}
	for _, x := range s.decision.Next {
		want[x]++
	}
	var plan trigger.Plan
	for x := range s.to - s.from + 1 {
		if want[x] == 0 {
			continue
		}
		// x is a position in the range, which begins at push from.
		p := s.pushes[s.from+x]
		r := s.seen[p.Key()].runs
		opts := s.planOptions(s.decision.Why)
		opts.Ledger, opts.Budgets, opts.Known = s.o.Ledger, s.o.Budgets, known
		// trigger counts in totals: with 2 runs that count, 1 not visible yet and 1 more
		// wanted, times is 4.
		times := r.Counted + s.asked[p.Key()] + want[x]
		made, err := trigger.Make(ctx, s.ci, []job.Push{p}, []string{s.label}, times, opts)
		var unknown *job.UnknownLabelError
		if err != nil && !errors.As(err, &unknown) {
			return plan, err
		}
		plan.Steps = append(plan.Steps, made.Steps...)
		plan.LeftOut = append(plan.LeftOut, made.LeftOut...)
		for _, l := range made.LeftOut {
			// The plan's reason begins with the search's own, which is not why it was
			// left out.
			why := strings.TrimPrefix(l.Why, s.decision.Why+"; ")
			if l.Budget {
				s.broke = why
				continue
			}
			s.blocked[p.Key()] = why
		}
	}
	return plan, nil
}

// mostIdle is how many rounds in a row may come to nothing before the search gives up: no
// run triggered, none under way, nothing learnt.
const mostIdle = 3

// round triggers the runs of the decision, and waits until one of them ends. A round in
// which nothing can happen waits for one poll; after a few of them the search ends with
// the reason.
func (s *searcher) round(ctx context.Context) error {
	before := len(s.blocked)
	plan, err := s.steps(ctx, nil)
	if err != nil {
		return err
	}
	var last error
	asked := false
	if plan.Total() > 0 {
		done, err := trigger.Run(ctx, s.ci, plan, &trigger.RunOptions{
			Ledger: s.o.Ledger, Who: s.o.Who, Purpose: s.purpose(), Poll: s.o.Poll, Logger: s.o.Logger,
			OnStep: s.o.OnStep,
		})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if last, err = s.refusals(done); err != nil {
				return err
			}
		}
		for _, st := range done.Steps {
			// An answer that says "already asked" triggered nothing in this round.
			asked = asked || st.Receipt != nil && st.Receipt.State != job.ReceiptAlreadyAsked
		}
	}
	if asked {
		s.rounds, s.idle = s.rounds+1, 0
		return s.await(ctx)
	}
	if err := s.bookkeeping(ctx); err != nil {
		return err
	}
	switch {
	case len(s.underWay()) > 0:
		s.idle = 0
		return s.await(ctx)
	case len(s.blocked) > before, s.broke != "":
		return nil // decide again, without what cannot run
	}
	return s.nothing(ctx, plan, last)
}

// nothing handles a round in which nothing could happen; last is why, if known.
func (s *searcher) nothing(ctx context.Context, plan trigger.Plan, last error) error {
	s.idle++
	if s.idle >= mostIdle {
		if last == nil {
			last = fmt.Errorf("%d runs were triggered before, and are still not visible", plan.Total())
			if plan.Total() == 1 {
				last = errors.New("1 run was triggered before, and is still not visible")
			}
		}
		return fmt.Errorf("%w: nothing could be triggered in %d rounds: %w", job.ErrUnavailable, s.idle, last)
	}
	if err := pause.For(ctx, s.o.Poll); err != nil {
		return err
	}
	return s.read(ctx, s.pushes[s.from:s.to+1])
}

// refusals blocks the pushes on which the CI refused the label, and returns the last
// error of a request that the CI did not answer. An error that is not about the push ends
// the search.
func (s *searcher) refusals(done trigger.Plan) (unanswered, err error) {
	var errs []error
	for _, st := range done.Steps {
		switch {
		case st.Err == nil, st.With != "", errors.Is(st.Err, trigger.ErrNotTried): // said of another step
		case saysNo(st.Err):
			s.blocked[st.Push.Key()] = st.Err.Error()
		case errors.Is(st.Err, job.ErrUnavailable): // looked at again
			s.warn("%v", st.Err)
			unanswered = st.Err
		default:
			errs = append(errs, st.Err)
		}
	}
	return unanswered, errors.Join(errs...)
}

// saysNo reports whether an error means that the CI will not run a label on a push, now
// or later.
func saysNo(err error) bool {
	for _, no := range []error{job.ErrNoBuild, job.ErrNotScheduled, job.ErrNotFound, job.ErrInvalid, job.ErrRefused} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// cancel stops the runs that the search triggered and no longer needs, where the CI can,
// and the CI's own jobs that would make them. Runs of others are not touched.
func (s *searcher) cancel(ctx context.Context, of []Tested) {
	for _, t := range of {
		if s.bought[t.Push.Key()] == 0 || t.Running == 0 {
			continue
		}
		q := ledger.ForPush(t.Push, t.Label)
		q.Who, q.Purpose = s.o.Who, s.purpose()
		entries, err := s.o.Ledger.Entries(ctx, q)
		if err != nil {
			s.warn("runs that are no longer needed could not be stopped: %v", err)
			return
		}
		for _, e := range entries {
			if s.own(e) && !e.Receipt.Others() {
				s.withdraw(ctx, t, e)
			}
		}
	}
}

// withdraw stops what is still waiting of one request. If no run was made of it yet, the
// ledger records that, so that a later search may trigger again what this one stopped.
func (s *searcher) withdraw(ctx context.Context, t Tested, e ledger.Entry) {
	r := e.Receipt
	ids := r.IDs
	// First the CI's own job, so that it makes no more runs; then the runs that it has
	// made.
	if r.By != "" {
		made, err := job.OutcomeOf(ctx, s.ci, t.Push, t.Label, r)
		if err == nil && !made.Done && job.Cancel(ctx, s.ci, r.By) == nil {
			s.stopped = append(s.stopped, r.By)
			made, err = job.OutcomeOf(ctx, s.ci, t.Push, t.Label, r)
			if err == nil && len(made.IDs) == 0 {
				e.State, e.Receipt.Note = ledger.Failed, "the search stopped it, because it is no longer needed"
				if err := s.o.Ledger.Settle(context.WithoutCancel(ctx), e); err != nil {
					s.warn("the ledger could not record what was stopped: %v", err)
				}
			}
		}
		if err == nil {
			ids = made.IDs
		}
	}
	for _, id := range ids {
		ended := slices.ContainsFunc(s.seen[t.Push.Key()].jobs,
			func(j job.Job) bool { return j.ID() == id && !j.Status().Waiting() })
		if !ended && job.Cancel(ctx, s.ci, id) == nil {
			s.stopped = append(s.stopped, id)
		}
	}
}

// spentWords says that a budget of runs is spent.
func spentWords(budget int) string {
	if budget == 1 {
		return "the budget of 1 run is spent"
	}
	return fmt.Sprintf("the budget of %d runs is spent", budget)
}
