package jsone

import (
	"maps"
	"slices"
)

// The operators that decide what is rendered ($eval, $if, $let, $match, $switch) and $json. What is
// not chosen is not rendered, so it may have names that do not exist.

// evalOp is {"$eval": "x + 1"}: the expression is the text as it stands, without ${…} in it.
func evalOp(r *renderer, o call) (any, error) {
	text, ok := o.value().(string)
	if !ok {
		return nil, fail(TemplateError, "$eval must be given a string expression")
	}
	return r.evaluate(text, o.s)
}

// ifOp renders "then" or "else". When the one that is needed is missing, the result is
// deleted: the place where the $if stands is left out of its array or object.
//
//	[1, {"$if": "false", "then": 2}, 3]  → [1, 3]
//	{"a": {"$if": "false", "then": 2}}   → {}
func ifOp(r *renderer, o call) (any, error) {
	text, ok := o.value().(string)
	if !ok {
		return nil, fail(TemplateError, "$if can evaluate string expressions only")
	}
	v, err := r.evaluate(text, o.s)
	if err != nil {
		return nil, err
	}
	branch := "else"
	if truthy(v) {
		branch = "then"
	}
	if t, ok := o.t[branch]; ok {
		return r.render(t, o.s)
	}
	return deleted, nil
}

// let is {"$let": {"x": 1}, "in": template}. The values are rendered in the outer scope, so one of
// them cannot use another. Not even {"x": 1, "y": {"$eval": "x"}} works: x is unknown there. An $if
// at the top of the values that chooses nothing is an error.
func let(r *renderer, o call) (any, error) {
	if _, ok := o.value().(map[string]any); !ok {
		return nil, fail(TemplateError, "$let value must be an object")
	}
	v, err := r.render(o.value(), o.s)
	if err != nil {
		return nil, err
	}
	vars, ok := v.(map[string]any)
	if !ok {
		return nil, fail(TemplateError, "$let value must be an object")
	}
	for k := range vars {
		if !identifier(k) {
			return nil, fail(TemplateError, "top level keys of $let must follow /[a-zA-Z_][a-zA-Z0-9_]*/")
		}
	}
	in, ok := o.t["in"]
	if !ok {
		return nil, fail(TemplateError, "$let operator requires an `in` clause")
	}
	return r.render(in, o.s.with(vars))
}

// conditions are the members of an object whose keys are expressions, with the keys sorted,
// so that the order of evaluation and of the results is fixed.
func (o call) conditions() (map[string]any, []string, error) {
	m, ok := o.value().(map[string]any)
	if !ok {
		return nil, nil, fail(TemplateError, "%s can evaluate objects only", o.name)
	}
	return m, slices.Sorted(maps.Keys(m)), nil
}

// match gives an array with the values of all conditions that are true. With x = 3:
//
//	{"$match": {"x > 1": "a", "x > 2": "b", "x > 9": "c"}} → ["a", "b"]
func match(r *renderer, o call) (any, error) {
	m, keys, err := o.conditions()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, k := range keys {
		v, err := r.evaluate(k, o.s)
		if err != nil {
			return nil, err
		}
		if !truthy(v) {
			continue
		}
		made, err := r.render(m[k], o.s)
		if err != nil {
			return nil, err
		}
		if made != deleted {
			out = append(out, made)
		}
	}
	return out, nil
}

// switchOp gives the value of the one condition that is true; two are an error. When none is true
// it gives "$default", or nothing. Other conditions than the chosen one are evaluated, but their
// values are not rendered.
func switchOp(r *renderer, o call) (any, error) {
	m, keys, err := o.conditions()
	if err != nil {
		return nil, err
	}
	var chosen []string
	for _, k := range keys {
		if k == "$default" {
			continue
		}
		v, err := r.evaluate(k, o.s)
		if err != nil {
			return nil, err
		}
		if truthy(v) {
			chosen = append(chosen, k)
		}
	}
	if len(chosen) > 1 {
		return nil, fail(TemplateError, "$switch can only have one truthy condition")
	}
	if len(chosen) == 0 {
		chosen = []string{"$default"}
	}
	if t, ok := m[chosen[0]]; ok {
		return r.render(t, o.s)
	}
	return deleted, nil
}

// jsonOp is {"$json": {"b": 1, "a": null}}, which gives the text {"a":null,"b":1}. What is deleted
// is null.
func jsonOp(r *renderer, o call) (any, error) {
	v, err := r.render(o.value(), o.s)
	if err != nil {
		return nil, err
	}
	if v == deleted {
		v = nil
	}
	// A function must not get into the text, and a value that contains itself many times over would
	// be too long.
	if v, err = r.plain(v, 0); err != nil {
		return nil, err
	}
	text := encode(v)
	return text, r.made(len(text))
}
