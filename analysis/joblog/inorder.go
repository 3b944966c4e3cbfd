package joblog

import (
	"context"
	"iter"
	"runtime"
	"sync"
)

// InOrder reads n logs on all cores, and yields the result of read for each, with its error, in their
// order.
//
// It reads as many logs at a time as there are cores, but eight at most. A result waits for those before
// it, so no more results than that are ever in memory. An error of one log does not end the sequence.
//
// When the caller stops, or ctx ends, the context of read ends, no further log is begun, and InOrder
// returns after the calls of read under way have returned. If ctx ended, its error is yielded for the
// first log that was not begun. read is called on several goroutines at a time; with one core, each
// log is read only when its result is needed.
//
// With 3 cores and 5 logs, 0, 1 and 2 are begun at once. When 0 was yielded, 3 is begun, and so on: at
// most 3 are begun and not yet yielded.
//
//	for report, err := range joblog.InOrder(ctx, len(runs), func(ctx context.Context, i int) (*joblog.Report, error) {
//		return joblog.Failures(ctx, opener, runs[i], nil)
//	}) { … }
func InOrder[T any](
	ctx context.Context, n int, read func(ctx context.Context, i int) (T, error),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var readings sync.WaitGroup
		defer readings.Wait()
		defer cancel()
		width := min(runtime.GOMAXPROCS(0), mostCores, n)
		var waiting []chan oneRead[T] // the results of logs i to begun-1, in order
		for i, begun := 0, 0; i < n; i++ {
			for ; begun < min(n, i+width); begun++ {
				waiting = append(waiting, begin(ctx, &readings, begun, width, read))
			}
			r := <-waiting[0]
			waiting = waiting[1:]
			if r.fault != nil {
				panic(r.fault)
			}
			if !yield(r.of, r.err) || !r.begun {
				return
			}
		}
	}
}

// oneRead is the result for one log.
type oneRead[T any] struct {
	of    T
	err   error
	begun bool // false when ctx ended before; then err is that of ctx
	fault any  // what read panicked with, raised again for the caller of InOrder; nil for none
}

// begin starts to read a log, on a goroutine of its own if there are several cores. The channel has room for
// the result, so the goroutine ends even if nobody receives it.
func begin[T any](
	ctx context.Context, all *sync.WaitGroup, i, width int, read func(ctx context.Context, i int) (T, error),
) chan oneRead[T] {
	out := make(chan oneRead[T], 1)
	if err := ctx.Err(); err != nil {
		out <- oneRead[T]{err: err}
		return out
	}
	do := func() {
		r := oneRead[T]{begun: true}
		defer func() {
			r.fault = recover()
			out <- r
		}()
		r.of, r.err = read(ctx, i)
	}
	if width == 1 {
		do()
	} else {
		all.Go(do)
	}
	return out
}
