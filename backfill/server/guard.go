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

// Guard lets an act through only if the caller could do it without this service. What is done in a
// caller's name needs the caller's scopes, whatever the service's own credentials allow: the
// service never lends its power. The zero value is ready to use.
//
// Guard asks the CI which scopes an act needs (job.TriggerScoper). For a CI without scopes an act
// needs a word of this service instead: mozci:trigger:<repository>/<label> to trigger a run,
// mozci:cancel to stop one.
type Guard struct {
	// Still checks that a caller is still known, in addition to Caller.Expires: a token may have
	// been removed from the file. Its error says why the caller is not; see Tokens.Still. Nil:
	// every caller still is.
	Still func(Caller) error
}

// Scheduler returns s for acts in the name of c. Each Trigger and each Cancel is checked just
// before it is made, so the result can be used for as long as the work takes. An act that the
// caller may not do gives a *ScopeError, and one after the caller's credentials have ended wraps
// ErrExpired; both are job.ErrDenied, and nothing was sent to the CI. When the check itself cannot
// be made the error is job.ErrUnavailable. The result keeps the abilities of s.
func (g Guard) Scheduler(s job.Scheduler, c Caller) job.Scheduler {
	guarded := guarded{Scheduler: s, guard: g, by: c}
	if _, ok := job.As[job.Canceler](s); ok {
		return cancelGuarded{guarded}
	}
	return guarded
}

// guarded is a CI on which a caller acts.
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

// cancelGuarded is guarded for a CI that can stop runs.
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

// alone checks whether a caller may act at all, before any scopes.
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

// may checks a caller, and refuses one who lacks scopes.
func (g Guard) may(c Caller, lacks []string) error {
	if err := g.alone(c); err != nil {
		return err
	}
	if len(lacks) > 0 {
		return &ScopeError{Caller: c.Name, Missing: lacks}
	}
	return nil
}

// atOnce is how many requests of a plan are checked at the same time: each may cost a question to
// the CI.
const atOnce = 4

// Check reports whether a caller may make all of these requests. Its error is that of Scheduler's
// Trigger, and a ScopeError names every missing scope. Nothing is triggered.
func (g Guard) Check(ctx context.Context, s job.Scheduler, c Caller, reqs ...job.Request) error {
	if err := g.alone(c); err != nil {
		return job.Wrap("server.check", c.Name, err)
	}
	lacks := make([][]string, len(reqs))
	// Each goroutine writes only its own index, so no lock is needed.
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
	err := g.may(c, all) // missing scopes are certain, so they come before an error that is not
	if err == nil {
		err = errors.Join(errs...)
	}
	return job.Wrap("server.check", c.Name, err)
}

// lacks returns the scopes that a caller lacks for one request. A caller who may do everything
// costs no question to the CI.
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

// everything is satisfied only by a caller who may do everything.
var everything = [][]string{{"*"}}

// CheckPlan is Check for the requests of a plan.
func (g Guard) CheckPlan(ctx context.Context, s job.Scheduler, c Caller, p trigger.Plan) error {
	var reqs []job.Request
	for _, step := range p.Steps {
		if step.Action == trigger.ActionNothing || step.With != "" { // the request of step.With makes this build too
			continue
		}
		reqs = append(reqs, job.Request{
			Key: step.Key, Label: step.Label, Push: step.Push, Count: step.Count, Why: step.Why,
		})
	}
	return g.Check(ctx, s, c, reqs...)
}
