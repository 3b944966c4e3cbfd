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

// History reads the runs of labels on pushes for algorithms that walk over a range. Where
// the CI is a job.HistoryReader, it reads a window of pushes in one go; elsewhere it reads
// push by push. An algorithm asks it in the function that it gives to [Ordered], and never
// knows which of the two it was.
//
// Windows go from the newest push to the oldest: 150 pushes, which a request or two tell of
// as quickly as of one, and then 500 each; the last good push is mostly in the first. Where
// each push has a cost of its own, the CI says how many are best read at a time
// (job.HistoryWidth), and windows are as large as that.
//
// Each push is read once: a History is for one pass over a range, and what happens
// meanwhile is seen by the next one. It is safe for concurrent use; NewHistory makes one.
type History struct {
	ci      job.Scheduler
	windows [][]job.Push        // newest push first
	in      map[job.PushKey]int // to the window
	read    *flight.Cache[asked, map[job.PushKey]job.PushRuns]
}

// asked is one window, and the labels that are wanted of it.
type asked struct {
	window int
	labels string
}

const (
	firstWindow = 150
	laterWindow = 500
	// mostAsked is how many answers are kept: windows, times the sets of labels that are
	// asked for. Where tests move between chunks, each push can have a set of its own.
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

// EachCosts reports whether each push has a cost of its own, as on Taskcluster, where its
// task group or its files are read: what is not needed of a push is better not asked there.
func EachCosts(ci job.Scheduler) bool {
	w := job.HistoryWidthOf(ci)
	return w > 0 && w <= DefaultWidth
}

// OrderedWindows is [Ordered] over the pushes of a History, one window after the other: an
// algorithm that stops early then never begins the next window by looking ahead.
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

// Jobs returns what the CI's Jobs returns for the push and the labels. A push that is not
// in the range, and a question without a label, are asked by themselves.
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

// window reads one window.
func (h *History) window(
	ctx context.Context, pushes []job.Push, labels []string,
) (map[job.PushKey]job.PushRuns, error) {
	pushes = slices.DeleteFunc(slices.Clone(pushes), func(p job.Push) bool { return !p.Testable() })
	all, err := job.History(ctx, h.ci, pushes, labels...)
	if err != nil {
		return nil, err
	}
	if len(all) != len(pushes) {
		return nil, fmt.Errorf("%w: the CI told the history of %d pushes, and was asked about %d", job.ErrMalformed,
			len(all), len(pushes))
	}
	out := make(map[job.PushKey]job.PushRuns, len(all))
	for i, of := range all {
		if of.Push.Key() != pushes[i].Key() {
			return nil, fmt.Errorf("%w: the CI told the history of push %s where it was asked about %s",
				job.ErrMalformed, of.Push, pushes[i])
		}
		out[pushes[i].Key()] = of
	}
	return out, nil
}
