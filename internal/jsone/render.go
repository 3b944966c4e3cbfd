package jsone

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The way through a template: render takes any part of it, object finds out whether an object is an
// operator or only data, and interpolate looks for expressions in strings. An error gets its place
// on the way out, one part from each level.

// render renders any template: strings are interpolated, arrays and objects are rendered with
// all that is in them, and other values stay as they are.
func (r *renderer) render(t any, s *scope) (any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	switch t := t.(type) {
	case string:
		return r.interpolate(t, s)
	case []any:
		return r.array(t, s)
	case map[string]any:
		return r.object(t, s)
	}
	return t, nil
}

// array renders the elements. What is deleted is left out, so the result may be shorter.
func (r *renderer) array(t []any, s *scope) (any, error) {
	out := make([]any, 0, len(t))
	for i, e := range t {
		v, err := r.render(e, s)
		if err != nil {
			return nil, at(err, fmt.Sprintf("[%d]", i))
		}
		if v != deleted {
			out = append(out, v)
		}
	}
	return out, r.made(16 * len(out))
}

// object renders the operator that the object has, or else its members one by one. An object with
// two operators is an error. The keys are sorted, so that the same template always fails in the
// same place.
func (r *renderer) object(t map[string]any, s *scope) (any, error) {
	keys := slices.Sorted(maps.Keys(t))
	var op operator
	for _, k := range keys {
		known, ok := operatorOf(k)
		if !ok {
			continue
		}
		if op.name != "" {
			return nil, fail(TemplateError, "only one operator allowed")
		}
		op = known
	}
	if op.name != "" {
		return op.run(r, t, s)
	}
	out := make(map[string]any, len(t))
	for _, k := range keys {
		if err := r.member(out, k, t[k], s); err != nil {
			return nil, err
		}
	}
	return out, r.made(32 * len(out))
}

// member renders a member of an object and adds it to out. Its key is rendered too: "$$x" is
// the key "$x", "$x" alone is reserved for operators, and "${…}" is interpolated.
//
//	"$$x"    → "$x"
//	"a${b}"  → "ac" with b = "c"
//	"$foo"   → error: $<identifier> is reserved
//	"$"      → "$"
func (r *renderer) member(out map[string]any, k string, t any, s *scope) error {
	v, err := r.render(t, s)
	if err != nil {
		return at(err, place(k))
	}
	if v == deleted {
		return nil
	}
	switch {
	case strings.HasPrefix(k, "$$") && !strings.HasPrefix(k, "$${"):
		k = k[1:]
	case len(k) > 1 && k[0] == '$' && identifier(k[1:]):
		return fail(TemplateError, "$<identifier> is reserved; use $$<identifier>")
	default:
		name, err := r.interpolate(k, s)
		if err != nil {
			return err
		}
		k = name
	}
	out[k] = v
	return nil
}

// interpolate replaces each ${expression} in a string; $${ is a literal ${: with x = 1, the
// text "a${x}$${x}" is "a1${x}".
func (r *renderer) interpolate(t string, s *scope) (string, error) {
	i := strings.Index(t, "${")
	if i < 0 {
		return t, nil
	}
	var out strings.Builder
	for ; i >= 0; i = strings.Index(t, "${") {
		if i > 0 && t[i-1] == '$' { // $${: the dollar before it is the escape
			out.WriteString(t[:i-1] + "${")
			t = t[i+2:]
			continue
		}
		out.WriteString(t[:i])
		text, rest, err := r.insert(t[i+2:], s)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
		t = rest
		if err := r.made(len(text)); err != nil {
			return "", err
		}
	}
	out.WriteString(t)
	return out.String(), r.made(out.Len())
}

// insert evaluates the expression at the beginning of t, up to its closing brace, and returns its
// value as text, and the rest of t after the brace. The parser finds the brace, since the
// expression can contain braces of its own: ${ {a: 1}.a }. Of "n}!" it returns the value of n, and
// "!".
func (r *renderer) insert(t string, s *scope) (text, rest string, err error) {
	p, err := newParser(t)
	if err != nil {
		return "", "", err
	}
	p.inString = true
	n, err := p.expression()
	if err != nil {
		return "", "", err
	}
	if p.tok.kind == end {
		return "", "", fail(SyntaxError, "unterminated ${..} expression")
	}
	if p.tok.kind != "}" {
		return "", "", p.unexpected(afterValue...)
	}
	v, err := r.eval(n, s)
	if err != nil {
		return "", "", err
	}
	switch v.(type) {
	case []any, map[string]any, *function:
		return "", "", fail(TemplateError, "interpolation of '%s' produced an array or object",
			strings.TrimSpace(t[:p.tok.at]))
	}
	// The token is the brace at byte at, so the rest begins one byte after it.
	return textOf(v), t[p.tok.at+1:], nil
}

// textOf is the text of a value inside a string; null is the empty text. Arrays, objects and
// functions are empty too, but insert refuses them.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "true"
		}
		return "false"
	case float64:
		return number(v)
	}
	return ""
}
