package autopilot

import (
	"context"
	"fmt"
	"sync"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// guard is the CI as a case sees it. Before every request it checks again whether the robot may
// act, and takes the request's cost out of the budgets. The first stop is kept, and every later
// request of the plan is refused with it.
type guard struct {
	job.Scheduler
	r *Robot
	c *Case
	// look checks what people said and did since; nil means that nothing stands against the request.
	look func(ctx context.Context, req job.Request) (*stop, error)
	with map[string]int // number of builds that the CI makes along with a request, by its key

	mu      sync.Mutex
	stopped *stop // guarded by mu; nil until a request was stopped
}

// stop says why a case may not go on.
type stop struct {
	end  Outcome // empty: the case waits and does not end
	rule Rule
	why  string
}

// errStopped is the guard's answer when the robot may not act. It is a refusal: nothing was sent to
// the CI.
var errStopped = fmt.Errorf("%w: the autopilot may not go on", job.ErrRefused)

// Unwrap keeps the abilities of the CI.
func (g *guard) Unwrap() job.Scheduler { return g.Scheduler }

// Trigger implements job.Scheduler. It pays before it sends, so that a crash between the two costs
// a budget too much and never lets it be exceeded. When it is not known whether the CI took the
// request, the cost stays; settle corrects it by what the ledger learns later.
func (g *guard) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	const op = "autopilot.trigger"
	if why := g.why(); why != nil {
		return job.Receipt{}, job.Wrap(op, req.Label, fmt.Errorf("%w: %s", errStopped, why.why))
	}
	why, err := g.look(ctx, req)
	if err != nil { // what cannot be read might say stop
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
			g.r.log.WarnContext(ctx, "a cost that did not arise could not be given back", "key", req.Key, "err", back)
		}
	}
	return receipt, err
}

// why returns why the guard stopped the case; nil while it has not.
func (g *guard) why() *stop {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

// pay takes the cost of a request, with the builds that the CI makes along with it, out of the
// budgets. It returns a stop when a budget is used up. A request that the CI refuses gets its cost
// back.
func (g *guard) pay(ctx context.Context, req job.Request) (*stop, error) {
	s := g.r.spend(*g.c, req.Key, req.Label, req.Count+g.with[req.Key])
	limits := g.r.limits(s)
	over, err := g.r.store.Spend(ctx, s, limits)
	if err != nil || over == "" {
		return nil, err
	}
	// "label linux64/opt/t" becomes "40 label linux64/opt/t".
	for _, l := range limits {
		if l.String() == over {
			over = fmt.Sprintf("%d %s", l.Most, over)
			break
		}
	}
	return &stop{OverBudget, RuleBudget, fmt.Sprintf("the budget of %s in 24 hours is used up", over)}, nil
}
