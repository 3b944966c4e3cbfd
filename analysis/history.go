package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
)

// History reads the runs of labels on pushes, for algorithms that walk over a range.
// Where the CI is a job.HistoryReader, it reads a whole window of pushes at once;
// elsewhere it reads push by push. An algorithm calls it in the function that it passes
// to [Ordered], and never knows which of the two happens.
//
// Windows go from the newest push to the oldest. The first has 150 pushes: one or two
// requests fetch as many as quickly as a single push, and it usually holds the last good
// push. Later windows have 500. Where reading each push has its own cost, the CI says how
// many to read at a time (job.HistoryWidth), and windows are no larger than that.
//
// Each push is read once. A History is meant for one pass over a range: runs that end
// during the pass are seen by the next one. It is safe for concurrent use. NewHistory
// makes one.
type History struct {
	ci      job.Scheduler
	windows [][]job.Push        // newest push first, also within each window
	in      map[job.PushKey]int // the index in windows of a push
	read    *flight.Cache[asked, map[job.PushKey]job.PushRuns]
}

// asked is the key of one answer: a window, and the labels wanted from it, sorted and
// joined with NUL bytes, which no label contains.
type asked struct {
	window int
	labels string
}

const (
	// Numbers of pushes.
	firstWindow = 150
	laterWindow = 500
	// mostAsked is how many answers are kept. There is one for each window and set of
	// labels; where tests move between chunks, each push may need its own set.
	mostAsked = 64
)

// NewHistory returns a History of the pushes. It does no I/O.
func NewHistory(ci job.Scheduler, pushes []job.Push) *History {
	h := &History{
		ci: ci, in: map[job.PushKey]int{},
		read: flight.New[asked, map[job.PushKey]job.PushRuns](mostAsked),
	}
	left := slices.Clone(pushes)
	slices.SortStableFunc(left, func(a, b job.Push) int { return b.Compare(a) })
	if _, many := job.As[job.HistoryReader](ci); !many {
		h.windows = [][]job.Push{left}
		return h
	}
	widest := cmp.Or(job.HistoryWidthOf(ci), laterWindow)
	for size := firstWindow; len(left) > 0; size = laterWindow {
		n := min(size, widest, len(left))
		for _, p := range left[:n] {
			h.in[p.Key()] = len(h.windows)
		}
		h.windows = append(h.windows, left[:n])
		left = left[n:]
	}
	return h
}

// EachCosts reports whether reading each push has its own cost, as on Taskcluster, where
// it means reading a task group or its files. There, do not ask about pushes that are not
// needed.
func EachCosts(ci job.Scheduler) bool {
	w := job.HistoryWidthOf(ci)
	return w > 0 && w <= DefaultWidth
}

// OrderedWindows is [Ordered] over the pushes of a History, one window after the other.
// An algorithm that stops early therefore never starts reading the next window.
func OrderedWindows[T any](
	ctx context.Context, h *History, fetch Fetch[T], opts *OrderedOptions,
) iter.Seq[Fetched[T]] {
	return func(yield func(Fetched[T]) bool) {
		for _, pushes := range h.windows {
			for r := range Ordered(ctx, pushes, fetch, opts) {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Jobs returns what the CI's Jobs returns for the push and the labels. It calls the CI
// directly for a push outside of the range, for a call without labels, and when the CI
// cannot read a history after all.
func (h *History) Jobs(ctx context.Context, p job.Push, labels ...string) ([]job.Job, error) {
	n, ok := h.in[p.Key()]
	if !ok || len(labels) == 0 || len(h.windows[n]) == 1 || !p.Testable() {
		return h.ci.Jobs(ctx, p, labels...)
	}
	wanted := slices.Compact(slices.Sorted(slices.Values(labels)))
	runs, err := h.read.Do(ctx, asked{n, strings.Join(wanted, "\x00")},
		func(ctx context.Context) (map[job.PushKey]job.PushRuns, bool, error) {
			out, err := h.window(ctx, h.windows[n], wanted)
			return out, true, err
		})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return h.ci.Jobs(ctx, p, labels...)
	case err != nil:
		return nil, job.Wrap("analysis.history", p.String(), err)
	}
	of := runs[p.Key()]
	return slices.Clone(of.Jobs), of.Err
}

// window reads the runs of the labels on the pushes of one window. An answer that is not
// about exactly these pushes, in this order, is job.ErrMalformed: the runs would land on
// the wrong pushes.
func (h *History) window(
	ctx context.Context, pushes []job.Push, labels []string,
) (map[job.PushKey]job.PushRuns, error) {
	pushes = slices.DeleteFunc(slices.Clone(pushes), func(p job.Push) bool { return !p.Testable() })
	all, err := job.History(ctx, h.ci, pushes, labels...)
	if err != nil {
		return nil, err
	}
	if len(all) != len(pushes) {
		return nil, fmt.Errorf("%w: the CI returned the history of %d pushes for a request about %d", job.ErrMalformed,
			len(all), len(pushes))
	}
	out := make(map[job.PushKey]job.PushRuns, len(all))
	for i, of := range all {
		if of.Push.Key() != pushes[i].Key() {
			return nil, fmt.Errorf("%w: the CI returned the history of push %s for a request about push %s",
				job.ErrMalformed, of.Push, pushes[i])
		}
		out[pushes[i].Key()] = of
	}
	return out, nil
}
