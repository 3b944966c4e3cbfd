package buildbot

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/job"
)

// rebuild asks for copies of the newest build of the label on the push.
func (p *Project) rebuild(ctx context.Context, o *order, why *noForm) (job.Receipt, error) {
	if o.Input != nil {
		return job.Receipt{}, fmt.Errorf("%w, so that it takes no input", why)
	}
	var newest int64
	for _, f := range o.runs {
		for _, b := range f.builds {
			newest = max(newest, b.ID)
		}
	}
	if newest == 0 {
		return job.Receipt{}, fmt.Errorf("%w, and it has no build on %s that could be built again", why, o.Push)
	}
	defer p.touch()
	out := job.Receipt{State: job.ReceiptCreated}
	for range o.Count {
		asked, err := p.c.rebuild(ctx, newest)
		if err != nil {
			return job.Receipt{}, partly(out, o.Request, err)
		}
		for _, id := range asked.Requests {
			out.IDs = append(out.IDs, runID(id, 1))
		}
	}
	if len(out.IDs) != o.Count {
		return job.Receipt{}, fmt.Errorf("%w: %d rebuilds made %d requests", job.ErrMalformed, o.Count, len(out.IDs))
	}
	return out, nil
}

// partly is the error of a request of which some runs were made.
func partly(made job.Receipt, req job.Request, err error) error {
	if len(made.IDs) == 0 {
		return err
	}
	made.State = job.ReceiptCreated
	return &job.Error{Op: "buildbot.trigger", Key: triggering(req), Err: &job.PartialError{
		Taken: len(made.IDs), Count: req.Count, Receipt: made, Err: err,
	}}
}
