package jsone

import "slices"

const unsortable = "$sorted values to be sorted must have the same type"

// sortOp is {"$sort": array} or {"$sort": array, "by(x)": expression}. What it sorts by must
// be all numbers or all strings. Elements that are equal keep their order.
//
//	{"$sort": [3, 1, 2]}                              → [1, 2, 3]
//	{"$sort": [{"a": 2}, {"a": 1}], "by(x)": "x.a"}   → [{"a": 1}, {"a": 2}]
func sortOp(r *renderer, o call) (any, error) {
	a, err := r.elements(o, unsortable)
	if err != nil {
		return nil, err
	}
	// by is what v is sorted by: v itself, or the value of the expression.
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
		// Each against the first is enough: all have the type of the first then. A single element
		// must be a number or string as well.
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
