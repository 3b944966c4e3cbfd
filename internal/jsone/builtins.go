package jsone

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// function is a builtin. apply returns false for arguments of the wrong number or type, and run
// then fails with the specification's words for that. An error of apply is anything else, such as a
// limit. It is a value like others, so a template can put it into a variable and compare it, but it
// is not JSON: plain refuses it in a result.
type function struct {
	name  string
	apply func(r *renderer, s *scope, args []any) (any, bool, error)
}

func (f *function) run(r *renderer, s *scope, args []any) (any, error) {
	v, ok, err := f.apply(r, s, args)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fail(BuiltinError, "invalid arguments to builtin: %s", f.name)
	}
	return v, nil
}

// builtins are the names that every template knows: the functions, and "now". There are two sorts
// of functions: pure ones, which compute from their arguments alone, and those that need the
// renderer for its limits or the scope for its names.
func builtins(now time.Time) map[string]any {
	vars := map[string]any{"now": now.UTC().Format("2006-01-02T15:04:05.000Z")}
	add := func(name string, apply func(r *renderer, s *scope, args []any) (any, bool, error)) {
		vars[name] = &function{name, apply}
	}
	pure := func(name string, apply func(args []any) (any, bool)) {
		add(name, func(_ *renderer, _ *scope, args []any) (any, bool, error) {
			v, ok := apply(args)
			return v, ok, nil
		})
	}
	pure("min", func(args []any) (any, bool) { return fold(args, math.Min) })
	pure("max", func(args []any) (any, bool) { return fold(args, math.Max) })
	for name, f := range map[string]func(float64) float64{
		"sqrt": math.Sqrt, "ceil": math.Ceil, "floor": math.Floor, "abs": math.Abs,
	} {
		pure(name, func(args []any) (any, bool) { return ofNumber(args, f) })
	}
	for name, f := range map[string]func(string) string{
		"lowercase": strings.ToLower, "uppercase": strings.ToUpper,
		"strip":  func(s string) string { return strings.Trim(s, blanks) },
		"lstrip": func(s string) string { return strings.TrimLeft(s, blanks) },
		"rstrip": func(s string) string { return strings.TrimRight(s, blanks) },
	} {
		pure(name, func(args []any) (any, bool) {
			s, ok := only[string](args)
			return f(s), ok
		})
	}
	pure("str", str)
	pure("number", toNumber)
	pure("len", func(args []any) (any, bool) {
		if len(args) != 1 {
			return nil, false
		}
		n, ok := length(args[0])
		return float64(n), ok
	})
	pure("typeof", func(args []any) (any, bool) {
		if len(args) != 1 {
			return nil, false
		}
		return typeOf(args[0]), true
	})
	add("range", ranged)
	add("split", split)
	add("join", join)
	add("fromNow", fromNow)
	add("defined", func(_ *renderer, s *scope, args []any) (any, bool, error) {
		name, ok := only[string](args)
		_, has := s.lookup(name)
		return has, ok, nil
	})
	return vars
}

// blanks are the characters that strip, lstrip and rstrip remove.
const blanks = " \f\n\r\t\v"

// only returns the single argument if there is exactly one and it has type T.
func only[T any](args []any) (v T, ok bool) {
	if len(args) == 1 {
		v, ok = args[0].(T)
	}
	return v, ok
}

// fold applies f from left to right, as min(1, 2, 3) does. It needs one number at least.
func fold(args []any, f func(a, b float64) float64) (any, bool) {
	var out float64
	for i, a := range args {
		n, ok := a.(float64)
		if !ok {
			return nil, false
		}
		if i == 0 {
			out = n
		}
		out = f(out, n)
	}
	return out, len(args) > 0
}

// ofNumber applies f to the one number. sqrt(-1) is invalid, as it is not a number.
func ofNumber(args []any, f func(float64) float64) (any, bool) {
	n, ok := only[float64](args)
	v := f(n)
	return v, ok && !math.IsNaN(v)
}

// str writes a value as text. null is "null" here and not empty, unlike in ${…}; arrays and objects
// are invalid.
func str(args []any) (any, bool) {
	if len(args) != 1 {
		return nil, false
	}
	switch v := args[0].(type) {
	case nil:
		return "null", true
	case string, bool, float64:
		return textOf(v), true
	}
	return nil, false
}

// decimal is what all reference implementations read as a number. ParseFloat alone also reads Go's
// own forms: 0x1p4, 0x_1p4, inf.
var decimal = regexp.MustCompile(`^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$`)

// toNumber reads a decimal number, with blanks around it or not. What only some of the reference
// implementations read, such as 0x10 or the empty text in JavaScript and 1_000 in Python, is
// invalid.
//
//	number(" 1e3 ") → 1000
//	number("0x1p4") → invalid
//	number("")      → invalid
func toNumber(args []any) (any, bool) {
	s, ok := only[string](args)
	if s = strings.TrimSpace(s); !ok || !decimal.MatchString(s) {
		return nil, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// ranged is range(start, stop[, step]) of whole numbers: start is included, stop is not.
// range(1, 7, 2) is [1, 3, 5]; range(3, 0, -1) is [3, 2, 1]; range(3, 0) is [].
func ranged(r *renderer, _ *scope, args []any) (any, bool, error) {
	if len(args) != 2 && len(args) != 3 {
		return nil, false, nil
	}
	n := [3]float64{2: 1}
	for i, a := range args {
		f, ok := a.(float64)
		if !ok || f != math.Trunc(f) {
			return nil, false, nil
		}
		n[i] = f
	}
	start, stop, step := n[0], n[1], n[2]
	if step == 0 {
		return nil, false, nil
	}
	// The number of steps from start to before stop: from 1 to 7 by 2 these are ceil(6/2) = 3.
	size := max(0, math.Ceil((stop-start)/step))
	if size > maxSteps {
		return nil, true, limit("a range of more than a million numbers")
	}
	out := make([]any, int(size))
	for i := range out {
		out[i] = start + float64(i)*step
	}
	return out, true, r.made(16 * len(out))
}

// word is a string, or a number as text.
func word(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return number(v), true
	}
	return "", false
}

// split splits a string. split("a-b", "-") is ["a", "b"], split("ab", "") has each character, and
// split("", "-") is [""]. The separator may be a number: split("a1b", 1).
func split(r *renderer, _ *scope, args []any) (any, bool, error) {
	if len(args) != 2 {
		return nil, false, nil
	}
	s, ok := args[0].(string)
	sep, ok2 := word(args[1])
	if !ok || !ok2 {
		return nil, false, nil
	}
	parts := strings.Split(s, sep)
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out, true, r.made(len(s) + 16*len(out))
}

// join joins strings and numbers: join(["a", 1, 2.5], "-") is "a-1-2.5". The size is counted before
// anything is made.
func join(r *renderer, _ *scope, args []any) (any, bool, error) {
	if len(args) != 2 {
		return nil, false, nil
	}
	list, ok := args[0].([]any)
	sep, ok2 := word(args[1])
	if !ok || !ok2 {
		return nil, false, nil
	}
	size := len(sep) * len(list)
	parts := make([]string, len(list))
	for i, e := range list {
		if parts[i], ok = word(e); !ok {
			return nil, false, nil
		}
		size += len(parts[i])
	}
	if err := r.made(size); err != nil {
		return nil, true, err
	}
	return strings.Join(parts, sep), true, nil
}

// fromNow is fromNow(text[, reference]), as in fromNow("1 day"). The reference is "now"
// unless it is given.
func fromNow(_ *renderer, s *scope, args []any) (any, bool, error) {
	if len(args) != 1 && len(args) != 2 {
		return nil, false, nil
	}
	text, ok := args[0].(string)
	from, _ := s.lookup("now")
	if len(args) == 2 {
		from = args[1]
	}
	reference, ok2 := from.(string)
	if !ok || !ok2 {
		return nil, false, nil
	}
	v, err := after(text, reference, BuiltinError)
	return v, true, err
}

// number writes a number as JavaScript does: 3 and not 3.0, 1e+21 from 21 digits on, and 0
// for -0. encoding/json has these rules too (ES6).
//
//	10 ** 20 → 100000000000000000000
//	10 ** 21 → 1e+21
//	1 / 3    → 0.3333333333333333
func number(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	if f == 0 {
		return "0" // not -0
	}
	return string(text)
}

// encode writes JSON without blanks, with members sorted by the code points of their keys,
// and with no escapes that are not necessary.
func encode(v any) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "" // not possible: functions and infinite numbers were refused
	}
	text := strings.TrimSuffix(out.String(), "\n")
	// encoding/json escapes U+2028 and U+2029 for JavaScript; JSON does not need that. The
	// first pair keeps an escaped backslash as it is, so that the text \\u2028, a backslash
	// and five characters, is not taken for an escape.
	return strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(text)
}

// quote is a string as JSON has it.
func quote(s string) string { return encode(s) }
