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

// landoRepository is Lando's name for Firefox's repository in git. All repositories of
// Firefox on hg.mozilla.org mirror it.
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

// samePair checks that the pair has the hash that was requested, and not another
// changeset's.
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

// pages is the maximum number of pages read to find a hash of git, newest first: 10 pages
// of 200 ids.
const pages = 10

// gitKey is the key of a search for a hash of git. The branch is part of it, because the
// search looks at the pushes of that branch alone.
type gitKey struct{ path, branch, rev string }

// byGit finds the push of a hash of git, given 12 digits of it or more. The argument
// unknown is the error that the repository gave for the same digits as a hash of hg; byGit
// returns it where the repository itself does not exist.
func (l *Log) byGit(ctx context.Context, rev string, full bool, unknown error) (job.Push, error) {
	key := gitKey{l.path, l.branch, rev}
	hg, err := l.server.gits.Do(ctx, key, func(ctx context.Context) (string, bool, error) {
		hg, err := l.hgOf(ctx, rev)
		return hg, false, err // not cached yet: first the push must prove it, below
	})
	switch {
	case errors.Is(err, job.ErrNotFound): // the repository itself was not found
		return job.Push{}, unknown
	case err != nil:
		return job.Push{}, fmt.Errorf(
			"%.12s is not a hash of hg in %s, and looking it up as one of git failed: %w", rev, l.name, err)
	case hg == "":
		return job.Push{}, fmt.Errorf("%w: unknown revision %q in %s: "+
			"it is not a hash of hg, and not one of git among the newest pushes; "+
			"to find an older hash of git, give Lando's URL and all 40 digits", job.ErrNotFound, rev, l.name)
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

// proven checks a push that was found by a hash of git. The pushlog's own pair of hashes
// decides: where it names another hash of git for the changeset, the answer that led here
// was wrong. Where it names none, proven fills in the hash that was searched for, when all
// 40 digits of it are known.
func proven(p job.Push, hg, git string) (job.Push, error) {
	for i, c := range p.Changesets {
		switch {
		case !job.SameRevision(c.Node, hg):
		case c.Git != "" && !job.SameRevision(c.Git, git):
			return p, fmt.Errorf("%w: %.12s of git was reported as %.12s of hg, but that is %.12s of git",
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

// hgOf returns the hash of hg for one of git, or "" where neither Lando nor the pushlog
// knows it. An error of Lando counts only where the pushlog does not know it either.
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

// scan searches the newest pushes for a hash of git, a page at a time. A page whose pushes
// have no hashes of git is older than the mirror; no older page can have one, so the scan
// ends there. A page without pushes, a gap in the ids, does not end it. With the highest id 450
// the pages are 251 to 450, 51 to 250 and 1 to 50.
func (l *Log) scan(ctx context.Context, rev string) (string, error) {
	newest, err := l.ask(ctx, false)
	if err != nil || len(newest.pushes) == 0 {
		return "", err
	}
	hi := max(newest.last, newest.pushes[len(newest.pushes)-1].ID)
	for range pages {
		lo := max(1, hi-page+1)
		// startID is exclusive, endID inclusive: 200 and 400 are the ids 201 to 400.
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

// pair asks Lando for the other hash of one of 40 digits. The pair is empty where no Lando
// is configured or Lando does not know the hash. An answer about another hash is an error.
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

// LandoTwins is Twins by Lando alone, without a request to the pushlog. It works for every
// repository of Firefox, and needs all 40 digits of a hash. It tries rev as a hash of git
// first, then as one of hg: at most two requests.
func (s *Server) LandoTwins(ctx context.Context, repo, rev string) (hg, git string, err error) {
	pair, err := within(ctx, s, "lando.twins", repo+" "+rev, func(ctx context.Context) (pairWire, error) {
		for _, way := range []string{"git2hg", "hg2git"} {
			if pair, err := s.pair(ctx, way, rev); err != nil || pair.Hg != "" {
				return pair, err
			}
		}
		return pairWire{}, fmt.Errorf("%w: Lando does not know this hash (it needs all 40 digits)", job.ErrNotFound)
	})
	return pair.Hg, pair.Git, err
}

// Twins returns a changeset's hash of hg and its hash of git, given either of them. It asks
// the pushlog, and Lando for a hash of git that the pushlog does not have. A hash that
// neither knows is empty; a revision that the repository does not have is job.ErrNotFound.
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
