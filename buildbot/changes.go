package buildbot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mozci/mozci/job"
)

// Changes are the changes of one branch as a [job.Repository], for projects that
// have no pushlog: each change is a push of one changeset, and its id is the
// order key. Only as many are read as a question needs. What the master has
// forgotten is not there, nor is a change without a revision; a revision that it
// was told of twice is the push of the first change.
//
// Revisions that are not hashes, such as Subversion's, are named as a whole. Make one
// with [Client.Changes]. It is safe for concurrent use: what several callers want is
// read once, and each waits for it no longer than its own context lasts. The newest
// 5,000 pushes are remembered, and more while somebody asks about older ones.
type Changes struct {
	c    *Client
	name string
	o    ProjectOptions

	wanted atomic.Int64 // pushes of the range that was asked for last
	memory atomic.Pointer[memory]
}

// pushed is a push, and when the master heard of it by the clocks that say so.
type pushed struct {
	job.Push
	heard time.Time
	own   bool // heard is no later than the master's clock said
	stamp SourceStamp
}

// Changes returns the changes of a branch: the one that ProjectOptions.Branch
// names, or else the one that is called as the repository, or whose path ends with
// its name.
func (c *Client) Changes(repo string, opts *ProjectOptions) *Changes {
	var o ProjectOptions
	if opts != nil {
		o = *opts
	}
	r := &Changes{c: c, name: repo, o: o}
	r.memory.Store(newMemory())
	return r
}

// Name implements job.Repository: the name by which the repository was asked for.
func (r *Changes) Name() string { return r.name }

// Push implements job.Repository. A revision, or a branch, that the master was not told
// of gives [job.ErrNotFound]; where it is not clear which branch or codebase is meant,
// the error wraps [job.ErrInvalid] and lists what there is.
func (r *Changes) Push(ctx context.Context, rev string) (job.Push, error) {
	const op = "buildbot.push"
	rev, err := parseRevision(rev)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return job.Push{}, job.Wrap(op, rev, err)
	}
	return bounded(ctx, r.c, op, r.name+" "+rev, func(ctx context.Context) (job.Push, error) {
		m, p, err := r.find(ctx, rev)
		if err != nil {
			return job.Push{}, err
		}
		m.used(p.ID)
		return clone(p.Push), nil
	})
}

func clone(p job.Push) job.Push {
	p.Changesets = slices.Clone(p.Changesets)
	for i := range p.Changesets {
		p.Changesets[i].Parents = slices.Clone(p.Changesets[i].Parents)
	}
	return p
}

// find finds the push of a revision, or the newest, and the memory that has it.
func (r *Changes) find(ctx context.Context, rev string) (*memory, pushed, error) {
	m, t, err := r.refresh(ctx)
	if err != nil {
		return m, pushed{}, err
	}
	if i := t.index(rev); i >= 0 {
		return m, t.pushes[i], nil
	}
	if rev == "tip" {
		var count paging
		for len(t.pushes) == 0 && !t.whole {
			if t, err = r.extend(ctx, m, 1, &count); err != nil {
				return m, pushed{}, err
			}
		}
		if n := len(t.pushes); n > 0 {
			return m, t.pushes[n-1], nil
		}
		return m, pushed{}, fmt.Errorf("%w: the master was told of no changes of %s", job.ErrNotFound, r.name)
	}
	if p, ok := m.other(rev); ok {
		return m, p, nil
	}
	p, err := m.finds.Do(ctx, rev, func(ctx context.Context) (pushed, bool, error) {
		p, err := r.lookUp(ctx, m, t, rev)
		return p, false, err
	})
	return m, p, err
}

// lookUp asks for the changes of one revision.
func (r *Changes) lookUp(ctx context.Context, m *memory, t *told, rev string) (pushed, error) {
	const op = "buildbot.changes"
	full := []string{"revision__in", rev}
	if _, err := job.ParseRevision(rev); err == nil {
		// The master may have been told of 12 digits where 40 are asked for, or of
		// 40 where 12 are.
		full = []string{"revision__in", rev, "revision__in", rev[:12]}
		if len(rev) < 40 {
			full = []string{"revision__contains", rev}
		}
	}
	all, err := get(ctx, r.c, op, rev, query(r.c.path("changes"), full...), changeList)
	if errors.Is(err, job.ErrUnavailable) && ctx.Err() == nil && full[0] == "revision__contains" {
		// Buildbot 3 fails where a change has no revision: look through all.
		return r.lookThrough(ctx, m, t, rev)
	}
	if err != nil {
		return pushed{}, err
	}
	sortNewest(all)
	for _, c := range slices.Backward(all) {
		if t.owns(c) && sameRevision(c.Revision, rev) {
			p := r.push(m, c)
			m.others.Put(keyOf(c.Revision), p)
			return p, nil
		}
	}
	return pushed{}, fmt.Errorf("%w: the master was told of no change %s of %s", job.ErrNotFound, rev, r.name)
}

func (r *Changes) lookThrough(ctx context.Context, m *memory, t *told, rev string) (pushed, error) {
	var count paging
	for !t.whole {
		var err error
		if t, err = r.extend(ctx, m, largePage, &count); err != nil {
			return pushed{}, err
		}
		if i := t.index(rev); i >= 0 {
			return t.pushes[i], nil
		}
	}
	return pushed{}, fmt.Errorf("%w: the master was told of no change %s of %s", job.ErrNotFound, rev, r.name)
}

// owns reports whether a change is of the line, and says what it changed to.
func (t *told) owns(c change) bool {
	return c.Revision != "" && t.line.holds(c.Branch, c.Codebase, c.Repository)
}

func (r *Changes) push(m *memory, c change) pushed {
	set := job.Changeset{Node: c.Revision, Author: c.Author, Description: c.Comments}
	for _, id := range c.Parents {
		if node, ok := m.nodes.Get(id); ok && node != "" {
			set.Parents = append(set.Parents, node)
		}
	}
	p := pushed{
		heard: c.When.Time(),
		stamp: SourceStamp{
			Codebase: c.Codebase, Repository: c.Repository, Project: c.Project, Branch: c.Branch, Revision: c.Revision,
		},
	}
	if made := c.SourceStamp.Created.Time(); !made.IsZero() {
		p.own = true
		if p.heard.IsZero() || made.Before(p.heard) {
			p.heard = made // a commit may be dated ahead
		}
	}
	p.Push = job.Push{
		Repo: r.name, ID: c.ID, Revision: c.Revision, Changesets: []job.Changeset{set}, User: c.Author,
		Time: c.When.Time(),
	}
	return p
}
