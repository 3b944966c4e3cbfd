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
	// Repositories opens the repositories that merges lead to. Default: those of the
	// same server, when the repository is a Log; otherwise merges are not followed.
	Repositories func(name string) (job.Repository, error)
	// Forwards also looks for origins of pushes without a merge: such a push may have
	// moved the repository forward to another's head. This takes a request for each
	// candidate and push.
	Forwards bool
}

// Visit is one push of a walk.
type Visit struct {
	Push job.Push
	// Path are the merge pushes that led here, the outermost first; empty for a push of
	// the repository that the walk began in.
	Path []job.Push
	// Err says why the pushes that this merge brought are not visited: their origin could
	// not be read, or its repository was removed. The walk goes on.
	Err error
}

// Walk yields the pushes of a repository from the push of rev back in time, newest first.
// After each merge push it yields the pushes that the merge brought, also newest first, and
// follows their merges in the same way. For example, when push 30 of central merged the
// pushes 7 and 8 of autoland, the walk from 31 is central 31, 30, autoland 8, 7, central
// 29, and so on.
//
// Each push comes once, even where repositories merge each other; for this a walk keeps the
// ids of all the pushes that it has yielded. It reads as it goes: pages of 200 ids, and for
// each merge the requests of job.OriginFinder. An error ends the sequence. On try, whose
// pushes do not build on each other, it is job.ErrNoLine.
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

// pagesOf yields the pushes up to start, a page at a time, the newest page first, each page
// ascending. A Log is read by ids, which are in the order of its pushes. The ids of another
// repository need not be, so there each page ends at the oldest push of the page before;
// that push comes twice, and visit skips it. From push 450 a Log is read as 251 to 450, 51 to
// 250 and 1 to 50.
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
				return // no older push has a revision to continue from
			}
			center = pushes[oldest]
		}
	}
}

// place names a push among those of several repositories.
type place struct {
	repo string
	id   int64
}

type walker struct {
	opts WalkOptions
	seen map[place]bool
}

// visit yields a push, then the pushes that it brought. It returns false when the walk is
// over: the caller stopped, or there was an error.
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
			v.Err = fmt.Errorf("%w: what %s brought from %q is in none of the repositories searched", job.ErrNotFound,
				p, o.Repo)
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
