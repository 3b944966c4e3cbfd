package taskcluster

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// revisions are those that a decision task says it is of: in its environment
// (GECKO_HEAD_REV, and the like of other projects), its routes, or else its
// parameters. A Thunderbird task has Firefox's revision there, too. Read once.
func (p *Project) revisions(ctx context.Context, id string) ([]string, error) {
	d, err := p.definition(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(d.revisions) > 0 {
		return d.revisions, nil
	}
	text, err := p.parameters(ctx, id)
	if errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrNotScheduled) || errors.Is(err, job.ErrUnavailable) {
		return nil, nil // it says nothing
	}
	return text, err
}

// definition is what mozci reads of the definition of a decision task.
type definition struct {
	scopes    []string // as it has them
	revisions []string // that it says it is of
}

// definition reads the definition of a decision task, which never changes.
func (p *Project) definition(ctx context.Context, id string) (*definition, error) {
	return p.known.defined.Do(ctx, id, func(ctx context.Context) (*definition, bool, error) {
		t, raw, err := p.c.definition(ctx, id)
		if err != nil {
			return nil, false, err
		}
		if t.TaskGroupID != id { // a decision task makes its group
			return nil, false, wrap("queue.task", id,
				broken(definitions, "taskGroupId", "%q of the decision task %s, which makes its own",
					t.TaskGroupID, id))
		}
		d := &definition{scopes: t.Scopes, revisions: headRevisions(raw)}
		for _, r := range t.Routes {
			if _, rest, ok := strings.Cut(r, ".revision."); ok && strings.HasPrefix(r, "index.") {
				rev, _, _ := strings.Cut(rest, ".")
				d.revisions = append(d.revisions, rev)
			}
		}
		return d, true, nil
	})
}

// environment is where a decision task's definition says of which revisions it is.
var environment = contract.New(contract.Endpoint[struct {
	Payload struct {
		Env map[string]string `json:"env"`
	} `json:"payload" is:"open"`
}]{Source: source, Name: "decision task"})

// headRevisions are the revisions in the environment of a task.
func headRevisions(definition []byte) []string {
	w, err := environment.Decode(contract.Asked{}, definition)
	if err != nil {
		return nil
	}
	var out []string
	for name, rev := range w.Payload.Env {
		if strings.HasSuffix(name, "_HEAD_REV") && rev != "" {
			out = append(out, rev)
		}
	}
	slices.Sort(out)
	return out
}

// parameters are the head revisions that a decision task's parameters.yml
// names: lines of the form "head_rev: 0123…", with a prefix for a project within
// another.
func (p *Project) parameters(ctx context.Context, id string) ([]string, error) {
	run, err := p.completed(ctx, id)
	if err != nil {
		return nil, err
	}
	text, err := p.c.text(ctx, id, run, "public/parameters.yml", mostActions)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		if ok && strings.HasSuffix(name, "head_rev") && value != "" {
			out = append(out, value)
		}
	}
	return out, nil
}

// isOf reports whether a decision task found by a push's id is of its revision.
// One that does not say of which it is, is not.
func (p *Project) isOf(ctx context.Context, id string, push job.Push) (bool, error) {
	revs, err := p.revisions(ctx, id)
	return sameAsOne(revs, push), err
}

// sameAsOne reports whether one of the revisions is the push's, in hg or git.
func sameAsOne(revs []string, push job.Push) bool {
	return slices.ContainsFunc(revs, func(r string) bool {
		return slices.ContainsFunc(push.Hashes(), func(h string) bool { return job.SameRevision(r, h) })
	})
}
