package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
)

// way is one way to carry out a request: an action, on a task or on the whole group, with its
// input.
type way struct {
	action *action
	on     *listedTask // nil for the whole group
	input  any
}

// hook names the hook that the way fires, <group>/<id>; "" for an action of kind task.
func (w way) hook() string {
	if w.action.Kind == "task" {
		return ""
	}
	return w.action.HookGroupID + "/" + w.action.HookID
}

func (w way) taskID() string {
	if w.on == nil {
		return ""
	}
	return w.on.Status.TaskID
}

// is reports whether an action task does the same as the way: the same action, on the same
// task, with the same input. The caller checks the group.
func (w way) is(t *Task) bool {
	a := t.Extra.Action
	return a != nil && a.Name == w.action.Name && a.Context.TaskID == w.taskID() && sameJSON(a.Context.Input, w.input)
}

// ways returns the ways to carry out the request, the preferred one first; at least one when
// the error is nil.
func (s *shot) ways(ctx context.Context) ([]way, error) {
	if s.req.Action != "" {
		w, err := s.custom(ctx)
		return []way{w}, err
	}
	ran := s.ran()
	if len(ran) == 0 {
		there, err := s.p.offersLabel(ctx, s.in.decision, s.req.Label)
		if err != nil {
			return nil, err
		}
		if !there { // check now: the hook would accept it, and only its task would fail
			return nil, fmt.Errorf("%w: the push offers no label %q", job.ErrNotFound, s.req.Label)
		}
	}
	var out []way
	for _, w := range s.usual(ran) {
		var err error
		if w.input, err = w.action.compose(ctx, w.input); ctx.Err() != nil {
			return nil, ctx.Err()
		} else if err != nil {
			s.notes = append(s.notes, (&refusal{way: w.action.Name, err: err}).Error())
			continue
		}
		out = append(out, w)
	}
	if len(out) == 0 && len(s.notes) > 0 {
		return nil, fmt.Errorf("%w: no action of the push can run it with a count of %d: %s",
			job.ErrRefused, s.req.Count, joinNotes(s.notes))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: the push has no action that can run the label with a count of %d; it has %q",
			job.ErrRefused, s.req.Count, s.offers.names())
	}
	return s.untried(out)
}

// usual returns the ways that people use to run a label, in the order of preference. An
// action without "times" is a way only for a single run.
//
// For the label a and a count of 3:
//
//	retrigger-multiple    {"requests": [{"tasks": ["a"], "times": 3}]}     a ran, and may be retriggered
//	retrigger             {"times": 3}, on the task of a                   the same
//	add-new-jobs          {"tasks": ["a"], "times": 3}                     always, if offered
func (s *shot) usual(ran []*listedTask) []way {
	labels, count := []string{s.req.Label}, s.req.Count
	times := func(a *action, in map[string]any) (map[string]any, bool) {
		if a.takesTimes() {
			in["times"] = count
		}
		return in, a.takesTimes() || count == 1
	}
	multiple := map[string]any{"requests": []any{map[string]any{"tasks": labels, "times": count}}}
	var out []way
	again := slices.IndexFunc(ran, func(t *listedTask) bool { return t.Task.Tags["retrigger"] == "true" })
	if again >= 0 {
		if a, ok := s.offers.forGroup("retrigger-multiple"); ok {
			out = append(out, way{a, nil, multiple})
		}
		if a, ok := s.offers.forTask("retrigger", ran[again].Task.Tags); ok {
			if in, ok := times(a, map[string]any{}); ok {
				out = append(out, way{a, ran[again], in})
			}
		}
	}
	if a, ok := s.offers.forGroup("add-new-jobs"); ok {
		if in, ok := times(a, map[string]any{"tasks": labels}); ok {
			out = append(out, way{a, nil, in})
		}
	}
	if len(out) == 0 && len(ran) > 0 { // some projects do not tag what may be retriggered: try it all the same
		if a, ok := s.offers.forGroup("retrigger-multiple"); ok {
			out = append(out, way{a, nil, multiple})
		}
	}
	return out
}

// rememberFailures is how long a way is not tried again after its action task failed.
const rememberFailures = time.Hour

// mostFailures is how many ways may fail before mozci gives the request up.
const mostFailures = 2

// untried drops the ways whose action tasks failed or made nothing within the last hour, which
// the push's group shows. When mostFailures of them did, or no way is left, it gives up with
// job.ErrRefused: firing again would only make more failing tasks.
func (s *shot) untried(ways []way) ([]way, error) {
	var out []way
	failures := 0
	for _, w := range ways {
		why := s.failed(w)
		if why == "" {
			out = append(out, w)
			continue
		}
		failures++
		s.notes = append(s.notes, why)
	}
	if len(out) == 0 || failures >= mostFailures {
		return nil, fmt.Errorf("%w: mozci gave up: %s", job.ErrRefused, joinNotes(s.notes))
	}
	return out, nil
}

// failed says how the latest action task of a way came to nothing within the last hour; ""
// when there is none, it made something, or it is under way.
func (s *shot) failed(w way) string {
	var last *listedTask
	for _, t := range s.in.tasks {
		if w.is(&t.Task) && t.Status.resolved() && (last == nil || t.Task.Created.After(last.Task.Created)) {
			last = t
		}
	}
	if last == nil ||
		time.Since(last.Status.Runs[len(last.Status.Runs)-1].Resolved) > rememberFailures {
		return ""
	}
	id := last.Status.TaskID
	made := slices.ContainsFunc(s.in.tasks, func(t *listedTask) bool { return t.Task.Extra.Parent == id })
	switch {
	case made:
		return ""
	case last.Status.State == "completed":
		return fmt.Sprintf("the action task %s (%s) made nothing", id, w.action.Name)
	case last.Status.cancelled(): // a person's decision, not a failure of the way
		return ""
	}
	return fmt.Sprintf("the action task %s (%s) %s", id, w.action.Name, ending(&last.Status))
}

// custom is the way for the action that the request names: on the label's task, or on the
// whole push. When the label has several tasks, it takes the newest that failed, or else the
// newest.
func (s *shot) custom(ctx context.Context) (way, error) {
	ran := s.ran()
	slices.SortStableFunc(ran, func(a, b *listedTask) int {
		if fa, fb := a.Status.State == "failed", b.Status.State == "failed"; fa != fb {
			if fa {
				return -1
			}
			return 1
		}
		return b.Task.Created.Compare(a.Task.Created)
	})
	for _, t := range ran {
		if a, ok := s.offers.forTask(s.req.Action, t.Task.Tags); ok {
			return s.named(ctx, a, t)
		}
	}
	if a, ok := s.offers.forGroup(s.req.Action); ok {
		return s.named(ctx, a, nil)
	}
	if !slices.Contains(s.offers.names(), s.req.Action) {
		return way{}, fmt.Errorf("%w: the push has no action %q: it has %q",
			job.ErrInvalid, s.req.Action, s.offers.names())
	}
	if len(ran) == 0 {
		return way{}, fmt.Errorf("%w: the action %q acts on a task, and %q has none on this push",
			job.ErrInvalid, s.req.Action, s.req.Label)
	}
	return way{}, fmt.Errorf("%w: no action %q acts on tasks like that of %s",
		job.ErrInvalid, s.req.Action, s.req.Label)
}

// named makes a way of an action that a person named. An input that came with it must fit the
// schema; without one, mozci composes it.
func (s *shot) named(ctx context.Context, a *action, on *listedTask) (way, error) {
	in, err := s.times(a)
	if err != nil {
		return way{}, err
	}
	w := way{action: a, on: on}
	if s.req.Input == nil {
		if w.input, err = a.compose(ctx, in); errors.Is(err, job.ErrRefused) {
			_, err = a.input(ctx, in) // the action needs an input: report what is missing as job.ErrInvalid
		}
	} else {
		w.input, err = a.input(ctx, in)
	}
	return w, err
}

// times is the request's input with the count added as "times", unless the input has one
// already or the count is 1. An action without "times" cannot run more than once.
func (s *shot) times(a *action) (any, error) {
	in, isObject := s.req.Input.(map[string]any)
	if s.req.Input != nil && !isObject {
		text, err := plainJSON(s.req.Input)
		if err == nil {
			err = v2.Unmarshal(text, &in)
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
		return nil, fmt.Errorf("%w: the action %s has no input \"times\", so it can only run once",
			job.ErrInvalid, a.Name)
	}
	out := map[string]any{"times": s.req.Count}
	for k, v := range in {
		out[k] = v
	}
	return out, nil
}
