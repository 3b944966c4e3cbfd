package taskcluster

import (
	"context"
	"fmt"
	"strings"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
)

// input is the input with the schema's defaults filled in, if it is what the
// action takes; job.ErrInvalid says what is wrong with it otherwise. A nil input
// is an empty object; an action without a schema takes none, and gets nil.
func (a *action) input(ctx context.Context, input any) (any, error) {
	if a.Schema == nil {
		if m, ok := input.(map[string]any); input != nil && (!ok || len(m) > 0) {
			return nil, fmt.Errorf("%w: action %s takes no input", job.ErrInvalid, a.Name)
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

// compose is the input that mozci itself made for an action that it knows, with
// the schema's defaults where the schema can be read. A schema that is not there,
// cannot be read, or refuses what its action is known to take, has no say; any
// other refusal is job.ErrRefused. For an action that mozci does not know it is
// input.
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
		return bare, nil //nolint:nilerr // it cannot be read: the action is known
	}
	filled, err := a.filled(s, input)
	if err != nil {
		return bare, nil //nolint:nilerr // as above: its defaults have no end
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

// needsInput reports whether an action that mozci knows does nothing without an
// input, whatever its schema says.
func needsInput(name string) bool {
	in, _ := least[name].(map[string]any)
	return len(in) > 0
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
	has, says := s.Property("times")
	if !says {
		return known
	}
	return has
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
	if err := v2.Unmarshal(text, &filled); err != nil {
		return nil, fmt.Errorf("%w: the input of action %s: %w", job.ErrInvalid, a.Name, err)
	}
	return filled, nil
}
