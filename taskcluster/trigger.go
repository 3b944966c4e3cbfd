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

// errNothingCreated says that a hook accepted the request but named no task that it made.
var errNothingCreated = errors.New("accepted, nothing created")

// Trigger implements job.Scheduler. Without an Action it runs the label the way people do in
// Treeherder: with retrigger-multiple when the label ran on the push and may be
// retriggered, else with retrigger, else with add-new-jobs. One action makes all the runs.
// When the action's schema or its hook refuses, Trigger tries the next way, and the receipt's
// note says so. It also skips a way whose action task failed, or made nothing, within the
// last hour; after two such failures it gives up.
//
// With an Action it fires that one: on the label's task when the action acts on a task, on
// the whole push otherwise. Count then becomes the input's "times", if the action has it. A
// label that ran in the group of a cron job is run by that group's actions.
//
// Triggering twice must not run twice. Keys do not reach the CI through actions (so Project
// is no job.KeyCarrier); three other things make sure of it:
//
//   - Just before it fires, Trigger lists the push's groups, and makes no more runs than are
//     missing from Times.
//   - When an answer is lost or unclear, it looks for the action task: among the hook's
//     latest fires, if the caller may read them, and among the push's action tasks.
//   - When another process fired the same at the same time, the later action task is
//     cancelled.
//
// The hook of an old push may be gone. Trigger then copies the label's task. The copies' ids
// are computed from the key, so that copying twice makes one copy.
//
// When the context is limited to scopes (job.WithScopes), Trigger fires no hook and creates
// no task that needs others. It cancels another process's action task with the client's own
// scopes, though.
//
// The receipt names the action task; Outcome tells what it made.
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

// aim does everything that comes before firing: it checks the request, lists the push's
// groups, and lowers the count to the runs that are missing. When none is missing it returns
// a receipt, and no shot.
func (p *Project) aim(ctx context.Context, req job.Request) (*shot, *job.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	switch {
	case req.Count < 1:
		return nil, nil, fmt.Errorf("%w: count %d, expected 1 or more", job.ErrInvalid, req.Count)
	case req.Label == "" && req.Action == "":
		return nil, nil, fmt.Errorf("%w: the request names neither a label nor an action", job.ErrInvalid)
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
					State: job.ReceiptAlreadyAsked, By: by, Link: p.c.page(by),
					Note: "others have triggered it in the meantime",
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

// aimAt returns the group whose actions run a request: the one in which its label ran (the
// push's own before those of cron jobs), or else the push's own.
func (p *Project) aimAt(g *graphs, req job.Request) (*graph, error) {
	if req.Label != "" {
		if ran := g.of(req.Label); ran != nil {
			return ran, nil
		}
	}
	return g.own()
}

// missing returns how many runs a push lacks of the request's total, Times. Runs that count
// (job.Status.Counts) and runs that actions under way will make are there; tasks that will
// never run are not. With Times 5, 2 runs and an action that is to make 1 more, it is 2. by is
// the run of one of those actions. n may be negative.
func (p *Project) missing(ctx context.Context, req job.Request, g *graphs) (n int, by string, err error) {
	have, ran := 0, g.ran(req.Label)
	never, err := p.never(ctx, g, ran)
	if err != nil {
		return 0, "", err
	}
	for _, t := range ran {
		jobs, err := runsOf(req.Push, t, never[t.Status.TaskID])
		if err != nil {
			continue // a run with an undocumented word may not count
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

// shot is one request on its way to the CI.
type shot struct {
	p      *Project
	req    job.Request
	all    *graphs  // the push's groups, as they were before anything was fired
	in     *graph   // the group whose actions are used
	offers *actions // those actions

	notes   []string         // reasons: actions that cannot be used, ways that were refused
	refused map[string]error // by hook: an answer that would be the same for every input
}

// ran returns the tasks of the request's label in the group that the shot aims at.
func (s *shot) ran() []*listedTask {
	return slices.DeleteFunc(slices.Clone(s.in.tasks), func(t *listedTask) bool {
		return s.req.Label == "" || t.label() != s.req.Label
	})
}

// take tries the ways in order until one is not refused. When all are, the error tells every
// refusal; but a missing right (job.ErrDenied) comes first, and when a hook is gone it copies
// the task.
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
		case errors.Is(err, job.ErrDenied): // the hook would deny every other input as well
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
	return job.Receipt{}, fmt.Errorf("%w: no action of the push can run it: %s", job.ErrRefused, joinNotes(s.notes))
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

// refusal says that a way was refused, and that nothing was made.
type refusal struct {
	way  string // the name of its action
	err  error
	gone bool // its hook does not exist any more
}

func (e *refusal) Error() string { return fmt.Sprintf("%s was refused: %v", e.way, e.err) }
func (e *refusal) Unwrap() error { return e.err }

// sameJSON reports whether the input that a task has, raw, equals an input v that was sent.
// Both are decoded and encoded again, so that the order of members does not matter. For example
// {"a": 1, "b": 2} and {"b": 2, "a": 1} are equal, and so are no input and nil.
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
