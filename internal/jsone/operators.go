package jsone

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// operator is one $name: which members its object may have, and what it does.
type operator struct {
	name  string
	may   *regexp.Regexp // members besides the operator itself; nil for none
	apply func(r *renderer, o call) (any, error)
}

// call is one use of an operator.
type call struct {
	name string
	t    map[string]any // the object
	s    *scope
}

// value is the operator's own member, not rendered.
func (o call) value() any { return o.t[o.name] }

const ident = `[a-zA-Z_][a-zA-Z0-9_]*`

var (
	one     = regexp.MustCompile(`^each\((` + ident + `)(?:,\s*(` + ident + `))?\)$`)
	folding = regexp.MustCompile(`^each\((` + ident + `),\s*(` + ident + `)(?:,\s*(` + ident + `))?\)$`)
	sorting = regexp.MustCompile(`^by\((` + ident + `)\)$`)

	from     = regexp.MustCompile(`^from$`)
	branches = regexp.MustCompile(`^(then|else)$`)
	in       = regexp.MustCompile(`^in$`)
	initial  = regexp.MustCompile(`^initial$|` + folding.String())
)

// operatorOf knows all there are. It is a function, not a table: they render what
// they hold, and so need the renderer that looks them up here.
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

func evalOp(r *renderer, o call) (any, error) {
	text, ok := o.value().(string)
	if !ok {
		return nil, fail(TemplateError, "$eval must be given a string expression")
	}
	return r.evaluate(text, o.s)
}

// elements renders the operator's value, which must be an array.
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

func flatten(r *renderer, o call) (any, error) {
	a, err := r.elements(o, "$flatten value must evaluate to an array")
	if err != nil {
		return nil, err
	}
	return r.flat(a, 1)
}

func flattenDeep(r *renderer, o call) (any, error) {
	a, err := r.elements(o, "$flattenDeep value must evaluate to an array")
	if err != nil {
		return nil, err
	}
	return r.flat(a, maxDepth)
}

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

func fromNowOp(r *renderer, o call) (any, error) {
	v, err := r.render(o.value(), o.s)
	if err != nil {
		return nil, err
	}
	text, ok := v.(string)
	if !ok {
		return nil, fail(TemplateError, "$fromNow expects a string")
	}
	from, _ := o.s.lookup("now")
	if t, ok := o.t["from"]; ok {
		if from, err = r.render(t, o.s); err != nil {
			return nil, err
		}
	}
	reference, ok := from.(string)
	if !ok {
		return nil, fail(TemplateError, "$fromNow expects a string")
	}
	return after(text, reference, TemplateError)
}

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

func jsonOp(r *renderer, o call) (any, error) {
	v, err := r.render(o.value(), o.s)
	if err != nil {
		return nil, err
	}
	if v == deleted {
		v = nil
	}
	if v, err = r.plain(v, 0); err != nil {
		return nil, err
	}
	text := encode(v)
	return text, r.made(len(text))
}

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

// each finds the member that says what to do with each element, and the names
// that it gives them.
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
			return nil, fail(TemplateError, "$map on objects expects each(%s) to evaluate to an object", strings.TrimSuffix(strings.Join(names, ","), ","))
		}
		maps.Copy(out, made)
		if err := r.made(32 * len(made)); err != nil {
			return nil, err
		}
	}
	return out, r.made(32 * len(out))
}

// bind gives names their values; a name that was not given is empty.
func bind(names []string, values ...any) map[string]any {
	vars := make(map[string]any, len(names))
	for i, n := range names {
		if n != "" {
			vars[n] = values[i]
		}
	}
	return vars
}

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
			return r.render(e, o.s)
		}
	}
	return deleted, nil
}

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

// conditions are the members of an object whose keys are expressions, in the
// order of the keys.
func (o call) conditions() (map[string]any, []string, error) {
	m, ok := o.value().(map[string]any)
	if !ok {
		return nil, nil, fail(TemplateError, "%s can evaluate objects only", o.name)
	}
	return m, slices.Sorted(maps.Keys(m)), nil
}

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

// deep merges b into a copy of a: objects by member, arrays end to end, of
// other values b's.
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

const unsortable = "$sorted values to be sorted must have the same type"

func sortOp(r *renderer, o call) (any, error) {
	a, err := r.elements(o, unsortable)
	if err != nil {
		return nil, err
	}
	type tagged struct{ by, v any }
	all := make([]tagged, len(a))
	for i, e := range a {
		all[i] = tagged{e, e}
		for k, t := range o.t {
			m := sorting.FindStringSubmatch(k)
			if m == nil {
				continue
			}
			text, ok := t.(string)
			if !ok {
				return nil, fail(TemplateError, "%s", unsortable)
			}
			if all[i].by, err = r.evaluate(text, o.s.with(map[string]any{m[1]: e})); err != nil {
				return nil, err
			}
		}
		if !sortable(all[0].by, all[i].by) {
			return nil, fail(TemplateError, "%s", unsortable)
		}
	}
	slices.SortStableFunc(all, func(x, y tagged) int { return compare(x.by, y.by) })
	out := make([]any, len(a))
	for i, t := range all {
		out[i] = t.v
	}
	return out, nil
}

// sortable reports whether both are numbers, or both strings.
func sortable(a, b any) bool {
	switch a.(type) {
	case float64:
		_, ok := b.(float64)
		return ok
	case string:
		_, ok := b.(string)
		return ok
	}
	return false
}

// compare compares two sortable values: strings by code point, which is by
// byte in UTF-8.
func compare(a, b any) int {
	if x, ok := a.(float64); ok {
		return cmp.Compare(x, b.(float64))
	}
	return cmp.Compare(a.(string), b.(string))
}

func reverse(r *renderer, o call) (any, error) {
	a, err := r.elements(o, "$reverse value must evaluate to an array of objects")
	a = slices.Clone(a) // it may be a variable's
	slices.Reverse(a)
	return a, err
}

// spans are the units of a time expression, in the order in which they must
// come; a month is 30 days and a year 365, as the specification has it.
var spans = []time.Duration{365 * day, 30 * day, 7 * day, day, time.Hour, time.Minute, time.Second}

const day = 24 * time.Hour

var timeExpression = regexp.MustCompile(`(?i)^\s*([-+])?` +
	`(?:\s*(\d+)\s*(?:years|year|yr|y))?(?:\s*(\d+)\s*(?:months|month|mo))?(?:\s*(\d+)\s*(?:weeks|week|wk|w))?` +
	`(?:\s*(\d+)\s*(?:days|day|d))?(?:\s*(\d+)\s*(?:hours|hour|hr|h))?(?:\s*(\d+)\s*(?:minutes|minute|min|m))?` +
	`(?:\s*(\d+)\s*(?:seconds|second|sec|s))?\s*$`)

// after is the time that a time expression means, counted from a reference.
func after(text, reference string, kind Kind) (string, error) {
	from, err := time.Parse(time.RFC3339Nano, reference)
	if err != nil {
		return "", fail(kind, "%q is not a time of RFC 3339", reference)
	}
	m := timeExpression.FindStringSubmatch(text)
	if m == nil {
		return "", fail(kind, "String: '%s' isn't a time expression", text)
	}
	seconds := 0.0
	for i, unit := range spans {
		var n float64
		_, _ = fmt.Sscan(m[i+2], &n) // digits or nothing
		seconds += n * unit.Seconds()
	}
	if seconds > 9000*365*24*3600 {
		return "", fail(kind, "%q is more than 9000 years", text)
	}
	if m[1] == "-" {
		seconds = -seconds
	}
	days := int(seconds / day.Seconds())
	rest := time.Duration(seconds-float64(days)*day.Seconds()) * time.Second
	return from.UTC().Add(rest).AddDate(0, 0, days).Format("2006-01-02T15:04:05.000Z"), nil
}
