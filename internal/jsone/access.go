package jsone

import "math"

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

func (r *renderer) elementOf(of, key any) (any, error) {
	switch of := of.(type) {
	case []any:
		i, err := position(key, len(of))
		if err != nil {
			return nil, err
		}
		return of[i], nil
	case string:
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

// position is an index, which counts from the end where it is negative.
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

// sliceOf is a[b:c]: b is in, c is not; either may be left out.
func (r *renderer) sliceOf(of any, n *node, args []any) (any, error) {
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
