package pushlog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// DefaultCandidates are the repositories whose pushes are merged into others:
// today's, and those of the years before.
var DefaultCandidates = []string{"autoland", "mozilla-central", "mozilla-inbound", "fx-team", "b2g-inbound"}

var (
	_ job.OriginFinder  = (*Log)(nil)
	_ job.BackoutFinder = (*Log)(nil)
)

// Origins implements job.OriginFinder, from the graph: what came with the push, and
// the earliest push of another repository (Options.Candidates) that has it. The
// merge's message is only a hint, for the name of a repository that is gone.
//
// A push can do several things, and everything that came from elsewhere is
// named. First comes what the repository moved forward to: the newest changeset
// on the line of first parents that another repository had before, with all that
// came below it; the merges inside are that repository's. Then come the merges of
// the rest, each in the same way, so that work on top of another repository's
// head does not hide that head. A push whose tip merges something new into what
// the repository had, its first parent, is that merge, wherever it was made.
//
// Requests: one for the push unless it was read with job.Range.Full; for what
// may have moved forward and for each merge, one for each candidate, and one for
// the pushes that were brought. Where no candidate has the head of these, one
// for each candidate more, and a few for one that has a part.
func (l *Log) Origins(ctx context.Context, p job.Push) ([]job.Origin, error) {
	return within(ctx, l.server, "pushlog.origins", p.String(), func(ctx context.Context) ([]job.Origin, error) {
		return l.origins(ctx, p)
	})
}

func (l *Log) origins(ctx context.Context, p job.Push) ([]job.Origin, error) {
	if !p.Testable() {
		return nil, ctx.Err()
	}
	if !isFull(p) {
		pushes, _, err := l.byIDs(ctx, p.ID, p.ID, true)
		if err != nil {
			return nil, err
		}
		if p, err = again(p, pushes); err != nil {
			return nil, err
		}
	}
	o := opening{l: l, p: p, g: NewGraph([]job.Push{p})}
	return o.came(ctx, arrival{head: p.Revision, brought: o.g.order}, true)
}

// again is a push as it was read now, of an earlier reading: the repository may have
// changed since.
func again(p job.Push, pushes []job.Push) (job.Push, error) {
	switch {
	case len(pushes) != 1:
		return p, fmt.Errorf("%w: the pushlog does not list the push any more", job.ErrNotFound)
	case !pushes[0].Testable():
		return p, fmt.Errorf("%w: the push has lost its changesets since it was read", job.ErrNotFound)
	case isHash(p.Revision) && pushes[0].Revision != p.Revision && pushes[0].Git != p.Revision:
		return p, fmt.Errorf("%w: the push has the tip %s now, and had %s when it was read", job.ErrNotFound,
			pushes[0].Short(), p.Short())
	}
	return pushes[0], nil
}

// isFull reports whether the push was read with its changesets' parents. A
// repository's first changeset has none, so one with parents is enough.
func isFull(p job.Push) bool {
	return slices.ContainsFunc(p.Changesets, func(c job.Changeset) bool { return len(c.Parents) > 0 })
}

// hinted is how messages of merges between repositories are written.
var hinted = regexp.MustCompile(`(?i)\bmerge(?:d)?\s+([\w-]+(?:[/-]\w+)*)\s+(?:in)?to\s+([\w-]+)`)

// shortHands are the names that sheriffs write for repositories.
var shortHands = map[string]string{
	"m-c": "mozilla-central", "mc": "mozilla-central", "central": "mozilla-central", "m-i": "mozilla-inbound",
	"inbound": "mozilla-inbound", "mozilla-inbound": "mozilla-inbound", "fx-team": "fx-team", "fxteam": "fx-team",
	"b2g-inbound": "b2g-inbound", "b2ginbound": "b2g-inbound",
	"autoland": "autoland", "mozilla-central": "mozilla-central", "beta": "mozilla-beta",
}

// hint is the repository that a message says was merged into another one that
// is known, or "".
func hint(desc string) string {
	m := hinted.FindStringSubmatch(desc)
	if m == nil || shortHands[strings.ToLower(m[2])] == "" {
		return ""
	}
	if name, ok := shortHands[strings.ToLower(m[1])]; ok {
		return name
	}
	return m[1]
}

func containing(pushes []job.Push, node string) *job.Push {
	i := slices.IndexFunc(pushes, func(p job.Push) bool { return p.Contains(node) })
	if i < 0 {
		return nil
	}
	return &pushes[i]
}

// mostOlder is how many pages before the push of the oldest changeset are
// searched for others: a changeset that is hidden there is in none.
const mostOlder = 3

// spareLeft is how many ids before the first push are asked for, so that the
// push before it is among them although ids have holes.
const spareLeft = 10

// brought reads the pushes from first to last, and the one before them, and
// keeps those that brought something. Where the oldest changeset did not come
// with the oldest push, it asks for older ones, a few pages back.
func (l *Log) brought(ctx context.Context, a arrival, first, last job.Push) (*job.Origin, error) {
	wanted := map[string]bool{}
	for _, n := range a.brought {
		wanted[n] = true
	}
	o := &job.Origin{Repo: l.name, Head: a.head}
	lo := max(1, min(first.ID, last.ID)-spareLeft)
	pushes, _, err := l.byIDs(ctx, lo, last.ID, true)
	for older := 0; err == nil; older++ {
		left := len(wanted)
		begin := -1
		for i, p := range pushes {
			n := 0
			for _, c := range p.Changesets {
				if wanted[c.Node] {
					n++
				}
			}
			if left -= n; n > 0 && begin < 0 {
				begin = i
			}
		}
		if left <= 0 && begin > 0 || lo <= 1 || older >= mostOlder {
			return pick(o, pushes, wanted, begin), nil
		}
		end := lo - 1
		lo = max(1, lo-page)
		var more []job.Push
		more, _, err = l.byIDs(ctx, lo, end, true)
		pushes = append(more, pushes...)
	}
	return nil, err
}

// pick keeps the pushes with wanted changesets, from the index of the first.
func pick(o *job.Origin, pushes []job.Push, wanted map[string]bool, begin int) *job.Origin {
	if begin > 0 {
		o.Before = &pushes[begin-1]
	}
	for _, p := range pushes[max(begin, 0):] {
		if slices.ContainsFunc(p.Changesets, func(c job.Changeset) bool { return wanted[c.Node] }) {
			o.Pushes = append(o.Pushes, p)
		}
	}
	return o
}

// Backouts implements job.BackoutFinder: as the server knows it, within a hundred
// descendants; and by the messages of the pushes with the next 200 ids, where
// the server cannot tell, or where the changesets are also git's, whose reverts
// name git's hashes. Requests: two, and one for each push that backed something
// out.
func (l *Log) Backouts(ctx context.Context, p job.Push) ([]job.Push, error) {
	return within(ctx, l.server, "pushlog.backouts", p.String(), func(ctx context.Context) ([]job.Push, error) {
		return l.backouts(ctx, p)
	})
}

func (l *Log) backouts(ctx context.Context, p job.Push) ([]job.Push, error) {
	if !p.Testable() {
		return nil, ctx.Err()
	}
	nodes, err := l.backedOutBy(ctx, p)
	if errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrNotFound) { // an hg without that command
		return l.backoutsByMessage(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	found := map[int64]job.Push{}
	if mayBeGits(p) {
		said, err := l.backoutsByMessage(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, q := range said {
			found[q.ID] = q
		}
	}
	for _, n := range nodes {
		if slices.ContainsFunc(valuesOf(found), func(q job.Push) bool { return q.Contains(n) }) {
			continue
		}
		q, err := l.push(ctx, n, false)
		if err != nil {
			return nil, err
		}
		found[q.ID] = q
	}
	out := valuesOf(found)
	slices.SortFunc(out, job.Push.Compare)
	return out, nil
}

// mayBeGits reports whether changesets of the push can be named by git's hashes:
// they have some, or are not known.
func mayBeGits(p job.Push) bool {
	return len(p.Changesets) == 0 || slices.ContainsFunc(p.Changesets,
		func(c job.Changeset) bool { return c.Git != "" })
}

// backoutsByMessage are the newer pushes whose messages name changesets of p.
func (l *Log) backoutsByMessage(ctx context.Context, p job.Push) ([]job.Push, error) {
	newer, _, err := l.byIDs(ctx, p.ID, p.ID+page-1, true)
	if err != nil {
		return nil, err
	}
	by := map[int64]bool{}
	g := NewGraph(newer)
	for _, b := range g.Backouts() {
		by[b.Push] = by[b.Push] || slices.ContainsFunc(b.Resolved, func(n string) bool { return g.Push(n) == p.ID })
	}
	return slices.DeleteFunc(newer, func(q job.Push) bool { return !by[q.ID] }), nil
}

func valuesOf(m map[int64]job.Push) []job.Push {
	out := make([]job.Push, 0, len(m))
	for _, p := range m {
		out = append(out, p)
	}
	return out
}
