package taskcluster

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/mozci/mozci/internal/deadline"
	"github.com/mozci/mozci/job"
)

// bounded marks the context of an operation that has its deadline. Operations that it calls
// are parts of it, and get no deadline of their own.
type bounded struct{}

func isBounded(ctx context.Context) bool { return ctx.Value(bounded{}) != nil }

// begin bounds an operation by the client's deadline, unless it is part of one that is bounded
// already. The caller calls the returned function at the end.
func (c *Client) begin(ctx context.Context, op string) (context.Context, context.CancelFunc) {
	if isBounded(ctx) {
		return ctx, func() {}
	}
	return deadline.With(context.WithValue(ctx, bounded{}, true), c.deadline, op)
}

// within runs an operation under the client's deadline.
func within[T any](
	ctx context.Context, c *Client, op, key string, do func(context.Context) (T, error),
) (T, error) {
	ctx, end := c.begin(ctx, op)
	defer end()
	v, err := do(ctx)
	return v, timeUp(ctx, op, key, err)
}

// timeUp sorts out the error of an operation that ran out of time. When the client's own
// deadline ended it, the error is job.ErrUnavailable, as for a service that does not answer.
// When the caller's context did, it stays context.DeadlineExceeded.
func timeUp(ctx context.Context, op, key string, err error) error {
	var own *deadline.Error
	if errors.As(deadline.Of(ctx, err), &own) {
		return job.OfHTTP(op, key, own)
	}
	return err
}

// opening bounds the opening of a file by the client's deadline, but not the reading after
// it. A context with a deadline would end the reading as well, so a timer cancels the context
// instead, and is stopped once the file is open.
//
//	open in time                  its reader, whose context ends only with Close
//	open fails in time            its error
//	the timer comes first         the context is cancelled with late, which becomes job.ErrUnavailable
//	the timer comes while open
//	  returns a reader            stop is false: the reader is closed again
func opening(
	ctx context.Context, c *Client, op, key string, open func(context.Context) (io.ReadCloser, error),
) (io.ReadCloser, error) {
	if isBounded(ctx) {
		return open(ctx)
	}
	after := c.deadline
	if after == 0 {
		after = deadline.Default
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, bounded{}, true))
	late := &deadline.Error{Op: op, After: after}
	stop := func() bool { return true }
	if after > 0 {
		stop = time.AfterFunc(after, func() { cancel(late) }).Stop
	}
	body, err := open(ctx)
	if inTime := stop(); err == nil && inTime {
		return &opened{body, cancel}, nil
	}
	if err == nil {
		_ = body.Close()
	}
	if errors.Is(context.Cause(ctx), late) {
		err = job.OfHTTP(op, key, &deadline.Error{Op: op, After: after, Last: err})
	}
	cancel(nil)
	return nil, err
}

// opened is a file that was opened in time; closing it frees the context.
type opened struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close closes the file and frees what the opening held.
func (o *opened) Close() error {
	err := o.ReadCloser.Close()
	o.cancel(nil)
	return err
}
