package joblog

import (
	"context"
	"iter"
	"runtime"
	"sync"
)

// InOrder reads n logs on all cores, and yields what read makes of each, with its
// error, in their order.
//
// So many are read at a time as there are cores, eight at most, and what was read
// waits for what is before it: there are never more results in memory than that. An
// error of one log ends nothing. When the caller wants no more, or ctx ends, the
// context that read has ends, no further log is begun, and InOrder returns once the
// readings under way have; where ctx ended, its error is yielded for the first log
// that was not begun. read is called on several goroutines at a time. On one core
// each log is read when its result is wanted.
func InOrder[T any](
	ctx context.Context, n int, read func(ctx context.Context, i int) (T, error),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var readings sync.WaitGroup
		defer readings.Wait()
		defer cancel()
		width := min(runtime.GOMAXPROCS(0), mostCores, n)
		var waiting []chan oneRead[T]
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

// oneRead is what was made of one log.
type oneRead[T any] struct {
	of    T
	err   error
	begun bool
	fault any // what read panicked with
}

// begin has a log read, on a goroutine of its own where there are several.
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
