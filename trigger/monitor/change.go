package monitor

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// Change is something that happened to an expectation.
type Change struct {
	Time   time.Time // by the store's clock
	Key    string    // of the expectation
	Label  string
	Push   job.Push
	ID     string         // of the run; empty if it is about no run
	Count  int            // 1 for the change of a run, else how many runs were triggered
	Status job.Status     // of the run; 0 if it is about no run
	Took   time.Duration  // how long the run took; 0 until it has ended
	Action trigger.Action // empty if nothing was triggered
	Why    string
	// Results are those of the expectation after the change, and Want how many runs with
	// a result it wants by then.
	Results Counts
	Want    int
	// Outcome is how the expectation ended; empty while it is open.
	Outcome Outcome
	// Ended is the expectation as it ended; nil while it is open.
	Ended *Expectation
}

// Notifier is told about expectations that ended.
type Notifier interface {
	// Notify reports that an expectation ended. A call that failed is repeated, so the
	// same end may come twice: Expectation.Key identifies it.
	Notify(ctx context.Context, e Expectation) error
}

// NotifyFunc is a function that is a Notifier.
type NotifyFunc func(ctx context.Context, e Expectation) error

// Notify implements Notifier.
func (f NotifyFunc) Notify(ctx context.Context, e Expectation) error { return f(ctx, e) }

// LogNotifier returns a Notifier that writes to a log.
func LogNotifier(log *slog.Logger) Notifier {
	return NotifyFunc(func(ctx context.Context, e Expectation) error {
		log.InfoContext(ctx, "watched to the end", "label", e.Label, "repo", e.Push.Repo, "push", e.Push.ID,
			"revision", e.Push.Short(), "outcome", string(e.Progress.Outcome), "why", e.Progress.Note)
		return nil
	})
}

// changes returns a change for each run whose status differs from the one reported last,
// and remembers the new ones.
func (m *Monitor) changes(e *Expectation, f Facts) []Change {
	if e.Progress.Told == nil {
		e.Progress.Told = map[string]job.Status{}
		if e.UntilHit || e.Parent != "" { // runs that had ended before are no news
			for _, j := range f.Jobs {
				if !j.Status().Waiting() {
					e.Progress.Told[j.ID()] = j.Status()
				}
			}
		}
	}
	told := e.Progress.Told
	var fresh []job.Job
	here := map[string]bool{}
	so := e.Progress.Results // the results before the changes, and then after each one
	for _, j := range slices.SortedFunc(slices.Values(f.Jobs), inOrder) {
		here[j.ID()] = true
		if told[j.ID()] != j.Status() {
			fresh = append(fresh, j)
			// Results already has this run's new result. It is taken out here, and put
			// back in below when its change is reported, so that each change shows the
			// counts as they were right after it.
			so = so.plus(j, -1)
		}
	}
	if len(fresh) > 0 || e.Progress.Changed.IsZero() {
		e.Progress.Changed = f.Now
	}
	var out []Change
	for _, j := range fresh {
		told[j.ID()] = j.Status()
		c := m.change(*e, f.Now)
		so = so.plus(j, 1)
		c.Results = Counts{Failures: max(0, so.Failures), Runs: max(0, so.Runs)}
		c.ID, c.Count, c.Status, c.Why = j.ID(), 1, j.Status(), meaning(j.Status())
		if t := j.Times(); !t.Started.IsZero() && t.Finished.After(t.Started) {
			c.Took = t.Finished.Sub(t.Started)
		}
		out = append(out, c)
	}
	for id := range told { // keeps Told as small as the list of runs
		if !here[id] {
			delete(told, id)
		}
	}
	return out
}

// plus returns the counts with the result of a run added n times: 1 to add it, -1 to take
// it away.
func (c Counts) plus(j job.Job, n int) Counts {
	switch s := j.Status(); {
	case s.Failed():
		c.Failures += n
		c.Runs += n
	case s == job.StatusSuccess:
		c.Runs += n
	}
	return c
}

// inOrder compares runs by when they last changed, as far as that is known.
func inOrder(a, b job.Job) int {
	return cmp.Or(ended(a).Compare(ended(b)), cmp.Compare(a.ID(), b.ID()))
}

// change returns a change of an expectation, without what happened.
func (m *Monitor) change(e Expectation, now time.Time) Change {
	want := max(e.Count, e.Progress.Want)
	if b := e.Progress.Base; b != nil {
		want = e.Progress.Want - b.Runs
	}
	return Change{
		Time: now, Key: e.Key, Label: e.Label, Push: e.Push, Results: e.Progress.Results, Want: max(want, 0),
	}
}

// meaning says what a status means, in words for people.
func meaning(s job.Status) string {
	switch s {
	case job.StatusUnscheduled:
		return "waiting for its build"
	case job.StatusPending:
		return "queued"
	case job.StatusRunning:
		return "started"
	case job.StatusUnknown:
		return "ended, no result yet"
	case job.StatusSuccess:
		return "passed"
	case job.StatusTestFailed, job.StatusBusted:
		return "failed"
	case job.StatusSkipped:
		return "skipped"
	case job.StatusException:
		return "infrastructure ended it, not counted"
	case job.StatusRetry:
		return "infrastructure ended it, not counted; the CI runs it again"
	case job.StatusCancelled:
		return "cancelled"
	case job.StatusCoalesced:
		return "coalesced into a run of another push"
	}
	return fmt.Sprint(s)
}
