package taskcluster

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

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

// action is one of them.
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
		if a.Name == "" || a.Kind == "hook" && (a.HookGroupID == "" || a.HookID == "" || a.HookPayload == nil) || a.Kind == "task" && a.Task == nil {
			unusable = cmp.Or(unusable, fmt.Errorf("%w: actions.json: action %d %q lacks its name, hook or task", job.ErrMalformed, i+1, a.Name))
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

// Names are the names of the actions, each once, in their order.
func (a *actions) names() []string {
	var out []string
	for _, x := range a.list {
		if !slices.Contains(out, x.Name) {
			out = append(out, x.Name)
		}
	}
	return out
}

// ForGroup is the first action of this name that acts on a whole task group.
func (a *actions) forGroup(name string) (*action, bool) {
	return a.first(func(x *action) bool { return x.Name == name && len(x.Context) == 0 })
}

// ForTask is the first action of this name that acts on a task with these tags:
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

// Relevant reports whether the action acts on a task with these tags: they have
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

// schema reads the action's schema; true and false are schemas, too, without
// anything to read in them.
func (a *action) schema() (map[string]any, error) {
	var s any
	err := json.Unmarshal(a.Schema, &s)
	switch s := s.(type) {
	case map[string]any:
		return s, nil
	case bool:
		return map[string]any{}, nil
	}
	if err == nil {
		err = errors.New("expected an object or a boolean")
	}
	return nil, fmt.Errorf("%w: actions.json: the schema of %s: %w", job.ErrMalformed, a.Name, err)
}

// refer follows references of a schema within itself; a schema that refers
// elsewhere, or to itself, is left as it is.
func refer(root, schema map[string]any) map[string]any {
	for range deepest {
		ref, ok := schema["$ref"].(string)
		if !ok {
			break
		}
		path, within := strings.CutPrefix(ref, "#/")
		at := any(root)
		for name := range strings.SplitSeq(path, "/") {
			m, _ := at.(map[string]any)
			at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
		}
		to, ok := at.(map[string]any)
		if !within || !ok {
			break
		}
		schema = to
	}
	return schema
}

// takesTimes reports whether the action's input has a place for how many runs.
// Where the schema does not say what the input has, the actions do that are known
// to.
func (a *action) takesTimes() bool {
	if a.Schema == nil {
		return needsInput(a.Name)
	}
	_, known := least[a.Name]
	s, err := a.schema()
	if err != nil {
		return known
	}
	properties, says := refer(s, s)["properties"].(map[string]any)
	if !says {
		return known
	}
	_, ok := properties["times"]
	return ok
}

// needsInput reports whether an action that mozci knows does nothing without an
// input, whatever its schema says.
func needsInput(name string) bool {
	in, _ := least[name].(map[string]any)
	return len(in) > 0
}

// Input is the input with the schema's defaults filled in, if it is what the
// action takes; job.ErrInvalid says what is wrong with it otherwise. A nil input
// is an empty object; an action without a schema takes none, and gets nil.
func (a *action) input(input any) (any, error) {
	if a.Schema == nil {
		if m, ok := input.(map[string]any); input != nil && (!ok || len(m) > 0) {
			return nil, fmt.Errorf("%w: action %s takes no input", job.ErrInvalid, a.Name)
		}
		return nil, nil
	}
	filled, err := a.fill(input)
	if err != nil {
		return nil, err
	}
	s, err := a.schema()
	if err != nil {
		return nil, err
	}
	filled = defaults(s, s, filled, 0)
	return filled, a.validate(filled)
}

// least is the smallest input that each action takes which mozci knows. A schema
// that refuses it is wrong about its own action: that of Gecko's
// retrigger-multiple has lacked the properties of its items since 2019, and
// Treeherder's page, which does not look at it, fires the action all the same.
var least = map[string]any{
	"retrigger-multiple": map[string]any{"requests": []any{map[string]any{"tasks": []any{"a-label"}, "times": 1}}},
	"retrigger":          map[string]any{},
	"add-new-jobs":       map[string]any{"tasks": []any{"a-label"}},
	"backfill-task":      map[string]any{"label": "a-label"},
	"rerun":              map[string]any{},
	"cancel":             map[string]any{},
	"confirm-failures":   map[string]any{},
}

// Compose is the input that mozci itself made for an action that it knows, with
// the schema's defaults where the schema can be read. A schema that is not there,
// cannot be read, or refuses what its action is known to take, has no say; any
// other refusal is job.ErrRefused. For an action that mozci does not know it is
// Input.
func (a *action) compose(input any) (any, error) {
	smallest, known := least[a.Name]
	if a.Schema == nil && needsInput(a.Name) {
		return a.fill(input)
	}
	if a.Schema == nil || !known {
		return a.input(input)
	}
	filled, err := a.fill(input)
	if err != nil {
		return nil, err
	}
	s, err := a.schema()
	if err != nil {
		return filled, nil //nolint:nilerr // it cannot be read: the action is known
	}
	filled = defaults(s, s, filled, 0)
	refused := a.validate(filled)
	if refused == nil {
		return filled, nil
	}
	probe, err := a.fill(smallest)
	if err != nil || a.validate(defaults(s, s, probe, 0)) != nil {
		return filled, nil //nolint:nilerr // the schema is wrong about its own action
	}
	return nil, fmt.Errorf("%w: %s", job.ErrRefused, strings.TrimPrefix(refused.Error(), job.ErrInvalid.Error()+": "))
}

// fill is an input as plain JSON values, an empty object where it is nil.
func (a *action) fill(input any) (any, error) {
	if input == nil {
		input = map[string]any{}
	}
	text, err := plainJSON(input)
	if err != nil {
		return nil, fmt.Errorf("%w: the input of action %s: %w", job.ErrInvalid, a.Name, err)
	}
	var filled any
	if err := json.Unmarshal(text, &filled); err != nil {
		return nil, fmt.Errorf("%w: the input of action %s: %w", job.ErrInvalid, a.Name, err)
	}
	return filled, nil
}

// deepest is how far defaults are looked for in a schema.
const deepest = 20

// defaults fills in what the schema of an object says of properties that are
// not there; root is the schema that it may refer into.
func defaults(root, schema map[string]any, v any, depth int) any {
	if depth > deepest {
		return v
	}
	schema = refer(root, schema)
	switch v := v.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for name, p := range properties {
			sub, _ := p.(map[string]any)
			sub = refer(root, sub)
			if has, ok := v[name]; ok {
				v[name] = defaults(root, sub, has, depth+1)
			} else if d, ok := sub["default"]; ok {
				v[name] = d
			}
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i := range v {
			v[i] = defaults(root, items, v[i], depth+1)
		}
	}
	return v
}

// offline refuses what a schema from a push would have us fetch.
type offline struct{}

func (offline) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %s, and nothing is fetched", url)
}

func (a *action) validate(input any) error {
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(string(a.Schema)))
	if err != nil {
		return fmt.Errorf("%w: actions.json: the schema of %s: %w", job.ErrMalformed, a.Name, err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.UseLoader(offline{})
	const url = "actions.json"
	if err := c.AddResource(url, schema); err != nil {
		return fmt.Errorf("%w: actions.json: the schema of %s: %w", job.ErrMalformed, a.Name, err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return fmt.Errorf("%w: actions.json: the schema of %s: %w", job.ErrMalformed, a.Name, err)
	}
	err = compiled.Validate(input)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return fmt.Errorf("%w: the input of action %s: %s", job.ErrInvalid, a.Name, strings.Join(reasons(invalid), "; "))
	}
	return err
}

// reasons are the places of an input that are wrong, and how.
func reasons(e *jsonschema.ValidationError) []string {
	if len(e.Causes) == 0 {
		text := e.Error()
		if i := strings.LastIndex(text, "\n"); i >= 0 {
			text = strings.TrimPrefix(text[i+1:], "- ")
		}
		return []string{text}
	}
	var out []string
	for _, c := range e.Causes {
		out = append(out, reasons(c)...)
	}
	return out
}

// render renders a template of the action, with what it may refer to.
func (a *action) render(template any, groupID, taskID string, input any, more map[string]any, now time.Time) (any, error) {
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
