package deadline_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/deadline"
)

// An operation that hangs ends after its bound, and the cause names it.
func TestWith(t *testing.T) {
	for _, tt := range []struct {
		d, after time.Duration
		cause    string
	}{
		{0, 10 * time.Minute, "taskcluster.jobs: no answer within 10m0s"},
		{time.Second, time.Second, "taskcluster.jobs: no answer within 1s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := deadline.With(t.Context(), tt.d, "taskcluster.jobs")
			defer cancel()
			began := time.Now()
			<-ctx.Done()
			if took := time.Since(began); took != tt.after {
				t.Errorf("%s: it ended after %s, expected %s", tt.d, took, tt.after)
			}
			if got := context.Cause(ctx).Error(); got != tt.cause {
				t.Errorf("%s: the cause is %q, expected %q", tt.d, got, tt.cause)
			}
		})
	}
}

// A negative duration is no bound, and cancel still ends the context.
func TestWithoutBound(t *testing.T) {
	ctx, cancel := deadline.With(t.Context(), -1, "pushlog.pushes")
	if at, ok := ctx.Deadline(); ok {
		t.Errorf("the deadline is %s, expected none", at)
	}
	cancel()
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("after cancel the context's error is %v", ctx.Err())
	}
}

// The operation's own bound is told apart from that of whoever asked.
func TestOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := deadline.With(t.Context(), time.Minute, "pushlog.pushes")
		defer cancel()
		<-ctx.Done()
		err := deadline.Of(ctx, fmt.Errorf("GET https://hg.example/: %w", ctx.Err()))
		var own *deadline.Error
		if !errors.As(err, &own) || own.Op != "pushlog.pushes" || own.After != time.Minute || !own.Timeout() {
			t.Fatalf("got %v, expected an error of the operation", err)
		}
		const text = "pushlog.pushes: no answer within 1m0s (GET https://hg.example/: context deadline exceeded)"
		if err.Error() != text {
			t.Errorf("got %q, expected %q", err, text)
		}
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Error("it looks as if the caller did not want to wait")
		}
		other := errors.New("the answer is no JSON")
		if got := deadline.Of(ctx, other); !errors.Is(got, other) || errors.As(got, &own) {
			t.Errorf("another error became %v", got)
		}
		if got := deadline.Of(ctx, nil); got != nil {
			t.Errorf("no error became %v", got)
		}
	})
}

// Whoever asked has an earlier deadline: that is what the error is about.
func TestOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		ctx, cancel := deadline.With(asked, time.Minute, "pushlog.pushes")
		defer cancel()
		<-ctx.Done()
		if err := deadline.Of(ctx, ctx.Err()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, expected the error of the caller's context", err)
		}
		outer, end := deadline.With(t.Context(), time.Second, "backfill.find")
		defer end()
		inner, stop := deadline.With(outer, time.Minute, "pushlog.pushes")
		defer stop()
		<-inner.Done()
		var own *deadline.Error
		if err := deadline.Of(inner, inner.Err()); !errors.As(err, &own) || own.Op != "backfill.find" {
			t.Errorf("got %v, expected the error of the operation that ended first", err)
		}
	})
}
