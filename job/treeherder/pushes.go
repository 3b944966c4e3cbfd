package treeherder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/job"
)

// pageOfPushes is the most that the server gives at a time. Its default is 10.
const pageOfPushes = 1000

// pushWire is one push. Its revisions are newest first, and capped.
type pushWire struct {
	ID        int64  `json:"id"`
	Revision  string `json:"revision"`
	Author    string `json:"author"`
	Branch    string `json:"branch"` // of a git project
	Timestamp int64  `json:"push_timestamp"`
	Count     int    `json:"revision_count"` // also of those that the cap took away
	Revisions []struct {
		Revision string `json:"revision"`
		Author   string `json:"author"`
		Comments string `json:"comments"`
	} `json:"revisions"`
}

// pushesWire is an answer of the push endpoint.
type pushesWire struct {
	Meta    metaWire    `json:"meta"`
	Results *[]pushWire `json:"results"`
}

// metaWire says whose pushes or jobs an answer has.
type metaWire struct {
	Repository string `json:"repository"`
}

// of is an error where the answer says that it is about another project.
func (m metaWire) of(name string) error {
	if m.Repository != "" && m.Repository != name {
		return fmt.Errorf("%w: it is about %q, expected %q", job.ErrMalformed, m.Repository, name)
	}
	return nil
}

// push makes a push of what the server says. Its order is that of the times:
// the server hears of some pushes late, and gives ids as it hears of them.
func (w pushWire) push(repo string) (job.Push, error) {
	if w.ID < 1 || w.Timestamp < 1 {
		return job.Push{}, fmt.Errorf("%w: a push with id %d and push_timestamp %d", job.ErrMalformed, w.ID,
			w.Timestamp)
	}
	if _, err := job.ParseRevision(w.Revision); err != nil || w.Revision == "tip" {
		return job.Push{}, fmt.Errorf("%w: push %d has the revision %q", job.ErrMalformed, w.ID, w.Revision)
	}
	out := job.Push{
		Repo: repo, ID: w.ID, Order: w.Timestamp, Branch: w.Branch, Revision: w.Revision, User: w.Author,
		Time: time.Unix(w.Timestamp, 0).UTC(),
	}
	for _, r := range slices.Backward(w.Revisions) {
		out.Changesets = append(out.Changesets,
			job.Changeset{Node: r.Revision, Author: r.Author, Description: r.Comments})
	}
	return out, nil
}

// capped reports whether the push has more changesets than the answer names.
func (w pushWire) capped() bool { return w.Count > len(w.Revisions) }

// wires asks for pushes, newest first, as the server has them.
func (p *Project) wires(ctx context.Context, count int, params ...string) ([]pushWire, error) {
	var list pushesWire
	params = append([]string{"full", "true", "count", strconv.Itoa(count)}, params...)
	if err := p.get(ctx, "push/", &list, params...); err != nil {
		return nil, err
	}
	err := list.Meta.of(p.name)
	if err == nil && list.Results == nil {
		err = fmt.Errorf("%w: no results", job.ErrMalformed)
	}
	if err != nil {
		return nil, job.Wrap("treeherder.push", p.name, err)
	}
	return *list.Results, nil
}

// pushes asks for pushes and returns them ascending, each once. What it learns
// about ids is kept for Jobs. Given is how many the server gave.
func (p *Project) pushes(ctx context.Context, count int, params ...string) (out []job.Push, given int, err error) {
	wires, err := p.wires(ctx, count, params...)
	if err != nil {
		return nil, 0, err
	}
	seen := map[int64]bool{}
	for _, w := range wires {
		q, err := w.push(p.name)
		if err != nil {
			return nil, 0, job.Wrap("treeherder.push", p.name, err)
		}
		if !seen[q.ID] {
			seen[q.ID] = true
			out = append(out, q)
			p.learn(q.Revision, q.ID)
		}
	}
	slices.SortFunc(out, job.Push.Compare)
	return out, len(wires), nil
}

// Push implements job.Repository. Treeherder's "revision" knows tips only, so
// that a changeset in the middle of a push takes a second request; and where
// Options.Twins knows the revision's other hash, that is looked for too. "tip"
// is the newest push of the project's branch.
func (p *Project) Push(ctx context.Context, rev string) (job.Push, error) {
	q, err := p.push(ctx, rev)
	return q, job.Wrap("treeherder.push", p.name+" "+rev, err)
}

func (p *Project) push(ctx context.Context, rev string) (job.Push, error) {
	rev, err := job.ParseRevision(rev)
	if err != nil {
		return job.Push{}, err
	}
	if rev == "tip" {
		return p.tip(ctx)
	}
	found, err := p.byRevision(ctx, rev)
	if errors.Is(err, job.ErrNotFound) {
		found, err = p.byTwin(ctx, rev, err)
	}
	if err == nil && p.branch != "" && found.Branch != p.branch {
		return job.Push{}, fmt.Errorf("%w: %s is on the branch %q of %s, not on %q", job.ErrNotFound, found.Short(),
			found.Branch, p.name, p.branch)
	}
	return found, err
}

func (p *Project) byRevision(ctx context.Context, rev string) (job.Push, error) {
	for _, by := range []string{"revision", "commit_revision"} {
		wires, err := p.wires(ctx, 10, by, rev)
		if err != nil {
			return job.Push{}, err
		}
		var found []job.Push
		for _, w := range wires {
			q, err := w.push(p.name)
			if err != nil {
				return job.Push{}, err
			}
			// commit_revision finds changesets that the capped list lacks.
			if q.Contains(rev) || by == "commit_revision" && len(wires) == 1 && w.capped() {
				found = append(found, q)
			}
		}
		if len(found) > 0 {
			newest := slices.MaxFunc(found, job.Push.Compare)
			p.learn(newest.Revision, newest.ID)
			return newest, nil
		}
		if len(wires) > 0 {
			return job.Push{}, fmt.Errorf("%w: %d pushes, and none contains %.12s", job.ErrMalformed, len(wires), rev)
		}
	}
	return job.Push{}, fmt.Errorf("%w: unknown revision %q in %s", job.ErrNotFound, rev, p.name)
}

// byTwin looks for the revision's other hash; unknown is the error where there
// is none.
func (p *Project) byTwin(ctx context.Context, rev string, unknown error) (job.Push, error) {
	if p.server.twins == nil {
		return job.Push{}, unknown
	}
	hg, git, err := p.server.twins(ctx, p.name, rev)
	if errors.Is(err, job.ErrNotFound) {
		return job.Push{}, unknown
	}
	if err != nil {
		return job.Push{}, fmt.Errorf("%w; its other hash could not be found out: %w", unknown, err)
	}
	for _, other := range []string{hg, git} {
		if other == "" || job.SameRevision(other, rev) {
			continue
		}
		found, err := p.byRevision(ctx, other)
		if job.SameRevision(found.Revision, other) {
			found.Hg, found.Git = hg, git // of the tip, as it is the tip that was found
		}
		if !errors.Is(err, job.ErrNotFound) {
			return found, err
		}
	}
	return job.Push{}, unknown
}
