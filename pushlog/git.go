package pushlog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// DefaultLandoURL is Mozilla's Lando.
const DefaultLandoURL = "https://lando.moz.tools"

// landoRepository is Lando's name of Firefox's repository in git, which all of
// hg.mozilla.org's repositories of Firefox mirror.
const landoRepository = "firefox"

// pairWire is what Lando answers to git2hg and to hg2git.
type pairWire struct {
	Hg  string `json:"hg_hash" is:"required"`
	Git string `json:"git_hash" is:"required"`
}

// Prove implements contract.Prover.
func (w *pairWire) Prove() error {
	switch {
	case !isHash(w.Hg):
		return notHash("hg_hash", w.Hg)
	case !isHash(w.Git):
		return notHash("git_hash", w.Git)
	}
	return nil
}

// samePair: the pair has the hash that was asked for.
func samePair(asked contract.Asked, w *pairWire) error {
	rev := asked.Var("rev")
	switch way := asked.Var("way"); {
	case way == "hg2git" && w.Hg != rev:
		return contract.Differs("hg_hash", w.Hg, rev)
	case way == "git2hg" && w.Git != rev:
		return contract.Differs("git_hash", w.Git, rev)
	}
	return nil
}

// pages is how many pages of pushes are read for a hash of git, newest first.
const pages = 10

// gitKey names a hash of git as it was asked for: the branch bounds where it is
// looked for.
type gitKey struct{ path, branch, rev string }

// byGit finds the push of a hash of git, or of 12 digits or more of one; unknown
// is what the repository said to the hash as one of hg.
func (l *Log) byGit(ctx context.Context, rev string, full bool, unknown error) (job.Push, error) {
	key := gitKey{l.path, l.branch, rev}
	hg, err := l.server.gits.Do(ctx, key, func(ctx context.Context) (string, bool, error) {
		hg, err := l.hgOf(ctx, rev)
		return hg, false, err // it is kept once its push has proved it
	})
	switch {
	case errors.Is(err, job.ErrNotFound): // the repository itself
		return job.Push{}, unknown
	case err != nil:
		return job.Push{}, fmt.Errorf(
			"%.12s is no hash of hg in %s, and whether it is one of git could not be found out: %w", rev, l.name, err)
	case hg == "":
		return job.Push{}, fmt.Errorf("%w: unknown revision %q in %s: "+
			"it is a hash neither of hg nor, among the newest pushes, of git; "+
			"for an older one of git give Lando's URL and all 40 digits", job.ErrNotFound, rev, l.name)
	}
	a, err := l.ask(ctx, full, "changeset", hg)
	if err != nil {
		return job.Push{}, fmt.Errorf("%.12s of git is %.12s of hg: %w", rev, hg, err)
	}
	found := containing(a.pushes, hg)
	if found == nil {
		return job.Push{}, fmt.Errorf("%w: %.12s of git is %.12s of hg, and no push has it", job.ErrNotFound, rev, hg)
	}
	p, err := proven(*found, hg, rev)
	if err != nil {
		return job.Push{}, err
	}
	l.server.gits.Put(key, hg)
	return p, nil
}

// proven is the push, unless it says that its changeset is another one in git.
// Where it says nothing, what the changeset is in git was told by another.
func proven(p job.Push, hg, git string) (job.Push, error) {
	for i, c := range p.Changesets {
		switch {
		case !job.SameRevision(c.Node, hg):
		case c.Git != "" && !job.SameRevision(c.Git, git):
			return p, fmt.Errorf("%w: %.12s of git was told to be %.12s of hg, and that is %.12s of git",
				job.ErrMalformed, git, hg, c.Git)
		case c.Git == "" && len(git) == 40:
			p.Changesets[i].Git = git
			if job.SameRevision(p.Revision, c.Node) {
				p.Git = git
			}
		}
	}
	return p, nil
}

// hgOf is the hash of hg of one of git, or "" where nobody knows it. An error
// of Lando counts only where the pushlog does not know it either.
func (l *Log) hgOf(ctx context.Context, rev string) (string, error) {
	pair, landoErr := l.server.pair(ctx, "git2hg", rev)
	if landoErr == nil && pair.Hg != "" {
		return pair.Hg, nil
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	hg, err := l.scan(ctx, rev)
	if hg == "" && err == nil {
		err = landoErr
	}
	return hg, err
}

// scan reads the newest pushes for a hash of git. A page whose pushes have none
// is older than the mirror, so that nothing before it has one.
func (l *Log) scan(ctx context.Context, rev string) (string, error) {
	newest, err := l.ask(ctx, false)
	if err != nil || len(newest.pushes) == 0 {
		return "", err
	}
	hi := max(newest.last, newest.pushes[len(newest.pushes)-1].ID)
	for range pages {
		lo := max(1, hi-page+1)
		a, err := l.ask(ctx, false, "startID", strconv.FormatInt(lo-1, 10), "endID", strconv.FormatInt(hi, 10))
		if err != nil {
			return "", err
		}
		mirrored := len(a.pushes) == 0
		for _, p := range a.pushes {
			for _, c := range p.Changesets {
				if job.SameRevision(c.Git, rev) {
					return c.Node, nil
				}
				mirrored = mirrored || c.Git != ""
			}
		}
		if hi = lo - 1; hi < 1 || !mirrored {
			break
		}
	}
	return "", nil
}

// pair asks Lando for the other hash of one of 40 digits: an empty pair where
// Lando is not there or does not know it. The answer must be about what was asked.
func (s *Server) pair(ctx context.Context, way, rev string) (pairWire, error) {
	if s.lando == "" || len(rev) != 40 {
		return pairWire{}, nil
	}
	op := "lando." + way
	where := s.lando + "/api/" + way + "/" + landoRepository + "/" + rev
	var w *pairWire
	res, err := s.http.Do(ctx, rest.Call{URL: where, Header: http.Header{"Accept": {"application/json"}}})
	if err == nil {
		if w, err = pairEndpoint.Decode(contract.Asked{URL: where}, res.Body); err != nil {
			s.http.Forget(where)
		}
	}
	if err = job.OfHTTP(op, redact.URL(where), err); errors.Is(err, job.ErrNotFound) {
		return pairWire{}, nil
	}
	if err != nil {
		return pairWire{}, err
	}
	return *w, nil
}

// LandoTwins is Twins by Lando alone, for whatever repository of Firefox, for
// where the pushlog is not at hand. It knows hashes of 40 digits.
func (s *Server) LandoTwins(ctx context.Context, repo, rev string) (hg, git string, err error) {
	pair, err := within(ctx, s, "lando.twins", repo+" "+rev, func(ctx context.Context) (pairWire, error) {
		for _, way := range []string{"git2hg", "hg2git"} {
			if pair, err := s.pair(ctx, way, rev); err != nil || pair.Hg != "" {
				return pair, err
			}
		}
		return pairWire{}, fmt.Errorf("%w: Lando knows no such hash of 40 digits", job.ErrNotFound)
	})
	return pair.Hg, pair.Git, err
}

// Twins returns the hash of hg and that of git of a changeset of a repository,
// given either: where the pushlog has both, or Lando does. The one that nobody
// knows is empty; a revision that the repository does not have is
// job.ErrNotFound.
func (s *Server) Twins(ctx context.Context, repo, rev string) (hg, git string, err error) {
	pair, err := within(ctx, s, "pushlog.twins", repo+" "+rev, func(ctx context.Context) (pairWire, error) {
		return s.twins(ctx, repo, rev)
	})
	return pair.Hg, pair.Git, err
}

func (s *Server) twins(ctx context.Context, repo, rev string) (pairWire, error) {
	p, err := s.Repository(repo).push(ctx, rev, false)
	if err != nil {
		return pairWire{}, err
	}
	for _, c := range p.Changesets {
		if !job.SameRevision(c.Node, rev) && !job.SameRevision(c.Git, rev) {
			continue
		}
		if c.Git == "" {
			pair, err := s.pair(ctx, "hg2git", c.Node)
			return pairWire{Hg: c.Node, Git: pair.Git}, err
		}
		return pairWire{Hg: c.Node, Git: c.Git}, nil
	}
	return pairWire{}, job.ErrNotFound
}
