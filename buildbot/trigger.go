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

// callTimeout is how long one force may take. Under load a master needs many
// seconds for one.
const callTimeout = time.Minute

// mark is what a reason holds of a request's key and which of its runs it is;
// shortMark is it where the form's reason is too short for the key.
func mark(key string, i int) string { return fmt.Sprintf("[mozci %s #%d]", key, i) }

func shortMark(key string, i int) string {
	sum := sha256.Sum256([]byte(key))
	return mark("~"+hex.EncodeToString(sum[:8]), i)
}

// Trigger implements job.Scheduler: it forces builds, one buildset for each run,
// with the key in its reason, by which a run that was asked for before is
// recognised: after an error in the midst of several runs, a Trigger with the same key
// makes just those that are missing. Where no key reaches the master (a rebuild, a form
// without a reason, a request without a key), the error is a [*job.PartialError] that
// says what was made. The fields of the form are filled with, in this order, what
// Input, an object, says; the push's revision (in 12 digits where the form wants
// so), branch, repository and project, of the codebase that the push is of; the
// form's defaults; and the properties that an earlier build of the label on the
// push had.
//
// A builder that no form has is rebuilt: a copy of its newest build on the push is
// asked for. No key travels with that, see [Project.Carried].
//
// A label that is no builder's gives [job.ErrNotFound]; a form that is for another
// branch, or lacks a value, [job.ErrInvalid]; a user who may not force, [job.ErrDenied].
func (p *Project) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	return bounded(ctx, p.c, "buildbot.trigger", triggering(req), func(ctx context.Context) (job.Receipt, error) {
		return p.trigger(ctx, req)
	})
}

func triggering(req job.Request) string { return req.Label + " on " + req.Push.String() }

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
	if req.Key != "" { // two callers with one key must not both find that nobody asked
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

// order finds the builder, the form and what ran already. An error of type noForm
// comes with the rest.
func (p *Project) order(ctx context.Context, req job.Request) (*order, Builder, forceScheduler, error) {
	o := &order{Request: req}
	b, err := p.c.labelled(ctx, req.Label)
	if err != nil {
		return o, b, forceScheduler{}, err
	}
	if o.line, err = p.lineOf(ctx, req.Push.Repo); err != nil {
		return o, b, forceScheduler{}, err
	}
	p.touch() // what was asked for a moment ago must be seen
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

// form chooses the form of a builder; where none will do, the forms are read
// again: the master may have been configured anew.
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

// marked is the request that was made for a key before; 0 when none was.
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

// reasonFor is the reason of a run, in at most so many bytes. It says that mozci asked.
// Where the key fits in no way, it is left out: a part of one would be no key.
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

// Carried implements job.KeyCarrier: keys travel in the reason of a forced build,
// where the form of its builder takes one. Where it takes none, and with a rebuild,
// the error wraps [errors.ErrUnsupported].
func (p *Project) Carried(ctx context.Context, req job.Request) ([]string, error) {
	return bounded(ctx, p.c, "buildbot.carried", req.Key, func(ctx context.Context) ([]string, error) {
		return p.carried(ctx, req)
	})
}

func (p *Project) carried(ctx context.Context, req job.Request) ([]string, error) {
	o, _, form, err := p.order(ctx, req)
	var without *noForm
	if errors.As(err, &without) || err == nil && !form.carries() {
		err = fmt.Errorf("keys of %s do not reach the master: %w", req.Label, errors.ErrUnsupported)
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
