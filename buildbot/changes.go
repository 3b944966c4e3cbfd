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
// with [Client.Changes]. It is safe for concurrent use.
type Changes struct {
	c    *Client
	name string
	o    ProjectOptions

	wanted atomic.Int64 // pushes of the range that was asked for last

	gate  gate
	lines map[string]resolved // by the name of the repository
	seen  []sight
	first []change // the newest of all branches, as they were read first

	at        time.Time // when the newest were read
	begun     bool
	whole     bool  // nothing is below low
	low, high int64 // changes with ids from low to high were read
	filters   []string
	pushes    []pushed          // of the line, ascending
	others    map[string]pushed // read one by one, by revision
	nodes     map[int64]string  // revisions by change
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
	return &Changes{
		c: c, name: repo, o: o, gate: newGate(), lines: map[string]resolved{}, others: map[string]pushed{},
		nodes: map[int64]string{},
	}
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
		err = r.gate.lock(ctx)
	}
	if err != nil {
		return job.Push{}, job.Wrap(op, rev, err)
	}
	defer r.gate.unlock()
	p, err := r.find(ctx, rev)
	return clone(p.Push), job.Wrap(op, r.name+" "+rev, err)
}

func clone(p job.Push) job.Push {
	p.Changesets = slices.Clone(p.Changesets)
	for i := range p.Changesets {
		p.Changesets[i].Parents = slices.Clone(p.Changesets[i].Parents)
	}
	return p
}

// find finds the push of a revision, or the newest.
func (r *Changes) find(ctx context.Context, rev string) (pushed, error) {
	if err := r.refresh(ctx); err != nil {
		return pushed{}, err
	}
	if i := r.index(rev); i >= 0 {
		return r.pushes[i], nil
	}
	if rev == "tip" {
		for len(r.pushes) == 0 && !r.whole {
			if err := r.extend(ctx, 1); err != nil {
				return pushed{}, err
			}
		}
		if n := len(r.pushes); n > 0 {
			return r.pushes[n-1], nil
		}
		return pushed{}, fmt.Errorf("%w: the master was told of no changes of %s", job.ErrNotFound, r.name)
	}
	return r.lookUp(ctx, rev)
}

// index is where a revision is among the pushes that were read; -1 for nowhere.
func (r *Changes) index(rev string) int {
	if rev == "tip" {
		return len(r.pushes) - 1
	}
	for i := len(r.pushes) - 1; i >= 0; i-- {
		if sameRevision(r.pushes[i].Revision, rev) {
			return i
		}
	}
	return -1
}

// lookUp asks for the changes of one revision.
func (r *Changes) lookUp(ctx context.Context, rev string) (pushed, error) {
	for known, p := range r.others {
		if sameRevision(known, rev) {
			return p, nil
		}
	}
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
	all, err := get[change](ctx, r.c, op, rev, query(r.c.path("changes"), full...), "changes")
	if errors.Is(err, job.ErrUnavailable) && ctx.Err() == nil && full[0] == "revision__contains" {
		// Buildbot 3 fails where a change has no revision: look through all.
		return r.lookThrough(ctx, rev)
	}
	if err != nil {
		return pushed{}, err
	}
	sortNewest(all, changesSource().id)
	for _, c := range slices.Backward(all) {
		if r.own(c) && sameRevision(c.Revision, rev) {
			p := r.push(c)
			r.others[c.Revision] = p
			return p, nil
		}
	}
	return pushed{}, fmt.Errorf("%w: the master was told of no change %s of %s", job.ErrNotFound, rev, r.name)
}

func (r *Changes) lookThrough(ctx context.Context, rev string) (pushed, error) {
	for !r.whole {
		if err := r.extend(ctx, largePage); err != nil {
			return pushed{}, err
		}
		if i := r.index(rev); i >= 0 {
			return r.pushes[i], nil
		}
	}
	return pushed{}, fmt.Errorf("%w: the master was told of no change %s of %s", job.ErrNotFound, rev, r.name)
}

// own reports whether a change is of the line, and says what it changed to.
func (r *Changes) own(c change) bool {
	l := r.lines[r.name].line
	return c.Revision != "" && l.holds(c.Branch, c.Codebase, c.Repository)
}

func (r *Changes) push(c change) pushed {
	set := job.Changeset{Node: c.Revision, Author: c.Author, Description: c.Comments}
	for _, id := range c.Parents {
		if node := r.nodes[id]; node != "" {
			set.Parents = append(set.Parents, node)
		}
	}
	p := pushed{
		heard: c.When.Time,
		stamp: SourceStamp{
			Codebase: c.Codebase, Repository: c.Repository, Project: c.Project, Branch: c.Branch, Revision: c.Revision,
		},
	}
	if made := c.SourceStamp.Created.Time; !made.IsZero() {
		p.own = true
		if p.heard.IsZero() || made.Before(p.heard) {
			p.heard = made // a commit may be dated ahead
		}
	}
	p.Push = job.Push{
		Repo: r.name, ID: c.ID, Revision: c.Revision, Changesets: []job.Changeset{set}, User: c.Author,
		Time: c.When.Time,
	}
	return p
}
