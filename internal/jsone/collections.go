package jsone

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The operators on arrays and objects: $flatten, $map, $find, $reduce, $reverse. An operator first
// renders its own value, which gives the array, and then evaluates or renders the member beside it
// once for each element, in a scope with that element's names.

// elements renders the operator's value, which must be an array; what is the error's text
// when it is not.
func (r *renderer) elements(o call, what string) ([]any, error) {
	v, err := r.render(o.value(), o.s)
	if err != nil {
		return nil, err
	}
	a, ok := v.([]any)
	if !ok {
		return nil, fail(TemplateError, "%s", what)
	}
	return a, nil
}

// flatten is {"$flatten": [1, [2, [3]]]}, which gives [1, 2, [3]].
func flatten(r *renderer, o call) (any, error) {
	a, err := r.elements(o, "$flatten value must evaluate to an array")
	if err != nil {
		return nil, err
	}
	return r.flat(a, 1)
}

// flattenDeep gives [1, 2, 3] of it. A value cannot nest deeper than maxDepth, so that is all
// levels.
func flattenDeep(r *renderer, o call) (any, error) {
	a, err := r.elements(o, "$flattenDeep value must evaluate to an array")
	if err != nil {
		return nil, err
	}
	return r.flat(a, maxDepth)
}

// flat replaces arrays within an array by their elements, down to a number of levels:
// [1, [2, [3]]] is [1, 2, [3]] with 1 level, and [1, 2, 3] with 2.
func (r *renderer) flat(a []any, levels int) (any, error) {
	out := make([]any, 0, len(a))
	for _, e := range a {
		inner, ok := e.([]any)
		if !ok || levels == 0 {
			out = append(out, e)
			continue
		}
		v, err := r.flat(inner, levels-1)
		if err != nil {
			return nil, err
		}
		out = append(out, v.([]any)...)
	}
	return out, r.made(16 + 16*len(out))
}

// each finds the member with the template for each element, and the names in its key: in
// {"$map": …, "each(x, i)": body} the names are x and i. The object must have exactly the given
// number of members. A name that the key leaves out is empty: there are always two names for the
// form one, and three for folding. body is not rendered yet.
func (o call) each(form *regexp.Regexp, members int, count string) (names []string, body any, err error) {
	if len(o.t) != members {
		return nil, nil, fail(TemplateError, "%s must have exactly %s properties", o.name, count)
	}
	for k, t := range o.t {
		if m := form.FindStringSubmatch(k); m != nil {
			return m[1:], t, nil
		}
	}
	return nil, nil, fail(TemplateError, "%s must have exactly %s properties", o.name, count)
}

// mapOp is {"$map": [2, 4], "each(x)": {"$eval": "x + 1"}}, which gives [3, 5]. On an object
// each result must be an object, and they are merged.
func mapOp(r *renderer, o call) (any, error) {
	names, body, err := o.each(one, 2, "two")
	if err != nil {
		return nil, err
	}
	v, err := r.render(o.value(), o.s)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		return r.mapArray(v, names, body, o.s)
	case map[string]any:
		return r.mapObject(v, names, body, o.s)
	}
	return nil, fail(TemplateError, "$map value must evaluate to an array or object")
}

// mapArray renders the body for each element. Results that are deleted are left out, so the array
// may become shorter. The second name is the index, from 0:
//
//	{"$map": ["p", "q"], "each(x, i)": "${x}${i}"} → ["p0", "q1"]
func (r *renderer) mapArray(a []any, names []string, body any, s *scope) (any, error) {
	out := make([]any, 0, len(a))
	for i, e := range a {
		v, err := r.render(body, s.with(bind(names, e, float64(i))))
		if err != nil {
			return nil, err
		}
		if v != deleted {
			out = append(out, v)
		}
	}
	return out, r.made(16 * len(out))
}

// mapObject renders the body for each member, in the order of the keys. With two names they
// are the value and the key; with one, it is an object {"key": …, "val": …}.
//
//	{"$map": {"a": 1}, "each(v, k)": {"${k}x": {"$eval": "v + 1"}}}          → {"ax": 2}
//	{"$map": {"a": 1}, "each(y)":    {"${y.key}x": {"$eval": "y.val + 1"}}}  → {"ax": 2}
func (r *renderer) mapObject(m map[string]any, names []string, body any, s *scope) (any, error) {
	out := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		vars := bind(names, m[k], k)
		if names[1] == "" {
			vars = bind(names, map[string]any{"key": k, "val": m[k]}, nil)
		}
		v, err := r.render(body, s.with(vars))
		if err != nil {
			return nil, err
		}
		if v == deleted {
			continue
		}
		made, ok := v.(map[string]any)
		if !ok {
			return nil, fail(TemplateError, "$map on objects expects each(%s) to evaluate to an object",
				strings.TrimSuffix(strings.Join(names, ","), ","))
		}
		maps.Copy(out, made)
		if err := r.made(32 * len(made)); err != nil {
			return nil, err
		}
	}
	return out, r.made(32 * len(out))
}

// bind gives the names their values, in order. An empty name gets none.
func bind(names []string, values ...any) map[string]any {
	vars := make(map[string]any, len(names))
	for i, n := range names {
		if n != "" {
			vars[n] = values[i]
		}
	}
	return vars
}

// find is {"$find": [1, 2], "each(x)": "x > 1"}, which gives 2: the first element for which
// the expression is true, or nothing. The array was rendered, so its element is returned as it is:
// in {"$find": ["$${x}"], "each(y)": "true"} that is the text ${x}. Taskcluster's own JSON-e, in
// JavaScript, does the same; those in Python and Rust render the element again.
func find(r *renderer, o call) (any, error) {
	names, body, err := o.each(one, 2, "two")
	if err != nil {
		return nil, err
	}
	a, err := r.elements(o, "$find value must evaluate to an array")
	if err != nil {
		return nil, err
	}
	text, ok := body.(string)
	if !ok {
		return nil, fail(TemplateError, "each can evaluate string expressions only")
	}
	for i, e := range a {
		v, err := r.evaluate(text, o.s.with(bind(names, e, float64(i))))
		if err != nil {
			return nil, err
		}
		if truthy(v) {
			return e, nil
		}
	}
	return deleted, nil
}

// reduce is {"$reduce": [1, 2, 3], "initial": 0, "each(sum, x)": {"$eval": "sum + x"}},
// which gives 6. An element whose result is nothing leaves the sum as it was.
//
//	{"$reduce": [1, 2, 3], "initial": 0, "each(sum, x)": {"$if": "x != 2", "then": {"$eval": "sum + x"}}} → 4
func reduce(r *renderer, o call) (any, error) {
	names, body, err := o.each(folding, 3, "three")
	if err != nil {
		return nil, err
	}
	acc, ok := o.t["initial"] // as it is: the reference implementations do not render it
	if !ok {
		return nil, fail(TemplateError, "$reduce must have exactly three properties")
	}
	a, err := r.elements(o, "$reduce value must evaluate to an array")
	if err != nil {
		return nil, err
	}
	for i, e := range a {
		v, err := r.render(body, o.s.with(bind(names, acc, e, float64(i))))
		if err != nil {
			return nil, err
		}
		if v != deleted {
			acc = v
		}
	}
	return acc, nil
}

// reverse is {"$reverse": [1, 2, 3]}, which gives [3, 2, 1]. The elements may be anything, whatever
// the error of the specification says.
func reverse(r *renderer, o call) (any, error) {
	a, err := r.elements(o, "$reverse value must evaluate to an array of objects")
	a = slices.Clone(a) // the array may be a variable's value
	slices.Reverse(a)
	return a, err
}
