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

// again are the waits before a hook is fired again that certainly made nothing because a
// service behind it was down: 5 seconds, then 15, so 3 fires at most.
var again = []time.Duration{5 * time.Second, 15 * time.Second}

// fire renders the action of a way and fires its hook. A *refusal says that nothing was done
// and that another way may work. A service that wants a longer wait than again has gets it:
// fire returns the error, and the caller decides.
//
//	answer of the hook                       next
//	a task that was not there before         accepted
//	a task that does something else          find; then accepted, or an error
//	unclear                                  find; then as for its result
//	*notMade                                 fired again after 5 s, and again after 15 s
//	*refusal                                 returned: take tries the next way
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

// mayFire checks what actions.json says, since any push can write what it likes there: the
// decision task must be of this push, and must have the scope to fire the hook itself.
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

// payloadRevisions returns the revision in the hook payload that taskgraph writes, at
// decision.push.revision; nothing when the payload has another shape.
func payloadRevisions(payload any) []string {
	p, _ := payload.(map[string]any)
	d, _ := p["decision"].(map[string]any)
	push, _ := d["push"].(map[string]any)
	if rev, ok := push["revision"].(string); ok && rev != "" {
		return []string{rev}
	}
	return nil
}

// once fires a hook once and finds out whether it made its task. It sorts the answer into
// found (a task id), *notMade (fire again), *refusal (try another way) and final errors.
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

// errForeign says that the task in a hook's answer was there before, or does something else.
// Such an answer tells nothing about this fire.
var errForeign = errors.New("that task does something else")

// foreign reports whether a task certainly does something else than the way. A task that
// cannot be read, or that does not say what it does, is not foreign.
func (s *shot) foreign(w way, t *Task) bool {
	if t == nil {
		return false
	}
	a := t.Extra.Action // not all projects write it
	return t.TaskGroupID != s.in.decision || a != nil && (a.Name != w.action.Name || a.Context.TaskID != w.taskID())
}

const rivalNote = "another process triggered the same at the same time"

// accepted is the receipt of an action task. First it looks for tasks that others made for
// the same purpose at the same time. Of several, the earliest stays and mozci cancels the
// rest, no matter who made them: all processes choose the same one, even when each has a
// ledger of its own, and a process that was killed in between could not clean up. When the
// look fails the receipt stands, since the action was fired.
//
//	tasks for the purpose, earliest first    receipt
//	ours                                     accepted, by ours
//	ours, theirs                             accepted, by ours; theirs is cancelled
//	theirs, ours                             already asked, by theirs; ours is cancelled
func (s *shot) accepted(ctx context.Context, w way, made string) (job.Receipt, error) {
	s.p.log.Info("fired an action", "action", w.action.Name, "label", s.req.Label, "push", s.req.Push.ID, "task", made)
	all, err := s.same(ctx, w, made)
	if errors.Is(err, errForeign) {
		return job.Receipt{}, err
	}
	if err != nil || len(all) < 2 {
		all = []string{made}
	}
	first := all[0]
	receipt := job.Receipt{State: job.ReceiptAccepted, By: first + "/0", Link: s.p.c.page(first)}
	for _, id := range all[1:] {
		status, err := s.p.c.cancelTask(ctx, id)
		if err != nil || status.State != "exception" {
			receipt.Note = fmt.Sprintf("%s: action tasks %s and %s; mozci could not stop the second",
				rivalNote, first, id)
		}
	}
	if first != made && receipt.Note == "" {
		receipt.State, receipt.Note = job.ReceiptAlreadyAsked, rivalNote
	}
	return receipt, nil
}

// definitionOf fetches the whole definition of a task that a group lists, and checks that
// group and label are the same there.
func (s *shot) definitionOf(ctx context.Context, t *listedTask) (*definitionWire, []byte, error) {
	d, raw, err := s.p.c.definition(ctx, t.Status.TaskID)
	if err == nil && (d.TaskGroupID != t.Status.TaskGroupID || d.Metadata.Name != t.label()) {
		err = broken(definitions, ".", "%.80q of the group %s, expected %.80q of %s",
			d.Metadata.Name, d.TaskGroupID, t.label(), t.Status.TaskGroupID)
		err = wrap("queue.task", t.Status.TaskID, err)
	}
	return d, raw, err
}

// make creates the task of an action of kind task. The request is limited to the scopes of
// the decision task, so that a push cannot use the caller's rights.
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

// ownTask is the id of the task of an action of kind task. It follows from the request's key:
// creating it twice makes it once.
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
