package taskcluster

import (
	"context"
	"fmt"
	"strings"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
)

// input checks an input that a person gave and fills in the schema's defaults. When the
// action does not accept it, the error is job.ErrInvalid and says what is wrong. A nil input
// counts as an empty object. An action without a schema accepts no input and gets nil.
func (a *action) input(ctx context.Context, input any) (any, error) {
	if a.Schema == nil {
		if m, ok := input.(map[string]any); input != nil && (!ok || len(m) > 0) {
			return nil, fmt.Errorf("%w: the action %s takes no input", job.ErrInvalid, a.Name)
		}
		return nil, nil
	}
	s, err := a.schema()
	if err != nil {
		return nil, err
	}
	filled, err := a.filled(s, input)
	if err != nil {
		return nil, err
	}
	return filled, a.validate(ctx, s, filled)
}

// compose prepares an input that mozci itself made, for an action that it knows. It fills in
// the schema's defaults when it can read the schema. It ignores a schema that is missing,
// that it cannot read, or that refuses even the smallest input the action is known to accept
// (see least): such a schema is wrong. Any other refusal is job.ErrRefused. For an action
// that mozci does not know, compose is the same as input.
//
//	schema                                    result for an action that mozci knows
//	missing, though it needs an input         the input as it is
//	cannot be read                            the input as it is
//	accepts the input                         the input with the schema's defaults
//	refuses it, accepts the smallest input    job.ErrRefused
//	refuses even the smallest input           the input with the schema's defaults
func (a *action) compose(ctx context.Context, input any) (any, error) {
	smallest, known := least[a.Name]
	if a.Schema == nil && needsInput(a.Name) {
		return a.fill(input)
	}
	if a.Schema == nil || !known {
		return a.input(ctx, input)
	}
	bare, err := a.fill(input)
	if err != nil {
		return nil, err
	}
	s, err := a.schema()
	if err != nil {
		return bare, nil //nolint:nilerr // the schema cannot be read, but the action is known
	}
	filled, err := a.filled(s, input)
	if err != nil {
		return bare, nil //nolint:nilerr // as above: the schema's defaults never end
	}
	refused := a.validate(ctx, s, filled)
	if refused == nil || ctx.Err() != nil {
		return filled, refused
	}
	probe, err := a.filled(s, smallest)
	if err != nil || a.validate(ctx, s, probe) != nil {
		return filled, ctx.Err() // the schema is wrong about its own action
	}
	return nil, fmt.Errorf("%w: %s", job.ErrRefused, strings.TrimPrefix(refused.Error(), job.ErrInvalid.Error()+": "))
}

// least has, for each action that mozci knows, the smallest input that it accepts. A schema
// that refuses this input is wrong about its own action. Gecko's retrigger-multiple is one:
// since 2019 its schema has lacked the properties of its items. Treeherder does not look at
// the schema and fires the action all the same.
var least = map[string]any{
	"retrigger-multiple": map[string]any{"requests": []any{map[string]any{"tasks": []any{"a-label"}, "times": 1}}},
	"retrigger":          map[string]any{},
	"add-new-jobs":       map[string]any{"tasks": []any{"a-label"}},
	"backfill-task":      map[string]any{"label": "a-label"},
	"rerun":              map[string]any{},
	"cancel":             map[string]any{},
	"confirm-failures":   map[string]any{},
}

// needsInput reports whether mozci knows the action, and knows that it does nothing without
// an input, whatever its schema says.
func needsInput(name string) bool {
	in, _ := least[name].(map[string]any)
	return len(in) > 0
}

// takesTimes reports whether the action's input has a member "times", the number of runs.
// The schema decides. When it does not list the members, the answer is yes for the actions
// that mozci knows.
func (a *action) takesTimes() bool {
	if a.Schema == nil {
		return needsInput(a.Name)
	}
	_, known := least[a.Name]
	s, err := a.schema()
	if err != nil {
		return known
	}
	has, says := s.Property("times")
	if !says {
		return known
	}
	return has
}

// fill turns an input into plain JSON values (map[string]any, []any, string, float64, bool,
// nil), which is what package schema works on. A nil input becomes an empty object.
func (a *action) fill(input any) (any, error) {
	if input == nil {
		input = map[string]any{}
	}
	text, err := plainJSON(input)
	if err != nil {
		return nil, fmt.Errorf("%w: the input of action %s: %w", job.ErrInvalid, a.Name, err)
	}
	var filled any
	if err := v2.Unmarshal(text, &filled); err != nil {
		return nil, fmt.Errorf("%w: the input of action %s: %w", job.ErrInvalid, a.Name, err)
	}
	return filled, nil
}
