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
			fmt.Errorf("%w: no repository %q; the World has %s", job.ErrNotFound, name,
				strings.Join(c.w.Repositories(), ", ")))
	}
	return worldRepo{c, c.w, r}, nil
}

// worldRepo serves one repository of a World.
type worldRepo struct {
	c *CI
	w *World
	r *repo
}

// visible are the pushes that have appeared by now, and the same as a List.
func (s worldRepo) visible() ([]*push, *job.List) {
	s.c.lock()
	defer s.c.unlock()
	pushes := s.r.pushes[:s.c.seen[s.r]]
	list := s.c.lists[s.r]
	if list == nil {
		plain := make([]job.Push, len(pushes)) // NewList copies them
		for i, p := range pushes {
			plain[i] = p.Push
		}
		list = job.NewList(s.r.name, plain)
		s.c.lists[s.r] = list
	}
	return pushes, list
}

// Name implements job.Repository.
func (s worldRepo) Name() string { return s.r.name }

// Line implements job.LineChecker.
func (s worldRepo) Line(ctx context.Context) error {
	_, list := s.visible()
	return list.Line(ctx)
}

// Push implements job.Repository. The revisions of a World are short words that people type, so an
// unambiguous prefix of 4 digits or more is enough.
func (s worldRepo) Push(ctx context.Context, rev string) (job.Push, error) {
	if err := s.c.reach(ctx); err != nil {
		return job.Push{}, job.Wrap("world.push", rev, err)
	}
	pushes, list := s.visible()
	full, err := s.full(pushes, rev)
	if err != nil {
		return job.Push{}, job.Wrap("world.push", rev, err)
	}
	return list.Push(ctx, full)
}

// Pushes implements job.Repository, with short words as in Push.
func (s worldRepo) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	if err := s.c.reach(ctx); err != nil {
		return nil, job.Wrap("world.pushes", s.r.name, err)
	}
	pushes, list := s.visible()
	for _, rev := range []*string{&r.From, &r.To, &r.Center} {
		full, err := s.full(pushes, *rev)
		if err != nil {
			return nil, job.Wrap("world.pushes", *rev, err)
		}
		*rev = full
	}
	return list.Pushes(ctx, r)
}

// full is the 40 digits that a short word of the world names: a prefix of 4 to 11 digits, in any
// case, that fits one visible push. Other texts are returned unchanged, for the List to judge: it
// takes 12 digits or more, and "tip".
func (s worldRepo) full(pushes []*push, word string) (string, error) {
	if len(word) < 4 || len(word) >= 12 {
		return word, nil
	}
	found := ""
	for _, p := range pushes {
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

// Origins implements job.OriginFinder. With merge=autoland:17..20 it is push 20's revision, the
// testable ones of the pushes 17 to 20, and 16 as the push before them; nil for no merge.
func (s worldRepo) Origins(ctx context.Context, p job.Push) ([]job.Origin, error) {
	if err := s.c.reach(ctx); err != nil {
		return nil, job.Wrap("world.origins", p.String(), err)
	}
	pushes, _ := s.visible()
	at := s.r.index(p.ID)
	if at < 0 || at >= len(pushes) {
		return nil, job.Wrap("world.origins", p.String(), job.ErrNotFound)
	}
	var out []job.Origin
	for _, m := range pushes[at].merges {
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

// Backouts implements job.BackoutFinder: the visible pushes with undoes= the push, oldest first.
func (s worldRepo) Backouts(ctx context.Context, p job.Push) ([]job.Push, error) {
	if err := s.c.reach(ctx); err != nil {
		return nil, job.Wrap("world.backouts", p.String(), err)
	}
	pushes, _ := s.visible()
	var out []job.Push
	for _, n := range pushes {
		if n.undoes == p.ID {
			out = append(out, clonePush(n.Push))
		}
	}
	return out, nil
}
