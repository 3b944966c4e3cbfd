package trigger_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// forge is a CI whose keys are looked up in one call and whose runs are made in
// another, which takes its time: what keys alone do not make once.
type forge struct {
	takes time.Duration
	fails bool // the answer is lost, after the runs were made

	mu   sync.Mutex
	runs []string // the keys of the runs
}

func (f *forge) Jobs(context.Context, job.Push, ...string) ([]job.Job, error) { return nil, nil }

func (f *forge) Carried(_ context.Context, r job.Request) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for i, key := range f.runs {
		if key == r.Key {
			out = append(out, strings.Repeat("i", i+1))
		}
	}
	return out, nil
}

func (f *forge) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	there, _ := f.Carried(ctx, r)
	for i := len(there); i < r.Count; i++ {
		select {
		case <-time.After(f.takes):
		case <-ctx.Done():
			return job.Receipt{}, ctx.Err()
		}
		f.mu.Lock()
		f.runs = append(f.runs, r.Key)
		f.mu.Unlock()
	}
	if f.fails {
		return job.Receipt{}, &job.Error{Op: "forge", Err: job.ErrUnavailable}
	}
	ids, err := f.Carried(ctx, r)
	return job.Receipt{IDs: ids, State: job.ReceiptCreated}, err
}

// onePlan is a plan of one step, for two runs on push 2, and its key.
func onePlan(t *testing.T) (trigger.Plan, string) {
	t.Helper()
	w := jobtest.MustParse("push test\n2 b2d1 -\n")
	plan, err := trigger.Make(t.Context(), jobtest.NewCI(w, nil), w.Pushes("autoland"), []string{"test"}, 2, nil)
	if err != nil || len(plan.Steps) != 1 || plan.Steps[0].Count != 2 {
		t.Fatal(plan, err)
	}
	return plan, plan.Steps[0].Key
}

// dead is the entry of a process that died while it asked for the step.
func dead(t *testing.T, l ledger.Ledger, s trigger.Step, lease time.Duration) {
	t.Helper()
	e := ledger.Entry{Key: s.Key, Push: s.Push, Label: s.Label, Count: s.Count, Holder: "another", Lease: lease}
	if _, fresh, err := l.Intend(t.Context(), e, nil); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
}

// Several runs of one plan over one ledger, on a CI that takes far longer for a
// request than a lease lasts: the lease is renewed, and one of them asks.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, memory := &forge{takes: 3 * time.Minute}, ledger.NewMemory()
		plan, _ := onePlan(t)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 50 * time.Second)
				done, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: memory, Grace: time.Hour})
				if err != nil || len(done.Steps[0].Receipt.IDs) != 2 {
					t.Errorf("%+v, %v", done.Steps[0].Receipt, err)
				}
			})
		}
		wg.Wait()
		if len(ci.runs) != 2 {
			t.Errorf("%d runs, expected 2", len(ci.runs))
		}
	})
}

// Who does not want to wait is told until when the other may be asking.
func TestLeaseWithoutGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, memory := &forge{}, ledger.NewMemory()
		plan, _ := onePlan(t)
		dead(t, memory, plan.Steps[0], time.Minute)
		_, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: memory, Grace: -1})
		if !errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "it can be triggered again in 1m0s") ||
			len(ci.runs) > 0 {
			t.Errorf("%v, %d runs", err, len(ci.runs))
		}
		began := time.Now()
		if _, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: memory}); err != nil ||
			len(ci.runs) != 2 {
			t.Errorf("%v, %d runs", err, len(ci.runs))
		}
		if took := time.Since(began).Round(time.Second); took != time.Minute {
			t.Errorf("it was asked for after %s, expected when the lease was over", took)
		}
	})
}

// An intention of a process that died is settled at once when its runs are there,
// and the step says so.
func TestFoundAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan, key := onePlan(t)
		ci, memory := &forge{runs: []string{key, "other", key}}, ledger.NewMemory()
		dead(t, memory, plan.Steps[0], time.Hour)
		began := time.Now()
		done, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: memory})
		if err != nil || time.Since(began) > 0 || len(ci.runs) != 3 {
			t.Fatalf("after %s: %v, %q", time.Since(began), err, ci.runs)
		}
		s := done.Steps[0]
		if d := cmp.Diff(&job.Receipt{IDs: []string{"i", "iii"}, State: job.ReceiptAlreadyAsked}, s.Receipt); d != "" ||
			!strings.HasSuffix(s.Why, "triggered before, found as i, iii") {
			t.Errorf("%s (-want +got):\n%s", s.Why, d)
		}
		entries, err := memory.Entries(t.Context(), ledger.Query{Key: key})
		if err != nil || len(entries) != 1 || entries[0].State != ledger.Accepted {
			t.Errorf("%+v %v", entries, err)
		}
	})
}

// A request whose answer was lost, and whose runs are there, is done.
func TestLostAnswer(t *testing.T) {
	ci, memory := &forge{fails: true}, ledger.NewMemory()
	plan, _ := onePlan(t)
	for range 2 {
		done, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: memory})
		if err != nil || len(done.Steps[0].Receipt.IDs) != 2 || len(ci.runs) != 2 {
			t.Fatalf("%v, %q", err, ci.runs)
		}
	}
}

// A run that stood still for longer than its lease, while another took over, asks
// for nothing more.
func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, memory := &forge{takes: time.Minute}, ledger.NewMemory()
		stuck := &deaf{Ledger: memory}
		plan, _ := onePlan(t)
		done := make(chan error)
		go func() {
			_, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: stuck, Lease: 30 * time.Second})
			done <- err
		}()
		if err := <-done; !errors.Is(err, job.ErrUnavailable) ||
			!strings.Contains(err.Error(), "the ledger could not be reached") {
			t.Errorf("%v", err)
		}
		if len(ci.runs) > 0 {
			t.Errorf("%q were asked for without a lease", ci.runs)
		}
	})
}

// deaf is a ledger that cannot be reached once something was intended.
type deaf struct{ ledger.Ledger }

func (d *deaf) Settle(ctx context.Context, e ledger.Entry) error {
	if e.State == ledger.Intended { // a lease that is to be renewed
		return errors.New("unreachable")
	}
	return d.Ledger.Settle(ctx, e)
}
