package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/internal/scope"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// again is after how long a hook is fired once more that is known to have made
// nothing, since a service behind it was away.
var again = []time.Duration{5 * time.Second, 15 * time.Second}

// fire renders the action of a way and fires it. A *refusal says that nothing
// was done and that another way may do.
func (s *shot) fire(ctx context.Context, w way) (job.Receipt, error) {
	s.p.forget(s.req.Push)
	if w.action.Kind == "task" {
		return s.make(ctx, w)
	}
	if err := s.mayFire(ctx, w); err != nil {
		return job.Receipt{}, err
	}
	if err := allowed(ctx, fireNeeds(w)); err != nil {
		return job.Receipt{}, err
	}
	payload, err := w.action.render(w.action.HookPayload, s.in.decision, w.taskID(), w.input, nil, time.Now())
	if err != nil {
		return job.Receipt{}, &refusal{way: w.action.Name, err: err}
	}
	for n := 0; ; n++ {
		began := time.Now()
		made, err := s.once(ctx, w, payload)
		if err == nil {
			receipt, foreign := s.accepted(ctx, w, made)
			if !errors.Is(foreign, errForeign) {
				return receipt, foreign
			}
			lost := fmt.Errorf("%w: hook %s answered with the task %s: %w", job.ErrMalformed, w.hook(), made, foreign)
			if made, err = s.find(ctx, w, began, lost); err == nil {
				return s.accepted(ctx, w, made)
			}
		}
		var not *notMade
		if !errors.As(err, &not) || n >= len(again) || not.later > again[n] {
			return job.Receipt{}, err
		}
		s.p.log.Warn("a hook could not make its task, firing it again", "hook", w.hook(), "wait", again[n], "err", err)
		if err := pause.For(ctx, again[n]); err != nil {
			return job.Receipt{}, err
		}
	}
}

// mayFire checks what actions.json says, which anybody's push may have written:
// the decision task is of this push, and might fire the hook itself.
func (s *shot) mayFire(ctx context.Context, w way) error {
	_, may, err := s.p.may(ctx, s.in.decision)
	if err != nil {
		return err
	}
	if want := mayFireScope + w.hook(); !scope.Satisfies(may, want) {
		return fmt.Errorf("%w: actions.json names the hook %s, which the decision task %s may not fire: it lacks %s",
			job.ErrDenied, w.hook(), s.in.decision, want)
	}
	d, err := s.p.definition(ctx, s.in.decision)
	if err != nil {
		return err
	}
	revs := slices.Concat(d.revisions, payloadRevisions(w.action.HookPayload))
	if len(revs) > 0 && !sameAsOne(revs, s.req.Push) {
		return fmt.Errorf("%w: the decision task %s is of revision %s, not of push %s: nothing was triggered",
			job.ErrMalformed, s.in.decision, revs[0], s.req.Push)
	}
	return nil
}

// payloadRevisions are the revisions in the payload that taskgraph writes for an
// action's hook; none where it has another shape.
func payloadRevisions(payload any) []string {
	p, _ := payload.(map[string]any)
	d, _ := p["decision"].(map[string]any)
	push, _ := d["push"].(map[string]any)
	if rev, ok := push["revision"].(string); ok && rev != "" {
		return []string{rev}
	}
	return nil
}

// once fires a hook once, and finds out whether it made its task.
func (s *shot) once(ctx context.Context, w way, payload any) (taskID string, err error) {
	began := time.Now()
	made, err := s.p.c.triggerHook(ctx, w.action.HookGroupID, w.action.HookID, payload)
	if err == nil && made != "" {
		return made, nil
	}
	if err == nil {
		err = fmt.Errorf("%w: hook %s: %w", job.ErrUnavailable, w.hook(), errNothingCreated)
	}
	switch answerOf(err) {
	case unclear:
		return s.find(ctx, w, began, err)
	case nothingDone:
		no := &notMade{err: err}
		var answered *rest.Error
		if errors.As(err, &answered) {
			no.later = answered.RetryAfter
		}
		err = no
	case hookGone:
		err = &refusal{way: w.action.Name, err: err, gone: true}
	case refusedInput:
		err = &refusal{way: w.action.Name, err: err}
	}
	if errors.Is(err, job.ErrDenied) && s.p.c.creds == nil {
		err = fmt.Errorf("%w; no credentials were given: set TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN", err)
	}
	return "", err
}

// errForeign says of the task that a hook answered with that it was there before,
// or does something else: then the answer says nothing of this fire.
var errForeign = errors.New("that task does something else")

// foreign reports whether a task does something else than the way.
func (s *shot) foreign(w way, t *Task) bool {
	if t == nil {
		return false // nobody knows
	}
	a := t.Extra.Action // not all projects write it
	return t.TaskGroupID != s.in.decision || a != nil && (a.Name != w.action.Name || a.Context.TaskID != w.taskID())
}

const rivalNote = "another process triggered the same at the same time"

// accepted is the receipt of an action task, once it is known that nobody else
// made the same at the same time. Of several the earliest stays, and the others
// are stopped, whosesoever they are: processes with ledgers of their own tell it
// alike, and one of them may have been killed before it could look.
func (s *shot) accepted(ctx context.Context, w way, made string) (job.Receipt, error) {
	s.p.log.Info("fired an action", "action", w.action.Name, "label", s.req.Label, "push", s.req.Push.ID, "task", made)
	all, err := s.same(ctx, w, made)
	if errors.Is(err, errForeign) {
		return job.Receipt{}, err
	}
	if err != nil || len(all) < 2 {
		all = []string{made} // what was fired is fired
	}
	first := all[0]
	receipt := job.Receipt{State: job.ReceiptAccepted, By: first + "/0", Link: s.p.c.page(first)}
	for _, id := range all[1:] {
		status, err := s.p.c.cancelTask(ctx, id)
		if err != nil || status.State != "exception" {
			receipt.Note = fmt.Sprintf("%s: the action tasks %s and %s, of which the second could not be stopped",
				rivalNote, first, id)
		}
	}
	if first != made && receipt.Note == "" {
		receipt.State, receipt.Note = job.ReceiptAlreadyAsked, rivalNote
	}
	return receipt, nil
}

// definitionOf is the whole definition of a task that a group lists.
func (s *shot) definitionOf(ctx context.Context, t *listedTask) (*definitionWire, []byte, error) {
	d, raw, err := s.p.c.definition(ctx, t.Status.TaskID)
	if err == nil && (d.TaskGroupID != t.Status.TaskGroupID || d.Metadata.Name != t.label()) {
		err = broken(definitions, ".", "%.80q of the group %s, asked for %.80q of %s",
			d.Metadata.Name, d.TaskGroupID, t.label(), t.Status.TaskGroupID)
		err = wrap("queue.task", t.Status.TaskID, err)
	}
	return d, raw, err
}

// make creates the task of an action of kind task, with no more than the scopes
// of the decision task.
func (s *shot) make(ctx context.Context, w way) (job.Receipt, error) {
	scopes, _, err := s.p.may(ctx, s.in.decision)
	if err != nil {
		return job.Receipt{}, err
	}
	id := s.ownTask(w)
	definition, err := s.rendered(ctx, w)
	if err != nil {
		return job.Receipt{}, err
	}
	need, err := createNeeds(definition)
	if err == nil {
		err = allowed(ctx, need)
	}
	if err != nil {
		return job.Receipt{}, err
	}
	narrow := *s.p.c
	if narrow.creds != nil {
		own := *narrow.creds
		own.AuthorizedScopes = append([]string{}, scopes...)
		narrow.creds = &own
	}
	if _, err := narrow.createTask(ctx, id, definition); err != nil {
		return job.Receipt{}, err
	}
	return job.Receipt{State: job.ReceiptAccepted, By: id + "/0", Link: s.p.c.page(id)}, nil
}

// ownTask is the id of the task of an action of kind task.
func (s *shot) ownTask(w way) string { return slug.Of(s.req.Key + " action " + w.action.Name) }

// rendered is the definition of the task of an action of kind task.
func (s *shot) rendered(ctx context.Context, w way) (any, error) {
	more := map[string]any{"ownTaskId": s.ownTask(w), "task": nil}
	if w.on != nil {
		_, raw, err := s.definitionOf(ctx, w.on)
		if err != nil {
			return nil, err
		}
		var task any
		if err := v2.Unmarshal(raw, &task); err != nil {
			return nil, err
		}
		more["task"] = task
	}
	definition, err := w.action.render(w.action.Task, s.in.decision, w.taskID(), w.input, more, time.Now())
	if err != nil {
		return nil, &refusal{way: w.action.Name, err: err}
	}
	return definition, nil
}
