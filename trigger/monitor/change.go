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

// Change is something that happened to what is watched.
type Change struct {
	Time   time.Time // by the store's clock
	Key    string    // of the expectation
	Label  string
	Push   job.Push
	ID     string         // of the run; empty where it is about none
	Count  int            // runs: 1 for the change of one, and how many were triggered
	Status job.Status     // of the run; 0 where it is about none
	Took   time.Duration  // how long the run took; 0 while it has not ended
	Action trigger.Action // empty where nothing was triggered
	Why    string
	// Results are those of the expectation after the change.
	Results Counts
	Want    int
	// Outcome is how the expectation ended; empty where it did not.
	Outcome Outcome
	// Ended is the expectation as it ended; nil where it did not.
	Ended *Expectation
}

// Notifier hears of expectations that ended.
type Notifier interface {
	// Notify tells somebody that an expectation ended. One that failed is tried
	// again, so that it may come twice: Expectation.Key names it.
	Notify(ctx context.Context, e Expectation) error
}

// NotifyFunc is a function that is a Notifier.
type NotifyFunc func(ctx context.Context, e Expectation) error

// Notify implements Notifier.
func (f NotifyFunc) Notify(ctx context.Context, e Expectation) error { return f(ctx, e) }

// LogNotifier writes what ended to a log.
func LogNotifier(log *slog.Logger) Notifier {
	return NotifyFunc(func(ctx context.Context, e Expectation) error {
		log.InfoContext(ctx, "watched to the end", "label", e.Label, "repo", e.Push.Repo, "push", e.Push.ID,
			"revision", e.Push.Short(), "outcome", string(e.Progress.Outcome), "why", e.Progress.Note)
		return nil
	})
}

// changes are the runs of an expectation whose status is not the one that was told last.
func (m *Monitor) changes(e *Expectation, f Facts) []Change {
	if e.Progress.Told == nil {
		e.Progress.Told = map[string]job.Status{}
		if e.UntilHit || e.Parent != "" { // what had ended before is no news
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
	so := e.Progress.Results // before the changes, and then after each
	for _, j := range slices.SortedFunc(slices.Values(f.Jobs), inOrder) {
		here[j.ID()] = true
		if told[j.ID()] != j.Status() {
			fresh = append(fresh, j)
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
	for id := range told { // bounded by the runs that are there
		if !here[id] {
			delete(told, id)
		}
	}
	return out
}

// plus is the counts with a run more, or less.
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

// inOrder sorts runs by when they last changed, as far as is known.
func inOrder(a, b job.Job) int {
	return cmp.Or(ended(a).Compare(ended(b)), cmp.Compare(a.ID(), b.ID()))
}

// change is one about an expectation.
func (m *Monitor) change(e Expectation, now time.Time) Change {
	want := max(e.Count, e.Progress.Want)
	if b := e.Progress.Base; b != nil {
		want = e.Progress.Want - b.Runs
	}
	return Change{
		Time: now, Key: e.Key, Label: e.Label, Push: e.Push, Results: e.Progress.Results, Want: max(want, 0),
	}
}

// meaning is what a status means, in the words that people use.
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
