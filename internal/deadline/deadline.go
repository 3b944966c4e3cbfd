// Package deadline bounds an operation as a whole, its retries and pages
// included: a service that hangs must not hold up whoever asked it.
//
// Start with [With]; [Of] says in an error that the bound was reached.
package deadline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Default is how long an operation may take where nobody says otherwise: the
// slowest listing that is known takes a few minutes.
const Default = 10 * time.Minute

// Error says that an operation did not end in time. It is neither
// context.DeadlineExceeded nor context.Canceled, which mean that whoever asked
// did not want to wait any longer.
type Error struct {
	Op    string // "taskcluster.jobs"
	After time.Duration
	Last  error // what was being done when time was up; nil where nobody said
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: no answer within %s", e.Op, e.After)
	if e.Last != nil {
		s += fmt.Sprintf(" (%v)", e.Last)
	}
	return s
}

// Timeout is true, as net.Error has it.
func (*Error) Timeout() bool { return true }

// With bounds an operation: 0 means Default, and a negative duration no bound.
// The cause of the context that ends so is an *Error that names op. An earlier
// deadline of ctx holds, with its own cause.
func With(ctx context.Context, d time.Duration, op string) (context.Context, context.CancelFunc) {
	if d < 0 {
		return context.WithCancel(ctx)
	}
	if d == 0 {
		d = Default
	}
	return context.WithTimeoutCause(ctx, d, &Error{Op: op, After: d})
}

// Of returns the error of an operation that With bounds. Where it failed because
// the bound was reached that is an *Error, and any other error is returned as it is.
func Of(ctx context.Context, err error) error {
	var own *Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(context.Cause(ctx), &own) {
		return err
	}
	return &Error{Op: own.Op, After: own.After, Last: err}
}
