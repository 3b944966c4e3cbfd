package taskcluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/jsone"
	"github.com/mozci/mozci/job"
)

// actions are the in-tree actions that a decision task offers, from its
// artifact public/actions.json of version 1. They come from the push, which may
// be anybody's.
type actions struct {
	variables map[string]any
	list      []action
}

// action is one of the in-tree actions.
type action struct {
	Name        string              `json:"name"`
	Title       string              `json:"title"`
	Description string              `json:"description"`
	Context     []map[string]string `json:"context"` // tag sets; none for an action on the whole group
	Schema      json.RawMessage     `json:"schema"`  // of the input; nil for an action without one
	Kind        string              `json:"kind"`    // hook or task
	HookGroupID string              `json:"hookGroupId"`
	HookID      string              `json:"hookId"`
	HookPayload any                 `json:"hookPayload"`
	Task        any                 `json:"task"`

	variables map[string]any
}

// parseActions reads an actions.json. Another version than 1 is refused with
// job.ErrMalformed; actions of a kind that is not known are left out, as the
// format asks, and so is one that cannot be read or lacks what it needs, unless
// no other is left.
func parseActions(text []byte) (*actions, error) {
	var file struct {
		Version   int               `json:"version"`
		Variables map[string]any    `json:"variables"`
		Actions   []json.RawMessage `json:"actions"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%w: actions.json: %w", job.ErrMalformed, err)
	}
	if file.Version != 1 {
		return nil, fmt.Errorf("%w: actions.json is of version %d, expected 1", job.ErrMalformed, file.Version)
	}
	out := &actions{variables: file.Variables}
	var unusable error
	for i, raw := range file.Actions {
		var kind struct{ Kind string }
		if err := json.Unmarshal(raw, &kind); err == nil && kind.Kind != "hook" && kind.Kind != "task" {
			continue
		}
		a := action{variables: file.Variables}
		if err := json.Unmarshal(raw, &a); err != nil {
			unusable = cmp.Or(unusable, fmt.Errorf("%w: actions.json: action %d: %w", job.ErrMalformed, i+1, err))
			continue
		}
		if !a.whole() {
			unusable = cmp.Or(unusable,
				fmt.Errorf("%w: actions.json: action %d %q lacks its name, hook or task",
					job.ErrMalformed, i+1, a.Name))
			continue
		}
		if string(a.Schema) == "null" {
			a.Schema = nil
		}
		out.list = append(out.list, a)
	}
	if len(out.list) == 0 && unusable != nil {
		return nil, unusable
	}
	return out, nil
}

// whole reports whether the action has what its kind needs.
func (a *action) whole() bool {
	hook := a.HookGroupID != "" && a.HookID != "" && a.HookPayload != nil
	return a.Name != "" && (a.Kind != "hook" || hook) && (a.Kind != "task" || a.Task != nil)
}

// names are the names of the actions, each once, in their order.
func (a *actions) names() []string {
	var out []string
	for _, x := range a.list {
		if !slices.Contains(out, x.Name) {
			out = append(out, x.Name)
		}
	}
	return out
}

// forGroup is the first action of this name that acts on a whole task group.
func (a *actions) forGroup(name string) (*action, bool) {
	return a.first(func(x *action) bool { return x.Name == name && len(x.Context) == 0 })
}

// forTask is the first action of this name that acts on a task with these tags:
// several actions may have one name, and which is meant depends on the task.
func (a *actions) forTask(name string, tags map[string]string) (*action, bool) {
	return a.first(func(x *action) bool { return x.Name == name && x.relevant(tags) })
}

func (a *actions) first(is func(*action) bool) (*action, bool) {
	for i := range a.list {
		if is(&a.list[i]) {
			return &a.list[i], true
		}
	}
	return nil, false
}

// relevant reports whether the action acts on a task with these tags: they have
// all tags of one of its tag sets.
func (a *action) relevant(tags map[string]string) bool {
	return slices.ContainsFunc(a.Context, func(set map[string]string) bool {
		for k, v := range set {
			if has, ok := tags[k]; !ok || has != v {
				return false
			}
		}
		return true
	})
}

// render renders a template of the action, with what it may refer to.
func (a *action) render(
	template any, groupID, taskID string, input any, more map[string]any, now time.Time,
) (any, error) {
	context := map[string]any{"taskGroupId": groupID, "taskId": nil, "input": input}
	if taskID != "" {
		context["taskId"] = taskID
	}
	for k, v := range more {
		context[k] = v
	}
	for k, v := range a.variables {
		context[k] = v
	}
	out, err := jsone.Render(template, context, now)
	if err != nil {
		return nil, fmt.Errorf("%w: actions.json: action %s: %w", job.ErrMalformed, a.Name, err)
	}
	return out, nil
}
