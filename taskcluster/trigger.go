package taskcluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// ErrNothingCreated says that a hook accepted the request, and that its template
// made no task of it. Asking again will not help.
var ErrNothingCreated = errors.New("accepted, nothing created")

// Trigger implements job.Scheduler. Without an Action it runs the label as
// people do in Treeherder: retrigger-multiple where the label ran on the push
// and may be retriggered, retrigger where only that is offered, add-new-jobs
// elsewhere; one request for all runs. With an Action it fires that one, on the
// label's task where the action acts on a task, and on the whole push
// otherwise; Count then fills the input's "times", where the action has that.
//
// Keys do not reach the CI by actions, so that Project is no job.KeyCarrier. An
// answer that is lost is looked for among the push's action tasks. A hook that
// is gone, as those of old pushes are, is replaced by copies of the label's
// task, whose ids are made of the key, so that twice is once.
func (p *Project) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	const op = "taskcluster.trigger"
	receipt, err := p.of(req.Push).trigger(ctx, req)
	return receipt, job.Wrap(op, req.Push.String()+" "+req.Label, err)
}

func (p *Project) trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return job.Receipt{}, err
	}
	switch {
	case req.Count < 1:
		return job.Receipt{}, fmt.Errorf("%w: count %d, expected 1 or more", job.ErrInvalid, req.Count)
	case req.Label == "" && req.Action == "":
		return job.Receipt{}, fmt.Errorf("%w: neither a label nor an action", job.ErrInvalid)
	case !req.Push.Testable():
		return job.Receipt{}, job.ErrNotScheduled
	}
	id, tasks, err := p.group(ctx, req.Push)
	if err != nil {
		return job.Receipt{}, err
	}
	offers, err := p.offers(ctx, id)
	if err != nil {
		return job.Receipt{}, err
	}
	s := &shot{p: p, req: req, decision: id, tasks: tasks, offers: offers}
	if err := s.aim(ctx); err != nil {
		return job.Receipt{}, err
	}
	return s.fire(ctx)
}

// shot is one request on its way.
type shot struct {
	p        *Project
	req      job.Request
	decision string
	tasks    []*TaskAndStatus
	offers   *Actions

	action *Action
	on     *TaskAndStatus // nil for the whole group
	input  any
}

// ran are the tasks of the request's label.
func (s *shot) ran() []*TaskAndStatus {
	return slices.DeleteFunc(slices.Clone(s.tasks), func(t *TaskAndStatus) bool { return s.req.Label == "" || t.label() != s.req.Label })
}

// aim chooses the action and its input.
func (s *shot) aim(ctx context.Context) error {
	if s.req.Action != "" {
		return s.custom()
	}
	ran := s.ran()
	if len(ran) == 0 {
		there, err := s.p.offersLabel(ctx, s.decision, s.req.Label)
		if err != nil {
			return err
		}
		if !there { // the hook would take it, and its task would fail
			return fmt.Errorf("%w: the push offers no label %q", job.ErrNotFound, s.req.Label)
		}
	}
	labels := []string{s.req.Label}
	again := slices.IndexFunc(ran, func(t *TaskAndStatus) bool { return t.Task.Tags["retrigger"] == "true" })
	if again >= 0 {
		if a, ok := s.offers.ForGroup("retrigger-multiple"); ok {
			return s.use(a, nil, map[string]any{"requests": []any{map[string]any{"tasks": labels, "times": s.req.Count}}})
		}
		if a, ok := s.offers.ForTask("retrigger", ran[again].Task.Tags); ok && (a.takesTimes() || s.req.Count == 1) {
			in := map[string]any{}
			if a.takesTimes() {
				in["times"] = s.req.Count
			}
			return s.use(a, ran[again], in)
		}
	}
	if a, ok := s.offers.ForGroup("add-new-jobs"); ok && (a.takesTimes() || s.req.Count == 1) {
		in := map[string]any{"tasks": labels}
		if a.takesTimes() {
			in["times"] = s.req.Count
		}
		return s.use(a, nil, in)
	}
	return fmt.Errorf("%w: the push has no action that runs the label %d times; it has %q", job.ErrInvalid, s.req.Count, s.offers.Names())
}

// use takes an action, if its input is what it takes.
func (s *shot) use(a *Action, on *TaskAndStatus, input any) (err error) {
	s.action, s.on = a, on
	s.input, err = a.Input(input)
	return err
}

// custom finds the action that the request names: for the label's task, or for
// the whole push. Of several tasks one that failed is taken, the newest.
func (s *shot) custom() error {
	ran := s.ran()
	slices.SortStableFunc(ran, func(a, b *TaskAndStatus) int {
		if fa, fb := a.Status.State == "failed", b.Status.State == "failed"; fa != fb {
			if fa {
				return -1
			}
			return 1
		}
		return b.Task.Created.Compare(a.Task.Created)
	})
	for _, t := range ran {
		if a, ok := s.offers.ForTask(s.req.Action, t.Task.Tags); ok {
			in, err := s.times(a)
			if err != nil {
				return err
			}
			return s.use(a, t, in)
		}
	}
	if a, ok := s.offers.ForGroup(s.req.Action); ok {
		in, err := s.times(a)
		if err != nil {
			return err
		}
		return s.use(a, nil, in)
	}
	if !slices.Contains(s.offers.Names(), s.req.Action) {
		return fmt.Errorf("%w: the push has no action %q: it has %q", job.ErrInvalid, s.req.Action, s.offers.Names())
	}
	if len(ran) == 0 {
		return fmt.Errorf("%w: the action %q acts on a task, and %q has none on this push", job.ErrInvalid, s.req.Action, s.req.Label)
	}
	return fmt.Errorf("%w: no action %q acts on a task such as that of %s", job.ErrInvalid, s.req.Action, s.req.Label)
}

// times is the request's input, with its count where the action has a place for
// it and the input says nothing.
func (s *shot) times(a *Action) (any, error) {
	in, isObject := s.req.Input.(map[string]any)
	if s.req.Input != nil && !isObject {
		text, err := plainJSON(s.req.Input)
		if err == nil {
			err = json.Unmarshal(text, &in)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: the input of action %s is not a JSON object: %w", job.ErrInvalid, a.Name, err)
		}
	}
	if _, says := in["times"]; says || s.req.Count == 1 {
		if in == nil {
			return nil, nil //nolint:nilnil // no input
		}
		return in, nil
	}
	if !a.takesTimes() {
		return nil, fmt.Errorf("%w: the action %s runs once: it has no times", job.ErrInvalid, a.Name)
	}
	out := map[string]any{"times": s.req.Count}
	for k, v := range in {
		out[k] = v
	}
	return out, nil
}

// fire renders the action and fires it.
func (s *shot) fire(ctx context.Context) (job.Receipt, error) {
	s.p.forget(s.decision)
	if s.action.Kind == "task" {
		return s.make(ctx)
	}
	own := s.action.HookGroupID + "/" + s.action.HookID
	_, may, err := s.p.may(ctx, s.decision)
	if err != nil {
		return job.Receipt{}, err
	}
	if want := "in-tree:hook-action:" + own; !Satisfies(may, want) {
		return job.Receipt{}, fmt.Errorf("%w: actions.json names the hook %s, which the decision task %s may not fire: it lacks %s", job.ErrDenied, own, s.decision, want)
	}
	payload, err := s.action.render(s.action.HookPayload, s.decision, s.taskID(), s.input, nil, time.Now())
	if err != nil {
		return job.Receipt{}, err
	}
	made, err := s.p.c.TriggerHook(ctx, s.action.HookGroupID, s.action.HookID, payload)
	switch {
	case errors.Is(err, job.ErrUnavailable) || errors.Is(err, job.ErrMalformed):
		made, err = s.find(ctx, err)
		if err != nil {
			return job.Receipt{}, err
		}
	case errors.Is(err, job.ErrNotFound):
		return s.copyInstead(ctx, err)
	case err != nil:
		return job.Receipt{}, err
	case made == "":
		return job.Receipt{}, fmt.Errorf("%w: hook %s: %w", job.ErrInvalid, own, ErrNothingCreated)
	}
	s.p.log.Info("fired an action", "action", s.action.Name, "label", s.req.Label, "push", s.req.Push.ID, "task", made)
	return job.Receipt{State: job.Accepted}, nil
}

func (s *shot) taskID() string {
	if s.on == nil {
		return ""
	}
	return s.on.Status.TaskID
}

// make creates the task of an action of kind task, with no more than the scopes
// of the decision task.
func (s *shot) make(ctx context.Context) (job.Receipt, error) {
	scopes, _, err := s.p.may(ctx, s.decision)
	if err != nil {
		return job.Receipt{}, err
	}
	id := slug.Of(s.req.Key + " action " + s.action.Name)
	more := map[string]any{"ownTaskId": id, "task": nil}
	if s.on != nil {
		var task any
		raw, err := s.p.c.Definition(ctx, s.on.Status.TaskID)
		if err == nil {
			err = json.Unmarshal(raw, &task)
		}
		if err != nil {
			return job.Receipt{}, err
		}
		more["task"] = task
	}
	definition, err := s.action.render(s.action.Task, s.decision, s.taskID(), s.input, more, time.Now())
	if err != nil {
		return job.Receipt{}, err
	}
	narrow := *s.p.c
	if narrow.creds != nil {
		own := *narrow.creds
		own.AuthorizedScopes = append([]string{}, scopes...)
		narrow.creds = &own
	}
	if _, err := narrow.CreateTask(ctx, id, definition); err != nil {
		return job.Receipt{}, err
	}
	return job.Receipt{State: job.Accepted}, nil
}

// looks is how often, and after how long, an action task is looked for whose
// making was not confirmed.
var looks = []time.Duration{0, 2 * time.Second, 5 * time.Second}

// find looks for an action task with the same input that was not there before:
// a hook whose answer was lost may have made it.
func (s *shot) find(ctx context.Context, lost error) (string, error) {
	before := actionIDs(s.tasks)
	for _, wait := range looks {
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return "", ctx.Err()
		}
		_, tasks, err := s.p.group(ctx, s.req.Push)
		if err != nil {
			continue // what was lost is the error that counts
		}
		for _, t := range tasks {
			if a := t.Task.Extra.Action; a == nil || slices.Contains(before, t.Status.TaskID) ||
				a.Name != s.action.Name || a.Context.TaskID != s.taskID() || !sameJSON(a.Context.Input, s.input) {
				continue
			}
			s.p.log.Info("the answer of a hook was lost, and its task was found", "task", t.Status.TaskID, "err", lost)
			return t.Status.TaskID, nil
		}
	}
	if errors.Is(lost, job.ErrMalformed) { // what was answered says nothing about what was done
		lost = fmt.Errorf("%w: %s", job.ErrUnavailable, lost.Error())
	}
	return "", lost
}

// sameJSON compares an input as it was sent with one as a task has it.
func sameJSON(raw json.RawMessage, v any) bool {
	sent, err := plainJSON(v)
	if err != nil {
		return false
	}
	var a, b any
	if json.Unmarshal(raw, &a) != nil || json.Unmarshal(sent, &b) != nil {
		return len(raw) == 0 && v == nil
	}
	x, _ := plainJSON(a)
	y, _ := plainJSON(b)
	return bytes.Equal(x, y)
}
