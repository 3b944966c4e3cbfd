package selfserve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/deadline"
	"github.com/mozci/mozci/job"
)

// Trigger implements job.Scheduler. A test is asked for with the files of a
// build on its push that has some, and without one gives [job.ErrNoBuild]; what
// ran on the push already and needs no files is rebuilt, by one call for all
// runs. The action "rebuild" does that for a test too. A test of which it is not known
// what build it tests is only rebuilt: without a run of its own on the push it gives
// [job.ErrUnknownWord]. Self-serve makes the runs
// later, says no ids and cannot be asked what it has taken: the caller remembers it,
// as package trigger's ledger does. Of several calls, those before a failure stand:
// the error then is a [*job.PartialError] that says how many. Where somebody else's
// runs are there by now, no more are asked for than are missing of the request's
// Times. A label that is no builder of the branch gives [job.ErrNotFound].
func (p *Project) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	const op = "selfserve.trigger"
	key := req.Label + " on " + req.Push.String()
	ctx, cancel := deadline.With(ctx, p.c.within, op)
	defer cancel()
	err := p.trigger(ctx, req)
	var part *job.PartialError
	switch {
	case errors.Is(err, errEnough):
		return job.Receipt{State: job.ReceiptAlreadyAsked}, nil
	case err == nil:
		return job.Receipt{State: job.ReceiptAccepted}, nil
	case errors.As(err, &part):
		part.Err = tooLate(ctx, op, key, part.Err) // Wrap would take the error of the one call for the whole
		return job.Receipt{}, &job.Error{Op: op, Key: key, Err: err}
	}
	return job.Receipt{}, tooLate(ctx, op, key, err)
}

// errEnough says that nothing is missing of what is wanted.
var errEnough = errors.New("as many runs as are wanted are there")

// missing is how many runs of a request are still missing beside those there are.
func missing(req job.Request, own []job.Job) int {
	if req.Times == 0 {
		return req.Count
	}
	left := req.Times
	for _, j := range own {
		if j.Status().Counts() {
			left--
		}
	}
	return min(req.Count, left)
}

func (p *Project) trigger(ctx context.Context, req job.Request) error {
	switch {
	case req.Count < 1:
		return fmt.Errorf("%w: count %d, expected at least 1", job.ErrInvalid, req.Count)
	case req.Action != "" && req.Action != "rebuild":
		return fmt.Errorf("%w: action %q, expected rebuild or none", job.ErrInvalid, req.Action)
	case strings.Contains(req.Label, "/"):
		return fmt.Errorf("%w: self-serve takes no builder with a slash in its name", job.ErrInvalid)
	case !req.Push.Testable():
		return job.ErrNotScheduled
	}
	if err := p.exists(req.Label); err != nil {
		return err
	}
	up, unknown := p.upstream(req.Label)
	jobs, err := p.list(ctx, req.Push, append(slices.Clone(up), req.Label))
	if err != nil {
		return err
	}
	own := slices.DeleteFunc(slices.Clone(jobs), func(j job.Job) bool { return j.Name() != req.Label })
	if req.Count = missing(req, own); req.Count < 1 {
		return errEnough
	}
	if len(own) > 0 && (len(up) == 0 || req.Action == "rebuild") {
		return p.c.rebuild(ctx, p.repo, own[len(own)-1].Raw().(Record).Request.ID, req.Count)
	}
	if req.Action == "rebuild" {
		return fmt.Errorf("%w: no run of it on this push to rebuild", job.ErrNotFound)
	}
	if unknown != nil { // a test without its build's files would test nothing
		return unknown
	}
	var files []string
	if len(up) > 0 {
		if files, err = p.buildFiles(ctx, jobs, up); err != nil {
			return err
		}
	}
	return p.buildAll(ctx, req, files)
}

// buildAll asks for each run by itself.
func (p *Project) buildAll(ctx context.Context, req job.Request, files []string) error {
	// Treeherder shows running jobs by these.
	properties := map[string]any{"branch": p.repo, "revision": req.Push.Revision}
	for taken := range req.Count {
		err := p.c.build(ctx, p.repo, req.Label, req.Push.Revision, properties, files)
		if err != nil && taken > 0 {
			return &job.PartialError{
				Taken: taken, Count: req.Count, Receipt: job.Receipt{State: job.ReceiptAccepted}, Err: err,
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
