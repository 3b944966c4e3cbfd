package jsone

import (
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/mozci/mozci/internal/clip"
)

// The evaluation of a parsed expression. Every node costs a step and a level (enter), and every
// value its estimated bytes (made), so that no expression takes long or much memory: "a + a" in a
// loop doubles a string with each step.

// evaluate parses an expression and computes its value. The source counts as bytes too, since
// parsing takes time for each of them.
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

// eval computes a node's value. Operators with operands that may not be evaluated (&& and ||) and
// those with names come first; the others get the values of all their operands.
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

// evalAll computes the values of some nodes; that of an operand that was left out is nil.
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

// call is f(a, b): args[0] is the function. Strings among the arguments and the result count
// as made, since a builtin may walk through all of them.
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

// logic is a && b and a || b. It evaluates the right side only when the left side does not
// decide. The result is always true or false, never one of the values.
//
//	1 && 0           → false
//	"" || "x"        → true, and not "x"
//	true || unknown  → true, although there is no such name
func (r *renderer) logic(n *node, s *scope) (any, error) {
	left, err := r.eval(n.args[0], s)
	if err != nil {
		return nil, err
	}
	// A true left side decides ||, a false one decides &&.
	if truthy(left) == (n.op == "||") {
		return n.op == "||", nil
	}
	right, err := r.eval(n.args[1], s)
	return truthy(right), err
}

// sign is -a and +a; +a only checks that a is a number.
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

// arithmetic is + - * / and **, of numbers, and + of two strings. A result that is not a
// finite number is an error, as JSON cannot express it.
//
//	"ab" + "c"  → "abc"
//	"ab" + 1    → error: nothing is converted
//	0 ** -1     → error: it is infinite
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

// length is the length of a string in code points, or of an array; false for anything else.
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case []any:
		return len(v), true
	}
	return 0, false
}
