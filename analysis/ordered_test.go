package analysis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

// somePushes are n pushes with holes in their ids, in random order.
func somePushes(rng *rand.Rand, n int) []job.Push {
	var out []job.Push
	id := int64(0)
	for range n {
		id += 1 + rng.Int64N(5)
		out = append(out, job.Push{Repo: "autoland", ID: id})
	}
	rng.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// sleep waits in the bubble, or until the context is done.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Whatever the order of completion: every push once, newest first, with its
// own log lines, its own error, and never more under way than the width.
func TestOrderedProperty(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			pushes := somePushes(rng, rng.IntN(40))
			width := 1 + rng.IntN(12)
			took := map[int64]time.Duration{}
			for _, p := range pushes {
				took[p.ID] = time.Duration(rng.IntN(1000)) * time.Millisecond
			}
			var underWay, most atomic.Int64
			var text bytes.Buffer
			fetch := func(ctx context.Context, p job.Push, log *slog.Logger) (int64, error) {
				most.Store(max(most.Load(), underWay.Add(1)))
				defer underWay.Add(-1)
				log = log.With("push", p.ID).WithGroup("g")
				log.Info("asked", "n", 1)
				if err := sleep(ctx, took[p.ID]); err != nil {
					return 0, err
				}
				log.Info("answered", "n", 2)
				if p.ID%7 == 0 {
					return 0, fmt.Errorf("push %d is broken", p.ID)
				}
				return p.ID * 10, nil
			}
			plain := slog.NewTextHandler(&text,
				&slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
						return slog.Attr{}
					}
					return a
				}})
			var got, want []string
			for r := range analysis.Ordered(t.Context(), pushes, fetch,
				&analysis.OrderedOptions{Width: width, Logger: slog.New(plain)}) {
				got = append(got, fmt.Sprint(r.Push.ID, " ", r.Value, " ", r.Err, " ", len(r.Log)))
			}
			var wantText string
			slices.SortFunc(pushes, func(a, b job.Push) int { return int(b.ID - a.ID) })
			for _, p := range pushes {
				value, err := p.ID*10, error(nil)
				if p.ID%7 == 0 {
					value, err = 0, fmt.Errorf("push %d is broken", p.ID)
				}
				want = append(want, fmt.Sprint(p.ID, " ", value, " ", err, " ", 2))
				wantText += fmt.Sprintf("msg=asked push=%d g.n=1\nmsg=answered push=%d g.n=2\n", p.ID, p.ID)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("seed %d (-want +got):\n%s", seed, d)
			}
			if d := cmp.Diff(wantText, text.String()); d != "" {
				t.Errorf("seed %d, log (-want +got):\n%s", seed, d)
			}
			if most.Load() > int64(width) {
				t.Errorf("seed %d: %d at a time, width %d", seed, most.Load(), width)
			}
		})
	}
}

// What was asked for on speculation is cancelled when the consumer stops, and
// Ordered returns after it.
func TestOrderedCancelsSpeculation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pushes := somePushes(rand.New(rand.NewPCG(1, 1)), 30)
		newest := slices.MaxFunc(pushes, func(a, b job.Push) int { return int(a.ID - b.ID) })
		var cancelled atomic.Int64
		fetch := func(ctx context.Context, p job.Push, _ *slog.Logger) (int64, error) {
			if p.ID == newest.ID {
				return p.ID, nil
			}
			<-ctx.Done() // would never end by itself
			cancelled.Add(1)
			return 0, ctx.Err()
		}
		for range analysis.Ordered(t.Context(), pushes, fetch, &analysis.OrderedOptions{Width: 10}) {
			synctest.Wait() // until all that may be asked for is
			break
		}
		if n := cancelled.Load(); n != 9 {
			t.Errorf("%d calls were cancelled, expected the 9 beside the newest", n)
		}
	})
}

// A consumer that stops at distance d has had at most d + width pushes asked,
// also when the newest push is the slowest.
func TestOrderedStopsEarly(t *testing.T) {
	const width = 10
	for _, distance := range []int{0, 1, 5, 30} {
		synctest.Test(t, func(t *testing.T) {
			pushes := somePushes(rand.New(rand.NewPCG(1, 1)), 100)
			var asked atomic.Int64
			fetch := func(ctx context.Context, p job.Push, _ *slog.Logger) (int64, error) {
				n := asked.Add(1)
				d := time.Duration(10+n%7) * time.Millisecond
				if n == 1 {
					d = time.Second
				}
				return p.ID, sleep(ctx, d)
			}
			taken := 0
			for range analysis.Ordered(t.Context(), pushes, fetch, &analysis.OrderedOptions{Width: width}) {
				if taken == distance {
					break
				}
				taken++
			}
			if n := asked.Load(); n > int64(distance+width) {
				t.Errorf("distance %d: %d pushes asked, expected at most %d", distance, n, distance+width)
			}
		})
	}
}

func TestOrderedWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pushes := somePushes(rand.New(rand.NewPCG(2, 1)), 20)
		var underWay, most atomic.Int64
		weight := func(p job.Push) int { return int(p.ID % 4) } // 0 counts as 1
		fetch := func(ctx context.Context, p job.Push, _ *slog.Logger) (int, error) {
			w := int64(max(weight(p), 1))
			most.Store(max(most.Load(), underWay.Add(w)))
			defer underWay.Add(-w)
			return 0, sleep(ctx, time.Second)
		}
		n := 0
		for range analysis.Ordered(t.Context(), pushes, fetch, &analysis.OrderedOptions{Width: 6, Weight: weight}) {
			n++
		}
		if n != 20 || most.Load() > 6 {
			t.Errorf("%d results, weight %d under way; expected 20 and at most 6", n, most.Load())
		}
	})
}

func TestOrderedCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		fetch := func(ctx context.Context, p job.Push, _ *slog.Logger) (int64, error) {
			return p.ID, sleep(ctx, time.Second)
		}
		good, bad := 0, 0
		for r := range analysis.Ordered(ctx, somePushes(rand.New(rand.NewPCG(3, 1)), 30), fetch, nil) {
			switch {
			case r.Err == nil:
				good++
			case errors.Is(r.Err, context.DeadlineExceeded):
				bad++
			}
		}
		if good != 10 || bad != 20 {
			t.Errorf("%d results and %d deadline errors, expected 10 and 20", good, bad)
		}
	})
}
