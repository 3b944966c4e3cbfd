package autopilot

import (
	"context"
	"fmt"
	"sync"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// guard is the CI as a case may use it: before every single request it looks again whether the robot may
// act, and takes what the request costs out of the budgets.
type guard struct {
	job.Scheduler
	r    *Robot
	c    *Case
	look func(ctx context.Context, req job.Request) (*stop, error)
	with map[string]int // builds that the CI makes with a request, by its key

	mu      sync.Mutex
	stopped *stop
}

// stop says why a case may not go on.
type stop struct {
	end  Outcome // empty: it waits
	rule Rule
	why  string
}

// errStopped is what a guard answers in place of the CI. It is a refusal: nothing was triggered.
var errStopped = fmt.Errorf("%w: the autopilot may not go on", job.ErrRefused)

// Unwrap keeps the abilities of the CI.
func (g *guard) Unwrap() job.Scheduler { return g.Scheduler }

// Trigger implements job.Scheduler.
func (g *guard) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	const op = "autopilot.trigger"
	if why := g.why(); why != nil {
		return job.Receipt{}, job.Wrap(op, req.Label, fmt.Errorf("%w: %s", errStopped, why.why))
	}
	why, err := g.look(ctx, req)
	if err != nil { // what cannot be seen might say stop
		return job.Receipt{}, job.Wrap(op, req.Label, fmt.Errorf("%w: %w", errStopped, err))
	}
	if why == nil {
		why, err = g.pay(ctx, req)
		if err != nil {
			return job.Receipt{}, job.Wrap(op, req.Label, fmt.Errorf("%w: its cost could not be stored: %w",
				errStopped, err))
		}
	}
	if why != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.stopped = why
		return job.Receipt{}, job.Wrap(op, req.Label, fmt.Errorf("%w: %s", errStopped, why.why))
	}
	receipt, err := g.Scheduler.Trigger(ctx, req)
	if trigger.Refused(err) {
		late, stop := lastly(ctx)
		defer stop()
		if back := g.r.store.GiveBack(late, req.Key); back != nil {
			g.r.log.WarnContext(ctx, "what was not spent could not be given back", "key", req.Key, "err", back)
		}
	}
	return receipt, err
}

// why is why the guard has stopped; nil while it has not.
func (g *guard) why() *stop {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

// pay takes the cost of a request out of the budgets.
func (g *guard) pay(ctx context.Context, req job.Request) (*stop, error) {
	s := g.r.spend(*g.c, req.Key, req.Label, req.Count+g.with[req.Key])
	limits := g.r.limits(s)
	over, err := g.r.store.Spend(ctx, s, limits)
	if err != nil || over == "" {
		return nil, err
	}
	for _, l := range limits {
		if l.String() == over {
			over = fmt.Sprintf("%d %s", l.Most, over)
			break
		}
	}
	return &stop{OverBudget, RuleBudget, fmt.Sprintf("the budget of %s in 24 hours is spent", over)}, nil
}
