package taskcluster

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/mozci/mozci/internal/deadline"
	"github.com/mozci/mozci/job"
)

// bounded marks the context of an operation that has its deadline: what it asks for is
// a part of it.
type bounded struct{}

func isBounded(ctx context.Context) bool { return ctx.Value(bounded{}) != nil }

// begin bounds an operation by the client's deadline.
func (c *Client) begin(ctx context.Context, op string) (context.Context, context.CancelFunc) {
	if isBounded(ctx) {
		return ctx, func() {}
	}
	return deadline.With(context.WithValue(ctx, bounded{}, true), c.deadline, op)
}

// within bounds an operation by the client's deadline.
func within[T any](
	ctx context.Context, c *Client, op, key string, do func(context.Context) (T, error),
) (T, error) {
	ctx, end := c.begin(ctx, op)
	defer end()
	v, err := do(ctx)
	return v, timeUp(ctx, op, key, err)
}

// timeUp is the error of an operation: one whose deadline is over is as one whose
// service does not answer, and not as one whose caller did not want to wait.
func timeUp(ctx context.Context, op, key string, err error) error {
	var own *deadline.Error
	if errors.As(deadline.Of(ctx, err), &own) {
		return job.OfHTTP(op, key, own)
	}
	return err
}

// opening bounds the opening of what is read afterwards, for as long as it takes.
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

// opened is what was opened in time.
type opened struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close implements io.Closer.
func (o *opened) Close() error {
	err := o.ReadCloser.Close()
	o.cancel(nil)
	return err
}
