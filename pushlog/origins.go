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

// DefaultCandidates are the repositories whose pushes are merged into others: the
// present ones, and those of past years for old pushes.
var DefaultCandidates = []string{"autoland", "mozilla-central", "mozilla-inbound", "fx-team", "b2g-inbound"}

var (
	_ job.OriginFinder  = (*Log)(nil)
	_ job.BackoutFinder = (*Log)(nil)
)

// Origins implements job.OriginFinder. It goes by the graph of changesets: for everything
// that came with the push, it finds the repository of Options.Candidates that had it first.
// It uses the merge's message only for the name of a repository that was removed.
//
// One push can bring several things; Origins returns all that came from elsewhere, in
// this order:
//
//  1. What the repository moved forward to: the newest changeset on the line of first
//     parents that another repository had before, with its ancestors in the push. Merges
//     among these were made in that other repository and are not listed again.
//  2. The merges in the rest of the push, each examined in the same way. So a commit on top
//     of another repository's head does not hide that head.
//
// When the tip of the push merges something new into the repository, and its first parent
// is what the repository had, the push counts as that merge, even when another repository
// has the same merge.
//
// Requests: one for the push, unless it was read with job.Range.Full. Then, for the line of
// first parents and for each merge, one for each candidate and one for the pushes that were
// brought. Where no candidate has the head, there is one more for each candidate, and a few
// for a candidate that has a part.
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

// again returns the fresh reading of a push that was read before. It is an error when the
// repository changed in between so that the two are no longer the same push.
func again(p job.Push, pushes []job.Push) (job.Push, error) {
	switch {
	case len(pushes) != 1:
		return p, fmt.Errorf("%w: the pushlog no longer lists the push", job.ErrNotFound)
	case !pushes[0].Testable():
		return p, fmt.Errorf("%w: the push has lost its changesets since it was read", job.ErrNotFound)
	case isHash(p.Revision) && pushes[0].Revision != p.Revision && pushes[0].Git != p.Revision:
		return p, fmt.Errorf("%w: the push has the tip %s now, but had %s when it was read", job.ErrNotFound,
			pushes[0].Short(), p.Short())
	}
	return pushes[0], nil
}

// isFull reports whether the push was read with its changesets' parents. One changeset with
// parents is enough to tell: a repository's first changeset has none.
func isFull(p job.Push) bool {
	return slices.ContainsFunc(p.Changesets, func(c job.Changeset) bool { return len(c.Parents) > 0 })
}

// hinted matches messages of merges between repositories: "Merge autoland to
// mozilla-central", "merged m-c into inbound". Its groups are from and to.
var hinted = regexp.MustCompile(`(?i)\bmerge(?:d)?\s+([\w-]+(?:[/-]\w+)*)\s+(?:in)?to\s+([\w-]+)`)

// shortHands are the names that sheriffs write for repositories, in lower case.
var shortHands = map[string]string{
	"m-c": "mozilla-central", "mc": "mozilla-central", "central": "mozilla-central", "m-i": "mozilla-inbound",
	"inbound": "mozilla-inbound", "mozilla-inbound": "mozilla-inbound", "fx-team": "fx-team", "fxteam": "fx-team",
	"b2g-inbound": "b2g-inbound", "b2ginbound": "b2g-inbound",
	"autoland": "autoland", "mozilla-central": "mozilla-central", "beta": "mozilla-beta",
}

// hint is the repository that was merged, by a merge's message, or "". The message must
// say that it was merged into a repository that shortHands knows: "Merge branch-x to
// my-branch" is somebody's own work. For example "Merge autoland to m-c" → "autoland", and
// "merged m-i into central" → "mozilla-inbound".
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

// mostOlder is the maximum number of pages that brought reads before the push of the
// oldest changeset. It needs a limit because a changeset that is hidden there is in no
// page.
const mostOlder = 3

// spareLeft is how many ids before the first push are requested, so that the push before
// it is among them although ids have gaps.
const spareLeft = 10

// brought reads the pushes from first to last, and the one before them, and keeps those
// that brought something. Changesets do not always arrive in the order of the graph, so an
// older push than first may have brought some of them: while any is missing it reads older
// pages, at most mostOlder.
//
// For the pushes 100 to 120 of autoland it first reads 90 to 120. When a changeset is still
// missing, or the push before the first is, it reads 1 to 89 as well: at most 200 ids at a time.
func (l *Log) brought(ctx context.Context, a arrival, first, last job.Push) (*job.Origin, error) {
	wanted := map[string]bool{}
	for _, n := range a.brought {
		wanted[n] = true
	}
	o := &job.Origin{Repo: l.name, Head: a.head}
	lo := max(1, min(first.ID, last.ID)-spareLeft)
	pushes, _, err := l.byIDs(ctx, lo, last.ID, true)
	for older := 0; err == nil; older++ {
		left := len(wanted) // changesets that are in none of the pushes
		begin := -1         // the index of the oldest push with one of them
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

// pick keeps the pushes with wanted changesets; begin is the index of the first of them, or
// -1 for none. The push at begin-1 is the origin's Before.
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

// Backouts implements job.BackoutFinder. It asks the server, which knows the backouts
// among the next hundred descendants. Where the server cannot tell, or where the
// changesets also have hashes of git, it reads the messages of the pushes with the next
// 200 ids: a revert made in git names hashes of git, which the server does not look for.
// Requests: two, and one for each push that backed something out.
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
	if errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrNotFound) { // a server without that command
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

// mayBeGits reports whether changesets of the push may have hashes of git: one has, or the
// changesets are not known.
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
