package buildbot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// CarriesKeys implements job.KeyCarrier: keys travel in the reason of a forced
// build.
func (p *Project) CarriesKeys() bool { return true }

// mark is what a reason holds of a request's key and which of its runs it is.
func mark(key string, i int) string { return fmt.Sprintf("[mozci %s #%d]", key, i) }

// Trigger implements job.Scheduler: it forces builds, one buildset for each run,
// with the key in its reason, by which a run that was asked for before is
// recognised. The fields of the form are filled with, in this order, what
// Input, an object, says; the push's revision (in 12 digits where the form wants
// so), branch, repository and project; the form's defaults; and the properties
// that an earlier build of the label on the push had.
func (p *Project) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	r, err := p.trigger(ctx, req)
	return r, job.Wrap("buildbot.trigger", req.Label+" on "+req.Push.String(), err)
}

func (p *Project) trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	none := job.Receipt{}
	switch {
	case req.Count < 1:
		return none, fmt.Errorf("%w: count %d, expected at least 1", job.ErrInvalid, req.Count)
	case req.Action != "" && req.Action != "force":
		return none, fmt.Errorf("%w: action %q, expected force", job.ErrInvalid, req.Action)
	case !req.Push.Testable():
		return none, job.ErrNotScheduled
	}
	builder, err := p.c.builderNamed(ctx, req.Label)
	if err != nil {
		return none, err
	}
	form, err := p.form(ctx, req.Label)
	if err != nil {
		return none, err
	}
	sets, err := p.of(ctx, req.Push)
	if err != nil {
		return none, err
	}
	params, err := p.fill(ctx, form, req, sets)
	if err != nil {
		return none, err
	}
	out := job.Receipt{State: job.AlreadyAsked}
	for i := 1; i <= req.Count; i++ {
		id, err := p.asked(ctx, sets, req.Key, i)
		if err != nil {
			return none, err
		}
		if id == 0 {
			if id, err = p.force(ctx, form, builder.ID, params, req, i); err != nil {
				return none, err
			}
			out.State = job.Created
		}
		out.IDs = append(out.IDs, runID(id, 1))
	}
	return out, nil
}

// asked is the request that was made for a key before; 0 when none was.
func (p *Project) asked(ctx context.Context, sets []Buildset, key string, i int) (int64, error) {
	if key == "" {
		return 0, nil
	}
	at := slices.IndexFunc(sets, func(s Buildset) bool { return strings.Contains(s.Reason, mark(key, i)) })
	if at < 0 {
		return 0, nil
	}
	all, err := p.c.Requests(ctx, sets[at].ID)
	if err != nil {
		return 0, err
	}
	if len(all) == 0 {
		return 0, fmt.Errorf("%w: buildset %d has no requests", job.ErrMalformed, sets[at].ID)
	}
	return all[0].ID, nil
}

func (p *Project) force(ctx context.Context, form ForceScheduler, builder int, params map[string]any, req job.Request, i int) (int64, error) {
	reason := req.Why
	if req.Key != "" {
		reason = strings.TrimSpace(mark(req.Key, i) + " " + req.Why)
	}
	if f, ok := form.field("reason"); ok && reason != "" {
		if f.MaxSize != nil && len(reason) > *f.MaxSize {
			cut := []rune(reason)
			reason = string(cut[:min(len(cut), *f.MaxSize)])
			if req.Key != "" && !strings.Contains(reason, mark(req.Key, i)) {
				return 0, fmt.Errorf("%w: the reason of force scheduler %s holds %d characters, too few for a key", job.ErrInvalid, form.Name, *f.MaxSize)
			}
		}
		params[f.FullName] = reason
	}
	asked, err := p.c.Force(ctx, form.Name, builder, params)
	if err != nil {
		return 0, err
	}
	id, ok := asked.Requests[builder]
	if !ok {
		return 0, fmt.Errorf("%w: buildset %d has no request for builder %d", job.ErrMalformed, asked.Buildset, builder)
	}
	return id, nil
}

// serves reports whether a form can force builds of the branch.
func (p *Project) serves(s ForceScheduler) bool {
	f, ok := s.field("branch")
	if !ok || f.Type != "fixed" {
		return true
	}
	return onBranch(text(f.Default), p.Name())
}

// form chooses the force scheduler for a builder.
func (p *Project) form(ctx context.Context, label string) (ForceScheduler, error) {
	all, err := p.c.ForceSchedulers(ctx)
	if err != nil {
		return ForceScheduler{}, err
	}
	var have, other []string
	var found []ForceScheduler
	for _, s := range all {
		switch {
		case !slices.Contains(s.BuilderNames, label):
			other = append(other, s.Name)
			continue
		case p.o.ForceScheduler != "" && s.Name != p.o.ForceScheduler:
		case p.serves(s):
			found = append(found, s)
		}
		have = append(have, s.Name)
	}
	if len(found) > 0 {
		return checkForm(found[0])
	}
	switch {
	case len(have) == 0 && len(other) == 0:
		err = errors.New("the master has no force schedulers")
	case len(have) == 0:
		err = fmt.Errorf("no force scheduler has this builder; there are %s", strings.Join(other, ", "))
	case p.o.ForceScheduler != "":
		err = fmt.Errorf("force scheduler %s does not exist for this builder; those that do: %s", p.o.ForceScheduler, strings.Join(have, ", "))
	default:
		err = fmt.Errorf("no force scheduler of this builder is for %s: %s fix another branch", p.Name(), strings.Join(have, ", "))
	}
	return ForceScheduler{}, fmt.Errorf("%w: %w", job.ErrInvalid, err)
}

// checkForm refuses forms by which the wrong thing would be forced.
func checkForm(s ForceScheduler) (ForceScheduler, error) {
	if f, ok := s.field("reason"); !ok || f.Type == "fixed" {
		return s, fmt.Errorf("%w: force scheduler %s takes no reason, in which a request's key travels", job.ErrInvalid, s.Name)
	}
	if f, ok := s.field("revision"); !ok || f.Type == "fixed" {
		return s, fmt.Errorf("%w: force scheduler %s takes no revision", job.ErrInvalid, s.Name)
	}
	return s, nil
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

// fill fills in the form, but for the reason.
func (p *Project) fill(ctx context.Context, form ForceScheduler, req job.Request, sets []Buildset) (map[string]any, error) {
	input, err := object(req.Input)
	if err != nil {
		return nil, err
	}
	fields := leaves(form.Fields)
	out := map[string]any{}
	var lacking []string
	var unknown []string
	for name := range input {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.FullName == name && f.Type != "fixed" && f.Name != "reason" }) {
			unknown = append(unknown, name)
		}
	}
	var earlier Properties
	for _, f := range fields {
		if f.Type == "fixed" || f.Type == "username" || f.Name == "reason" {
			continue
		}
		if v, ok := input[f.FullName]; ok {
			out[f.FullName] = v
			continue
		}
		v, err := p.source(f, req.Push, sets)
		if err != nil {
			return nil, fmt.Errorf("force scheduler %s: %w", form.Name, err)
		}
		if v == "" && text(f.Default) == "" {
			if earlier == nil {
				if earlier, err = p.earlier(ctx, sets, req.Label); err != nil {
					return nil, err
				}
			}
			v = text(earlier[f.FullName].Value)
		}
		switch {
		case v != "":
			out[f.FullName] = v
		case f.Required && text(f.Default) == "":
			lacking = append(lacking, f.FullName)
		}
	}
	if len(lacking) > 0 {
		return nil, fmt.Errorf("%w: force scheduler %s needs %s: give it as the request's input", job.ErrInvalid, form.Name, strings.Join(lacking, ", "))
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, fmt.Errorf("%w: force scheduler %s has no field %s", job.ErrInvalid, form.Name, strings.Join(unknown, ", "))
	}
	return out, nil
}

func object(v any) (map[string]any, error) {
	if v == nil {
		return nil, nil
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: input: %w", job.ErrInvalid, err)
	}
	var out map[string]any
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("%w: input: expected an object of the form's fields: %w", job.ErrInvalid, err)
	}
	return out, nil
}

// source is what a field about the sources is to hold; empty for other fields.
func (p *Project) source(f Field, push job.Push, sets []Buildset) (string, error) {
	var stamp SourceStamp
	if len(sets) > 0 {
		stamp = *p.stamp(sets[0])
	}
	switch f.Name {
	case "revision":
		if p.o.Codebase != "" && f.FullName != p.o.Codebase+"_revision" && f.FullName != "revision" {
			return "", nil // of another codebase
		}
		for _, rev := range []string{push.Revision, push.Short()} {
			if matches(f, rev) {
				return rev, nil
			}
		}
		return "", fmt.Errorf("%w: %s wants what matches %s: %s does not", job.ErrInvalid, f.FullName, f.Regex, push.Revision)
	case "branch":
		if text(f.Default) != "" && stamp.Branch == "" {
			return "", nil
		}
		return cmp.Or(stamp.Branch, p.Name()), nil
	case "repository":
		return stamp.Repository, nil
	case "project":
		return stamp.Project, nil
	}
	return "", nil
}

// matches reports whether the form takes a value. Where Go does not know the
// form's regular expression, Python's, the master will judge.
func matches(f Field, v string) bool {
	if f.MaxSize != nil && len(v) > *f.MaxSize {
		return false
	}
	re, err := regexp.Compile(f.Regex)
	return err != nil || re.MatchString(v)
}

// earlier are the properties of the newest build of a label on the push, or of
// the build that triggered it.
func (p *Project) earlier(ctx context.Context, sets []Buildset, label string) (Properties, error) {
	all, err := p.requests(ctx, sets)
	if err != nil {
		return nil, err
	}
	var newest, parent int64
	for i, fs := range all {
		for _, f := range fs {
			b, err := p.c.builder(ctx, f.request.Builder)
			if err != nil {
				return nil, err
			}
			if b.Name != label {
				continue
			}
			parent = max(parent, sets[i].ParentBuild)
			for _, b := range f.builds {
				newest = max(newest, b.ID)
			}
		}
	}
	out := Properties{}
	for _, id := range []int64{parent, newest} {
		if id == 0 {
			continue
		}
		b, err := p.c.Build(ctx, id)
		if err != nil {
			return nil, err
		}
		for k, v := range b.Properties {
			out[k] = v
		}
	}
	return out, nil
}
