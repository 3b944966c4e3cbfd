package pushlog

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/mozci/mozci/job"
)

// WalkOptions change how Walk goes; nil is zero options.
type WalkOptions struct {
	// Repositories opens the repositories that merges lead to. Default: those
	// of the same server, when the repository is a Log; else merges are not
	// followed.
	Repositories func(name string) (job.Repository, error)
	// Forwards asks about pushes without a merge too, which may have moved the
	// repository to another's head. It takes a request for each candidate and
	// push.
	Forwards bool
}

// Visit is one push of a walk.
type Visit struct {
	Push job.Push
	// Path are the merge pushes that led to it, the outermost first; empty for
	// a push of the repository that the walk began in.
	Path []job.Push
	// Err says why what a merge brought is not walked: its origin could not be
	// found out, or is gone. The walk goes on.
	Err error
}

// Walk yields the pushes of a repository from the one of rev back, newest
// first, and after each merge push the pushes that it brought, newest first and
// followed in the same way. Each push comes once, also where repositories merge
// each other. It reads as it goes: pages of 200 ids, and for each merge what
// job.OriginFinder takes. An error ends the sequence; on try, whose pushes do not
// follow each other, job.ErrNoLine. A walk remembers the ids of the pushes that it
// has yielded, until it ends.
func Walk(ctx context.Context, repo job.Repository, rev string, opts *WalkOptions) iter.Seq2[Visit, error] {
	var o WalkOptions
	if opts != nil {
		o = *opts
	}
	if l, ok := repo.(*Log); ok && o.Repositories == nil {
		o.Repositories = func(name string) (job.Repository, error) { return l.server.Repository(name), nil }
	}
	return func(yield func(Visit, error) bool) {
		w := &walker{opts: o, seen: map[place]bool{}}
		err := job.Line(ctx, repo)
		var start job.Push
		if err == nil {
			start, err = repo.Push(ctx, rev)
		}
		if err != nil {
			yield(Visit{}, err)
			return
		}
		for pushes, err := range pagesOf(ctx, repo, start) {
			if err != nil {
				yield(Visit{}, err)
				return
			}
			for _, p := range slices.Backward(pushes) {
				if !w.visit(ctx, repo, p, nil, yield) {
					return
				}
			}
		}
	}
}

// pagesOf yields the pushes up to start, a page at a time, each ascending, the
// newest page first. The pushlog's ids are in the order of its pushes; those of
// another repository need not be, so there each page is around the oldest push
// of the one before.
func pagesOf(ctx context.Context, repo job.Repository, start job.Push) iter.Seq2[[]job.Push, error] {
	return func(yield func([]job.Push, error) bool) {
		if _, ids := repo.(*Log); ids {
			for hi := start.ID; hi > 0; hi -= page {
				r := job.IDs(max(1, hi-page+1), hi)
				r.Full = true
				if pushes, err := repo.Pushes(ctx, r); !yield(pushes, err) || err != nil {
					return
				}
			}
			return
		}
		for center := start; ; {
			r := job.Around(center.Revision, page, 0)
			r.Full = true
			pushes, err := repo.Pushes(ctx, r)
			if !yield(pushes, err) || err != nil || len(pushes) <= page {
				return
			}
			oldest := slices.IndexFunc(pushes, job.Push.Testable)
			if oldest < 0 || pushes[oldest].Compare(center) >= 0 {
				return // a page of pushes without revisions: nothing to go on from
			}
			center = pushes[oldest]
		}
	}
}

// place names a push: ids alone are those of one repository.
type place struct {
	repo string
	id   int64
}

type walker struct {
	opts WalkOptions
	seen map[place]bool
}

// visit yields a push and what it brought. It is false when the walk is over.
func (w *walker) visit(
	ctx context.Context, repo job.Repository, p job.Push, path []job.Push, yield func(Visit, error) bool,
) bool {
	at := place{p.Repo, p.ID}
	if w.seen[at] {
		return true
	}
	w.seen[at] = true
	v := Visit{Push: p, Path: path}
	origins, err := w.origins(ctx, repo, p)
	if v.Err = err; ctx.Err() != nil {
		return yield(Visit{}, job.Wrap("pushlog.walk", p.String(), ctx.Err())) && false
	}
	for _, o := range origins {
		if o.Gone && v.Err == nil {
			v.Err = fmt.Errorf("%w: what %s brought of %q is in no repository that was asked", job.ErrNotFound, p,
				o.Repo)
		}
	}
	if !yield(v, nil) {
		return false
	}
	down := append(slices.Clip(path), p)
	for _, o := range slices.Backward(origins) {
		if o.Gone {
			continue
		}
		other, err := w.opts.Repositories(o.Repo)
		if err != nil {
			return yield(Visit{}, err) && false
		}
		for _, q := range slices.Backward(o.Pushes) {
			if !w.visit(ctx, other, q, down, yield) {
				return false
			}
		}
	}
	return true
}

func (w *walker) origins(ctx context.Context, repo job.Repository, p job.Push) ([]job.Origin, error) {
	merge := slices.ContainsFunc(p.Changesets, func(c job.Changeset) bool { return len(c.Parents) == 2 })
	if w.opts.Repositories == nil || !merge && !w.opts.Forwards {
		return nil, nil
	}
	return job.Origins(ctx, repo, p)
}
