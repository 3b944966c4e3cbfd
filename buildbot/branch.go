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
func (r *Changes) line(ctx context.Context, m *memory, repo string) (line, error) {
	known, ok := m.lines.Get(repo)
	if ok && (known.err == nil || time.Since(known.at) < keptFor) && ctx.Err() == nil {
		return known.line, known.err
	}
	m.lines.Forget(repo)
	found, err := m.lines.Do(ctx, repo, func(ctx context.Context) (resolved, bool, error) {
		l, err := r.resolve(ctx, m, repo, known.err != nil)
		if err != nil && l.repo == "" {
			return resolved{}, false, err
		}
		return resolved{l, err, time.Now()}, true, nil
	})
	if err != nil {
		return line{}, err
	}
	return found.line, found.err
}

// lineOf is line for callers that do not read changes.
func (r *Changes) lineOf(ctx context.Context, repo string) (line, error) {
	return r.line(ctx, r.memory.Load(), repo)
}

// resolved is a line, or why there is none of this name.
type resolved struct {
	line line
	err  error
	at   time.Time
}

// resolve returns a line without a name where the master could not be asked; again
// is when it found none before, and the master may have something new.
func (r *Changes) resolve(ctx context.Context, m *memory, repo string, again bool) (line, error) {
	if len(m.sights()) == 0 || again {
		if err := r.look(ctx, m); err != nil {
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
	if len(m.sights()) == 0 { // nothing happened here yet
		return loose, nil
	}
	branch, err := r.branch(ctx, m, name, exact)
	if err == nil {
		err = r.lookFor(ctx, m, branch, codebase)
	}
	switch {
	case errors.Is(err, errNoLine):
		return loose, err
	case err != nil:
		return line{}, err
	}
	return newLine(repo, branch, codebase, m.sights())
}

// errNoLine is what master was seen not to have.
var errNoLine = fmt.Errorf("%w on this master", job.ErrNotFound)

// look reads the newest changes and buildsets, which show what the master has.
func (r *Changes) look(ctx context.Context, m *memory) error {
	_, err := m.reads.Do(ctx, "look", func(ctx context.Context) (nothing, bool, error) {
		return nothing{}, false, r.lookAround(ctx, m)
	})
	return err
}

func (r *Changes) lookAround(ctx context.Context, m *memory) error {
	const op = "buildbot.changes"
	const some = 25 // a buildset names all codebases of its scheduler
	var sets []Buildset
	look := &firstLook{at: time.Now()}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		look.changes, _, err = older(ctx, r.c, op, changesSource(), 0, firstPage)
		return err
	})
	g.Go(func() (err error) {
		sets, _, err = older(ctx, r.c, op, setsSource(), 0, some)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	look.took = time.Since(look.at)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen, m.look = sights(look.changes, sets), look
	return nil
}

// branch chooses among the branches that were seen; a name that is not among the
// newest is asked for before a longer one is taken for it.
func (r *Changes) branch(ctx context.Context, m *memory, name string, exact bool) (string, error) {
	if slices.Contains(branches(m.sights()), name) {
		return name, nil
	}
	if err := r.lookFor(ctx, m, name, ""); err != nil {
		return "", err
	}
	branch, err := chooseBranch(name, exact, branches(m.sights()))
	if !errors.Is(err, errNoLine) {
		return branch, err
	}
	page, _, lookErr := older(ctx, r.c, "buildbot.changes", changesSource(), 0, firstPage, "branch__contains", "/"+name)
	if lookErr != nil && !errors.Is(lookErr, job.ErrUnavailable) || ctx.Err() != nil {
		return "", lookErr
	}
	m.see(sights(page, nil))
	return chooseBranch(name, exact, branches(m.sights()))
}

// lookFor asks for changes of a branch and a codebase that were not seen yet.
func (r *Changes) lookFor(ctx context.Context, m *memory, branch, codebase string) error {
	is := func(s sight) bool { return s.branch == branch && (codebase == "" || s.codebase == codebase) }
	if slices.ContainsFunc(m.sights(), is) {
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
		for _, s := range m.sights() {
			have[s.codebase] = true
		}
		return fmt.Errorf("%w: no codebase %q on branch %s; codebases seen: %s",
			errNoLine, codebase, orNameless(branch), codebaseList(have))
	}
	m.see(found)
	return nil
}
