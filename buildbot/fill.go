package buildbot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// order is one request for runs, on its way to a form.
type order struct {
	job.Request
	line  line
	runs  []finished  // the label's earlier requests on the push
	stamp SourceStamp // the push's source; see known
	known bool        // stamp was looked up
}

// fill returns the values for the form, all but the reason. A field gets the first of these
// that there is: the value in the request's input, the push's source for a field about it,
// and the property of the same name from the newest build of the label on the push. The last
// is used only when the form has no default. A required field without any value is
// job.ErrInvalid.
//
// A form with the fields username, reason, branch (fixed to main), revision and clobber (a bool,
// default false), for a request without input, is filled with {"revision": "a1c0…"}: the master
// knows who asks, reason comes later, branch cannot be set, and clobber has a default.
func (p *Project) fill(ctx context.Context, form forceScheduler, o *order) (map[string]any, error) {
	input, err := object(o.Input)
	if err != nil {
		return nil, err
	}
	fields := leaves(form.Fields)
	mine, _ := form.of(o.line)
	if err := checkInput(form, fields, input); err != nil {
		return nil, err
	}
	out := map[string]any{}
	var lacking []string
	var earlier Properties
	for _, f := range fields {
		if f.Type == "fixed" || f.Type == "username" || f.Name == "reason" {
			continue
		}
		if v, ok := input[f.FullName]; ok {
			out[f.FullName] = v
			continue
		}
		isSource := slices.Contains(sourceFields, f.Name)
		own := isSource && slices.ContainsFunc(mine.fields, func(m formField) bool { return m.FullName == f.FullName })
		v := ""
		if own {
			if v, err = p.source(ctx, f, o); err != nil {
				return nil, fmt.Errorf("force scheduler %s: %w", form.Name, err)
			}
		}
		if v == "" && text(f.Default) == "" && !isSource {
			if earlier == nil {
				if earlier, err = p.earlier(ctx, o.runs); err != nil {
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
		return nil, fmt.Errorf("%w: force scheduler %s needs a value for %s: give it in the request's input",
			job.ErrInvalid, form.Name, strings.Join(lacking, ", "))
	}
	return out, nil
}

// checkInput refuses input for a field that the form does not have or does not let callers
// set: the master would silently ignore it.
func checkInput(form forceScheduler, fields []formField, input map[string]any) error {
	var unknown []string
	for name := range input {
		takes := func(f formField) bool { return f.FullName == name && f.Type != "fixed" && f.Name != "reason" }
		if !slices.ContainsFunc(fields, takes) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("%w: force scheduler %s has no field %s", job.ErrInvalid, form.Name, strings.Join(unknown, ", "))
}

// source is the value for a field about the push's source: its revision, branch, repository or
// project. "" means the form's default. A revision is shortened to 12 digits when the form's
// pattern allows nothing longer, as ^[0-9a-f]{12}$ does.
func (p *Project) source(ctx context.Context, f formField, o *order) (string, error) {
	if f.Name == "revision" {
		for _, rev := range []string{o.Push.Revision, o.Push.Short()} {
			if matches(f, rev) {
				return rev, nil
			}
		}
		return "", fmt.Errorf("%w: %s must match %s, and %s does not",
			job.ErrInvalid, f.FullName, f.Regex, o.Push.Revision)
	}
	if !o.known {
		stamp, known, err := p.sourceOf(ctx, o)
		if err != nil {
			return "", err
		}
		o.stamp, o.known = stamp, known
	}
	own := text(f.Default)
	switch f.Name {
	case "branch":
		if o.line.branch == "" {
			return "", nil
		}
		return o.line.branch, nil
	case "repository":
		if o.stamp.Repository == "" && own != "" && o.Push.Repo != p.Name() {
			return "", fmt.Errorf("%w: no change or build of %s names its repository, and %s would be %s: "+
				"give it in the request's input", job.ErrInvalid, o.Push.Repo, f.FullName, own)
		}
		return o.stamp.Repository, nil
	case "project":
		return o.stamp.Project, nil
	}
	return "", nil
}

// sourceOf finds out what the master knows about a push's source: from a build of the push,
// or else from a change. The stamp may be empty; the flag says that it was looked up.
func (p *Project) sourceOf(ctx context.Context, o *order) (SourceStamp, bool, error) {
	for _, f := range o.runs {
		for _, ss := range o.line.stamps(f.set) {
			if sameRevision(ss.Revision, o.Push.Revision) {
				return ss, true, nil
			}
		}
	}
	ss, ok, err := p.heardOf(ctx, o.line, o.Push)
	return ss, ok, err
}

// heardOf is the source in a change of the push, or else in the newest change of its line, then
// without a revision.
func (r *Changes) heardOf(ctx context.Context, l line, push job.Push) (SourceStamp, bool, error) {
	if push.Repo == r.name {
		t := r.memory.Load().now()
		if i := t.index(push.Revision); i >= 0 {
			return t.pushes[i].stamp, true, nil
		}
	}
	var filters []string
	if l.branch != "" && !l.loose {
		filters = []string{"branch", l.branch}
	}
	page, _, err := older(ctx, r.c, "buildbot.changes", changesSource(), 0, firstPage, filters...)
	if err != nil {
		return SourceStamp{}, false, err
	}
	var newest *change
	for i, c := range page {
		if !l.holds(c.Branch, c.Codebase, c.Repository) {
			continue
		}
		if newest == nil || sameRevision(c.Revision, push.Revision) {
			newest = &page[i]
		}
	}
	if newest == nil {
		return SourceStamp{}, true, nil
	}
	return SourceStamp{
		Codebase: newest.Codebase, Repository: newest.Repository, Project: newest.Project, Branch: newest.Branch,
	}, true, nil
}

// earlier returns the properties of the label's newest build on the push. Those of the build
// that triggered it are added where the build itself lacks them. A master shows a new build
// before it has stored its properties, so a running build without any is skipped, and the one
// before it counts. A property of the build itself wins, since it is copied last.
func (p *Project) earlier(ctx context.Context, all []finished) (Properties, error) {
	var parent int64
	var builds []Build
	for _, f := range all {
		parent = max(parent, f.set.ParentBuild)
		builds = append(builds, f.builds...)
	}
	sortNewest(builds)
	out := Properties{}
	if parent != 0 {
		b, err := p.c.build(ctx, parent)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, b.Properties)
	}
	for _, known := range builds {
		b, err := p.c.build(ctx, known.ID)
		if err != nil {
			return nil, err
		}
		if len(b.Properties) > 0 || b.Complete {
			maps.Copy(out, b.Properties)
			break
		}
	}
	return out, nil
}
