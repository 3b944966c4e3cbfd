package jobtest

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/job"
)

// History implements job.HistoryReader. All pushes are read at the same moment of the CI's time.
func (c *CI) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "world.history"
	if len(labels) == 0 {
		return nil, job.Wrap(op, "labels", fmt.Errorf("%w: none given", job.ErrInvalid))
	}
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap(op, fmt.Sprint(labels), err)
	}
	c.lock()
	defer c.unlock()
	out := make([]job.PushRuns, len(pushes))
	for i, p := range pushes {
		out[i].Push = p
		out[i].Jobs, out[i].Err = c.ran(p, labels)
	}
	return out, nil
}

// Statuses implements job.StatusReader. A run that is not there, or not visible yet, is left out.
func (c *CI) Statuses(ctx context.Context, ids ...string) (map[string]job.Status, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.statuses", fmt.Sprint(ids), err)
	}
	c.lock()
	defer c.unlock()
	out := map[string]job.Status{}
	for _, id := range ids {
		if n, err := c.byID(id); err == nil {
			out[id] = n.snapshot().Status()
		}
	}
	return out, nil
}
