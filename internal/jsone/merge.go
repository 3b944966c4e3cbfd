package jsone

import (
	"maps"
	"slices"
)

// objects renders the operator's value, which must be an array of objects.
func (r *renderer) objects(o call) ([]map[string]any, error) {
	what := o.name + " value must evaluate to an array of objects"
	a, err := r.elements(o, what)
	if err != nil {
		return nil, err
	}
	out := make([]map[string]any, len(a))
	for i, e := range a {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, fail(TemplateError, "%s", what)
		}
		out[i] = m
	}
	return out, nil
}

// merge joins objects; of a member that several have, the last value wins:
//
//	{"$merge": [{"a": 1, "b": 1}, {"b": 2}]} → {"a": 1, "b": 2}
func merge(r *renderer, o call) (any, error) {
	all, err := r.objects(o)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, m := range all {
		maps.Copy(out, m)
		if err := r.made(32 * len(m)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mergeDeep is merge for all levels, see deep.
func mergeDeep(r *renderer, o call) (any, error) {
	all, err := r.objects(o)
	if err != nil {
		return nil, err
	}
	var out any = map[string]any{}
	for _, m := range all {
		if out, err = r.deep(out, m); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// deep merges b into a copy of a. Objects are merged member by member, arrays are joined end to
// end, and otherwise b's value wins, also when only one of the two is an array:
//
//	{"a": [1], "b": 1} and {"a": [2], "b": 2} → {"a": [1, 2], "b": 2}
//	{"a": [1]}         and {"a": 2}           → {"a": 2}
func (r *renderer) deep(a, b any) (any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	if x, ok := a.([]any); ok {
		if y, ok := b.([]any); ok {
			return slices.Concat(x, y), r.made(16 * (len(x) + len(y)))
		}
	}
	x, isObject := a.(map[string]any)
	y, both := b.(map[string]any)
	if !isObject || !both {
		return b, nil
	}
	// The copy is needed: x may be the value of a variable.
	out := maps.Clone(x)
	for k, v := range y {
		if had, ok := x[k]; ok {
			var err error
			if v, err = r.deep(had, v); err != nil {
				return nil, err
			}
		}
		out[k] = v
	}
	return out, r.made(32 * len(out))
}
