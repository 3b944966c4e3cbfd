// Package jsone renders JSON-e templates, the language of Taskcluster's hooks and in-tree
// actions. It follows the specification (https://json-e.js.org, specification.yml of
// json-e 4).
//
// Start with [Render]:
//
//	template := map[string]any{"label": "retrigger-${name}", "times": map[string]any{"$eval": "n + 1"}}
//	out, err := jsone.Render(template, map[string]any{"name": "xpcshell", "n": 1.0}, time.Now())
//	// out is {"label": "retrigger-xpcshell", "times": 2}
//
// Values have the types that encoding/json makes of JSON: nil, bool, float64, string, []any
// and map[string]any. Whole numbers of other types are accepted too. Errors are of type
// *[Error], with the specification's words.
//
// A template can come from anybody's push, so a rendering is limited in three ways: the
// depth of nesting, the number of steps, and the bytes that it makes. Beyond a limit it ends
// with an error that wraps [ErrLimit]. The package has no state and calls nothing outside.
package jsone

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The limits of a rendering. They are far above what a real one needs: the template of a
// whole task graph takes about ten thousand steps.
const (
	maxDepth = 200      // levels, of templates and of expressions
	maxSteps = 1 << 20  // templates and nodes of expressions that were evaluated
	maxBytes = 32 << 20 // estimated bytes of all values made, whether they are still needed or not
)

// ErrLimit says that a rendering would take too long or too much memory.
var ErrLimit = errors.New("the template asks for too much")

// Kind is the sort of an error, in the specification's words.
type Kind string

// The kinds of errors.
const (
	TemplateError    Kind = "TemplateError"    // an operator is used wrongly
	SyntaxError      Kind = "SyntaxError"      // an expression cannot be parsed
	InterpreterError Kind = "InterpreterError" // an expression has no value
	BuiltinError     Kind = "BuiltinError"     // a function is called wrongly
)

// Error is a template that cannot be rendered.
type Error struct {
	Kind     Kind
	Location string // where in the template: ".tasks[0]"; empty at its top
	Msg      string
	Err      error // ErrLimit, or nil
}

// Error has the kind, the location unless it is the top, and the message, as in
// "TemplateError at template.tasks[0]: " and what is wrong there.
func (e *Error) Error() string {
	if e.Location == "" {
		return fmt.Sprintf("%s: %s", e.Kind, e.Msg)
	}
	return fmt.Sprintf("%s at template%s: %s", e.Kind, e.Location, e.Msg)
}

// Unwrap returns ErrLimit where a bound was passed.
func (e *Error) Unwrap() error { return e.Err }

// fail makes an error without a place; render adds that on the way out.
func fail(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// at adds a place to an error on its way out, so that the innermost place comes last:
// ".tasks[0].payload".
func at(err error, place string) error {
	var e *Error
	if errors.As(err, &e) {
		e.Location = place + e.Location
	}
	return err
}

// Render renders a template with a context, whose keys must be identifiers. now is the time
// from which $fromNow and the function fromNow count, unless the context has a "now" of its
// own; the context may replace the other builtins too. Render changes neither the template
// nor the context, and the result shares nothing with them. A template that renders to
// nothing, such as an $if without "else", gives nil.
func Render(template any, context map[string]any, now time.Time) (any, error) {
	r := &renderer{}
	top := &scope{vars: builtins(now)}
	own := make(map[string]any, len(context))
	for k, v := range context {
		if !identifier(k) {
			return nil, fail(TemplateError, "top level keys of context must follow /[a-zA-Z_][a-zA-Z0-9_]*/")
		}
		plain, err := r.plain(v, 0)
		if err != nil {
			return nil, err
		}
		own[k] = plain
	}
	plain, err := r.plain(template, 0)
	if err != nil {
		return nil, err
	}
	out, err := r.render(plain, top.with(own))
	if err != nil || out == deleted {
		return nil, err
	}
	return r.plain(out, 0)
}

// scope has the values of names; an inner scope hides the names of the outer ones. outer is nil in
// the scope of the builtins. Each scope is made once and not changed.
type scope struct {
	vars  map[string]any
	outer *scope
}

// with returns a scope inside s that has these names too.
func (s *scope) with(vars map[string]any) *scope { return &scope{vars, s} }

// lookup returns a name's innermost value, and whether it has one: a name may have the value null.
func (s *scope) lookup(name string) (any, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// marker is the type of deleted, the result of an $if without the branch that it needs. The
// array or object around it leaves the place out. null is a value and is not left out.
type marker struct{}

var deleted = &marker{}

// renderer counts the depth, steps and bytes of one rendering. depth is the current one, of
// templates and expressions together; steps and bytes only grow.
type renderer struct{ depth, steps, bytes int }

// limit makes the error for a limit that was passed.
func limit(what string) error {
	return &Error{Kind: TemplateError, Msg: ErrLimit.Error() + ": " + what, Err: ErrLimit}
}

// enter counts a step and a level; leave ends the level.
func (r *renderer) enter() error {
	r.steps++
	r.depth++
	switch {
	case r.depth > maxDepth:
		return limit(fmt.Sprintf("it nests deeper than %d levels", maxDepth))
	case r.steps > maxSteps:
		return limit(fmt.Sprintf("it takes more than %d steps", maxSteps))
	}
	return nil
}

func (r *renderer) leave() { r.depth-- }

// made counts the estimated bytes of a new value: 16 for an element of an array, 32 for a member of
// an object, and the length of a string. A string that is made costs its length even when the value
// before it is no longer needed: what counts is the work.
func (r *renderer) made(n int) error {
	if r.bytes += n; r.bytes > maxBytes {
		return limit(fmt.Sprintf("it makes more than %d bytes", maxBytes))
	}
	return nil
}

// plain copies a value into the types that the renderer works with, and refuses what is not
// JSON. Even this walk is counted: a small result can contain one array many times over, in
// many levels, and its copy would be huge.
func (r *renderer) plain(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, limit(fmt.Sprintf("a value nests deeper than %d levels", maxDepth))
	}
	if err := r.made(16); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil, bool, float64:
		return v, nil
	case *function:
		return nil, fail(TemplateError, "evaluated template contained uncalled functions")
	case string:
		return v, r.made(len(v))
	case int:
		return float64(v), nil
	case int64:
		return float64(v), nil
	case uint64:
		return float64(v), nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			p, err := r.plain(e, depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = p
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			p, err := r.plain(e, depth+1)
			if err != nil {
				return nil, err
			}
			out[k] = p
		}
		return out, r.made(16 * len(v))
	}
	return nil, fail(TemplateError, "a value of type %T is not JSON", v)
}

// identifier reports whether a text can be a name in an expression: "a_1" but not "1a" or "".
func identifier(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && (i == 0 || !digit(c)) {
			return false
		}
	}
	return s != ""
}

// letter reports whether c is a letter or an underscore; c|0x20 is the lower case of a letter.
func letter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// place names a member in an error's location: .name, or ["a key"] for one that is not made
// of letters and digits alone.
func place(key string) string {
	if identifier(key) && !strings.Contains(key, "_") {
		return "." + key
	}
	return "[" + quote(key) + "]"
}
