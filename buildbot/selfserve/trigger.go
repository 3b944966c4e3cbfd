package selfserve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// Trigger implements job.Scheduler. A test is asked for with the files of a
// build on its push that has some, and without one gives [job.ErrNoBuild]; what
// ran on the push already and needs no files is rebuilt, by one call for all
// runs. The action "rebuild" does that for a test too. Self-serve makes the runs
// later and says no ids; of several calls, those before a failure stand, and the
// error says how many. A label that is no builder of the branch gives
// [job.ErrNotFound].
func (p *Project) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	err := p.trigger(ctx, req)
	if err != nil {
		return job.Receipt{}, job.Wrap("selfserve.trigger", req.Label+" on "+req.Push.String(), err)
	}
	return job.Receipt{State: job.ReceiptAccepted}, nil
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
	up := p.upstream(req.Label)
	jobs, err := p.Jobs(ctx, req.Push, append(slices.Clone(up), req.Label)...)
	if err != nil {
		return err
	}
	own := slices.DeleteFunc(slices.Clone(jobs), func(j job.Job) bool { return j.Name() != req.Label })
	if len(own) > 0 && (len(up) == 0 || req.Action == "rebuild") {
		id := own[len(own)-1].Raw().(Record).Request.ID
		if id != 0 {
			if err := p.c.rebuild(ctx, p.repo, id, req.Count); err != nil {
				return err
			}
			p.remember(req, len(own))
			return nil
		}
	}
	if req.Action == "rebuild" {
		return fmt.Errorf("%w: no run of it on this push to rebuild", job.ErrNotFound)
	}
	var files []string
	if len(up) > 0 {
		if files, err = p.buildFiles(ctx, jobs, up); err != nil {
			return err
		}
	}
	return p.buildAll(ctx, req, files, len(own))
}

// buildAll asks for each run by itself; before is how many are listed already.
func (p *Project) buildAll(ctx context.Context, req job.Request, files []string, before int) error {
	// Treeherder shows running jobs by these.
	properties := map[string]any{"branch": p.repo, "revision": req.Push.Revision}
	for i := range req.Count {
		if err := p.c.build(ctx, p.repo, req.Label, req.Push.Revision, properties, files); err != nil {
			if i > 0 {
				part := req
				part.Count = i
				p.remember(part, before)
				return fmt.Errorf("%w: %d of %d runs were accepted: %w", job.ErrUnavailable, i, req.Count, err)
			}
			return err
		}
	}
	p.remember(req, before)
	return nil
}

// asked is a request that was accepted.
type asked struct {
	req    job.Request
	before int // runs of the label on the push that were visible then
}

// is reports whether it was asked for a label on a push.
func (a asked) is(label string, push job.Push) bool {
	return a.req.Label == label && a.req.Push.Revision == push.Revision
}

func (p *Project) remember(req job.Request, before int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.asked { // what is invisible still counts as before
		if a.is(req.Label, req.Push) {
			before = max(before, a.before+a.req.Count)
		}
	}
	p.asked = append(p.asked, asked{req, before})
}

// Accepted implements job.AcceptedLister: what this Project was asked for, until as
// many runs more are listed. It takes self-serve half a minute, and its answers
// are two minutes old.
func (p *Project) Accepted(ctx context.Context, push job.Push, label string) ([]job.Request, error) {
	jobs, err := p.Jobs(ctx, push, label)
	if err != nil && !errors.Is(err, job.ErrUnknownWord) {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []job.Request
	p.asked = slices.DeleteFunc(p.asked, func(a asked) bool {
		if !a.is(label, push) {
			return false
		}
		seen := max(0, len(jobs)-a.before)
		if seen >= a.req.Count {
			return true
		}
		r := a.req
		r.Count -= seen
		out = append(out, r)
		return false
	})
	return out, nil
}
