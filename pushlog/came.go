package pushlog

import (
	"context"
	"errors"
	"sort"

	"github.com/mozci/mozci/job"
)

// opening finds what a push brought from other repositories.
type opening struct {
	l *Log
	p job.Push
	g *Graph // of the push alone
}

// came returns the origins of an arrival. Where another repository had its head, all of
// it came from there. Otherwise one repository may have had a part of it, and the rest is
// searched merge by merge, in the same way. With own, the arrival is the push itself;
// without, it is something that was merged.
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
	if name := hint(a.desc); name != "" { // the message says that it is a merge of another repository
		out = append(out, job.Origin{Repo: name, Head: a.head, Gone: true})
	} // else somebody merged work of their own, which has no origin
	return out, nil
}

// line is the head, its first parent, that one's first parent and so on, as long as they
// are in the set. The line of the push itself ends before a merge whose first parent the
// repository had already: that merge was made here, so it is no other repository's head.
//
// For example: the repository has A, and the push has B (parent A), C (parent B) and D
// (parents C and X). The line of D is D, C, B.
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
	from        *Log     // nil where no repository had any part
	first, last job.Push // the pushes of from with the part's oldest changeset and with its head
	at          int      // the index of its head in the line: 0 is the newest, so a smaller one is more
}

// furthest finds the candidate that had the most of a line: the one with the newest
// changeset of it, and among equals the one that had it first.
//
// It first tries the head alone, which is the usual case and costs one request for each
// candidate. Only then does it search each candidate for the newest changeset that it
// had. A repository that has a changeset also has its ancestors, so along the line the
// answers are no, …, no, yes, …, yes, and a binary search finds the boundary: a line of
// 1,000 changesets takes about 10 requests. Of the line 0 to 6, where the candidate has 4, 5 and
// 6, the search is over the indexes 0 to 4, which are 1 to 5 of the line; it finds 3, so the
// part begins at 4.
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
		// line[0] is known to be in no candidate and the last to be in this one, so only the
		// len(line)-2 between them are open: i of the search is line[1+i]. When all of them
		// are missing, Search returns len(line)-2, and the sum is the index of the last.
		i := 1 + sort.Search(len(line)-2, func(i int) bool {
			if failed != nil {
				return true // end the search: no more requests after an error
			}
			had, err := o.had(ctx, other, line[1+i])
			failed = err
			return had
		})
		return i, true, failed
	})
}

// best asks each repository where on the line its part begins. It takes the one with the
// largest part, and among equals the one that had its head first.
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

// below is the arrival of a head: the head, and those of its ancestors that were brought.
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

// others are the candidates that something may have come from, without the repository
// itself.
func (l *Log) others() []*Log {
	var out []*Log
	for _, name := range l.server.candidates {
		if other := l.server.Repository(name); other.name != l.name {
			out = append(out, other)
		}
	}
	return out
}

// had reports whether the repository had a changeset by the time of the push. One that got
// it later cannot be where it came from.
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

// locate finds the first and the last push that brought an arrival into another
// repository. It finds nothing where that repository does not have the arrival, or got its
// head only after the push. Both ends take one request: json-pushes accepts several
// changesets.
func (o opening) locate(ctx context.Context, other *Log, a arrival) (found, error) {
	answer, err := other.ask(ctx, false, "changeset", a.head, "changeset", a.brought[0])
	if errors.Is(err, job.ErrNotFound) {
		return found{}, nil // it does not have them, or was removed
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
