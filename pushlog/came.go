package pushlog

import (
	"context"
	"errors"
	"sort"

	"github.com/mozci/mozci/job"
)

// opening takes a push apart into what came from other repositories.
type opening struct {
	l *Log
	p job.Push
	g *Graph // of the push alone
}

// came returns the origins of what arrived: of the whole of it where another
// repository had its head; else of the part that one had, and of the merges of
// the rest. With own, it is the push itself, and not something that was merged.
func (o opening) came(ctx context.Context, a arrival, own bool) ([]job.Origin, error) {
	in := map[string]bool{}
	for _, n := range a.brought {
		in[n] = true
	}
	var out []job.Origin
	part, err := o.furthest(ctx, o.line(a.head, in, own), a.brought)
	if err != nil {
		return nil, err
	}
	if part.from != nil {
		origin, err := part.from.brought(ctx, part.arrival, part.first, part.last)
		if err != nil {
			return nil, err
		}
		out = append(out, *origin)
		for _, n := range part.brought {
			delete(in, n)
		}
	}
	if part.head == a.head {
		return out, nil
	}
	for _, m := range o.g.arrivals(in) {
		more, err := o.came(ctx, m, false)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	if name := hint(a.desc); name != "" { // it says that it is a merge of another repository
		out = append(out, job.Origin{Repo: name, Head: a.head, Gone: true})
	} // else somebody merged work of their own
	return out, nil
}

// line is the head and its first parents, as far as they are in the set. The
// line of a push itself ends before a merge into what the repository had: that
// is this repository's merge, and not another's head.
func (o opening) line(head string, in map[string]bool, own bool) []string {
	var out []string
	for n := head; in[n]; {
		parents := o.g.known[n].Parents
		if own && len(parents) == 2 && !in[parents[0]] && in[parents[1]] {
			break
		}
		out = append(out, n)
		if len(parents) == 0 || len(out) > len(in) {
			break
		}
		n = parents[0]
	}
	return out
}

// found is the part of an arrival that a repository had before.
type found struct {
	arrival
	from        *Log // nil where none had any
	first, last job.Push
	at          int // the index of its head in the line
}

// furthest finds the candidate that had the most of a line: the one with the
// newest changeset of it, and of those the one that had it first. A repository
// that has a changeset has all that it descends from, so the boundary is found
// by halving.
func (o opening) furthest(ctx context.Context, line, brought []string) (found, error) {
	if len(line) == 0 {
		return found{}, nil
	}
	others := o.l.others()
	best, err := o.best(ctx, others, line, brought,
		func(context.Context, *Log) (int, bool, error) { return 0, true, nil })
	if best.from != nil || err != nil || len(line) == 1 {
		return best, err
	}
	return o.best(ctx, others, line, brought, func(ctx context.Context, other *Log) (int, bool, error) {
		if had, err := o.had(ctx, other, line[len(line)-1]); !had || err != nil {
			return 0, false, err
		}
		var failed error
		// The first one is known to be nowhere, and the last one to be there.
		i := 1 + sort.Search(len(line)-2, func(i int) bool {
			if failed != nil {
				return true
			}
			had, err := o.had(ctx, other, line[1+i])
			failed = err
			return had
		})
		return i, true, failed
	})
}

// best asks each repository where on the line its part begins, and takes the
// one that has the most, the earliest of several.
func (o opening) best(
	ctx context.Context, others []*Log, line, brought []string, begin func(context.Context, *Log) (int, bool, error),
) (found, error) {
	var best found
	for _, other := range others {
		at, some, err := begin(ctx, other)
		if err != nil {
			return found{}, err
		}
		if !some || best.from != nil && at > best.at {
			continue
		}
		f, err := o.locate(ctx, other, o.below(line[at], brought))
		if err != nil {
			return found{}, err
		}
		f.at = at
		if f.from != nil && (best.from == nil || at < best.at || f.last.Time.Before(best.last.Time)) {
			best = f
		}
	}
	return best, nil
}

// below is a head with what came of its ancestors.
func (o opening) below(head string, brought []string) arrival {
	a := arrival{head: head}
	ancestors := o.g.ancestors(head)
	for _, n := range brought {
		if ancestors[n] {
			a.brought = append(a.brought, n)
		}
	}
	return a
}

// others are the repositories that something may have come from.
func (l *Log) others() []*Log {
	var out []*Log
	for _, name := range l.server.candidates {
		if other := l.server.Repository(name); other.name != l.name {
			out = append(out, other)
		}
	}
	return out
}

// had reports whether the repository had a changeset, and not after the push.
func (o opening) had(ctx context.Context, other *Log, node string) (bool, error) {
	a, err := other.ask(ctx, false, "changeset", node)
	if errors.Is(err, job.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p := containing(a.pushes, node)
	return p != nil && !p.Time.After(o.p.Time), nil
}

// locate finds the pushes of another repository that brought an arrival, the
// last of them not after the push. It finds nothing where that does not have it.
func (o opening) locate(ctx context.Context, other *Log, a arrival) (found, error) {
	answer, err := other.ask(ctx, false, "changeset", a.head, "changeset", a.brought[0])
	if errors.Is(err, job.ErrNotFound) {
		return found{}, nil // it does not have them, or is no more
	}
	if err != nil {
		return found{}, err
	}
	first, last := containing(answer.pushes, a.brought[0]), containing(answer.pushes, a.head)
	if first == nil || last == nil || last.Time.After(o.p.Time) {
		return found{}, nil
	}
	return found{arrival: a, from: other, first: *first, last: *last}, nil
}
