// Package jsone renders JSON-e templates, the language of Taskcluster's hooks
// and in-tree actions, as its specification has it
// (https://json-e.js.org, specification.yml of json-e 4).
//
// Start with [Render]. Values are what encoding/json makes of JSON: nil, bool,
// float64, string, []any and map[string]any; whole numbers of other types are
// taken too. Errors are of type *[Error], with the specification's words.
//
// Templates come from anybody's push, so that a rendering is bounded: in the
// depth of what it nests, in the steps that it takes and in the bytes that it
// makes. Past a bound it ends with an error that wraps [ErrLimit].
package jsone

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The bounds of a rendering, far above what a real one needs: a whole task
// graph's template takes some ten thousand steps.
const (
	maxDepth = 200
	maxSteps = 1 << 20
	maxBytes = 32 << 20
)

// ErrLimit says that a rendering would go on for too long, or make too much.
var ErrLimit = errors.New("the template asks for too much")

// Kind is the sort of an error, in the specification's words.
type Kind string

// The kinds of errors.
const (
	TemplateError    Kind = "TemplateError"    // an operator is used wrongly
	SyntaxError      Kind = "SyntaxError"      // an expression cannot be read
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

func (e *Error) Error() string {
	if e.Location == "" {
		return fmt.Sprintf("%s: %s", e.Kind, e.Msg)
	}
	return fmt.Sprintf("%s at template%s: %s", e.Kind, e.Location, e.Msg)
}

// Unwrap returns ErrLimit where a bound was passed.
func (e *Error) Unwrap() error { return e.Err }

func fail(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// at adds a place to an error on its way out.
func at(err error, place string) error {
	var e *Error
	if errors.As(err, &e) {
		e.Location = place + e.Location
	}
	return err
}

// Render renders a template with a context, whose keys must be identifiers.
// now is the time that $fromNow and the function fromNow count from, unless
// the context has a "now" of its own; the builtins may be shadowed as well.
// Neither template nor context is changed, and the result shares nothing with
// them. A template that renders to nothing at all gives nil.
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

// scope is what names mean; the inner ones hide the outer ones.
type scope struct {
	vars  map[string]any
	outer *scope
}

func (s *scope) with(vars map[string]any) *scope { return &scope{vars, s} }

func (s *scope) lookup(name string) (any, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// marker is what an $if without a branch gives: its place is left out.
type marker struct{}

var deleted = &marker{}

// renderer counts what one rendering has taken.
type renderer struct{ depth, steps, bytes int }

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

// made counts what a value takes in memory.
func (r *renderer) made(n int) error {
	if r.bytes += n; r.bytes > maxBytes {
		return limit(fmt.Sprintf("it makes more than %d bytes", maxBytes))
	}
	return nil
}

// plain copies a value into the types that the renderer works with, and
// refuses what is not JSON. What a rendering makes may hold one array many
// times over, so that even a walk through it is counted.
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

func identifier(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && (i == 0 || !digit(c)) {
			return false
		}
	}
	return s != ""
}

func letter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// place names a member of an object in an error.
func place(key string) string {
	if identifier(key) && !strings.Contains(key, "_") {
		return "." + key
	}
	return "[" + quote(key) + "]"
}
