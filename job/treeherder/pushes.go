package treeherder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// pageOfPushes is the most that the server gives at a time; its default is 10. No
// range has as many pushes as mostPages.
const (
	pageOfPushes = 1000
	mostPages    = 1000
)

// pushWire is one push. Its revisions are newest first, and capped.
type pushWire struct {
	ID        int64          `json:"id" is:"required" min:"1" max:"1e15"`
	Revision  string         `json:"revision" is:"required"`
	Author    string         `json:"author" is:"required"`
	Branch    string         `json:"branch"` // of a git project
	Timestamp int64          `json:"push_timestamp" is:"required" min:"1" max:"253402300799"`
	Count     int            `json:"revision_count" is:"required" min:"0"` // also of those that the cap took away
	Revisions []revisionWire `json:"revisions" is:"required"`

	_ contract.Also `names:"repository_id"`
}

type revisionWire struct {
	Revision string `json:"revision" is:"required"`
	Author   string `json:"author" is:"required"`
	Comments string `json:"comments" is:"required"`

	_ contract.Also `names:"result_set_id repository_id"`
}

// Prove implements contract.Prover: the push's revision is one of its revisions, where
// all are there.
func (w *pushWire) Prove() error {
	if !isHash(w.Revision) {
		return notHash("revision", w.Revision)
	}
	if w.Count < len(w.Revisions) || w.Count > 0 && len(w.Revisions) == 0 {
		return contract.Outside("revision_count", "%d, with %d revisions", w.Count, len(w.Revisions))
	}
	seen := map[string]bool{}
	for i, r := range w.Revisions {
		if !isHash(r.Revision) || seen[r.Revision] {
			return notHash(fmt.Sprintf("revisions[%d].revision", i), r.Revision)
		}
		seen[r.Revision] = true
	}
	switch {
	case w.Count > 0 && !w.capped() && !seen[w.Revision]:
		return contract.Outside("revision", "%.12s is not among the push's revisions", w.Revision)
	case w.Branch == "" && w.Count > 0 && w.Revisions[0].Revision != w.Revision: // of hg the tip is known to be first
		return contract.Differs("revisions[0].revision", w.Revisions[0].Revision, "the tip "+w.Revision)
	}
	return nil
}

// isHash: the server gives hashes in full.
func isHash(s string) bool { return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" }

func notHash(path, s string) error {
	return contract.Outside(path, "%.50q is not the hash of another changeset", s)
}

// pushesWire is an answer of the push endpoint.
type pushesWire struct {
	Meta    metaWire   `json:"meta" is:"required"`
	Results []pushWire `json:"results" is:"required"`
}

// metaWire says whose pushes an answer has.
type metaWire struct {
	Repository string `json:"repository" is:"required"`
	Count      int64  `json:"count" is:"required" min:"0"` // of the results, or as it was asked for

	_ contract.Also `names:"filter_params fromchange tochange push_timestamp__gte push_timestamp__lte"`
}

// Prove implements contract.Prover: pushes are newest first, each once. Paging relies
// on that.
func (w *pushesWire) Prove() error {
	ids, revisions := map[int64]bool{}, map[string]bool{}
	for i, p := range w.Results {
		path := fmt.Sprintf("results[%d].", i)
		switch {
		case ids[p.ID]:
			return contract.Outside(path+"id", "push %d comes twice", p.ID)
		case revisions[p.Revision]:
			return contract.Outside(path+"revision", "%.12s is of two pushes", p.Revision)
		case i > 0 && p.Timestamp > w.Results[i-1].Timestamp:
			return contract.Outside(path+"push_timestamp", "%d, and the push before it has %d: not newest first",
				p.Timestamp, w.Results[i-1].Timestamp)
		}
		ids[p.ID], revisions[p.Revision] = true, true
	}
	return nil
}

// samePushes: the pushes are of the project, no more than were asked for, and within
// what was asked about, also where the server ignores a parameter.
func samePushes(asked contract.Asked, w *pushesWire) error {
	if name := asked.Var("project"); w.Meta.Repository != name {
		return contract.Differs("meta.repository", w.Meta.Repository, name)
	}
	there := int64(len(w.Results))
	if n, ok := numberOf(asked, "count"); ok && (w.Meta.Count != n && w.Meta.Count != there || there > n) {
		return contract.Differs("meta.count", fmt.Sprintf("%d, with %d pushes", w.Meta.Count, there), n)
	}
	for i, p := range w.Results {
		path := fmt.Sprintf("results[%d].", i)
		for _, bound := range []struct {
			member string
			value  int64
		}{{"id", p.ID}, {"push_timestamp", p.Timestamp}} {
			if lo, ok := numberOf(asked, bound.member+"__gte"); ok && bound.value < lo {
				return contract.Differs(path+bound.member, bound.value, fmt.Sprintf("at least %d", lo))
			}
			if hi, ok := numberOf(asked, bound.member+"__lte"); ok && bound.value > hi {
				return contract.Differs(path+bound.member, bound.value, fmt.Sprintf("at most %d", hi))
			}
		}
		if rev := asked.Query("revision"); len(rev) == 1 && !job.SameRevision(p.Revision, rev[0]) {
			return contract.Differs(path+"revision", p.Revision, rev[0])
		}
		if rev := asked.Query("commit_revision"); len(rev) == 1 && !p.contains(rev[0]) && !p.capped() {
			return contract.Differs(path+"revisions", fmt.Sprintf("%d others", len(p.Revisions)), rev[0])
		}
	}
	return nil
}

func (w *pushWire) contains(rev string) bool {
	return job.SameRevision(w.Revision, rev) ||
		slices.ContainsFunc(w.Revisions, func(r revisionWire) bool { return job.SameRevision(r.Revision, rev) })
}

// push makes a push of what the server says. Its order is that of the times:
// the server hears of some pushes late, and gives ids as it hears of them.
func (w *pushWire) push(repo string) job.Push {
	out := job.Push{
		Repo: repo, ID: w.ID, Order: w.Timestamp, Branch: w.Branch, Revision: w.Revision, User: w.Author,
		Time: time.Unix(w.Timestamp, 0).UTC(),
	}
	for _, r := range slices.Backward(w.Revisions) {
		out.Changesets = append(out.Changesets,
			job.Changeset{Node: r.Revision, Author: r.Author, Description: r.Comments})
	}
	return out
}

// capped reports whether the push has more changesets than the answer names.
func (w *pushWire) capped() bool { return w.Count > len(w.Revisions) }

// wires asks for pushes, newest first, as the server has them.
func (p *Project) wires(ctx context.Context, count int, params ...string) ([]pushWire, error) {
	params = append([]string{"full", "true", "count", strconv.Itoa(count)}, params...)
	list, err := get(ctx, p, "push/", pushesEndpoint, params...)
	if err != nil {
		return nil, err
	}
	return list.Results, nil
}

// pushes asks for pushes and returns them ascending. What it learns about ids is kept
// for Jobs.
func (p *Project) pushes(ctx context.Context, count int, params ...string) ([]job.Push, error) {
	wires, err := p.wires(ctx, count, params...)
	if err != nil {
		return nil, err
	}
	var out []job.Push
	for _, w := range wires {
		q := w.push(p.name)
		out = append(out, q)
		p.learn(q.Revision, q.ID)
	}
	slices.SortFunc(out, job.Push.Compare)
	return out, nil
}

// Push implements job.Repository. Treeherder's "revision" knows tips only, so
// that a changeset in the middle of a push takes a second request; and where
// Options.Twins knows the revision's other hash, that is looked for too. "tip"
// is the newest push of the project's branch.
func (p *Project) Push(ctx context.Context, rev string) (job.Push, error) {
	return within(ctx, p.server, "treeherder.push", p.name+" "+rev, func(ctx context.Context) (job.Push, error) {
		return p.push(ctx, rev)
	})
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
	tips, err := p.wires(ctx, 10, "revision", rev)
	if err != nil {
		return job.Push{}, err
	}
	if len(tips) > 1 { // each tip is of one push
		return job.Push{}, fmt.Errorf("%w: %q begins the revisions of %d pushes of %s, such as %s and %s",
			job.ErrInvalid, rev, len(tips), p.name, tips[0].Revision, tips[1].Revision)
	}
	found := tips
	if len(found) == 0 {
		if found, err = p.wires(ctx, 10, "commit_revision", rev); err != nil {
			return job.Push{}, err
		}
	}
	// The newest has it last. The server finds changesets that a capped list lacks.
	i := slices.IndexFunc(found, func(w pushWire) bool { return w.contains(rev) || len(found) == 1 })
	if i < 0 {
		return job.Push{}, fmt.Errorf("%w: unknown revision %q in %s", job.ErrNotFound, rev, p.name)
	}
	q := found[i].push(p.name)
	p.learn(q.Revision, q.ID)
	return q, nil
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
