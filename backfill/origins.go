package backfill

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/mozci/mozci/job"
)

// brought is what a push brought from another repository.
type brought struct {
	through job.Push
	job.Origin
}

// originsOf is what pushes brought, each origin once: seen remembers those that came
// before. An error ends it; errors.ErrUnsupported is one of a repository that does not
// know.
func originsOf(
	ctx context.Context, repo job.Repository, pushes []job.Push, seen map[string]bool,
) iter.Seq2[brought, error] {
	return func(yield func(brought, error) bool) {
		for _, p := range pushes {
			if !p.Testable() {
				continue
			}
			origins, err := job.Origins(ctx, repo, p)
			if err != nil {
				if !errors.Is(err, errors.ErrUnsupported) {
					err = fmt.Errorf("what push %s brought: %w", p, err)
				}
				yield(brought{}, err)
				return
			}
			for _, o := range origins {
				at := o.Repo + " " + o.Head
				if seen[at] {
					continue
				}
				seen[at] = true
				if !yield(brought{p, o}, nil) {
					return
				}
			}
		}
	}
}
