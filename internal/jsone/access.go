package jsone

import "math"

// memberOf is a.b. Unlike a["b"] it does not allow a member that is missing.
//
//	a.x    with a = {}       → error: object has no property "x"
//	a["x"] with a = {}       → null
func memberOf(of any, name string) (any, error) {
	m, ok := of.(map[string]any)
	if !ok {
		return nil, fail(InterpreterError, "infix: . expects objects")
	}
	v, ok := m[name]
	if !ok {
		return nil, fail(InterpreterError, "object has no property %q", name)
	}
	return v, nil
}

// elementOf is a[b]: an element of an array, a character of a string (by code point, not
// by byte), or a member of an object.
//
//	[10, 20][-1]   → 20
//	"añb"[1]       → "ñ"
//	{"k": 1}["k"]  → 1
func (r *renderer) elementOf(of, key any) (any, error) {
	switch of := of.(type) {
	case []any:
		i, err := position(key, len(of))
		if err != nil {
			return nil, err
		}
		return of[i], nil
	case string:
		// Finding a character walks through the string, and a loop could do that again and again.
		if err := r.made(len(of)); err != nil {
			return nil, err
		}
		runes := []rune(of)
		i, err := position(key, len(runes))
		if err != nil {
			return nil, err
		}
		return string(runes[i]), nil
	case map[string]any:
		name, ok := key.(string)
		if !ok {
			return nil, fail(InterpreterError, "object keys must be strings")
		}
		return of[name], nil // null where there is none
	}
	return nil, fail(InterpreterError, `infix: "[..]" expects object, array, or string`)
}

// position is the index that a key means in n elements. A negative one counts from the
// end: -1 is the last, so of 3 elements -1 is 2 and -4 is out of bounds.
func position(key any, n int) (int, error) {
	f, ok := key.(float64)
	if !ok || f != math.Trunc(f) {
		return 0, fail(InterpreterError, "should only use integers to access arrays or strings")
	}
	if f < 0 {
		f += float64(n)
	}
	if f < 0 || f >= float64(n) {
		return 0, fail(InterpreterError, "index out of bounds")
	}
	return int(f), nil
}

// sliceOf is a[b:c]: b is included, c is not, and either may be left out. Negative bounds
// count from the end. Bounds outside are moved to the nearest end instead of being an error,
// and a c before b gives nothing: with [10, 20, 30], a[1:] is [20, 30], a[:-1] is [10, 20],
// a[1:99] is [20, 30] and a[2:1] is [].
func (r *renderer) sliceOf(of any, n *node, args []any) (any, error) {
	// bound reads argument i, 1 or 2; whole is the length, otherwise the value when it is left out.
	bound := func(i, whole, otherwise int) (int, error) {
		if n.args[i] == nil {
			return otherwise, nil
		}
		f, ok := args[i].(float64)
		if !ok || f != math.Trunc(f) {
			return 0, fail(InterpreterError, "cannot perform interval access with non-integers")
		}
		if f < 0 {
			f += float64(whole)
		}
		return int(min(max(f, 0), float64(whole))), nil
	}
	bounds := func(whole int) (lo, hi int, err error) {
		if lo, err = bound(1, whole, 0); err == nil {
			hi, err = bound(2, whole, whole)
		}
		// max makes an empty part of a c before b.
		return lo, max(lo, hi), err
	}
	switch of := of.(type) {
	case []any:
		lo, hi, err := bounds(len(of))
		if err != nil {
			return nil, err
		}
		return append([]any{}, of[lo:hi]...), r.made(16 * (hi - lo))
	case string:
		if err := r.made(len(of)); err != nil {
			return nil, err
		}
		runes := []rune(of)
		lo, hi, err := bounds(len(runes))
		if err != nil {
			return nil, err
		}
		return string(runes[lo:hi]), nil
	}
	return nil, fail(InterpreterError, `infix: "[..]" expects object, array, or string`)
}
