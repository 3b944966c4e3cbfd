package taskcluster

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/jsone"
	"github.com/mozci/mozci/internal/lax"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// actions are the in-tree actions that a decision task offers, from version 1 of its
// artifact public/actions.json. The push itself writes that file, and anyone may push to
// Try, so nothing in it is trusted.
type actions struct {
	list    []action
	leftOut []string // one reason for each action that could not be used, for error messages
}

// action is one of the in-tree actions. A hook action asks the hooks service to make the
// action task; a task action carries the task's definition, and the caller creates it.
//
//	{"kind": "hook", "name": "retrigger-multiple", "context": [], "hookGroupId": "project-gecko",
//	 "hookId": "in-tree-action-3-generic/a1b2", "hookPayload": {"user": {"input": {"$eval": "input"}}}, …}
type action struct {
	Name        string              `json:"name" is:"required" min:"1"`
	Title       string              `json:"title"`
	Description string              `json:"description"`
	Context     []map[string]string `json:"context" is:"required"` // tag sets; none for an action on the whole group
	Schema      jsontext.Value      `json:"schema"`                // of the input; nil for an action without one
	Kind        string              `json:"kind" is:"required" words:"hook task"`
	HookGroupID string              `json:"hookGroupId" is:"" min:"1"`
	HookID      string              `json:"hookId" is:"" min:"1"`
	HookPayload any                 `json:"hookPayload"`
	Task        any                 `json:"task"`

	_ contract.Also `names:"actionPerm extra"`

	variables map[string]any // of the whole file, for render; never changed
}

// actionsWire is an actions.json. The actions stay raw at first, since one of an unknown
// kind may have any shape.
type actionsWire struct {
	Version   int              `json:"version" is:"required" min:"1" max:"1"`
	Variables map[string]any   `json:"variables"`
	Actions   []jsontext.Value `json:"actions" is:"required"`
}

var (
	actionsFile = contract.New(contract.Endpoint[actionsWire]{
		Source: source, Name: "actions.json", File: `(^|[^a-z-])actions\.json$|public/actions\.json of`,
		URL: storedAs + `actions\.json$`,
	})
	offeredAction = contract.New(contract.Endpoint[action]{Source: source, Name: "an action of actions.json"})
)

// usable returns the actions that mozci can use. It skips actions of an unknown kind, as the
// format requires. It also skips an action that cannot be read or lacks a member, and
// notes why; when that leaves no action at all, it returns the first such error.
func (w *actionsWire) usable() (*actions, error) {
	out := &actions{}
	var unusable error
	for i, raw := range w.Actions {
		var kind struct {
			Kind lax.Text `json:"kind"`
		}
		if err := v2.Unmarshal(raw, &kind); err == nil && kind.Kind != "hook" && kind.Kind != "task" {
			continue
		}
		a, err := offeredAction.Decode(contract.Asked{}, raw)
		if err != nil {
			err = fmt.Errorf("%w: actions.json: action %d: %w", job.ErrMalformed, i+1, err)
			out.leftOut = append(out.leftOut, err.Error())
			unusable = cmp.Or(unusable, err)
			continue
		}
		a.variables = w.Variables
		if a.Schema.Kind() == 'n' {
			a.Schema = nil
		}
		out.list = append(out.list, *a)
	}
	if len(out.list) == 0 && unusable != nil {
		return nil, unusable
	}
	return out, nil
}

// Prove implements contract.Prover: the action has the members that its kind needs.
func (a *action) Prove() error {
	switch {
	case a.Kind == "task" && a.Task == nil:
		return absent("task")
	case a.Kind == "hook" && a.HookGroupID == "":
		return absent("hookGroupId")
	case a.Kind == "hook" && a.HookID == "":
		return absent("hookId")
	case a.Kind == "hook" && a.HookPayload == nil:
		return absent("hookPayload")
	}
	return nil
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

// forTask is the first action of this name that acts on a task with these tags. Several
// actions may share a name: Firefox has one "retrigger" for tests and another for decision
// tasks. The order in the file decides between two that match.
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

// relevant reports whether the action acts on a task with these tags: the task must have
// every tag of at least one of the action's tag sets. So a context of [{}] fits every task,
// and a context of [] fits none, which makes it an action on the whole group.
//
//	context                              tags of the task                   relevant
//	[{"kind": "test"}]                   kind test, worker linux            yes
//	[{"kind": "test", "os": "mac"}]      kind test                          no
//	[{"kind": "test"}, {"os": "mac"}]    os mac                             yes
//	[{}]                                 none                               yes
//	[]                                   any                                no
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

// render fills in a JSON-e template of the action. The template may refer to taskGroupId,
// taskId (null for an action on the group), input, the names in more, and the file's own
// variables, which win over all others. For example {"times": {"$eval": "input.times"}} with the
// input {"times": 3} becomes {"times": 3}.
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
