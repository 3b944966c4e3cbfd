package selfserve

import (
	"context"
	"errors"
	"io"

	"github.com/mozci/mozci/internal/deadline"
	"github.com/mozci/mozci/job"
)

// bounded runs an operation within the client's deadline.
func bounded[T any](
	ctx context.Context, c *Client, op, key string, do func(context.Context) (T, error),
) (T, error) {
	ctx, cancel := deadline.With(ctx, c.within, op)
	defer cancel()
	out, err := do(ctx)
	return out, tooLate(ctx, op, key, err)
}

// tooLate is the error of an operation whose deadline came: the service did not
// answer. Another error is as it was, and of runs that were made before it still tells.
func tooLate(ctx context.Context, op, key string, err error) error {
	var partial *job.PartialError
	if errors.As(err, &partial) {
		partial.Err = tooLate(ctx, op, key, partial.Err)
		return err
	}
	var own *deadline.Error
	if errors.As(deadline.Of(ctx, err), &own) {
		return job.OfHTTP(op, key, own)
	}
	return job.Wrap(op, key, err)
}

// opened is what was opened within a deadline, and is read without one.
type opened struct {
	io.ReadCloser
	done context.CancelFunc
}

// Close implements io.Closer.
func (o *opened) Close() error {
	defer o.done()
	return o.ReadCloser.Close()
}

// opening opens something within the deadline that ctx has; what is read of it then
// lasts as long as outer does.
func opening(
	ctx, outer context.Context, open func(context.Context) (io.ReadCloser, error),
) (io.ReadCloser, error) {
	reading, done := context.WithCancel(outer)
	stop := context.AfterFunc(ctx, done)
	body, err := open(reading)
	if !stop() && err == nil { // it came too late
		err = body.Close()
		body = nil
	}
	if body == nil {
		done()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return &opened{body, done}, nil
}
