package jsone

import (
	"regexp"
	"slices"
	"strings"
)

// operator is one $name, with the members that its object may have, and what it does.
type operator struct {
	name  string
	may   *regexp.Regexp // matches the members allowed beside the operator; nil for none
	apply func(r *renderer, o call) (any, error)
}

// call is one use of an operator.
type call struct {
	name string
	t    map[string]any // the object with the operator
	s    *scope         // the names that it may use
}

// value is the operator's own member, before it is rendered.
func (o call) value() any { return o.t[o.name] }

const ident = `[a-zA-Z_][a-zA-Z0-9_]*`

// The keys of members beside an operator: each(x) and each(x, i) for one element at a time,
// each(acc, x) and each(acc, x, i) for $reduce, by(x) for $sort, and fixed names.
//
//	one      each(x)       → x, ""       each(x, i)       → x, i
//	folding  each(acc, x)  → acc, x, ""  each(acc, x, i)  → acc, x, i
//	sorting  by(x)         → x
var (
	one     = regexp.MustCompile(`^each\((` + ident + `)(?:,\s*(` + ident + `))?\)$`)
	folding = regexp.MustCompile(`^each\((` + ident + `),\s*(` + ident + `)(?:,\s*(` + ident + `))?\)$`)
	sorting = regexp.MustCompile(`^by\((` + ident + `)\)$`)

	from     = regexp.MustCompile(`^from$`)
	branches = regexp.MustCompile(`^(then|else)$`)
	in       = regexp.MustCompile(`^in$`)
	initial  = regexp.MustCompile(`^initial$|` + folding.String())
)

// operatorOf knows all operators. It is a function and not a table: the operators call
// render, and render looks them up here, which Go refuses as a cycle of initialisation.
func operatorOf(name string) (operator, bool) {
	switch name {
	case "$eval":
		return operator{name, nil, evalOp}, true
	case "$flatten":
		return operator{name, nil, flatten}, true
	case "$flattenDeep":
		return operator{name, nil, flattenDeep}, true
	case "$fromNow":
		return operator{name, from, fromNowOp}, true
	case "$if":
		return operator{name, branches, ifOp}, true
	case "$json":
		return operator{name, nil, jsonOp}, true
	case "$let":
		return operator{name, in, let}, true
	case "$map":
		return operator{name, one, mapOp}, true
	case "$match":
		return operator{name, nil, match}, true
	case "$switch":
		return operator{name, nil, switchOp}, true
	case "$merge":
		return operator{name, nil, merge}, true
	case "$mergeDeep":
		return operator{name, nil, mergeDeep}, true
	case "$sort":
		return operator{name, sorting, sortOp}, true
	case "$reverse":
		return operator{name, nil, reverse}, true
	case "$find":
		return operator{name, one, find}, true
	case "$reduce":
		return operator{name, initial, reduce}, true
	}
	return operator{}, false
}

// run checks the members beside the operator and applies it: {"$eval": "1", "x": 2, "b": 3} fails
// with "$eval has undefined properties: b x".
func (op operator) run(r *renderer, t map[string]any, s *scope) (any, error) {
	var others []string
	for k := range t {
		if k != op.name && (op.may == nil || !op.may.MatchString(k)) {
			others = append(others, k)
		}
	}
	if len(others) > 0 {
		slices.Sort(others)
		return nil, fail(TemplateError, "%s has undefined properties: %s", op.name, strings.Join(others, " "))
	}
	return op.apply(r, call{op.name, t, s})
}
