// Package deadline limits the time of an operation as a whole, with its retries and pages,
// so that a service that hangs does not hold up the caller.
//
// Start with [With]; [Of] turns the error of an operation that ran out of time into an
// [Error]:
//
//	ctx, cancel := deadline.With(ctx, 0, "taskcluster.jobs")
//	defer cancel()
//	jobs, err := list(ctx)
//	return jobs, deadline.Of(ctx, err)
package deadline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Default is the time limit when the caller sets none. The slowest known listing takes a few
// minutes.
const Default = 10 * time.Minute

// Error says that an operation did not end in time. It is neither context.DeadlineExceeded
// nor context.Canceled, which mean that the caller did not want to wait any longer.
type Error struct {
	Op    string // "taskcluster.jobs"
	After time.Duration
	Last  error // the error of what was being done when the time was up; nil where there is none
}

// Error names the operation and its time limit, and then Last in brackets, if any, as in
// "taskcluster.jobs: no answer within 10m0s".
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: no answer within %s", e.Op, e.After)
	if e.Last != nil {
		s += fmt.Sprintf(" (%v)", e.Last)
	}
	return s
}

// Timeout returns true; it is the method of net.Error.
func (*Error) Timeout() bool { return true }

// With limits an operation to the duration d; 0 means Default, a negative one no limit. When
// the time is up, the cause of the context is an *Error that names op. An earlier deadline of
// ctx stays in force, with its own cause.
func With(ctx context.Context, d time.Duration, op string) (context.Context, context.CancelFunc) {
	if d < 0 {
		return context.WithCancel(ctx)
	}
	if d == 0 {
		d = Default
	}
	return context.WithTimeoutCause(ctx, d, &Error{Op: op, After: d})
}

// Of returns the error of an operation limited by With: an *Error when it failed because the
// time was up, and any other error as it is.
func Of(ctx context.Context, err error) error {
	var own *Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(context.Cause(ctx), &own) {
		return err
	}
	return &Error{Op: own.Op, After: own.After, Last: err}
}
