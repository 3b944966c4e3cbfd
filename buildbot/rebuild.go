package buildbot

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/job"
)

// rebuild requests copies of the label's newest build on the push, for a builder that no force
// scheduler has; why says so. A rebuild carries no key: when only some could be made, the
// error lists them, since nothing else will.
func (p *Project) rebuild(ctx context.Context, o *order, why *noForm) (job.Receipt, error) {
	if o.Input != nil {
		return job.Receipt{}, fmt.Errorf("%w, so it takes no input", why)
	}
	var newest int64
	for _, f := range o.runs {
		for _, b := range f.builds {
			newest = max(newest, b.ID)
		}
	}
	if newest == 0 {
		return job.Receipt{}, fmt.Errorf("%w, and it has no build on %s that could be rebuilt", why, o.Push)
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

// partly is the error of a request when some of its runs were made: a *job.PartialError with
// a receipt for those. When none was made it is err itself.
func partly(made job.Receipt, req job.Request, err error) error {
	if len(made.IDs) == 0 {
		return err
	}
	made.State = job.ReceiptCreated
	return &job.Error{Op: "buildbot.trigger", Key: triggering(req), Err: &job.PartialError{
		Taken: len(made.IDs), Count: req.Count, Receipt: made, Err: err,
	}}
}
