package jobtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/job"
)

// What the kits share: how a report is made, and how pushes are compared.

// report collects the misbehaviours that a kit finds. Each names the rule that was broken, and says
// what was called with what, what came back, and what is wanted. Findings are kept in the order in
// which they are found, so that the first one is the one to mend first.
type report struct{ errs []error }

// wrong reports what a call returned that it should not have.
func (r *report) wrong(rule, called, returned, want string, args ...any) {
	want = fmt.Sprintf(want, args...)
	r.errs = append(r.errs, fmt.Errorf("%s: %s returned %s, want %s", rule, called, returned, want))
}

// failed reports an error of a call that should have none, and whether there is one.
func (r *report) failed(rule, called string, err error) bool {
	if err != nil {
		r.wrong(rule, called, fmt.Sprintf("the error %q", err), "no error")
	}
	return err != nil
}

// sentinel checks that the error of a call is a *job.Error that wraps want.
func (r *report) sentinel(rule, called string, err, want error) {
	var e *job.Error
	switch {
	case err == nil:
		r.wrong(rule, called, "no error", "an error that wraps %q", want)
	case !errors.Is(err, want):
		r.wrong(rule, called, fmt.Sprintf("the error %q", err), "one that wraps %q", want)
	case !errors.As(err, &e):
		r.wrong("error-type", called, fmt.Sprintf("the error %q (%T)", err, err), "a *job.Error (rule %s)", rule)
	}
}

// cancelled checks that a call with a cancelled context gives its error.
func (r *report) cancelled(rule, called string, do func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.sentinel(rule, called+" with a cancelled context", do(ctx), context.Canceled)
}

// samePush compares what every source must agree on: changesets may be capped
// or bare, so they are compared by the rules that speak of them.
func samePush(a, b job.Push) bool {
	return a.Repo == b.Repo && a.ID == b.ID && a.Order == b.Order && a.Branch == b.Branch &&
		a.Revision == b.Revision && a.Time.Equal(b.Time) && a.User == b.User
}

// samePushes compares in order; two empty lists are the same.
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

// whole is a push with all that samePush compares.
func whole(p job.Push) string {
	return fmt.Sprintf("%s (revision %s, order %d, branch %q, by %q, at %s)", pushText(p), p.Revision, p.Order,
		p.Branch, p.User, p.Time.UTC().Format("2006-01-02 15:04:05"))
}

// firstDifference says how two lists of pushes differ where the ids are the same and something else
// is not: ids alone can be read from the lists. It is empty when there is no such push.
func firstDifference(got, want []job.Push) string {
	for i := range min(len(got), len(want)) {
		if !samePush(got[i], want[i]) && got[i].ID == want[i].ID {
			return fmt.Sprintf("; the first that differs is %s, want %s", whole(got[i]), whole(want[i]))
		}
	}
	return ""
}

// concurrent reports what went wrong when several callers asked at once.
func (r *report) concurrent(called string, bad []error) {
	if err := errors.Join(bad...); err != nil {
		r.wrong("concurrent-use", called+" by several callers at once", fmt.Sprintf("the error %q", err),
			"what it returns to one")
	}
}
