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

// Trigger implements job.Scheduler. It chooses one of two ways:
//
//   - A builder that needs no files and has run on the push is rebuilt, with one call for all
//     runs. The action "rebuild" does the same for a test.
//   - Otherwise each run costs one call. A test gets the files of a build on its push; without
//     such a build the error is [job.ErrNoBuild].
//
// When it is not known which build a test needs, the test can only be rebuilt; without a run on
// the push that gives [job.ErrUnknownWord]. A label that is not a builder of the branch gives
// [job.ErrNotFound].
//
// Self-serve makes the runs later, returns no ids, and cannot tell what it has accepted. So the
// caller must remember what was triggered, as the ledger of package trigger does. When a call
// fails, the runs of the calls before it stand, and the error is a [*job.PartialError] that says
// how many. When other callers have triggered runs in the meantime, Trigger makes only those
// that are missing from the request's Times.
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
		part.Err = tooLate(ctx, op, key, part.Err) // not job.Wrap: err is already wrapped inside part
		return job.Receipt{}, &job.Error{Op: op, Key: key, Err: err}
	}
	return job.Receipt{}, tooLate(ctx, op, key, err)
}

// errEnough says that no run is missing.
var errEnough = errors.New("no run is missing")

// missing is how many runs of a request are still missing, given the label's runs on the push.
// Without Times it is Count. It may be negative.
//
//	Times 5, Count 3, own: success, running, coalesced    3: 5 - 2 = 3, at most Count
//	Times 5, Count 3, own: 4 that count                   1
//	Times 3, Count 3, own: 4 that count                   -1
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
		return fmt.Errorf("%w: self-serve cannot trigger a builder with a slash in its name", job.ErrInvalid)
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
		return fmt.Errorf("%w: it has no run on this push to rebuild", job.ErrNotFound)
	}
	if unknown != nil { // without the files of a build, a test would have nothing to test
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

// buildAll requests each run with a call of its own.
func (p *Project) buildAll(ctx context.Context, req job.Request, files []string) error {
	// Treeherder needs these properties to show the runs while they are running.
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
