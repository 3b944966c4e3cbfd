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

// pageOfPushes is the largest page that the server returns; its default is 10. mostPages is more
// than any range has, a million pushes.
const (
	pageOfPushes = 1000
	mostPages    = 1000
)

// pushWire is one push. Its revisions are newest first, and the server returns only a number of
// them; see capped.
//
//	{"id": 7, "revision": "c3e2…", "push_timestamp": 1767571200, "revision_count": 2,
//	 "revisions": [{"revision": "c3e2…", …}, {"revision": "b2d1…", …}]}
//
// A push from which the server left out some has revision_count 30 and 20 revisions.
type pushWire struct {
	ID        int64          `json:"id" is:"required" min:"1" max:"1e15"`
	Revision  string         `json:"revision" is:"required"`
	Author    string         `json:"author" is:""`
	Branch    string         `json:"branch"` // for git projects only
	Timestamp int64          `json:"push_timestamp" is:"required" min:"1" max:"253402300799"`
	Count     *int           `json:"revision_count" is:"" min:"0"` // of all revisions, also those that were left out
	Revisions []revisionWire `json:"revisions" is:"required"`

	_ contract.Also `names:"repository_id"`
}

type revisionWire struct {
	Revision string `json:"revision" is:"required"`
	Author   string `json:"author" is:""`
	Comments string `json:"comments" is:""`

	_ contract.Also `names:"result_set_id repository_id"`
}

// Prove implements contract.Prover: all revisions are hashes and come once, and if none was left
// out, the push's own revision is among them.
func (w *pushWire) Prove() error {
	if !isHash(w.Revision) {
		return notHash("revision", w.Revision)
	}
	if n := w.count(); n < len(w.Revisions) || n > 0 && len(w.Revisions) == 0 {
		return contract.Outside("revision_count", "%d, but there are %d revisions", n, len(w.Revisions))
	}
	seen := map[string]bool{}
	for i, r := range w.Revisions {
		if !isHash(r.Revision) || seen[r.Revision] {
			return notHash(fmt.Sprintf("revisions[%d].revision", i), r.Revision)
		}
		seen[r.Revision] = true
	}
	switch {
	case w.count() > 0 && !w.capped() && !seen[w.Revision]:
		return contract.Outside("revision", "%.12s is not among the push's revisions", w.Revision)
	case w.Branch == "" && w.count() > 0 && w.Revisions[0].Revision != w.Revision: // in hg the tip is always first
		return contract.Differs("revisions[0].revision", w.Revisions[0].Revision, "the tip "+w.Revision)
	}
	return nil
}

// isHash reports whether s is a whole hash of 40 lower-case digits; the server shortens none.
func isHash(s string) bool { return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" }

func notHash(path, s string) error {
	return contract.Outside(path, "%.50q is not the hash of another changeset", s)
}

// pushesWire is an answer of the push endpoint.
type pushesWire struct {
	Meta    metaWire   `json:"meta" is:""`
	Results []pushWire `json:"results" is:"required"`
}

// metaWire describes the answer. All of it is optional.
type metaWire struct {
	Repository *string `json:"repository" is:""`
	Count      *int64  `json:"count" is:"" min:"0"` // of the results or, on some servers, of the request

	_ contract.Also `names:"filter_params fromchange tochange push_timestamp__gte push_timestamp__lte"`
}

// Prove implements contract.Prover: pushes are newest first, each once. Paging relies on that
// order.
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
			return contract.Outside(path+"push_timestamp", "%d, but the push before it has %d: not newest first",
				p.Timestamp, w.Results[i-1].Timestamp)
		}
		ids[p.ID], revisions[p.Revision] = true, true
	}
	return nil
}

// samePushes checks that the pushes are of the project, are not too many, and satisfy the
// request's parameters. This finds servers that ignore a parameter. Both ends are included, as
// in the request: id__gte=7&id__lte=9 allows 7, 8 and 9.
func samePushes(asked contract.Asked, w *pushesWire) error {
	if name := asked.Var("project"); w.Meta.Repository != nil && *w.Meta.Repository != name {
		return contract.Differs("meta.repository", *w.Meta.Repository, name)
	}
	there := int64(len(w.Results))
	said := there
	if w.Meta.Count != nil {
		said = *w.Meta.Count
	}
	if n, ok := numberOf(asked, "count"); ok && (said != n && said != there || there > n) {
		return contract.Differs("meta.count", fmt.Sprintf("%d, with %d pushes", said, there), n)
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

// contains reports whether the push has a revision, among those that the answer names.
func (w *pushWire) contains(rev string) bool {
	return job.SameRevision(w.Revision, rev) ||
		slices.ContainsFunc(w.Revisions, func(r revisionWire) bool { return job.SameRevision(r.Revision, rev) })
}

// push makes a job.Push. Pushes are ordered by time, not by id: the server gives ids in the order
// in which it hears of pushes, and it hears of some late.
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

// capped reports whether the push has more revisions than the answer names.
func (w *pushWire) capped() bool { return w.count() > len(w.Revisions) }

// count is how many revisions the push has: the server's count, or else those in the answer.
func (w *pushWire) count() int {
	if w.Count == nil {
		return len(w.Revisions)
	}
	return *w.Count
}

// wires reads pushes as the server has them, newest first.
func (p *Project) wires(ctx context.Context, count int, params ...string) ([]pushWire, error) {
	params = append([]string{"full", "true", "count", strconv.Itoa(count)}, params...)
	list, err := get(ctx, p, "push/", pushesEndpoint, params...)
	if err != nil {
		return nil, err
	}
	return list.Results, nil
}

// pushes reads pushes, returns them in ascending order, and remembers their ids for Jobs.
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

// Push implements job.Repository. Treeherder's parameter "revision" finds tips only, so a
// changeset in the middle of a push costs a second request. When Treeherder does not know the
// revision, and Options.Twins knows its other hash, Push looks for that one, too. "tip" is the
// newest push of the project's branch.
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

// byRevision finds the push with a revision: as its tip first, then anywhere in it.
func (p *Project) byRevision(ctx context.Context, rev string) (job.Push, error) {
	tips, err := p.wires(ctx, 10, "revision", rev)
	if err != nil {
		return job.Push{}, err
	}
	if len(tips) > 1 { // a whole revision is the tip of one push only: this one is too short
		return job.Push{}, fmt.Errorf("%w: %q begins the revisions of several pushes, %d of %s, such as %s and %s",
			job.ErrInvalid, rev, len(tips), p.name, tips[0].Revision, tips[1].Revision)
	}
	found := tips
	if len(found) == 0 {
		if found, err = p.wires(ctx, 10, "commit_revision", rev); err != nil {
			return job.Push{}, err
		}
	}
	// Several pushes may contain it: take the newest. If there is only one, it contains the
	// revision even if its list does not: the server also finds revisions that it left out.
	i := slices.IndexFunc(found, func(w pushWire) bool { return w.contains(rev) || len(found) == 1 })
	if i < 0 {
		return job.Push{}, fmt.Errorf("%w: unknown revision %q in %s", job.ErrNotFound, rev, p.name)
	}
	q := found[i].push(p.name)
	p.learn(q.Revision, q.ID)
	return q, nil
}

// byTwin looks for the push by the revision's other hash, of git for hg and the reverse. unknown is
// the error to return when there is none.
func (p *Project) byTwin(ctx context.Context, rev string, unknown error) (job.Push, error) {
	if p.server.twins == nil {
		return job.Push{}, unknown
	}
	hg, git, err := p.server.twins(ctx, p.name, rev)
	if errors.Is(err, job.ErrNotFound) {
		return job.Push{}, unknown
	}
	if err != nil {
		return job.Push{}, fmt.Errorf("%w; mozci could not find its other hash: %w", unknown, err)
	}
	for _, other := range []string{hg, git} {
		if other == "" || job.SameRevision(other, rev) {
			continue
		}
		found, err := p.byRevision(ctx, other)
		if job.SameRevision(found.Revision, other) {
			found.Hg, found.Git = hg, git // the hashes are those of the tip only if the tip was found
		}
		if !errors.Is(err, job.ErrNotFound) {
			return found, err
		}
	}
	return job.Push{}, unknown
}
