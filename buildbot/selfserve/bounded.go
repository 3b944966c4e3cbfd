package selfserve

import (
	"context"
	"errors"
	"io"

	"github.com/mozci/mozci/internal/deadline"
	"github.com/mozci/mozci/job"
)

// bounded runs an operation within the client's deadline, and wraps its error.
func bounded[T any](
	ctx context.Context, c *Client, op, key string, do func(context.Context) (T, error),
) (T, error) {
	ctx, cancel := deadline.With(ctx, c.within, op)
	defer cancel()
	out, err := do(ctx)
	return out, tooLate(ctx, op, key, err)
}

// tooLate turns the client's own deadline into job.ErrUnavailable: the service did not answer
// in time. Any other error is only wrapped. A *job.PartialError stays one, since it tells about
// the runs that were made before.
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

// opened is a file that was opened within a deadline and is read without one.
type opened struct {
	io.ReadCloser
	done context.CancelFunc
}

// Close closes the file and frees its context.
func (o *opened) Close() error {
	defer o.done()
	return o.ReadCloser.Close()
}

// opening opens a file within the deadline of ctx. Reading it afterwards is bounded only by
// outer, the caller's context. For that the file gets a context of its own, which ctx ends
// only until the file is open.
//
//	ctx ends before the file is open    reading ends, open fails, and the error is that of ctx
//	it ends while open returns          stop is false: the file is closed again
//	it ends later                       no matter: stop has cut reading off from ctx
func opening(
	ctx, outer context.Context, open func(context.Context) (io.ReadCloser, error),
) (io.ReadCloser, error) {
	reading, done := context.WithCancel(outer)
	stop := context.AfterFunc(ctx, done)
	body, err := open(reading)
	if !stop() && err == nil { // it opened too late: ctx has ended its context already
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
