package pushlog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mozci/mozci/job"
)

// ByHg returns a repository whose pushes have their hash of hg as Revision and
// that of git in Git, for a source that lists a repository of both by hashes of
// git, such as Treeherder, while another knows it by hg's, such as Taskcluster's
// index. Twins is Server.Twins or its like; a push that it does not know stays
// as it is. Where a push turns out to be named by hg already, the others of its
// answer are taken to be so too.
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
	room := make(chan struct{}, 10) // as many as one host is asked at a time
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

// name gives a push its hash of hg. It is true where that was its name already.
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
				fmt.Errorf("its hash of hg could not be found out: %w", err))
		}
		p.Hg, p.Git = hg, git
	}
	already = job.SameRevision(p.Hg, p.Revision)
	p.Revision, p.Hg = p.Hg, ""
	return already, nil
}
