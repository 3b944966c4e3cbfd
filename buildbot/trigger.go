package buildbot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// callTimeout is how long one call may take. A busy master needs many seconds for a force.
const callTimeout = time.Minute

// mark is the text in a reason that identifies run i, counted from 1, of a request with this
// key: "[mozci bf-7f3a #2]".
func mark(key string, i int) string { return fmt.Sprintf("[mozci %s #%d]", key, i) }

// shortMark is mark with the first 64 bits of the key's SHA-256 instead of the key, for a
// form whose reason is too short: "[mozci ~9f86d081884c7d65 #2]".
func shortMark(key string, i int) string {
	sum := sha256.Sum256([]byte(key))
	return mark("~"+hex.EncodeToString(sum[:8]), i)
}

// Trigger implements job.Scheduler. It forces builds, one buildset for each run, and puts the
// key into the reason. By that it recognises runs that were triggered before: after an error
// in the middle of several runs, calling Trigger with the same key makes only the missing
// ones. When no key reaches the master (a rebuild, a form without a reason, a request without
// a key), such an error is a [*job.PartialError] that lists the runs that were made.
//
// Each field of the form gets the first of these values that there is:
//
//  1. the one in Input, which must be an object with the full names of fields;
//  2. for revision, branch, repository and project: that of the push, for the push's
//     codebase (a revision has 12 digits if the form requires so);
//  3. the form's default;
//  4. the property of the same name from an earlier build of the label on the push.
//
// A builder that no force scheduler has is rebuilt: Trigger requests a copy of its newest build
// on the push. No key travels with that; see [Project.Carried].
//
// A label that is not a builder gives [job.ErrNotFound]. A form that is for another branch, or
// that needs a value which is missing, gives [job.ErrInvalid]. A user who may not force gives
// [job.ErrDenied].
func (p *Project) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	return bounded(ctx, p.c, "buildbot.trigger", triggering(req), func(ctx context.Context) (job.Receipt, error) {
		return p.trigger(ctx, req)
	})
}

// triggering is what errors call a request.
func triggering(req job.Request) string { return req.Label + " on " + req.Push.String() }

// trigger is Trigger without the deadline. For Count 3 with the key k, when the request 977 has
// the mark [mozci k #2]: run 1 is forced (980), run 2 is found, and run 3 is forced (981). The
// IDs are 980/1, 977/1 and 981/1, and the state is created, as something was.
func (p *Project) trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	none := job.Receipt{}
	switch {
	case req.Count < 1:
		return none, fmt.Errorf("%w: count %d, expected at least 1", job.ErrInvalid, req.Count)
	case req.Action != "" && req.Action != "force":
		return none, fmt.Errorf("%w: action %q, expected force", job.ErrInvalid, req.Action)
	case !req.Push.Testable():
		return none, job.ErrNotScheduled
	}
	if req.Key != "" { // or two callers with the same key could both find no run, and both make it
		done, err := p.turns.take(ctx, req.Key)
		if err != nil {
			return none, err
		}
		defer done()
	}
	o, b, form, err := p.order(ctx, req)
	var without *noForm
	switch {
	case errors.As(err, &without):
		return p.rebuild(ctx, o, without)
	case err != nil:
		return none, err
	}
	defer p.touch()
	params, err := p.fill(ctx, form, o)
	if err != nil {
		return none, err
	}
	out := job.Receipt{State: job.ReceiptAlreadyAsked}
	for i := 1; i <= req.Count; i++ {
		id := marked(o.runs, req.Key, i)
		if id == 0 {
			if id, err = p.force(ctx, form, b.ID, params, req, i); err != nil {
				if req.Key == "" || !form.carries() {
					err = partly(out, req, err)
				}
				return none, err
			}
			out.State = job.ReceiptCreated
		}
		out.IDs = append(out.IDs, runID(id, 1))
	}
	return out, nil
}

// order finds everything that a request needs: the builder, the form, and the requests that
// the label already has on the push. With an error of type *noForm the rest is valid.
func (p *Project) order(ctx context.Context, req job.Request) (*order, Builder, forceScheduler, error) {
	o := &order{Request: req}
	b, err := p.c.labelled(ctx, req.Label)
	if err != nil {
		return o, b, forceScheduler{}, err
	}
	if o.line, err = p.lineOf(ctx, req.Push.Repo); err != nil {
		return o, b, forceScheduler{}, err
	}
	p.touch() // runs that were triggered a moment ago must be seen
	s := &subject{push: req.Push, line: o.line, hz: p.lookout().horizon(req.Push)}
	p.ask(ctx, []*subject{s}, []string{req.Label})
	if s.err != nil {
		return o, b, forceScheduler{}, s.err
	}
	for _, f := range slices.Concat(s.asked...) {
		if jobs, err := p.jobs(ctx, f, o.line, req.Push); err == nil &&
			slices.ContainsFunc(jobs, func(j job.Job) bool { return j.Name() == req.Label }) {
			o.runs = append(o.runs, f)
		}
	}
	form, err := p.form(ctx, o.line, b)
	return o, b, form, err
}

// form chooses the form of a builder. When none fits, it reads the forms again, since the
// master may have been reconfigured.
func (p *Project) form(ctx context.Context, l line, b Builder) (forceScheduler, error) {
	var form forceScheduler
	for _, age := range []time.Duration{keptFor, freshFor} {
		all, err := p.c.forms.get(ctx, age)
		if err != nil {
			return form, err
		}
		if form, err = p.choose(all, l, b); err == nil || age == freshFor {
			return form, err
		}
	}
	return form, nil
}

// marked returns the request that was made before for run i of a key; 0 when there is none. The
// marks end with "]", so that of run 1 is not found in that of run 11, nor the key k in the key
// k2.
func marked(all []finished, key string, i int) int64 {
	if key == "" {
		return 0
	}
	at := slices.IndexFunc(all, func(f finished) bool {
		return strings.Contains(f.set.Reason, mark(key, i)) || strings.Contains(f.set.Reason, shortMark(key, i))
	})
	if at < 0 {
		return 0
	}
	return all[at].request.ID
}

// force forces one run and returns the id of its request.
func (p *Project) force(
	ctx context.Context, form forceScheduler, builder int, params map[string]any, req job.Request, i int,
) (int64, error) {
	if f, ok := form.reason(); ok {
		most := math.MaxInt
		if f.MaxSize != nil {
			most = *f.MaxSize
		}
		if reason := reasonFor(req, i, form.carries(), most); reason != "" {
			params[f.FullName] = reason
		}
	}
	asked, err := p.c.force(ctx, form.Name, builder, params)
	if err != nil {
		return 0, err
	}
	id, ok := asked.Requests[builder]
	if !ok {
		return 0, fmt.Errorf("%w: buildset %d has no request for builder %d", job.ErrMalformed, asked.Buildset, builder)
	}
	return id, nil
}

// reasonFor is the reason of run i, with no more than most bytes. It begins with the mark of the key,
// or else with "mozci", and goes on with the request's Why, which is cut if it is too long.
//
// For the key bf-7f3a, i 2 and Why "find the culprit of bug 1":
//
//	most 200    [mozci bf-7f3a #2] find the culprit of bug 1
//	most 30     [mozci bf-7f3a #2] find the cu
//	no key      mozci find the culprit of bug 1
func reasonFor(req job.Request, i int, carries bool, most int) string {
	reason := strings.TrimSpace("mozci " + req.Why)
	if req.Key != "" && carries {
		m := mark(req.Key, i)
		if len(m) > most {
			m = shortMark(req.Key, i)
		}
		reason = strings.TrimSpace(m + " " + req.Why)
	}
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "")
	}
	return reason
}

// Carried implements job.KeyCarrier. A key travels in the reason of a forced build, if the
// builder's form has a field for it. If it has none, or the builder can only be rebuilt, the
// error wraps [errors.ErrUnsupported].
func (p *Project) Carried(ctx context.Context, req job.Request) ([]string, error) {
	return bounded(ctx, p.c, "buildbot.carried", req.Key, func(ctx context.Context) ([]string, error) {
		return p.carried(ctx, req)
	})
}

func (p *Project) carried(ctx context.Context, req job.Request) ([]string, error) {
	o, _, form, err := p.order(ctx, req)
	var without *noForm
	if errors.As(err, &without) || err == nil && !form.carries() {
		err = fmt.Errorf("keys for %s do not reach the master: %w", req.Label, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for i := 1; i <= req.Count; i++ {
		if id := marked(o.runs, req.Key, i); id != 0 {
			out = append(out, runID(id, 1))
		}
	}
	return out, nil
}
