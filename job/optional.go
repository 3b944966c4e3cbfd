package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
)

// As returns s, or the nearest Scheduler that it wraps, that has the ability T, such
// as Cataloger. A Scheduler that wraps another, for logging, metrics or limits, has a
// method Unwrap() Scheduler that returns it; the wrapper then keeps the other's
// abilities without a method for each. The wrapper's own abilities come first. All the
// functions below use As.
func As[T any](s Scheduler) (T, bool) {
	for range mostWrapped {
		if t, ok := s.(T); ok {
			return t, true
		}
		w, ok := s.(interface{ Unwrap() Scheduler })
		if !ok {
			break
		}
		s = w.Unwrap()
	}
	var none T
	return none, false
}

// mostWrapped is the maximum depth of wrapped Schedulers. It ends the search in one
// that wraps itself.
const mostWrapped = 100

// Catalog asks s for its catalog, or answers errors.ErrUnsupported.
func Catalog(ctx context.Context, s Scheduler, p Push, labels ...string) ([]Runnable, error) {
	if c, ok := As[Cataloger](s); ok {
		return c.Catalog(ctx, p, labels...)
	}
	return nil, unsupported("catalog", p.String())
}

// TestsByManifest asks s which tests the manifests of a push have, or answers
// errors.ErrUnsupported.
func TestsByManifest(ctx context.Context, s Scheduler, p Push) (map[string][]string, error) {
	if l, ok := As[TestLister](s); ok {
		return l.TestsByManifest(ctx, p)
	}
	return nil, unsupported("tests by manifest", p.String())
}

// Cancel asks s to stop a run, or answers errors.ErrUnsupported.
func Cancel(ctx context.Context, s Scheduler, id string) error {
	if c, ok := As[Canceler](s); ok {
		return c.Cancel(ctx, id)
	}
	return unsupported("cancel", id)
}

// OpenLog asks s for a log, or answers errors.ErrUnsupported.
func OpenLog(ctx context.Context, s Scheduler, j Job, which LogKind) (io.ReadCloser, error) {
	if o, ok := As[LogOpener](s); ok {
		return o.OpenLog(ctx, j, which)
	}
	return nil, unsupported("open log", j.ID())
}

// Watch asks s for events; where it cannot, the sequence is the one error
// errors.ErrUnsupported.
func Watch(ctx context.Context, s Scheduler) iter.Seq2[Event, error] {
	if w, ok := As[Watcher](s); ok {
		return w.Watch(ctx)
	}
	return func(yield func(Event, error) bool) { yield(Event{}, unsupported("watch", "")) }
}

// Accepted asks s for the accepted requests whose runs are not visible yet, or answers
// errors.ErrUnsupported.
func Accepted(ctx context.Context, s Scheduler, p Push, label string) ([]Request, error) {
	if i, ok := As[AcceptedLister](s); ok {
		return i.Accepted(ctx, p, label)
	}
	return nil, unsupported("inflight", label)
}

// OutcomeOf asks s what became of an accepted request. Where s cannot tell, a receipt
// that has the IDs of its runs, and no job that could make more, is its own outcome; for
// any other it answers errors.ErrUnsupported.
func OutcomeOf(ctx context.Context, s Scheduler, p Push, label string, r Receipt) (Outcome, error) {
	if o, ok := As[OutcomeFinder](s); ok {
		return o.Outcome(ctx, p, label, r)
	}
	if r.By == "" && len(r.IDs) > 0 {
		return Outcome{IDs: r.IDs, Done: true}, nil
	}
	return Outcome{}, unsupported("outcome", r.By)
}

// OfLabels returns the entries of the named labels, or all entries when no label is
// named. It is for Catalogers that have the whole catalog anyway.
func OfLabels(entries []Runnable, labels ...string) []Runnable {
	if len(labels) == 0 {
		return entries
	}
	var out []Runnable
	for _, e := range entries {
		if slices.Contains(labels, e.Label) {
			out = append(out, e)
		}
	}
	return out
}

// Carried asks s which runs a key made, or answers errors.ErrUnsupported.
func Carried(ctx context.Context, s Scheduler, req Request) ([]string, error) {
	if c, ok := As[KeyCarrier](s); ok {
		return c.Carried(ctx, req)
	}
	return nil, unsupported("carried", req.Key)
}

// FindRun asks s for the run with an ID, or answers errors.ErrUnsupported.
func FindRun(ctx context.Context, s Scheduler, id string) (Job, error) {
	if f, ok := As[RunFinder](s); ok {
		return f.FindRun(ctx, id)
	}
	return nil, unsupported("find run", id)
}

// History asks s for the runs of labels on many pushes, or answers errors.ErrUnsupported.
func History(ctx context.Context, s Scheduler, pushes []Push, labels ...string) ([]PushRuns, error) {
	if h, ok := As[HistoryReader](s); ok {
		return h.History(ctx, pushes, labels...)
	}
	return nil, unsupported("history", fmt.Sprint(labels))
}

// HistoryWidthOf asks s for the best number of pushes for one call of History; 0 where it
// does not matter.
func HistoryWidthOf(s Scheduler) int {
	if w, ok := As[HistoryWidth](s); ok {
		return max(1, w.HistoryWidth())
	}
	return 0
}

// StatusesOf asks s for the statuses of runs, or answers errors.ErrUnsupported.
func StatusesOf(ctx context.Context, s Scheduler, ids ...string) (map[string]Status, error) {
	if r, ok := As[StatusReader](s); ok {
		return r.Statuses(ctx, ids...)
	}
	return nil, unsupported("statuses", fmt.Sprint(ids))
}

// PageOf asks s for the address of a run's page; empty where it has none.
func PageOf(s Scheduler, j Job) string {
	if p, ok := As[PageLinker](s); ok {
		return p.Page(j)
	}
	return ""
}

// WasAdded asks s whether a run was triggered after its push, or answers
// errors.ErrUnsupported.
func WasAdded(ctx context.Context, s Scheduler, j Job) (bool, error) {
	if t, ok := As[AddedChecker](s); ok {
		return t.WasAdded(ctx, j)
	}
	return false, unsupported("offspring", j.ID())
}

// RequesterOf asks s who triggered a run after its push, or answers
// errors.ErrUnsupported.
func RequesterOf(ctx context.Context, s Scheduler, j Job) (string, error) {
	if f, ok := As[RequesterFinder](s); ok {
		return f.Requester(ctx, j)
	}
	return "", unsupported("requester", j.ID())
}

// Classified asks s what a person said of a failed run, or answers
// errors.ErrUnsupported.
func Classified(ctx context.Context, s Scheduler, j Job) (Classification, error) {
	if c, ok := As[Classifier](s); ok {
		return c.Classification(ctx, j)
	}
	return Classification{}, unsupported("classification", j.ID())
}

// ArtifactsExist asks s whether a run's files are there, or answers
// errors.ErrUnsupported.
func ArtifactsExist(ctx context.Context, s Scheduler, j Job) (bool, error) {
	if c, ok := As[ArtifactChecker](s); ok {
		return c.ArtifactsExist(ctx, j)
	}
	return false, unsupported("artifacts", j.ID())
}

// QueueDepthOf asks s how busy it is, or answers errors.ErrUnsupported.
func QueueDepthOf(ctx context.Context, s Scheduler, label string) (QueueDepth, error) {
	if l, ok := As[QueueMeter](s); ok {
		return l.QueueDepth(ctx, label)
	}
	return QueueDepth{}, unsupported("load", label)
}

// Coalesces asks s whether it merges requests of the label, or answers
// errors.ErrUnsupported.
func Coalesces(ctx context.Context, s Scheduler, label string) (bool, error) {
	if m, ok := As[CoalesceChecker](s); ok {
		return m.Coalesces(ctx, label)
	}
	return false, unsupported("merges", label)
}

// TriggerNeeds asks s which scopes a request needs, or answers errors.ErrUnsupported.
func TriggerNeeds(ctx context.Context, s Scheduler, req Request) ([][]string, error) {
	if t, ok := As[TriggerScoper](s); ok {
		return t.TriggerNeeds(ctx, req)
	}
	return nil, unsupported("needs", req.Label)
}

// CancelNeeds asks s which scopes are needed to cancel a run, or answers
// errors.ErrUnsupported.
func CancelNeeds(ctx context.Context, s Scheduler, id string) ([][]string, error) {
	if c, ok := As[CancelScoper](s); ok {
		return c.CancelNeeds(ctx, id)
	}
	return nil, unsupported("needs", id)
}

// Origins asks r what a merge brought, or answers errors.ErrUnsupported.
func Origins(ctx context.Context, r Repository, p Push) ([]Origin, error) {
	if o, ok := r.(OriginFinder); ok {
		return o.Origins(ctx, p)
	}
	return nil, unsupported("origins", p.String())
}

// Backouts asks r which pushes undid p, or answers errors.ErrUnsupported.
func Backouts(ctx context.Context, r Repository, p Push) ([]Push, error) {
	if b, ok := r.(BackoutFinder); ok {
		return b.Backouts(ctx, p)
	}
	return nil, unsupported("backouts", p.String())
}

func unsupported(op, key string) error {
	return &Error{Op: op, Key: key, Err: fmt.Errorf("this source cannot do it: %w", errors.ErrUnsupported)}
}
