package taskcluster

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// revisions returns the revisions that a decision task says it is of: those in its
// environment (GECKO_HEAD_REV, and the like for other projects) and its routes, or else those
// in its parameters.yml. There may be several: a Thunderbird task also has Firefox's.
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
		return nil, nil // no parameters can be read: it names no revision
	}
	return text, err
}

// definition is the part that mozci remembers of the definition of a decision task.
type definition struct {
	scopes    []string // without those of roles
	revisions []string // from its environment and its routes
}

// definition reads the definition of a decision task, which never changes. The route
// index.gecko.v2.autoland.revision.<40 digits>.taskgraph.decision gives the 40 digits.
func (p *Project) definition(ctx context.Context, id string) (*definition, error) {
	return p.known.defined.Do(ctx, id, func(ctx context.Context) (*definition, bool, error) {
		t, raw, err := p.c.definition(ctx, id)
		if err != nil {
			return nil, false, err
		}
		if t.TaskGroupID != id { // the group of a decision task has the task's own id
			return nil, false, wrap("queue.task", id,
				broken(definitions, "taskGroupId", "%q of the decision task %s, expected its own id",
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

// environment reads the environment variables in a task's definition.
var environment = contract.New(contract.Endpoint[struct {
	Payload struct {
		Env map[string]string `json:"env"`
	} `json:"payload" is:"open"`
}]{Source: source, Name: "decision task"})

// headRevisions returns the values of the variables …_HEAD_REV in a task's environment, sorted.
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

// parameters returns the head revisions in a decision task's parameters.yml. It looks for
// lines such as "head_rev: 0123…" or, for a project within another, "comm_head_rev: 0123…"; a
// YAML parser would be too much for that. For example the line `head_rev: "0123…"` gives 0123…,
// and `base_rev: 0123…` nothing.
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

// isOf reports whether a decision task that was found by a push's id is of the push's
// revision. One that does not name its revision is not.
func (p *Project) isOf(ctx context.Context, id string, push job.Push) (bool, error) {
	revs, err := p.revisions(ctx, id)
	return sameAsOne(revs, push), err
}

// sameAsOne reports whether one of the revisions is one of the push's hashes, of hg or git.
func sameAsOne(revs []string, push job.Push) bool {
	return slices.ContainsFunc(revs, func(r string) bool {
		return slices.ContainsFunc(push.Hashes(), func(h string) bool { return job.SameRevision(r, h) })
	})
}
