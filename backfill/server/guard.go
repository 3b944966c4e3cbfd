package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// Guard lets those acts through that their callers could do themselves: what is done in a
// caller's name needs the caller's scopes, whatever the service's own credentials may.
// The zero value is ready.
//
// A CI that tells which scopes an act needs (job.TriggerScoper) is asked. Of one that has
// no scopes the act needs one of the service's own words, mozci:trigger:<repository>/<label>
// or, to stop a run, mozci:cancel.
type Guard struct {
	// Still says whether a caller is one at all by now, besides what Expires says: a token
	// may have been taken back. Its error says why not; see Tokens.Still. Nil: they are.
	Still func(Caller) error
}

// Scheduler is s for what is done in the name of c: each Trigger and each Cancel is checked
// just before it is made, so that it may be used for as long as the work takes. One that
// the caller may not do is a *ScopeError, and one whose caller's credentials are over
// wraps ErrExpired; both are job.ErrDenied, and nothing was asked for. Where that cannot be
// found out now it is job.ErrUnavailable. It keeps the abilities of s.
func (g Guard) Scheduler(s job.Scheduler, c Caller) job.Scheduler {
	guarded := guarded{Scheduler: s, guard: g, by: c}
	if _, ok := job.As[job.Canceler](s); ok {
		return cancelGuarded{guarded}
	}
	return guarded
}

// guarded is a CI in the name of a caller.
type guarded struct {
	job.Scheduler
	guard Guard
	by    Caller
}

// Unwrap keeps the abilities of the CI.
func (g guarded) Unwrap() job.Scheduler { return g.Scheduler }

// Trigger implements job.Scheduler.
func (g guarded) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	if err := g.guard.Check(ctx, g.Scheduler, g.by, req); err != nil {
		return job.Receipt{}, err
	}
	return g.Scheduler.Trigger(job.WithScopes(ctx, g.by.Scopes), req)
}

// cancelGuarded is one of a CI that can stop runs.
type cancelGuarded struct{ guarded }

// Cancel implements job.Canceler.
func (g cancelGuarded) Cancel(ctx context.Context, id string) error {
	need, err := job.CancelNeeds(ctx, g.Scheduler, id)
	if errors.Is(err, errors.ErrUnsupported) {
		need, err = [][]string{{"mozci:cancel"}}, nil
	}
	if err == nil {
		err = g.guard.may(g.by, g.by.Lacks(need))
	}
	if err != nil {
		return job.Wrap("server.cancel", id, err)
	}
	return job.Cancel(job.WithScopes(ctx, g.by.Scopes), g.Scheduler, id)
}

// alone says whether a caller may act at all, whatever the scopes.
func (g Guard) alone(c Caller) error {
	if c.Ended(time.Now()) {
		return fmt.Errorf("%w: %w: those of %s ended at %s",
			job.ErrDenied, ErrExpired, c.Name, c.Expires.UTC().Format(time.RFC3339))
	}
	if g.Still != nil {
		err := g.Still(c)
		switch {
		case errors.Is(err, ErrCannotCheck):
			return fmt.Errorf("%w: %w", job.ErrUnavailable, err)
		case err != nil:
			return fmt.Errorf("%w: %w", job.ErrDenied, err)
		}
	}
	return nil
}

// may is the answer for a caller who lacks scopes.
func (g Guard) may(c Caller, lacks []string) error {
	if err := g.alone(c); err != nil {
		return err
	}
	if len(lacks) > 0 {
		return &ScopeError{Caller: c.Name, Missing: lacks}
	}
	return nil
}

// atOnce is how many requests of a plan are looked at at the same time.
const atOnce = 4

// Check says whether a caller may ask a CI for all of this: nil, or an error as
// Scheduler's Trigger has it, which names every missing scope. Nothing is asked for.
func (g Guard) Check(ctx context.Context, s job.Scheduler, c Caller, reqs ...job.Request) error {
	if err := g.alone(c); err != nil {
		return job.Wrap("server.check", c.Name, err)
	}
	lacks := make([][]string, len(reqs))
	errs := make([]error, len(reqs))
	var wait sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, r := range reqs {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			lacks[i], errs[i] = g.lacks(ctx, s, c, r)
		})
	}
	wait.Wait()
	var all []string
	for _, l := range slices.Concat(lacks...) {
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	err := g.may(c, all) // a refusal is certain; that something is not known comes after it
	if err == nil {
		err = errors.Join(errs...)
	}
	return job.Wrap("server.check", c.Name, err)
}

// lacks are the scopes that a caller lacks for one request.
func (g Guard) lacks(ctx context.Context, s job.Scheduler, c Caller, r job.Request) ([]string, error) {
	if len(c.Lacks(everything)) == 0 {
		return nil, ctx.Err()
	}
	need, err := job.TriggerNeeds(ctx, s, r)
	if errors.Is(err, errors.ErrUnsupported) {
		need, err = [][]string{{"mozci:trigger:" + r.Push.Repo + "/" + r.Label}}, nil
	}
	if err != nil {
		return nil, err
	}
	return c.Lacks(need), nil
}

// everything is what whoever may do all satisfies.
var everything = [][]string{{"*"}}

// CheckPlan is Check for what a plan will ask for.
func (g Guard) CheckPlan(ctx context.Context, s job.Scheduler, c Caller, p trigger.Plan) error {
	var reqs []job.Request
	for _, step := range p.Steps {
		if step.Action == trigger.ActionNothing || step.With != "" { // With: another step's request makes it
			continue
		}
		reqs = append(reqs, job.Request{
			Key: step.Key, Label: step.Label, Push: step.Push, Count: step.Count, Why: step.Why,
		})
	}
	return g.Check(ctx, s, c, reqs...)
}
