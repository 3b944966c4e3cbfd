package jsone

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/mozci/mozci/internal/clip"
)

// evaluate parses an expression and gives its value.
func (r *renderer) evaluate(src string, s *scope) (any, error) {
	if err := r.made(len(src)); err != nil {
		return nil, err
	}
	n, err := parse(src)
	if err != nil {
		return nil, err
	}
	return r.eval(n, s)
}

func (r *renderer) eval(n *node, s *scope) (any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	switch n.op {
	case literal:
		return n.value, nil
	case variable:
		if v, ok := s.lookup(n.name); ok {
			return v, nil
		}
		return nil, fail(InterpreterError, "unknown context value %s", n.name)
	case list:
		args, err := r.evalAll(n.args, s)
		return args, err
	case object:
		out := map[string]any{}
		args, err := r.evalAll(n.args, s)
		for i := range args {
			out[n.keys[i]] = args[i]
		}
		return out, err
	case called:
		return r.call(n, s)
	case "&&", "||":
		return r.logic(n, s)
	}
	args, err := r.evalAll(n.args, s)
	if err != nil {
		return nil, err
	}
	switch n.op {
	case member:
		return memberOf(args[0], n.name)
	case index:
		return r.elementOf(args[0], args[1])
	case slice:
		return r.sliceOf(args[0], n, args)
	case not:
		return !truthy(args[0]), nil
	case negate, plus:
		return sign(n.op, args[0])
	case "==":
		return r.equal(args[0], args[1])
	case "!=":
		same, err := r.equal(args[0], args[1])
		return !same, err
	case "in":
		return r.contains(args[0], args[1])
	case "<", ">", "<=", ">=":
		return order(n.op, args[0], args[1])
	}
	return r.arithmetic(n.op, args[0], args[1])
}

func (r *renderer) evalAll(nodes []*node, s *scope) ([]any, error) {
	out := make([]any, len(nodes))
	for i, n := range nodes {
		if n == nil {
			continue
		}
		v, err := r.eval(n, s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, r.made(16 * len(out))
}

func (r *renderer) call(n *node, s *scope) (any, error) {
	args, err := r.evalAll(n.args, s)
	if err != nil {
		return nil, err
	}
	f, ok := args[0].(*function)
	if !ok {
		return nil, fail(InterpreterError, "%s is not callable", clip.Marked(textOf(args[0]), shown))
	}
	for _, a := range args[1:] {
		if text, ok := a.(string); ok {
			if err := r.made(len(text)); err != nil {
				return nil, err
			}
		}
	}
	v, err := f.run(r, s, args[1:])
	if text, ok := v.(string); ok && err == nil {
		err = r.made(len(text))
	}
	return v, err
}

// logic evaluates the right side only where it matters.
func (r *renderer) logic(n *node, s *scope) (any, error) {
	left, err := r.eval(n.args[0], s)
	if err != nil {
		return nil, err
	}
	if truthy(left) == (n.op == "||") {
		return n.op == "||", nil
	}
	right, err := r.eval(n.args[1], s)
	return truthy(right), err
}

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

func sign(op string, v any) (any, error) {
	f, ok := v.(float64)
	if !ok {
		return nil, fail(InterpreterError, "%s expects number", op)
	}
	if op == negate {
		f = -f
	}
	return f, nil
}

// equal compares deeply; a function is the same as itself only.
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
	switch b.(type) {
	case []any, map[string]any:
		return false, nil
	}
	return a == b, nil
}

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

func (r *renderer) arithmetic(op string, a, b any) (any, error) {
	x, xok := a.(float64)
	y, yok := b.(float64)
	if op == "+" {
		s, sok := a.(string)
		t, tok := b.(string)
		if sok && tok {
			return s + t, r.made(len(s) + len(t))
		}
		if !xok || !yok {
			return nil, fail(InterpreterError, "infix: + expects numbers/strings + numbers/strings")
		}
	}
	if !xok || !yok {
		return nil, fail(InterpreterError, "infix: %s expects number %s number", op, op)
	}
	var f float64
	switch op {
	case "+":
		f = x + y
	case "-":
		f = x - y
	case "*":
		f = x * y
	case "/":
		if y == 0 {
			return nil, fail(InterpreterError, "division by zero")
		}
		f = x / y
	case "**":
		f = math.Pow(x, y)
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, fail(InterpreterError, "%s has no finite value", fmt.Sprintf("%v %s %v", x, op, y))
	}
	return f, nil
}

// typeOf is a value's type in the language's words.
func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "function"
}

func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case []any:
		return len(v), true
	}
	return 0, false
}
