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

// leaves are the fields of a form that take values.
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

// The fields of a form that say what is built.
var sourceFields = []string{"revision", "branch", "repository", "project"}

// codebaseFields are the fields of one codebase.
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

// codebases are the parts of a form that say what is built of each codebase. A
// field's full name begins with its codebase, as in lib_revision.
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

// of is the part of a form for a line's codebase; false where the form has it not,
// or has several and it is not clear which.
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

// reason is the field that says why; false when it cannot be filled in.
func (s forceScheduler) reason() (formField, bool) {
	all := leaves(s.Fields)
	i := slices.IndexFunc(all, func(f formField) bool { return f.Name == "reason" && f.Type != "fixed" })
	if i < 0 {
		return formField{}, false
	}
	return all[i], true
}

// shortestReason is what the mark of any key and run needs of a reason's length.
const shortestReason = 32

// carries reports whether keys travel in the reason of what the form asks for.
func (s forceScheduler) carries() bool {
	f, ok := s.reason()
	return ok && (f.MaxSize == nil || *f.MaxSize >= shortestReason)
}

// fixed is the branch that the form fixes for a line's codebase.
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

// serves reports whether a form can force builds of the line.
func (s forceScheduler) serves(l line) bool {
	branch, fixed := s.fixed(l)
	return !fixed || branch == l.branch || l.loose && strings.HasSuffix(branch, "/"+l.branch) || branch == "" && l.main
}

// choose chooses the force scheduler for a builder, or says why there is none:
// the builder has no form, or its forms are for something else.
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
		none := fmt.Errorf("builder %q has no form: no force scheduler of this master has it", b.Name)
		return forceScheduler{}, &noForm{none}
	case len(fixed) > 0:
		return forceScheduler{}, invalid("the form of builder %q is for another branch than %s: %s",
			b.Name, orNameless(l.branch), strings.Join(fixed, ", "))
	}
	return forceScheduler{}, invalid("force scheduler %s is not there for builder %q; those that are: %s",
		p.o.ForceScheduler, b.Name, strings.Join(have, ", "))
}

// noForm says that nothing but building again what was built can be asked for.
type noForm struct{ err error }

func (e *noForm) Error() string   { return fmt.Sprintf("%v: %v", job.ErrInvalid, e.err) }
func (e *noForm) Unwrap() []error { return []error{e.err, job.ErrInvalid} }

// checkForm refuses forms by which the wrong thing would be forced.
func (p *Project) checkForm(s forceScheduler, l line) error {
	c, ok := s.of(l)
	if !ok {
		names := map[string]bool{}
		for _, c := range s.codebases() {
			names[c.codebase] = true
		}
		switch {
		case len(names) == 0:
			return fmt.Errorf("%w: force scheduler %s takes no revision", job.ErrInvalid, s.Name)
		case !l.clear || l.codebase == "":
			return fmt.Errorf("%w: force scheduler %s has several codebases: %s; name one with --codebase",
				job.ErrInvalid, s.Name, codebaseList(names))
		}
		return fmt.Errorf("%w: force scheduler %s has no codebase %s; it has %s",
			job.ErrInvalid, s.Name, l.codebase, codebaseList(names))
	}
	if f, ok := c.field("revision"); !ok || f.Type == "fixed" {
		return fmt.Errorf("%w: force scheduler %s takes no revision", job.ErrInvalid, s.Name)
	}
	return nil
}

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
		return nil, fmt.Errorf("%w: input: expected an object of the form's fields: %w", job.ErrInvalid, err)
	}
	return out, nil
}

// matches reports whether the form takes a value. Where Go does not know the
// form's regular expression, Python's, the master will judge.
func matches(f formField, v string) bool {
	if f.MaxSize != nil && len(v) > *f.MaxSize {
		return false
	}
	re, err := regexp.Compile(f.Regex)
	return err != nil || re.MatchString(v)
}
