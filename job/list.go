package job

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// NewList returns a Repository of the caller's own pushes, for saved histories and
// for tests. It copies them and sorts them by Push.Compare.
func NewList(name string, pushes []Push) *List {
	l := &List{name: name}
	for _, p := range pushes {
		l.pushes = append(l.pushes, p.clone())
	}
	slices.SortStableFunc(l.pushes, Push.Compare)
	return l
}

// List is a Repository in memory; NewList makes one. It is safe for concurrent
// use.
type List struct {
	name   string
	pushes []Push // ascending
}

// clone copies the push with its slices, so that a caller who changes one does not
// change the list.
func (p Push) clone() Push {
	p.Changesets = slices.Clone(p.Changesets)
	for i := range p.Changesets {
		p.Changesets[i].Parents = slices.Clone(p.Changesets[i].Parents)
	}
	return p
}

// Name implements Repository.
func (l *List) Name() string { return l.name }

// Push implements Repository.
func (l *List) Push(ctx context.Context, rev string) (Push, error) {
	i, err := l.find(ctx, rev)
	if err != nil {
		return Push{}, Wrap("push", l.name+" "+rev, err)
	}
	return l.pushes[i].clone(), nil
}

// find returns the index of the push that contains rev, the newest if several
// do.
func (l *List) find(ctx context.Context, rev string) (int, error) {
	rev, err := ParseRevision(rev)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	for i, p := range slices.Backward(l.pushes) {
		if p.Testable() && rev == tip || p.Contains(rev) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%w: unknown revision %q in %s", ErrNotFound, rev, l.name)
}

// Pushes implements Repository.
func (l *List) Pushes(ctx context.Context, r Range) ([]Push, error) {
	lo, hi, err := l.bounds(ctx, r)
	if err != nil {
		return nil, Wrap("pushes", l.name, err)
	}
	var out []Push
	for _, p := range l.pushes[lo:hi] {
		switch {
		case !r.Until.IsZero() && (p.Time.Before(r.Since) || p.Time.After(r.Until)):
		case r.LastID != 0 && (p.ID < r.FirstID || p.ID > r.LastID):
		default:
			out = append(out, p.clone())
		}
	}
	return out, nil
}

// bounds are indices into the pushes: lo is in the range, hi is not. With 1 before and
// 2 after index 5 they are 4 and 8, the pushes 4, 5, 6 and 7. For ranges of dates and
// of ids they are the whole list, and the caller filters it: neither dates nor ids need
// grow from push to push.
func (l *List) bounds(ctx context.Context, r Range) (lo, hi int, err error) {
	way, err := r.Check()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return 0, 0, err
	}
	all := len(l.pushes)
	switch way {
	case ByCenter:
		i, err := l.find(ctx, r.Center)
		return max(0, i-r.Before), min(all, i+min(r.After, all)+1), err // the inner min: i+After cannot overflow
	case ByRevisions:
		from, err := l.find(ctx, r.From)
		if err != nil {
			return 0, 0, err
		}
		to, err := l.find(ctx, r.To)
		if err == nil {
			err = r.CheckOrder(l.pushes[from], l.pushes[to])
		}
		return from, to + 1, err
	}
	return 0, all, nil
}

// Line implements LineChecker, by the list's name.
func (l *List) Line(ctx context.Context) error {
	return Wrap("line", l.name, cmp.Or(ctx.Err(), LineByName(l.name)))
}
