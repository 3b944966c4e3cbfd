package trigger_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
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
func dead(t *testing.T, l trigger.Ledger, s trigger.Step, lease time.Duration) {
	t.Helper()
	e := trigger.Entry{Key: s.Key, Push: s.Push, Label: s.Label, Count: s.Count, Asked: time.Now(), Holder: "another", Lease: lease}
	if _, fresh, err := l.Intend(t.Context(), e, nil); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
}

// Several runs of one plan over one ledger, on a CI that takes far longer for a
// request than a lease lasts: the lease is renewed, and one of them asks.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, ledger := &forge{takes: 3 * time.Minute}, trigger.NewMemory()
		plan, _ := onePlan(t)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 50 * time.Second)
				done, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: ledger, Grace: time.Hour})
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
		ci, ledger := &forge{}, trigger.NewMemory()
		plan, _ := onePlan(t)
		dead(t, ledger, plan.Steps[0], time.Minute)
		_, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: ledger, Grace: -1})
		if !errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "it can be asked for again in 1m0s") || len(ci.runs) > 0 {
			t.Errorf("%v, %d runs", err, len(ci.runs))
		}
		began := time.Now()
		if _, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: ledger}); err != nil || len(ci.runs) != 2 {
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
		ci, ledger := &forge{runs: []string{key, "other", key}}, trigger.NewMemory()
		dead(t, ledger, plan.Steps[0], time.Hour)
		began := time.Now()
		done, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: ledger})
		if err != nil || time.Since(began) > 0 || len(ci.runs) != 3 {
			t.Fatalf("after %s: %v, %q", time.Since(began), err, ci.runs)
		}
		s := done.Steps[0]
		if d := cmp.Diff(&job.Receipt{IDs: []string{"i", "iii"}, State: job.ReceiptAlreadyAsked}, s.Receipt); d != "" || !strings.HasSuffix(s.Why, "asked for before, found as i, iii") {
			t.Errorf("%s (-want +got):\n%s", s.Why, d)
		}
		entries, err := ledger.Entries(t.Context(), trigger.Query{Key: key})
		if err != nil || len(entries) != 1 || entries[0].State != trigger.Done {
			t.Errorf("%+v %v", entries, err)
		}
	})
}

// A request whose answer was lost, and whose runs are there, is done.
func TestLostAnswer(t *testing.T) {
	ci, ledger := &forge{fails: true}, trigger.NewMemory()
	plan, _ := onePlan(t)
	for range 2 {
		done, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: ledger})
		if err != nil || len(done.Steps[0].Receipt.IDs) != 2 || len(ci.runs) != 2 {
			t.Fatalf("%v, %q", err, ci.runs)
		}
	}
}

// A run that stood still for longer than its lease, while another took over, asks
// for nothing more.
func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, memory := &forge{takes: time.Minute}, trigger.NewMemory()
		stuck := &deaf{Ledger: memory}
		plan, _ := onePlan(t)
		done := make(chan error)
		go func() {
			_, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: stuck, Lease: 30 * time.Second})
			done <- err
		}()
		if err := <-done; !errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "the ledger was not reached") {
			t.Errorf("%v", err)
		}
		if len(ci.runs) > 0 {
			t.Errorf("%q were asked for without a lease", ci.runs)
		}
	})
}

// deaf is a ledger that cannot be reached once something was intended.
type deaf struct {
	trigger.Ledger
	heard bool
}

func (d *deaf) Intend(ctx context.Context, e trigger.Entry, instead *trigger.Entry) (trigger.Entry, bool, error) {
	if d.heard {
		return trigger.Entry{}, false, errors.New("unreachable")
	}
	d.heard = true
	return d.Ledger.Intend(ctx, e, instead)
}

// The store's clock tells when a lease is over, and only its holder renews it.
func TestLeaseOfLedgers(t *testing.T) {
	for name, open := range map[string]func(*testing.T) trigger.Ledger{
		"memory": func(*testing.T) trigger.Ledger { return trigger.NewMemory() },
		"sqlite": func(t *testing.T) trigger.Ledger {
			return trigger.NewSQLLedger(sqlite(t, filepath.Join(t.TempDir(), "l.db")), trigger.SQLite)
		},
		"postgres": func(t *testing.T) trigger.Ledger {
			return trigger.NewSQLLedger(openDB(t, "pgx", testenv.Postgres(t)), trigger.PostgreSQL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, ctx := open(t), t.Context()
			mine := entry("k", 1)
			mine.Holder, mine.Lease = "me", time.Hour
			if _, fresh, err := l.Intend(ctx, mine, nil); err != nil || !fresh {
				t.Fatal(fresh, err)
			}
			theirs := mine
			theirs.Holder, theirs.Asked = "they", mine.Asked.Add(time.Hour)
			for _, state := range []trigger.EntryState{trigger.Intended, trigger.Unsure} {
				if state == trigger.Unsure {
					if err := l.Settle(ctx, "k", state, job.Receipt{}); err != nil {
						t.Fatal(err)
					}
				}
				mine.State = state
				e, fresh, err := l.Intend(ctx, theirs, &mine)
				if err != nil || fresh || e.Holder != "me" || e.Lease < 50*time.Minute || e.Lease > time.Hour {
					t.Errorf("%s: another got it: %t, %+v, %v", state, fresh, e, err)
				}
			}
			mine.Lease = time.Millisecond
			if _, fresh, err := l.Intend(ctx, mine, &mine); err != nil || !fresh {
				t.Errorf("the holder did not renew it: %t, %v", fresh, err)
			}
			mine.State = trigger.Intended
			for i := 0; ; i++ {
				_, fresh, err := l.Intend(ctx, theirs, &mine)
				if err != nil || i > 1000 {
					t.Fatal("a lease that is over is given away", err)
				}
				if fresh {
					break
				}
				time.Sleep(time.Millisecond)
			}
			all, err := l.Entries(ctx, trigger.Query{Key: "k"})
			if err != nil || len(all) != 1 || all[0].Holder != "they" || !slices.Contains([]trigger.EntryState{trigger.Intended}, all[0].State) {
				t.Errorf("%+v %v", all, err)
			}
		})
	}
}
