package taskcluster

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
)

// errNothingCreated says that a hook accepted the request and named no task that
// it made of it.
var errNothingCreated = errors.New("accepted, nothing created")

// Trigger implements job.Scheduler. Without an Action it runs the label as
// people do in Treeherder: retrigger-multiple where the label ran on the push
// and may be retriggered, then retrigger, then add-new-jobs; one request for all
// runs. What the action's schema or its hook refuses is tried in the next way,
// and the receipt's note says so; so is an action whose task failed, or made
// nothing, within the last hour: twice at most. With an Action it fires that
// one, on the label's task where the action acts on a task, and on the whole
// push otherwise; Count then fills the input's "times", where the action has
// that. A label that ran in the group of a cron job is run by that group's
// actions.
//
// Keys do not reach the CI by actions, so that Project is no job.KeyCarrier. It
// looks at the push's groups just before it fires, and makes no more than is
// then missing of Times. An answer that is lost, or says nothing of what was
// done, is looked up: among the latest fires of the hook, where the caller may
// read them, and among the push's action tasks. Where another process fired the
// same at the same time, the later of the two action tasks is cancelled. A hook
// that is gone, as those of old pushes are, is replaced by copies of the label's
// task, whose ids are made of the key, so that twice is once.
//
// With a context that is kept to scopes (job.WithScopes) no hook is fired and no task is
// created that needs others. A second action task that another process made at the
// same time is stopped with the client's own.
//
// The receipt names the action task; Outcome says what it made.
func (p *Project) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	const op = "taskcluster.trigger"
	key := req.Push.String() + " " + req.Label
	return within(ctx, p.c, op, key, func(ctx context.Context) (job.Receipt, error) {
		receipt, err := p.of(req.Push).trigger(ctx, req)
		return receipt, job.Wrap(op, key, err)
	})
}

func (p *Project) trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	s, there, err := p.aim(ctx, req)
	if err != nil || there != nil {
		return *cmp.Or(there, &job.Receipt{}), err
	}
	receipt, err := s.take(ctx)
	p.fired(req.Push, receipt, err)
	return receipt, err
}

// aim is all that is done of a request before anything is fired, or the receipt of one
// that needs nothing.
func (p *Project) aim(ctx context.Context, req job.Request) (*shot, *job.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	switch {
	case req.Count < 1:
		return nil, nil, fmt.Errorf("%w: count %d, expected 1 or more", job.ErrInvalid, req.Count)
	case req.Label == "" && req.Action == "":
		return nil, nil, fmt.Errorf("%w: neither a label nor an action", job.ErrInvalid)
	case !req.Push.Testable():
		return nil, nil, job.ErrNotScheduled
	}
	g, err := p.list(ctx, req.Push)
	if err != nil {
		return nil, nil, err
	}
	in, err := p.aimAt(g, req)
	if err != nil {
		return nil, nil, p.explain(ctx, err)
	}
	if req.Times > 0 {
		missing, by, err := p.missing(ctx, req, g)
		if err != nil {
			return nil, nil, err
		}
		if missing < req.Count {
			if missing < 1 {
				return nil, &job.Receipt{
					State: job.ReceiptAlreadyAsked, By: by, Link: p.c.page(by), Note: "others triggered it meanwhile",
				}, nil
			}
			req.Count = missing
		}
	}
	offers, err := p.offers(ctx, in.decision)
	if err != nil {
		return nil, nil, err
	}
	return &shot{
		p: p, req: req, all: g, in: in, offers: offers, refused: map[string]error{},
		notes: slices.Clone(offers.leftOut),
	}, nil, nil
}

// aimAt is the group whose actions run a request: the one in which its label
// ran, the push's own before those of cron jobs, and else the push's own.
func (p *Project) aimAt(g *graphs, req job.Request) (*graph, error) {
	if req.Label != "" {
		if ran := g.of(req.Label); ran != nil {
			return ran, nil
		}
	}
	return g.own()
}

// missing is how many runs a push lacks of a request's total, what actions
// under way will make included; by is one of those actions' tasks. A task that
// will never run is none of them.
func (p *Project) missing(ctx context.Context, req job.Request, g *graphs) (n int, by string, err error) {
	have, ran := 0, g.ran(req.Label)
	never, err := p.never(ctx, g, ran)
	if err != nil {
		return 0, "", err
	}
	for _, t := range ran {
		jobs, err := runsOf(req.Push, t, never[t.Status.TaskID])
		if err != nil {
			continue // a word that nobody documents is not a run to count on
		}
		for _, j := range jobs {
			if j.Status().Counts() {
				have++
			}
		}
	}
	for t, n := range g.asked(req.Label) {
		have += n
		by = t.Status.TaskID + "/0"
	}
	return req.Times - have, by, nil
}

// shot is one request on its way.
type shot struct {
	p      *Project
	req    job.Request
	all    *graphs
	in     *graph
	offers *actions

	notes   []string         // of actions that were left out, and of ways that were refused
	refused map[string]error // by hook: what it answered that holds for every request
}

// ran are the tasks of the request's label in the group it aims at.
func (s *shot) ran() []*listedTask {
	return slices.DeleteFunc(slices.Clone(s.in.tasks), func(t *listedTask) bool {
		return s.req.Label == "" || t.label() != s.req.Label
	})
}

// take fires the first way that is not refused.
func (s *shot) take(ctx context.Context) (job.Receipt, error) {
	defer s.p.forget(s.req.Push) // whatever came of it
	ways, err := s.ways(ctx)
	if err != nil {
		return job.Receipt{}, err
	}
	var gone, denied error
	for _, w := range ways {
		if err := s.refused[w.hook()]; err != nil {
			continue
		}
		receipt, err := s.fire(ctx, w)
		if err == nil {
			receipt.Note = joinNotes(s.notes, receipt.Note)
			return receipt, nil
		}
		var no *refusal
		switch {
		case errors.As(err, &no):
			s.notes = append(s.notes, no.Error())
			if no.gone {
				gone, s.refused[w.hook()] = no.err, no.err
			}
		case errors.Is(err, job.ErrDenied): // so is all else of that hook
			denied, s.refused[w.hook()] = err, err
		default:
			return job.Receipt{}, err
		}
	}
	switch {
	case denied != nil:
		return job.Receipt{}, denied
	case gone != nil:
		return s.copyInstead(ctx, ways[0].action, gone)
	}
	return job.Receipt{}, fmt.Errorf("%w: no action of the push runs it: %s", job.ErrRefused, joinNotes(s.notes))
}

func joinNotes(notes []string, more ...string) string {
	var out bytes.Buffer
	for _, n := range append(slices.Clone(notes), more...) {
		if n == "" {
			continue
		}
		if out.Len() > 0 {
			out.WriteString("; ")
		}
		out.WriteString(n)
	}
	return out.String()
}

// refusal is a way that was not taken; nothing was done by it.
type refusal struct {
	way  string
	err  error
	gone bool // its hook is no more
}

func (e *refusal) Error() string { return fmt.Sprintf("%s was refused: %v", e.way, e.err) }
func (e *refusal) Unwrap() error { return e.err }

// sameJSON compares an input as it was sent with one as a task has it.
func sameJSON(raw json.RawMessage, v any) bool {
	sent, err := plainJSON(v)
	if err != nil {
		return false
	}
	var a, b any
	if v2.Unmarshal(raw, &a) != nil || v2.Unmarshal(sent, &b) != nil {
		return len(raw) == 0 && v == nil
	}
	x, _ := plainJSON(a)
	y, _ := plainJSON(b)
	return bytes.Equal(x, y)
}
