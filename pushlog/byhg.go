package pushlog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mozci/mozci/job"
)

// ByHg wraps a repository so that its pushes have their hash of hg as Revision and
// their hash of git in Git. Use it to join two sources that name the pushes of one
// repository differently: Treeherder by hashes of git, Taskcluster's index by hashes
// of hg.
//
// The function twins looks up both hashes of a revision; Server.Twins is one. A push
// that it does not know stays as it is. Each push costs one call of twins, up to ten of
// them at a time, but when the newest push of an answer is named by hg already, ByHg
// takes the whole answer to be so and makes no more.
func ByHg(
	repo job.Repository, twins func(ctx context.Context, repo, rev string) (hg, git string, err error),
) job.Repository {
	return &byHg{repo, twins}
}

type byHg struct {
	job.Repository
	twins func(ctx context.Context, repo, rev string) (hg, git string, err error)
}

var _ job.LineChecker = (*byHg)(nil)

// Line implements job.LineChecker.
func (b *byHg) Line(ctx context.Context) error { return job.Line(ctx, b.Repository) }

// Push implements job.Repository.
func (b *byHg) Push(ctx context.Context, rev string) (job.Push, error) {
	p, err := b.Repository.Push(ctx, rev)
	if err == nil {
		_, err = b.name(ctx, &p)
	}
	return p, err
}

// Pushes implements job.Repository.
func (b *byHg) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	pushes, err := b.Repository.Pushes(ctx, r)
	if err != nil || len(pushes) == 0 {
		return pushes, err
	}
	last := len(pushes) - 1
	if already, err := b.name(ctx, &pushes[last]); already || err != nil {
		return pushes, err
	}
	var wg sync.WaitGroup
	errs := make([]error, last)
	room := make(chan struct{}, 10) // internal/rest sends one host no more requests than this at a time
	for i := range pushes[:last] {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			wg.Wait()
			return pushes, job.Wrap("pushlog.byhg", b.Name(), ctx.Err())
		}
		wg.Go(func() {
			defer func() { <-room }()
			_, errs[i] = b.name(ctx, &pushes[i])
		})
	}
	wg.Wait()
	return pushes, errors.Join(errs...)
}

// name makes the hash of hg the push's Revision. It reports whether it was that already.
func (b *byHg) name(ctx context.Context, p *job.Push) (already bool, err error) {
	if !p.Testable() {
		return false, nil
	}
	if p.Hg == "" {
		hg, git, err := b.twins(ctx, p.Repo, p.Revision)
		if errors.Is(err, job.ErrNotFound) || err == nil && hg == "" {
			return false, nil
		}
		if err != nil {
			return false, job.Wrap("pushlog.byhg", p.String(),
				fmt.Errorf("cannot find its hash of hg: %w", err))
		}
		p.Hg, p.Git = hg, git
	}
	already = job.SameRevision(p.Hg, p.Revision)
	p.Revision, p.Hg = p.Hg, ""
	return already, nil
}
