package jsone

import (
	"cmp"
	"strings"
)

// compare compares two sortable values. Strings are ordered by code point, which in UTF-8 is the
// order of their bytes. Both must be of the same type, see sortable.
func compare(a, b any) int {
	if x, ok := a.(float64); ok {
		return cmp.Compare(x, b.(float64))
	}
	return cmp.Compare(a.(string), b.(string))
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

// truthy reports whether a value counts as true. null, false, 0, "", [] and {} do not; a function
// does. What is deleted counts as false.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return v != deleted
}

// equal compares two values with all that is in them. A function equals only itself. Each
// step is counted, since shared arrays can make a comparison grow without limit.
//
//	[1] == [1]  → true
//	1 == true   → false: nothing is converted
func (r *renderer) equal(a, b any) (bool, error) {
	if err := r.made(16); err != nil {
		return false, err
	}
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false, nil
		}
		for i := range a {
			if same, err := r.equal(a[i], b[i]); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false, nil
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok {
				return false, nil
			}
			if same, err := r.equal(v, w); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	// a is neither an array nor an object by now. Go panics when it compares two of these with ==.
	switch b.(type) {
	case []any, map[string]any:
		return false, nil
	}
	return a == b, nil
}

// contains is the operator in: an element of an array, a part of a string, or a key of an
// object.
//
//	1 in [1, 2]      → true
//	"at" in "cat"    → true
//	"k" in {k: null} → true
//	1 in "cat1"      → error: a number is no part of a string
func (r *renderer) contains(v, in any) (any, error) {
	switch in := in.(type) {
	case []any:
		for _, e := range in {
			if same, err := r.equal(v, e); same || err != nil {
				return same, err
			}
		}
		return false, nil
	case string:
		s, ok := v.(string)
		if !ok {
			return nil, fail(InterpreterError, "Infix: in-string expects string on left side")
		}
		return strings.Contains(in, s), r.made(len(in))
	case map[string]any:
		s, ok := v.(string)
		if !ok {
			return nil, fail(InterpreterError, "Infix: in-object expects string on left side")
		}
		_, has := in[s]
		return has, nil
	}
	return nil, fail(InterpreterError, "Infix: in expects Array, string, or object on right side")
}

// order is < > <= and >=, of two numbers or two strings.
func order(op string, a, b any) (any, error) {
	if !sortable(a, b) {
		return nil, fail(InterpreterError, "infix: %s expects numbers/strings %s numbers/strings", op, op)
	}
	c := compare(a, b)
	switch op {
	case "<":
		return c < 0, nil
	case ">":
		return c > 0, nil
	case "<=":
		return c <= 0, nil
	}
	return c >= 0, nil
}
