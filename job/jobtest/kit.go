package jobtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/job"
)

// report collects the misbehaviours that a kit finds; each names the rule that
// was broken.
type report struct{ errs []error }

func (r *report) broken(rule, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %s", rule, fmt.Sprintf(format, args...)))
}

// sentinel checks that err is a *job.Error that wraps want.
func (r *report) sentinel(rule string, err, want error) {
	var e *job.Error
	switch {
	case err == nil:
		r.broken(rule, "no error, expected %q", want)
	case !errors.Is(err, want):
		r.broken(rule, "error %q, expected one that wraps %q", err, want)
	case !errors.As(err, &e):
		r.broken("error-type", "%s: error %q is not a *job.Error", rule, err)
	}
}

// cancelled checks that a call with a cancelled context gives its error.
func (r *report) cancelled(rule string, call func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.sentinel(rule, call(ctx), context.Canceled)
}

// samePush compares what every source must agree on: changesets may be capped
// or bare, so they are compared by the rules that speak of them.
func samePush(a, b job.Push) bool {
	return a.Repo == b.Repo && a.ID == b.ID && a.Order == b.Order && a.Branch == b.Branch &&
		a.Revision == b.Revision && a.Time.Equal(b.Time) && a.User == b.User
}

func samePushes(got, want []job.Push) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if !samePush(got[i], want[i]) {
			return false
		}
	}
	return true
}

func shorts(pushes []job.Push) []string {
	out := make([]string, len(pushes))
	for i, p := range pushes {
		out[i] = fmt.Sprintf("%d %s", p.ID, p.Short())
	}
	return out
}

// concurrent reports what went wrong when several callers asked at once.
func (r *report) concurrent(bad []error) {
	if err := errors.Join(bad...); err != nil {
		r.broken("concurrent-use", "%v", err)
	}
}
