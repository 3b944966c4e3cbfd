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

// line finds the line of a repository, by its name. The error says that there is no such
// branch, or that it is not clear which one is meant. Together with such an error it returns
// a line that fits any branch or codebase: since revisions are hashes, callers that know the
// revision can still use it. A line whose repo is empty cannot be used.
//
// A line that was found is remembered for good; an error only for keptFor, as the branch may
// appear.
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

// lineOf is line for callers that do not hold a memory.
func (r *Changes) lineOf(ctx context.Context, repo string) (line, error) {
	return r.line(ctx, r.memory.Load(), repo)
}

// resolved is a line, or the reason why there is none of this name. Both are set when it is not
// clear which line is meant: line then fits any, as line (the method) says.
type resolved struct {
	line line
	err  error     // wraps job.ErrNotFound or job.ErrInvalid; nil when the line is clear
	at   time.Time // when it was looked for, by the local clock
}

// resolve finds a line by what the master has. It returns a line without a repo when a
// request failed. again says that an earlier search found nothing, so that the newest changes
// must be read once more. For the repository autoland and no option, on a master whose changes
// are of integration/autoland and releases/esr, it is the line of integration/autoland. With the
// option Branch "stable" only stable, or one that ends with /stable, will do.
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
	if len(m.sights()) == 0 { // nothing has happened on this master yet
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

// errNoLine says that the master was asked, and has no such branch or codebase.
var errNoLine = fmt.Errorf("%w on this master", job.ErrNotFound)

// look reads the newest changes and buildsets, which show the branches, codebases and
// repositories of the master. When several callers look at once, it is read once.
func (r *Changes) look(ctx context.Context, m *memory) error {
	_, err := m.reads.Do(ctx, "look", func(ctx context.Context) (nothing, bool, error) {
		return nothing{}, false, r.lookAround(ctx, m)
	})
	return err
}

// lookAround is look for one caller. The time of the look is taken before its requests, so that
// what happens meanwhile counts as new.
func (r *Changes) lookAround(ctx context.Context, m *memory) error {
	const op = "buildbot.changes"
	const some = 25 // few are enough: each buildset names all codebases of its scheduler
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

// branch finds the branch that a name means. It tries, in this order: the branches seen, a
// request for the exact name, the branches seen whose path ends with the name, and a request
// for such a path. The exact name is requested before a longer one is accepted, since the
// branch may just have no recent changes.
//
// For the name autoland the requests are
//
//	changes?branch=autoland                 the exact name
//	changes?branch__contains=/autoland      integration/autoland, but mozilla/autoland2 too
//
// The second answer may have more than what was meant, so chooseBranch decides. A master that
// fails at the second search, with a 5xx status, is taken to have no such branch.
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

// lookFor reads changes of a branch and a codebase, unless some were seen already. A branch
// without changes is no error here; a codebase without any is errNoLine.
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
