package jobtest

import (
	"context"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
)

// Repository returns a repository of the world. It is also a job.OriginFinder and
// a job.BackoutFinder.
func (c *CI) Repository(name string) (job.Repository, error) {
	r := c.w.repo(name)
	if r == nil {
		return nil, job.Wrap("world.repository", name,
			fmt.Errorf("%w: the world has %v", job.ErrNotFound, c.w.Repositories()))
	}
	return worldRepo{job.NewList(name, c.w.Pushes(name)), c, c.w, r}, nil
}

// worldRepo serves one repository of a World.
type worldRepo struct {
	*job.List
	c *CI
	w *World
	r *repo
}

// Push implements job.Repository. As World revisions are short words that
// people type, an unambiguous prefix of 4 digits or more will do.
func (s worldRepo) Push(ctx context.Context, rev string) (job.Push, error) {
	if err := s.c.reach(ctx); err != nil {
		return job.Push{}, job.Wrap("world.push", rev, err)
	}
	full, err := s.full(rev)
	if err != nil {
		return job.Push{}, job.Wrap("world.push", rev, err)
	}
	return s.List.Push(ctx, full)
}

// Pushes implements job.Repository, with short words as in Push.
func (s worldRepo) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	if err := s.c.reach(ctx); err != nil {
		return nil, job.Wrap("world.pushes", s.r.name, err)
	}
	for _, rev := range []*string{&r.From, &r.To, &r.Center} {
		full, err := s.full(*rev)
		if err != nil {
			return nil, job.Wrap("world.pushes", *rev, err)
		}
		*rev = full
	}
	return s.List.Pushes(ctx, r)
}

// full is the 40 digits that a short word of the world names; what is no short
// word is returned as it is.
func (s worldRepo) full(word string) (string, error) {
	if len(word) < 4 || len(word) >= 12 {
		return word, nil
	}
	found := ""
	for _, p := range s.r.pushes {
		if !strings.HasPrefix(p.Revision, strings.ToLower(word)) {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("%w: revision %q is ambiguous: %.12s or %.12s", job.ErrInvalid, word, found,
				p.Revision)
		}
		found = p.Revision
	}
	if found == "" {
		return "", fmt.Errorf("%w: unknown revision %q in %s", job.ErrNotFound, word, s.r.name)
	}
	return found, nil
}

// Origins implements job.OriginFinder.
func (s worldRepo) Origins(ctx context.Context, p job.Push) ([]job.Origin, error) {
	if err := s.c.reach(ctx); err != nil {
		return nil, job.Wrap("world.origins", p.String(), err)
	}
	at := s.r.push(p.ID)
	if at == nil {
		return nil, job.Wrap("world.origins", p.String(), job.ErrNotFound)
	}
	var out []job.Origin
	for _, m := range at.merges {
		o := job.Origin{Repo: m.repo, Head: s.w.repo(m.repo).push(m.last).Revision}
		for _, n := range s.w.repo(m.repo).pushes {
			p := clonePush(n.Push)
			switch {
			case n.ID < m.first:
				o.Before = &p
			case n.ID <= m.last && n.Testable():
				o.Pushes = append(o.Pushes, p)
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// Backouts implements job.BackoutFinder.
func (s worldRepo) Backouts(ctx context.Context, p job.Push) ([]job.Push, error) {
	if err := s.c.reach(ctx); err != nil {
		return nil, job.Wrap("world.backouts", p.String(), err)
	}
	var out []job.Push
	for _, n := range s.r.pushes {
		if n.undoes == p.ID {
			out = append(out, clonePush(n.Push))
		}
	}
	return out, nil
}
