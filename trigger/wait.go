package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

// wait carries out the steps that wait for builds, each as soon as its builds have files.
// It looks after each event of the CI and, in case one is lost, every Poll. A CI that
// says that nothing can happen any more ends the waiting.
func (r *runner) wait(ctx context.Context, steps []*Step) error {
	if len(steps) == 0 {
		return nil
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	events := r.events(watching)
	for {
		left, err := r.look(ctx, steps)
		if err != nil || len(left) == 0 {
			return err
		}
		steps = left
		poll := time.NewTimer(r.opts.Poll)
		select {
		case <-poll.C:
		case err, open := <-events:
			poll.Stop()
			clear(r.waiting) // the event may be about an unknown run: read all pushes
			switch {
			case open && err != nil: // no events: poll
				r.log.Warn("no events", "err", err)
				events = nil
			case !open: // nothing can happen any more: a last look
				return r.giveUp(ctx, steps)
			}
		case <-ctx.Done():
			poll.Stop()
			return r.abandon(steps, ctx.Err())
		}
	}
}

// events returns a channel with a nil for each event after which something may have
// ended, and the error that ended the events. It is closed when the CI says that nothing
// can happen any more. For a CI without events it is nil, and never yields.
func (r *runner) events(ctx context.Context) <-chan error {
	if _, ok := job.As[job.Watcher](r.ci); !ok {
		return nil
	}
	out := make(chan error)
	go func() {
		defer close(out)
		for e, err := range job.Watch(ctx, r.ci) {
			if err == nil && !e.Missed && (e.Job == nil || e.Job.Status().Waiting()) {
				continue // nothing ended, so nothing to look at
			}
			select {
			case out <- err:
			case <-ctx.Done():
				return
			}
			if err != nil {
				<-ctx.Done() // not closed: more can happen, unseen
				return
			}
		}
	}()
	return out
}

// look carries out the steps whose builds are done, and returns those that still wait.
// When the CI does not answer, the step remembers the error and is looked at again with
// the next event.
func (r *runner) look(ctx context.Context, steps []*Step) ([]*Step, error) {
	var left []*Step
	still := r.still(ctx, steps)
	for _, s := range steps {
		if still[s] {
			delete(r.unanswered, s)
			left = append(left, s)
			continue
		}
		state, err := r.builds(ctx, s)
		if err == nil && state == BuildWorking {
			err = r.release(ctx, s)
		}
		switch {
		case ofLedger(err):
			return nil, err
		case err != nil && ctx.Err() != nil:
			return left, r.abandon(steps, ctx.Err())
		case err != nil:
			r.log.Warn("the CI did not answer", "label", s.Label, "push", s.Push.ID, "err", err)
			r.unanswered[s] = err
			left = append(left, s)
		case state == BuildWorking:
		case state == BuildUnderWay:
			delete(r.unanswered, s)
			left = append(left, s)
		default:
			s.Err = job.Wrap("trigger.wait", s.Label, fmt.Errorf("%w: the build is %s", job.ErrNoBuild, state))
			r.step(*s)
		}
	}
	return left, nil
}

// builds returns the worst state of the builds that the step needs. A build that is
// missing was triggered by an earlier step and is not visible yet.
func (r *runner) builds(ctx context.Context, s *Step) (BuildState, error) {
	jobs, err := r.ci.Jobs(ctx, s.Push, s.Builds...)
	if err != nil {
		return BuildMissing, err
	}
	worst := BuildWorking
	var ids []string
	all := true
	for _, b := range s.Builds {
		facts, err := readBuild(ctx, r.ci, r.opts.Ledger, s.Push, b, jobs)
		if err != nil {
			return BuildMissing, err
		}
		worst = max(worst, facts.State)
		runs, known := facts.underWay()
		for _, j := range runs {
			ids = append(ids, j.ID())
		}
		all = all && known
	}
	// Statuses suffice for the next look only if the IDs of all runs are known, and if
	// all that is missing is for them to end.
	if !all || worst != BuildUnderWay {
		ids = nil
	}
	r.waiting[s] = ids
	return worst, nil
}

// Ended asks in one request how far runs are, where the CI can tell. For each ID it
// reports whether the run has ended, or the CI does not know it.
func Ended(ctx context.Context, ci job.Scheduler, ids ...string) (map[string]bool, error) {
	now, err := job.StatusesOf(ctx, ci, ids...)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, id := range ids {
		status, known := now[id]
		out[id] = !known || !status.Waiting()
	}
	return out, nil
}

// WholeLook is the number of looks after which everything is read again, instead of the
// statuses alone: others may have triggered or stopped something.
const WholeLook = 10

// still returns the steps whose builds are all still under way, by one request for the statuses of
// all of them, where the CI can tell. The other steps must be read. A step whose builds are the
// runs a and b still waits while both do; when one of them has ended, it is read.
func (r *runner) still(ctx context.Context, steps []*Step) map[*Step]bool {
	var ids []string
	for _, s := range steps {
		ids = append(ids, r.waiting[s]...)
	}
	r.looks++
	if len(ids) == 0 || r.looks%WholeLook == 0 {
		return nil
	}
	slices.Sort(ids)
	ended, err := Ended(ctx, r.ci, slices.Compact(ids)...)
	if err != nil { // the CI cannot tell, or not now
		return nil
	}
	out := map[*Step]bool{}
	for _, s := range steps {
		out[s] = len(r.waiting[s]) > 0 && !slices.ContainsFunc(r.waiting[s], func(id string) bool { return ended[id] })
	}
	return out
}

// release triggers a step whose builds are done. Others, or the build itself, may have
// triggered the same in the meantime, so it triggers only what is still missing. An error
// means that nothing was triggered yet.
func (r *runner) release(ctx context.Context, s *Step) error {
	jobs, err := r.ci.Jobs(ctx, s.Push, s.Label)
	if err != nil {
		return err
	}
	jobs = analysis.OfLabel(jobs, s.Label)
	runs, err := analysis.OfRuns(ctx, jobs, nil)
	if err != nil {
		return err
	}
	out, err := asked(ctx, r.ci, r.opts.Ledger, s.Push, s.Label, jobs)
	if err != nil {
		return err
	}
	missing := s.Count
	if s.Times > 0 {
		// Times is a total: what has run or will run since the plan was made is not
		// triggered again.
		missing = min(missing, s.Times-runs.Counted-out.runs)
	}
	if missing < 1 {
		s.Receipt = &job.Receipt{State: job.ReceiptAlreadyAsked}
		r.step(*s)
		return nil
	}
	if missing < s.Count {
		s.Why += fmt.Sprintf("; %d still missing once the build was done", missing)
	}
	// A copy: the step in the plan keeps the count and key that were planned.
	now := *s
	now.Count, now.Seen = missing, runs.Seen+out.runs
	err = r.do(ctx, &now)
	s.Receipt, s.Err = now.Receipt, now.Err
	return err
}

// step reports a step to the caller.
func (r *runner) step(s Step) {
	if r.opts.OnStep != nil {
		r.opts.OnStep(s)
	}
}

// giveUp looks once more, and then fails the steps that still wait.
func (r *runner) giveUp(ctx context.Context, steps []*Step) error {
	clear(r.waiting) // read them all
	left, err := r.look(ctx, steps)
	if err != nil {
		return err
	}
	return r.abandon(left, errNothingHappens)
}

var errNothingHappens = errors.New("the build is not done, and nothing more can happen in the CI")

// abandon fails the steps that still wait. They were not triggered.
func (r *runner) abandon(steps []*Step, why error) error {
	for _, s := range slices.Clone(steps) {
		if s.Receipt == nil && s.Err == nil {
			err := why
			if asked := r.unanswered[s]; asked != nil {
				err = fmt.Errorf("%w; the CI did not answer: %w", why, asked)
			}
			s.Err = job.Wrap("trigger.wait", s.Label, err)
			r.step(*s)
		}
	}
	if errors.Is(why, errNothingHappens) {
		return nil
	}
	return why
}
