package jobtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// Repository returns a repository of the world. It is also a job.Originer and
// a job.Backouter.
func (c *CI) Repository(name string) (job.Repository, error) {
	r := c.w.repo(name)
	if r == nil {
		return nil, job.Wrap("world.repository", name,
			fmt.Errorf("%w: the world has %v", job.ErrNotFound, c.w.Repositories()))
	}
	return worldRepo{c.w, r}, nil
}

// worldRepo serves one repository of a World.
type worldRepo struct {
	w *World
	r *repo
}

func (s worldRepo) Name() string { return s.r.name }

// Push implements job.Repository. As World revisions are short words that
// people type, an unambiguous prefix of 4 digits or more will do.
func (s worldRepo) Push(ctx context.Context, rev string) (job.Push, error) {
	p, err := s.find(ctx, rev)
	if err != nil {
		return job.Push{}, job.Wrap("world.push", rev, err)
	}
	return clonePush(p.Push), nil
}

func (s worldRepo) find(ctx context.Context, rev string) (*push, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(rev) < 4 || len(rev) >= 12 || rev == "tip" {
		parsed, err := job.ParseRevision(rev)
		if err != nil {
			return nil, err
		}
		rev = parsed
	}
	var found *push
	for _, p := range slices.Backward(s.r.pushes) {
		if !p.Testable() || (rev != "tip" && !p.holds(rev)) {
			continue
		}
		if rev == "tip" {
			return p, nil
		}
		if found != nil && len(rev) < 12 {
			return nil, fmt.Errorf("%w: revision %q is ambiguous: pushes %d and %d have it", job.ErrInvalid, rev, p.ID, found.ID)
		}
		found = p
	}
	if found == nil {
		return nil, fmt.Errorf("%w: unknown revision %q in %s", job.ErrNotFound, rev, s.r.name)
	}
	return found, nil
}

// holds reports whether the push has a changeset that starts with rev.
func (p *push) holds(rev string) bool {
	return slices.ContainsFunc(p.Changesets, func(c job.Changeset) bool {
		return len(c.Node) >= len(rev) && c.Node[:len(rev)] == rev
	})
}

// Pushes implements job.Repository.
func (s worldRepo) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	lo, hi, err := s.bounds(ctx, r)
	if err != nil {
		return nil, job.Wrap("world.pushes", s.r.name, err)
	}
	var out []job.Push
	for _, p := range s.r.pushes[lo:hi] {
		if r.Until.IsZero() || (!p.Time.Before(r.Since) && !p.Time.After(r.Until)) {
			out = append(out, clonePush(p.Push))
		}
	}
	return out, nil
}

// bounds are indices into the pushes: lo is in, hi is not.
func (s worldRepo) bounds(ctx context.Context, r job.Range) (lo, hi int, err error) {
	for _, rev := range []*string{&r.From, &r.To, &r.Center} {
		if *rev == "" {
			continue
		}
		p, err := s.find(ctx, *rev)
		if err != nil {
			return 0, 0, err
		}
		*rev = p.Revision // a short word becomes what a Range may hold
	}
	way, err := r.Check()
	if err != nil {
		return 0, 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	all := len(s.r.pushes)
	at := func(rev string) int {
		return slices.IndexFunc(s.r.pushes, func(p *push) bool { return p.Revision == rev })
	}
	switch way {
	case job.ByIDs:
		for lo < all && s.r.pushes[lo].ID < r.FirstID {
			lo++
		}
		for hi = lo; hi < all && s.r.pushes[hi].ID <= r.LastID; {
			hi++
		}
	case job.ByCenter:
		i := at(r.Center)
		lo, hi = max(0, i-r.Before), min(all, i+min(r.After, all)+1)
	case job.ByRevisions:
		lo, hi = at(r.From), at(r.To)+1
		if lo >= hi {
			return 0, 0, fmt.Errorf("%w: %.12s is after %.12s", job.ErrInvalid, r.From, r.To)
		}
	default:
		hi = all
	}
	return lo, hi, nil
}

// Origins implements job.Originer.
func (s worldRepo) Origins(ctx context.Context, p job.Push) ([]job.Origin, error) {
	at, err := s.find(ctx, p.Revision)
	if err != nil {
		return nil, job.Wrap("world.origins", p.String(), err)
	}
	var out []job.Origin
	for _, m := range at.merges {
		o := job.Origin{Repo: m.repo}
		for _, n := range s.w.repo(m.repo).pushes {
			if n.ID >= m.first && n.ID <= m.last {
				o.Pushes = append(o.Pushes, clonePush(n.Push))
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// Backouts implements job.Backouter.
func (s worldRepo) Backouts(ctx context.Context, p job.Push) ([]job.Push, error) {
	if err := ctx.Err(); err != nil {
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
