package buildbot

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
)

// leaves returns the fields of a form that hold values, also those inside nested groups.
func leaves(fields []formField) []formField {
	var out []formField
	for _, f := range fields {
		if f.Type == nestedField {
			out = append(out, leaves(f.Fields)...)
			continue
		}
		out = append(out, f)
	}
	return out
}

// sourceFields are the names of a form's fields that say what is built.
var sourceFields = []string{"revision", "branch", "repository", "project"}

// codebaseFields are the source fields of one codebase.
type codebaseFields struct {
	codebase string
	fields   []formField
}

func (c codebaseFields) field(name string) (formField, bool) {
	i := slices.IndexFunc(c.fields, func(f formField) bool { return f.Name == name })
	if i < 0 {
		return formField{}, false
	}
	return c.fields[i], true
}

// codebases returns the source fields of a form, grouped by codebase. The full name of a
// field begins with its codebase: lib_revision is the revision of the codebase lib, and
// revision alone that of the codebase "".
//
//	fields of the form                             codebases
//	revision, branch                               "": revision, branch
//	group {lib_revision, lib_branch},
//	group {app_revision, clobber}                  "lib": revision, branch; "app": revision
//	reason, clobber                                none
//
// The name of a field is always the short one (revision); only the full name has the codebase. A
// group gives at most one codebase, as Buildbot makes one group for each.
func (s forceScheduler) codebases() []codebaseFields {
	var out []codebaseFields
	var walk func(group formField)
	walk = func(group formField) {
		var own []formField
		name := ""
		for _, f := range group.Fields {
			switch {
			case f.Type == nestedField:
				walk(f)
			case slices.Contains(sourceFields, f.Name):
				own = append(own, f)
				name = strings.TrimSuffix(strings.TrimSuffix(f.FullName, f.Name), "_")
			}
		}
		if len(own) > 0 {
			out = append(out, codebaseFields{name, own})
		}
	}
	walk(formField{Fields: s.Fields})
	return out
}

// of returns the source fields for a line's codebase. It is false when the form has no such
// codebase, or has several and the line does not say which. A form with a single codebase
// also fits when either side does not name one.
//
//	codebases of the form   line            the fields are those of
//	lib, app                lib             → lib
//	lib, app                not clear       → false
//	lib                     app             → false
//	lib                     "" or unclear   → lib
//	""                      app             → ""
func (s forceScheduler) of(l line) (codebaseFields, bool) {
	all := s.codebases()
	if i := slices.IndexFunc(all, func(c codebaseFields) bool { return l.clear && c.codebase == l.codebase }); i >= 0 {
		return all[i], true
	}
	if len(all) == 1 && (!l.clear || l.codebase == "" || all[0].codebase == "") {
		return all[0], true
	}
	return codebaseFields{}, false
}

// reason is the form's field for the reason; false when there is none that can be set.
func (s forceScheduler) reason() (formField, bool) {
	all := leaves(s.Fields)
	i := slices.IndexFunc(all, func(f formField) bool { return f.Name == "reason" && f.Type != "fixed" })
	if i < 0 {
		return formField{}, false
	}
	return all[i], true
}

// shortestReason is how many bytes of a reason the mark of a key takes; see mark. The longest
// shortMark that fits is that of run 99999, "[mozci ~9f86d081884c7d65 #99999]".
const shortestReason = 32

// carries reports whether the form's reason can carry a key.
func (s forceScheduler) carries() bool {
	f, ok := s.reason()
	return ok && (f.MaxSize == nil || *f.MaxSize >= shortestReason)
}

// fixed is the branch to which the form is fixed, for a line's codebase; false when callers
// may set it.
func (s forceScheduler) fixed(l line) (branch string, ok bool) {
	c, ok := s.of(l)
	if !ok {
		return "", false
	}
	f, ok := c.field("branch")
	if !ok || f.Type != "fixed" {
		return "", false
	}
	return text(f.Default), true
}

// serves reports whether a form can force builds of the line: it is not fixed to a branch, or
// fixed to the line's own. An empty fixed branch is the default one.
//
//	branch in the form     branch of the line    serves
//	can be set             main                  yes
//	fixed to beta          the same              yes
//	fixed to beta          main                  no
//	fixed to ""            main                  yes, if main is the default branch
//	fixed to team/main     main, loose           yes
func (s forceScheduler) serves(l line) bool {
	branch, fixed := s.fixed(l)
	return !fixed || branch == l.branch || l.loose && strings.HasSuffix(branch, "/"+l.branch) || branch == "" && l.main
}

// choose returns the force scheduler for a builder: the first that has the builder, serves the
// line and is the one in ProjectOptions, if that names one. The error says why there is none;
// it is *noForm when no force scheduler has the builder, so only rebuilding is left.
func (p *Project) choose(all []forceScheduler, l line, b Builder) (forceScheduler, error) {
	var have, fixed []string
	var found []forceScheduler
	for _, s := range all {
		if !slices.Contains(s.BuilderNames, b.Name) {
			continue
		}
		have = append(have, s.Name)
		if p.o.ForceScheduler != "" && s.Name != p.o.ForceScheduler {
			continue
		}
		if !s.serves(l) {
			branch, _ := s.fixed(l)
			fixed = append(fixed, fmt.Sprintf("%s is fixed to branch %s", s.Name, orNameless(branch)))
			continue
		}
		found = append(found, s)
	}
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", job.ErrInvalid, fmt.Errorf(format, args...))
	}
	switch {
	case len(found) > 0:
		return found[0], p.checkForm(found[0], l)
	case len(have) == 0:
		none := fmt.Errorf("no force scheduler of this master has the builder %q", b.Name)
		return forceScheduler{}, &noForm{none}
	case len(fixed) > 0:
		return forceScheduler{}, invalid("no form of builder %q is for branch %s: %s",
			b.Name, orNameless(l.branch), strings.Join(fixed, ", "))
	}
	return forceScheduler{}, invalid("force scheduler %s does not have builder %q; those that do: %s",
		p.o.ForceScheduler, b.Name, strings.Join(have, ", "))
}

// noForm says that no force scheduler has the builder: its builds can only be rebuilt.
type noForm struct{ err error }

func (e *noForm) Error() string   { return fmt.Sprintf("%v: %v", job.ErrInvalid, e.err) }
func (e *noForm) Unwrap() []error { return []error{e.err, job.ErrInvalid} }

// checkForm refuses a form that would build something else: one that does not let callers
// set the revision, or in which the codebase is not clear.
func (p *Project) checkForm(s forceScheduler, l line) error {
	c, ok := s.of(l)
	if !ok {
		names := map[string]bool{}
		for _, c := range s.codebases() {
			names[c.codebase] = true
		}
		switch {
		case len(names) == 0:
			return fmt.Errorf("%w: force scheduler %s has no field for a revision", job.ErrInvalid, s.Name)
		case !l.clear || l.codebase == "":
			return fmt.Errorf("%w: force scheduler %s has several codebases: %s; name one with --codebase",
				job.ErrInvalid, s.Name, codebaseList(names))
		}
		return fmt.Errorf("%w: force scheduler %s has no codebase %s; it has %s",
			job.ErrInvalid, s.Name, l.codebase, codebaseList(names))
	}
	if f, ok := c.field("revision"); !ok || f.Type == "fixed" {
		return fmt.Errorf("%w: force scheduler %s has no field for a revision", job.ErrInvalid, s.Name)
	}
	return nil
}

// text is a JSON value as the text that a form field holds; "" for null. For example 3.0 → "3",
// 0.5 → "0.5", true → "true".
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// object is a request's input as a JSON object; nil for no input.
func object(v any) (map[string]any, error) {
	if v == nil {
		return nil, nil
	}
	body, err := v2.Marshal(v, v2.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("%w: input: %w", job.ErrInvalid, err)
	}
	var out map[string]any
	if err := v2.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("%w: input: expected a JSON object with the form's fields: %w", job.ErrInvalid, err)
	}
	return out, nil
}

// matches reports whether a field accepts a value. Its regular expression is Python's; when Go
// cannot compile it, the answer is yes, and the master decides. The master uses Python's match,
// which begins at the first character: "[0-9a-f]{12}$" does not accept 40 digits.
func matches(f formField, v string) bool {
	if f.MaxSize != nil && len(v) > *f.MaxSize {
		return false
	}
	re, err := regexp.Compile(`\A(?:` + f.Regex + ")")
	return err != nil || re.MatchString(v)
}
