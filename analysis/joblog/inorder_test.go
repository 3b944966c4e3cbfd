package joblog_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/analysis/joblog"
)

// Several logs are read at a time, and delivered in their order with their errors,
// whichever is read first; never more than eight are begun and not delivered.
func TestInOrder(t *testing.T) {
	broken := errors.New("broken")
	for _, cores := range []int{1, 3, 100} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		synctest.Test(t, func(t *testing.T) {
			var begun, delivered atomic.Int32
			var counting sync.Mutex
			most := int32(0)
			began := time.Now()
			said := ""
			for n, err := range joblog.InOrder(t.Context(), 20, func(_ context.Context, i int) (int, error) {
				counting.Lock()
				most = max(most, begun.Add(1)-delivered.Load())
				counting.Unlock()
				time.Sleep(time.Duration(20-i) * time.Second) // the bubble's
				if i == 7 {
					return 0, broken
				}
				return i, nil
			}) {
				if n != int(delivered.Load()) && !errors.Is(err, broken) {
					t.Errorf("%d is delivered after %d", n, delivered.Load())
				}
				delivered.Add(1)
				said += fmt.Sprintf("%d%v ", n, err)
			}
			want := "0<nil> 1<nil> 2<nil> 3<nil> 4<nil> 5<nil> 6<nil> 0broken 8<nil> 9<nil> "
			if !strings.HasPrefix(said, want) || delivered.Load() != 20 {
				t.Errorf("%d cores: %s", cores, said)
			}
			if width := int32(min(cores, 8)); most != width {
				t.Errorf("%d cores: %d at a time", cores, most)
			}
			if took := time.Since(began); (took == 210*time.Second) != (cores == 1) {
				t.Errorf("%d cores: took %s", cores, took)
			}
		})
	}
}

// Who wants no more, and whose context ends, has no goroutine left, or the bubble
// would not end; nothing further is begun.
func TestInOrderEnds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	synctest.Test(t, func(t *testing.T) {
		var begun, ended atomic.Int32
		wait := func(ctx context.Context, i int) (int, error) {
			begun.Add(1)
			defer ended.Add(1)
			if i == 0 {
				return 0, nil
			}
			<-ctx.Done()
			return i, ctx.Err()
		}
		for n, err := range joblog.InOrder(t.Context(), 100, wait) {
			if n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			break
		}
		if begun.Load() > 4 || begun.Load() != ended.Load() {
			t.Errorf("%d begun, %d ended", begun.Load(), ended.Load())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var errs []error
		for _, err := range joblog.InOrder(ctx, 100, wait) {
			errs = append(errs, err)
		}
		if len(errs) < 4 || len(errs) > 6 || errs[0] != nil || !errors.Is(errs[len(errs)-1], context.DeadlineExceeded) ||
			begun.Load() != ended.Load() {
			t.Errorf("%v, %d begun, %d ended", errs, begun.Load(), ended.Load())
		}
		func() {
			defer func() {
				if got := recover(); got != "a fault" {
					t.Errorf("recovered %v", got)
				}
			}()
			for n, err := range joblog.InOrder(t.Context(), 9, func(context.Context, int) (int, error) { panic("a fault") }) {
				t.Errorf("delivered %d, %v", n, err)
			}
		}()
		for n, err := range joblog.InOrder(t.Context(), 0, wait) {
			t.Errorf("there is none: %d, %v", n, err)
		}
	})
}
