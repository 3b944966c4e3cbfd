package jsone

import "slices"

const unsortable = "$sorted values to be sorted must have the same type"

// sortOp is {"$sort": array} or {"$sort": array, "by(x)": expression}. What it sorts by must
// be all numbers or all strings. Elements that are equal keep their order.
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
