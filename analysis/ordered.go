// Package analysis says what results mean. It is pure: facts go in, values come
// out, and no function reads a clock or a network. The exception is [Ordered],
// which does the fetching for those who ask about many pushes: it runs a
// function of the caller's on each of them in parallel, and yields the results
// in order.
//
// [Frequency] says how often something fails and [Rate.ToReproduce] how many runs
// that means; [OverviewOf] sums up a range of pushes.
//
// Start with [OfRuns], which makes a [Verdict] of the runs of one label on one
// push, and with [Ordered].
package analysis

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/mozci/mozci/job"
)

// Fetch gets what a caller wants to know of one push. What it logs is held and
// appears together with its result.
type Fetch[T any] func(ctx context.Context, p job.Push, log *slog.Logger) (T, error)

// Fetched is what Fetch returned for one push.
type Fetched[T any] struct {
	Push  job.Push
	Value T
	Err   error
	Log   []slog.Record // what Fetch logged, in order
}

// OrderedOptions change how Ordered works; nil is zero options.
type OrderedOptions struct {
	// Width bounds the pushes that are being fetched, or are fetched and not
	// yet yielded, by the sum of their weights: so a slow newest push never
	// lets the speculation run away. Default 10, what hg.mozilla.org asks
	// clients not to exceed.
	Width int
	// Weight is what a push counts towards Width, 1 to Width; nil is 1 for all.
	Weight func(job.Push) int
	// Logger gets the held records of each push when its result is yielded,
	// and so in the order of the pushes. Nil discards; Fetched has them.
	Logger *slog.Logger
}

// DefaultWidth is OrderedOptions.Width when it is zero.
const DefaultWidth = 10

// Ordered calls fetch for each push in parallel and yields the results newest
// push first (by job.Push.Compare), each as soon as it and those of all newer pushes
// are complete. The output does not depend on the order of completion.
//
// A push whose fetch fails is a Fetched with Err; the others go on. When the
// consumer stops, the context of the speculative calls is cancelled, and
// Ordered returns after they have. When ctx is done, the remaining results
// carry its error. At most Width pushes beyond the last result that the
// consumer has taken are ever fetched.
func Ordered[T any](ctx context.Context, pushes []job.Push, fetch Fetch[T], opts *OrderedOptions) iter.Seq[Fetched[T]] {
	var o OrderedOptions
	if opts != nil {
		o = *opts
	}
	if o.Width <= 0 {
		o.Width = DefaultWidth
	}
	sorted := slices.Clone(pushes)
	slices.SortStableFunc(sorted, func(a, b job.Push) int { return b.Compare(a) })
	return func(yield func(Fetched[T]) bool) {
		ctx, cancel := context.WithCancel(ctx)
		run := &ordered[T]{opts: o, pushes: sorted, fetch: fetch, room: semaphore.NewWeighted(int64(o.Width))}
		run.results = make([]chan outcome[T], len(sorted))
		for i := range run.results {
			run.results[i] = make(chan outcome[T], 1)
		}
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		all.Go(func() { run.start(ctx, &all) })
		run.consume(ctx, yield)
	}
}

type ordered[T any] struct {
	opts    OrderedOptions
	pushes  []job.Push // newest first
	fetch   Fetch[T]
	room    *semaphore.Weighted
	results []chan outcome[T] // one for each push, of capacity 1
}

// outcome is a result, and whether it holds room that is to be given back.
type outcome[T any] struct {
	Fetched[T]
	holds bool
}

func (r *ordered[T]) weight(p job.Push) int64 {
	if r.opts.Weight == nil {
		return 1
	}
	return int64(min(max(r.opts.Weight(p), 1), r.opts.Width))
}

// start fetches the pushes in order, as room comes free.
func (r *ordered[T]) start(ctx context.Context, all *sync.WaitGroup) {
	for i, p := range r.pushes {
		if err := r.room.Acquire(ctx, r.weight(p)); err != nil {
			for j := i; j < len(r.pushes); j++ {
				r.results[j] <- outcome[T]{Fetched: Fetched[T]{Push: r.pushes[j], Err: ctx.Err()}}
			}
			return
		}
		all.Go(func() {
			held := &holder{}
			v, err := r.fetch(ctx, p, slog.New(held.handler()))
			r.results[i] <- outcome[T]{Fetched[T]{Push: p, Value: v, Err: err, Log: held.take()}, true}
		})
	}
}

// consume yields the results in order and gives their room back only once the
// consumer wants more: what was asked for beyond it is then at most Width.
func (r *ordered[T]) consume(ctx context.Context, yield func(Fetched[T]) bool) {
	for i, p := range r.pushes {
		res := <-r.results[i]
		if r.opts.Logger != nil {
			for _, rec := range res.Log {
				if h := r.opts.Logger.Handler(); h.Enabled(ctx, rec.Level) {
					_ = h.Handle(ctx, rec) // a logger that fails has nobody to tell
				}
			}
		}
		if !yield(res.Fetched) {
			return
		}
		if res.holds {
			r.room.Release(r.weight(p))
		}
	}
}
