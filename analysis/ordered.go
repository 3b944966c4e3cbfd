// Package analysis says what results mean: whether a label is good or bad on a push, how
// often it fails, when that rate changed, and how many runs it takes to know.
//
// Start with [OfRuns], which turns the runs of one label on one push into a [Verdict],
// and with [Ordered], which fetches facts about many pushes in parallel and yields them
// in order. ExampleOrdered shows both together. [Frequency] returns how often something
// fails, and [Rate.ToReproduce] how many runs it takes to see that again; [OverviewOf]
// sums up a range of pushes; [Scanner] finds where a rate changed; [Counterparts] finds
// the chunk that runs a test on another push.
//
//	rate, err := analysis.Frequency(3, 40, 0.95, analysis.Wilson) // 3 failures in 40 runs
//	fmt.Println(rate.Low, rate.High, rate.ToReproduce().Runs)
//
// The package is pure: facts go in, values come out, and no function reads a clock or a
// network. Only [Ordered] and [History] fetch anything, through functions and interfaces
// of the caller. Rates, confidences and probabilities are fractions from 0 to 1. Input
// that makes no sense gives job.ErrInvalid; doubts about an answer are in its Warnings.
// All functions are safe for concurrent use; so are the types that say so.
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

// Fetch returns what the caller wants to know about one push. Its log records are held
// back and appear together with its result.
type Fetch[T any] func(ctx context.Context, p job.Push, log *slog.Logger) (T, error)

// Fetched is what Fetch returned for one push.
type Fetched[T any] struct {
	Push  job.Push
	Value T
	Err   error
	Log   []slog.Record // what Fetch logged, in order
}

// OrderedOptions change how Ordered works. Nil means the defaults.
type OrderedOptions struct {
	// Width is the maximum number of pushes, each counted with its weight, that are being
	// fetched or are fetched but not yet yielded. A slow newest push thus never lets the
	// calls for older ones run far ahead. Default 10, the maximum that hg.mozilla.org
	// asks of its clients.
	Width int
	// Weight is how much a push counts towards Width, 1 to Width. Nil means 1 for each
	// push.
	Weight func(job.Push) int
	// Logger gets the held records of each push when its result is yielded, so in the
	// order of the pushes. Nil discards them; they are in Fetched.Log all the same.
	Logger *slog.Logger
}

// DefaultWidth is OrderedOptions.Width when it is zero.
const DefaultWidth = 10

// Ordered calls fetch for each push in parallel and yields the results newest push first
// (by job.Push.Compare). Each result is yielded as soon as it and the results of all
// newer pushes are complete, so the output does not depend on which call ends first.
//
// When the fetch of a push fails, its Fetched has Err, and the others go on. When the
// consumer stops, Ordered cancels the context of the calls that run ahead, and returns
// after they have. When ctx is done, the remaining results carry its error. Ordered never
// fetches more than Width pushes beyond the last result that the consumer has taken.
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

// ordered is one walk of Ordered.
type ordered[T any] struct {
	opts    OrderedOptions
	pushes  []job.Push // newest first
	fetch   Fetch[T]
	room    *semaphore.Weighted
	results []chan outcome[T] // one for each push, of capacity 1
}

// outcome is a result, and whether it still holds room in the semaphore. Results of
// pushes that were never fetched do not.
type outcome[T any] struct {
	Fetched[T]
	holds bool
}

// weight is what the push counts towards Width, forced into 1 to Width: a heavier one
// would wait for room forever.
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
			// consume waits for one result of every push, so those that are never fetched
			// get the error of the context.
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

// consume yields the results in order. It gives back the room of a result only when the
// consumer wants the next one: at most Width pushes are then being fetched ahead.
func (r *ordered[T]) consume(ctx context.Context, yield func(Fetched[T]) bool) {
	for i, p := range r.pushes {
		res := <-r.results[i]
		if r.opts.Logger != nil {
			for _, rec := range res.Log {
				if h := r.opts.Logger.Handler(); h.Enabled(ctx, rec.Level) {
					_ = h.Handle(ctx, rec) // an error of the logger has no place to go
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
