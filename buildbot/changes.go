package buildbot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mozci/mozci/job"
)

// Changes are the changes of one branch as a [job.Repository], for projects that
// have no pushlog: each change is a push of one changeset, and its id is the
// order key. Only as many are read as a question needs. What the master has
// forgotten is not there, nor is a change without a revision; a revision that it
// was told of twice is the push of the first change.
//
// Revisions that are not hashes, such as Subversion's, are named as a whole.
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

// resolved is a line, or why there is none of this name.
type resolved struct {
	line line
	err  error
	at   time.Time
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
	return &Changes{c: c, name: repo, o: o, gate: newGate(), lines: map[string]resolved{}, others: map[string]pushed{}, nodes: map[int64]string{}}
}

// Name implements job.Repository.
func (r *Changes) Name() string { return r.name }

// Push implements job.Repository.
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
	p := pushed{heard: c.When.Time, stamp: SourceStamp{Codebase: c.Codebase, Repository: c.Repository, Project: c.Project, Branch: c.Branch, Revision: c.Revision}}
	if made := c.SourceStamp.Created.Time; !made.IsZero() {
		p.own = true
		if p.heard.IsZero() || made.Before(p.heard) {
			p.heard = made // a commit may be dated ahead
		}
	}
	p.Push = job.Push{Repo: r.name, ID: c.ID, Revision: c.Revision, Changesets: []job.Changeset{set}, User: c.Author, Time: c.When.Time}
	return p
}

// freshFor is how long what changes on a master is used again: the questions of one
// call come together, and a poll comes later.
const freshFor = 2 * time.Second

// refresh reads the changes that are new.
func (r *Changes) refresh(ctx context.Context) error {
	const op = "buildbot.changes"
	l, err := r.line(ctx, r.name)
	if err != nil {
		return err
	}
	if !r.begun {
		r.begin(l)
	}
	if time.Since(r.at) < freshFor {
		return nil
	}
	began := time.Now()
	page, err := since(ctx, r.c, op, changesSource(), r.high, r.filters...)
	if err != nil {
		return err
	}
	if n := len(page); r.high > 0 && len(r.filters) == 0 && (n == 0 || page[n-1].ID != r.high) {
		// The newest change is gone: another database.
		r.forget()
		return r.refresh(ctx)
	}
	r.add(page)
	if len(page) > 0 {
		r.high = page[0].ID
	}
	r.at = began
	return nil
}

func (r *Changes) forget() {
	r.lines, r.others, r.nodes = map[string]resolved{}, map[string]pushed{}, map[int64]string{}
	r.seen, r.first, r.filters, r.pushes = nil, nil, nil, nil
	r.at, r.begun, r.whole, r.low, r.high = time.Time{}, false, false, 0, 0
}

// begin starts with the page by which the line was found; where the line is rare
// among the changes, what follows is asked of it alone.
func (r *Changes) begin(l line) {
	own := 0
	for _, c := range r.first {
		if l.holds(c.Branch, c.Codebase, c.Repository) {
			own++
		}
	}
	const dense = 4
	if own*dense < len(r.first) {
		if l.branch != "" {
			r.filters = append(r.filters, "branch", l.branch)
		}
		if l.codebase != "" {
			r.filters = append(r.filters, "codebase", l.codebase)
		}
	}
	r.begun = true
	r.add(r.first)
	if n := len(r.first); n > 0 {
		r.high, r.low, r.whole = r.first[0].ID, r.first[n-1].ID, n < firstPage
	} else {
		r.whole = true
	}
	r.first = nil
}

// extend reads older changes, so that there may be n more pushes.
func (r *Changes) extend(ctx context.Context, n int) error {
	page, last, err := older(ctx, r.c, "buildbot.changes", changesSource(), r.low, min(max(n, firstPage), largePage), r.filters...)
	if err != nil {
		return err
	}
	r.add(page)
	if k := len(page); k > 0 {
		r.low = page[k-1].ID
	}
	r.whole = last || len(page) == 0
	return nil
}

// add files changes, newest first, among the pushes.
func (r *Changes) add(page []change) {
	for _, c := range page {
		r.nodes[c.ID] = c.Revision
	}
	have := make(map[int64]pushed, len(r.pushes)+len(page))
	for _, p := range r.pushes {
		have[p.ID] = p
	}
	for _, c := range page {
		if r.own(c) {
			have[c.ID] = r.push(c)
		}
	}
	r.pushes = ascending(have)
}

// ascending are pushes in order, the first of each revision.
func ascending(have map[int64]pushed) []pushed {
	out := make([]pushed, 0, len(have))
	known := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(have)) {
		if p := have[id]; !known[p.Revision] {
			known[p.Revision] = true
			out = append(out, p)
		}
	}
	return out
}

// line finds the line of a repository's name. With an error, which is that there
// is no such branch or that it is not clear which one is meant, comes a line by
// which revisions, as they are hashes, can still be told.
func (r *Changes) line(ctx context.Context, repo string) (line, error) {
	if l, ok := r.lines[repo]; ok && (l.err == nil || time.Since(l.at) < keptFor) {
		return l.line, l.err
	}
	l, err := r.resolve(ctx, repo)
	if err == nil || l.repo != "" {
		r.lines[repo] = resolved{l, err, time.Now()}
	}
	return l, err
}

// lineOf is line for callers that do not read changes.
func (r *Changes) lineOf(ctx context.Context, repo string) (line, error) {
	if err := r.gate.lock(ctx); err != nil {
		return line{}, err
	}
	defer r.gate.unlock()
	return r.line(ctx, repo)
}

// resolve returns a line without a name where the master could not be asked.
func (r *Changes) resolve(ctx context.Context, repo string) (line, error) {
	if r.seen == nil || r.lines[repo].err != nil {
		if err := r.look(ctx); err != nil {
			return line{}, err
		}
	}
	name, exact, codebase := repo, false, ""
	if repo == r.name {
		codebase = r.o.Codebase
		if r.o.Branch != "" {
			name, exact = r.o.Branch, true
		}
	}
	loose := line{repo: repo, branch: name, codebase: codebase, clear: codebase != "", loose: true}
	if len(r.seen) == 0 { // nothing happened here yet
		r.seen = nil
		return loose, nil
	}
	branch, err := r.branch(ctx, name, exact)
	if err == nil {
		err = r.lookFor(ctx, branch, codebase)
	}
	switch {
	case errors.Is(err, errNoLine):
		return loose, err
	case err != nil:
		return line{}, err
	}
	return newLine(repo, branch, codebase, r.seen)
}

// errNoLine is what master was seen not to have.
var errNoLine = fmt.Errorf("%w on this master", job.ErrNotFound)

// look reads the newest changes and buildsets, which show what the master has.
func (r *Changes) look(ctx context.Context) error {
	const op = "buildbot.changes"
	const some = 25 // a buildset names all codebases of its scheduler
	var sets []Buildset
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		r.first, _, err = older(ctx, r.c, op, changesSource(), 0, firstPage)
		return err
	})
	g.Go(func() (err error) {
		sets, _, err = older(ctx, r.c, op, setsSource(), 0, some)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	r.seen, r.at = sights(r.first, sets), began
	return nil
}

// branch chooses among the branches that were seen; a name that is not among the
// newest is asked for before a longer one is taken for it.
func (r *Changes) branch(ctx context.Context, name string, exact bool) (string, error) {
	if slices.Contains(branches(r.seen), name) {
		return name, nil
	}
	if err := r.lookFor(ctx, name, ""); err != nil {
		return "", err
	}
	branch, err := chooseBranch(name, exact, branches(r.seen))
	if !errors.Is(err, errNoLine) {
		return branch, err
	}
	page, _, lookErr := older(ctx, r.c, "buildbot.changes", changesSource(), 0, firstPage, "branch__contains", "/"+name)
	if lookErr != nil && !errors.Is(lookErr, job.ErrUnavailable) || ctx.Err() != nil {
		return "", lookErr
	}
	r.seen = append(r.seen, sights(page, nil)...)
	return chooseBranch(name, exact, branches(r.seen))
}

// lookFor asks for changes of a branch and a codebase that were not seen yet.
func (r *Changes) lookFor(ctx context.Context, branch, codebase string) error {
	if slices.ContainsFunc(r.seen, func(s sight) bool { return s.branch == branch && (codebase == "" || s.codebase == codebase) }) {
		return nil
	}
	var filters []string
	if branch != "" {
		filters = append(filters, "branch", branch)
	}
	if codebase != "" {
		filters = append(filters, "codebase", codebase)
	}
	page, _, err := older(ctx, r.c, "buildbot.changes", changesSource(), 0, firstPage, filters...)
	if err != nil {
		return err
	}
	found := sights(page, nil)
	if codebase != "" && !slices.ContainsFunc(found, func(s sight) bool { return s.branch == branch && s.codebase == codebase }) {
		have := map[string]bool{}
		for _, s := range r.seen {
			have[s.codebase] = true
		}
		return fmt.Errorf("%w: no codebase %q on branch %s; codebases seen: %s", errNoLine, codebase, orNameless(branch), codebaseList(have))
	}
	r.seen = append(r.seen, found...)
	return nil
}

// above reads up to n pushes with ids above the given one, ascending; below those
// under it, down to and including least.
func (r *Changes) above(ctx context.Context, id int64, n int) ([]pushed, error) {
	have := map[int64]pushed{}
	for len(have) < n {
		page, err := get[change](ctx, r.c, "buildbot.changes", "", query(r.c.path("changes"),
			append([]string{"order", "changeid", "limit", strconv.Itoa(largePage), "changeid__gt", strconv.FormatInt(id, 10)}, r.filters...)...), "changes")
		if err != nil {
			return nil, err
		}
		next := id
		for _, c := range page {
			if r.nodes[c.ID] = c.Revision; c.ID > id && r.own(c) {
				have[c.ID] = r.push(c)
			}
			next = max(next, c.ID)
		}
		if len(page) < largePage || next == id {
			break
		}
		id = next
	}
	out := ascending(have)
	return out[:min(n, len(out))], nil
}

func (r *Changes) below(ctx context.Context, id, least int64, n int, more ...string) ([]pushed, error) {
	have := map[int64]pushed{}
	more = append(more, r.filters...)
	for len(have) < n {
		page, last, err := older(ctx, r.c, "buildbot.changes", changesSource(), id, min(max(n-len(have), firstPage), largePage), more...)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			r.nodes[c.ID] = c.Revision
		}
		for _, c := range page {
			if c.ID >= least && r.own(c) {
				have[c.ID] = r.push(c)
			}
		}
		if last || len(page) == 0 || page[len(page)-1].ID <= least {
			break
		}
		id = page[len(page)-1].ID
	}
	out := ascending(have)
	return out[max(0, len(out)-n):], nil
}
