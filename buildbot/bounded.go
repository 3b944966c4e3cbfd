package buildbot

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/internal/deadline"
	"github.com/mozci/mozci/job"
)

// bounded runs an operation within the client's deadline, and wraps its error with the
// operation and what it was about.
func bounded[T any](
	ctx context.Context, c *Client, op, about string, do func(context.Context) (T, error),
) (T, error) {
	ctx, cancel := deadline.With(ctx, c.deadline, op)
	defer cancel()
	out, err := do(ctx)
	return out, job.Wrap(op, about, late(ctx, err))
}

// late turns the client's own deadline into job.ErrUnavailable: the master did not answer in
// time. A *job.PartialError stays one, since it lists the runs that were made before.
func late(ctx context.Context, err error) error {
	var partial *job.PartialError
	if errors.As(err, &partial) {
		partial.Err = late(ctx, partial.Err)
		return err
	}
	var own *deadline.Error
	if errors.As(deadline.Of(ctx, err), &own) {
		return fmt.Errorf("%w: %w", job.ErrUnavailable, own)
	}
	return err
}
