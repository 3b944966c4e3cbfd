package backfill

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/mozci/mozci/job"
)

// brought is what a merge push brought in from another repository.
type brought struct {
	through job.Push
	job.Origin
}

// originsOf yields what pushes brought in, each origin once; seen remembers the origins
// of earlier calls. An error ends the sequence. It is errors.ErrUnsupported when the
// repository cannot tell what a merge brought.
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
