package buildbot

import (
	"context"
	"slices"
	"sync"

	"github.com/mozci/mozci/job"
)

// Changes are the changes of a branch as a [job.Repository], for projects that
// have no pushlog: each change is a push of one changeset, and its id is the
// order key. What the master has forgotten is not there; a revision that it was
// told of twice is the push of the first change.
type Changes struct {
	c    *Client
	name string

	mu     sync.Mutex
	last   int64
	pushes []job.Push
	known  map[string]int   // where a revision is in pushes
	nodes  map[int64]string // revisions by change
}

// Changes returns the changes of the branch with this name, or whose path ends
// with it.
func (c *Client) Changes(repo string) *Changes {
	return &Changes{c: c, name: repo, known: map[string]int{}, nodes: map[int64]string{}}
}

// Name implements job.Repository.
func (r *Changes) Name() string { return r.name }

// list reads the changes that are new and returns all as a repository.
func (r *Changes) list(ctx context.Context) (*job.List, error) {
	const op, plural, id = "buildbot.changes", "changes", "changeid"
	r.mu.Lock()
	defer r.mu.Unlock()
	top, err := newest(ctx, r.c, op, plural, id)
	if err != nil {
		return nil, err
	}
	for r.last < top {
		to := min(r.last+window, top)
		all, err := span[Change](ctx, r.c, op, plural, id, r.last, to)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			r.nodes[c.ID] = c.Revision
		}
		for _, c := range all {
			if c.ID <= r.last || c.ID > to || c.Revision == "" || !onBranch(c.Branch, r.name) {
				continue
			}
			if _, ok := r.known[c.Revision]; ok {
				continue
			}
			r.known[c.Revision] = len(r.pushes)
			r.pushes = append(r.pushes, r.push(c))
		}
		r.last = to
	}
	return job.NewList(r.name, r.pushes), nil
}

func (r *Changes) push(c Change) job.Push {
	set := job.Changeset{Node: c.Revision, Author: c.Author, Description: c.Comments}
	for _, id := range c.Parents {
		if node := r.nodes[id]; node != "" {
			set.Parents = append(set.Parents, node)
		}
	}
	return job.Push{Repo: r.name, ID: c.ID, Revision: c.Revision, Changesets: []job.Changeset{set}, User: c.Author, Time: c.When.Time}
}

// pushOf is the push of a revision as a change had it; the master is asked only
// for what is new.
func (r *Changes) pushOf(ctx context.Context, rev string) (job.Push, error) {
	r.mu.Lock()
	i, ok := r.known[rev]
	pushes := r.pushes
	r.mu.Unlock()
	if !ok {
		return r.Push(ctx, rev)
	}
	p := pushes[i]
	p.Changesets = slices.Clone(p.Changesets)
	return p, nil
}

// Push implements job.Repository.
func (r *Changes) Push(ctx context.Context, rev string) (job.Push, error) {
	if _, err := job.ParseRevision(rev); err != nil {
		return job.Push{}, job.Wrap("buildbot.push", rev, err)
	}
	l, err := r.list(ctx)
	if err != nil {
		return job.Push{}, err
	}
	return l.Push(ctx, rev)
}

// Pushes implements job.Repository.
func (r *Changes) Pushes(ctx context.Context, in job.Range) ([]job.Push, error) {
	if _, err := in.Check(); err != nil {
		return nil, job.Wrap("buildbot.pushes", r.name, err)
	}
	l, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	return l.Pushes(ctx, in)
}
