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

// Changes are the changes of one branch as a [job.Repository], for projects that have no
// pushlog. [Client.Changes] makes one. Each change is a push of one changeset; the id of the
// change is the id of the push, and gives the order. Changes that the master has forgotten,
// and changes without a revision, are missing. When the master was told of a revision twice,
// the first change counts.
//
// Revisions that are not hashes, such as Subversion's numbers, must be given in full. Changes
// reads only as many changes as a question needs. It is safe for concurrent use: when several
// callers want the same it is read once, and each waits no longer than its own context lasts.
// It remembers the newest 5,000 pushes, and more for as long as callers ask about older ones.
type Changes struct {
	c    *Client
	name string
	o    ProjectOptions

	wanted atomic.Int64 // how many pushes the last range had, to choose the size of pages; 0 before the first
	// memory is never nil. A reader loads it once and goes on with that one: another memory has
	// other ids, so what two of them say must not be mixed.
	memory atomic.Pointer[memory]
}

// pushed is a push with the time at which the master heard of it, as far as clocks can tell.
type pushed struct {
	job.Push
	heard time.Time   // zero when no clock says
	own   bool        // heard is by the master's own clock, or earlier
	stamp SourceStamp // the source that the change names
}

// Changes returns the changes of a branch. It is the branch that ProjectOptions.Branch names,
// or else the one that has the repository's name, or whose path ends with that name. No
// request is made; opts may be nil.
func (c *Client) Changes(repo string, opts *ProjectOptions) *Changes {
	var o ProjectOptions
	if opts != nil {
		o = *opts
	}
	r := &Changes{c: c, name: repo, o: o}
	r.memory.Store(newMemory())
	return r
}

// Name implements job.Repository: it is the name that [Client.Changes] was given.
func (r *Changes) Name() string { return r.name }

// Push implements job.Repository. A revision or a branch that the master was never told of
// gives [job.ErrNotFound]. When it is not clear which branch or codebase is meant, the error
// wraps [job.ErrInvalid] and lists the choices.
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

// clone copies a push, so that callers cannot change the remembered one.
func clone(p job.Push) job.Push {
	p.Changesets = slices.Clone(p.Changesets)
	for i := range p.Changesets {
		p.Changesets[i].Parents = slices.Clone(p.Changesets[i].Parents)
	}
	return p
}

// find finds the push of a revision, or of "tip" the newest, and the memory that has it.
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
		return m, pushed{}, fmt.Errorf("%w: the master knows no changes of %s", job.ErrNotFound, r.name)
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

// lookUp reads the changes with one revision, and returns the oldest that is of the line.
//
//	given                request
//	40 digits, a1c0…     revision__in=a1c0…&revision__in=a1c0ffee1234   in full, or in 12 digits
//	12 to 39 digits      revision__contains=a1c0ffee1234
//	a number, 4711       revision__in=4711
//
// Of several changes with the revision the oldest counts, as it does in a list of pushes.
func (r *Changes) lookUp(ctx context.Context, m *memory, t *told, rev string) (pushed, error) {
	const op = "buildbot.changes"
	full := []string{"revision__in", rev}
	if _, err := job.ParseRevision(rev); err == nil {
		// The master may have a revision in 12 digits when the caller has all 40, or in 40
		// when the caller has 12.
		full = []string{"revision__in", rev, "revision__in", rev[:12]}
		if len(rev) < 40 {
			full = []string{"revision__contains", rev}
		}
	}
	all, err := get(ctx, r.c, op, rev, query(r.c.path("changes"), full...), changeList)
	if errors.Is(err, job.ErrUnavailable) && ctx.Err() == nil && full[0] == "revision__contains" {
		// Buildbot 3 fails when any change has no revision: look through all of them.
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
	return pushed{}, fmt.Errorf("%w: the master knows no change %s of %s", job.ErrNotFound, rev, r.name)
}

// lookThrough finds a revision by reading older pages until it is there, or all are read.
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
	return pushed{}, fmt.Errorf("%w: the master knows no change %s of %s", job.ErrNotFound, rev, r.name)
}

// owns reports whether a change is of the line and has a revision.
func (t *told) owns(c change) bool {
	return c.Revision != "" && t.line.holds(c.Branch, c.Codebase, c.Repository)
}

// push makes the push of a change. Parents whose changes are not known are left out. A change
// {"changeid": 7, "revision": "a1c0…", "parent_changeids": [6], …} becomes push 7, whose one
// changeset has the parent that change 6 named.
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
			p.heard = made // c.When may be the commit's own date, and lie in the future
		}
	}
	p.Push = job.Push{
		Repo: r.name, ID: c.ID, Revision: c.Revision, Changesets: []job.Changeset{set}, User: c.Author,
		Time: c.When.Time(),
	}
	return p
}
