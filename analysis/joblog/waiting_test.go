package joblog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// passed is a log in which the test a passed.
const passed = `{"action":"test_result","test":"a","subtest":null,"status":"PASS","expected":"PASS"}` + "\n"

// held opens logs only when it is let.
type held struct {
	opener
	gate  chan struct{}
	opens atomic.Int32
}

func (h *held) OpenLog(ctx context.Context, _ job.Job, _ job.LogKind) (io.ReadCloser, error) {
	h.opens.Add(1)
	select {
	case <-h.gate:
		return io.NopCloser(strings.NewReader(passed)), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// However many ask about a run at the same time, its log is opened once, also when
// the first of them gives up; each waits with a context of its own.
func TestJudgeReadsOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &held{gate: make(chan struct{})}
		judge := joblog.TestJudge(h, "a", nil)
		run := job.New(job.Fields{ID: "1", Status: job.StatusSuccess})
		first, giveUp := context.WithCancel(t.Context())
		var firstErr error
		var wg sync.WaitGroup
		wg.Go(func() { _, firstErr = judge(first, run) })
		synctest.Wait()
		var good atomic.Int32
		for range 10 {
			wg.Go(func() {
				if v, err := judge(t.Context(), run); v == analysis.Good && err == nil {
					good.Add(1)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		hasty, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		v, err := judge(hasty, run)
		if took := time.Since(began); v != analysis.Unclear || !errors.Is(err, context.DeadlineExceeded) || took > 50*time.Millisecond {
			t.Errorf("a caller in a hurry ended after %s: %s, %v", took, v, err)
		}
		giveUp()
		synctest.Wait()
		if !errors.Is(firstErr, context.Canceled) {
			t.Errorf("who gave up: %v", firstErr)
		}
		close(h.gate)
		wg.Wait()
		if n := h.opens.Load(); n != 1 || good.Load() != 10 {
			t.Errorf("opened %d times, %d of 10 are good", n, good.Load())
		}
	})
}

// When nobody waits any more the reading ends, and who asks later begins another.
func TestJudgeStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &held{gate: make(chan struct{})}
		judge := joblog.TestJudge(h, "a", nil)
		run := job.New(job.Fields{ID: "1", Status: job.StatusSuccess})
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := judge(hasty, run); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(h.gate)
		if v, err := judge(t.Context(), run); v != analysis.Good || err != nil || h.opens.Load() != 2 {
			t.Errorf("%s, %v after %d readings", v, err, h.opens.Load())
		}
	}) // no goroutine is left, or the bubble would not end
}

// What is kept has a bound: the verdicts that were wanted last.
func TestJudgeKeeps(t *testing.T) {
	h := &held{gate: make(chan struct{})}
	close(h.gate)
	judge := joblog.TestJudge(h, "a", &joblog.JudgeOptions{Most: 2})
	opened := ""
	for _, id := range []string{"1", "2", "1", "3", "1", "2"} {
		before := h.opens.Load()
		v, err := judge(t.Context(), job.New(job.Fields{ID: id, Status: job.StatusSuccess}))
		if v != analysis.Good || err != nil {
			t.Fatalf("%s, %v", v, err)
		}
		opened += fmt.Sprint(h.opens.Load() - before)
	}
	if opened != "110101" { // 3 puts out 2, which was not wanted for longest
		t.Errorf("opened %s", opened)
	}
}

// faulty panics when it is to open a log.
type faulty struct{ opener }

func (*faulty) OpenLog(context.Context, job.Job, job.LogKind) (io.ReadCloser, error) {
	panic("a fault")
}

// An opener that panics does so for who asked, who can recover, and holds up nobody.
func TestJudgeOfAFaultyOpener(t *testing.T) {
	judge := joblog.TestJudge(&faulty{}, "a", nil)
	for range 2 {
		func() {
			defer func() {
				if got := recover(); got != "a fault" {
					t.Errorf("recovered %v", got)
				}
			}()
			v, err := judge(t.Context(), job.New(job.Fields{ID: "1", Status: job.StatusSuccess}))
			t.Errorf("%s, %v", v, err)
		}()
	}
}
