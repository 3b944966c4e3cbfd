package buildbot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mozci/mozci/job"
)

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

// resolved is a line, or why there is none of this name.
type resolved struct {
	line line
	err  error
	at   time.Time
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
	is := func(s sight) bool { return s.branch == branch && (codebase == "" || s.codebase == codebase) }
	if slices.ContainsFunc(r.seen, is) {
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
	if codebase != "" && !slices.ContainsFunc(found, is) {
		have := map[string]bool{}
		for _, s := range r.seen {
			have[s.codebase] = true
		}
		return fmt.Errorf("%w: no codebase %q on branch %s; codebases seen: %s",
			errNoLine, codebase, orNameless(branch), codebaseList(have))
	}
	r.seen = append(r.seen, found...)
	return nil
}
