package analysis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// historian counts what it is asked, and can be made to answer badly.
type historian struct {
	job.Scheduler
	mu    sync.Mutex
	sizes []int // of the windows that were read, sorted by when they were asked for
	alone []int64
	width int
	bad   func([]job.PushRuns) ([]job.PushRuns, error)
}

func (h *historian) Jobs(_ context.Context, p job.Push, labels ...string) ([]job.Job, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alone = append(h.alone, p.ID)
	return ranOn(p, labels)
}

func (h *historian) History(_ context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sizes = append(h.sizes, len(pushes))
	var out []job.PushRuns
	for _, p := range pushes {
		jobs, err := ranOn(p, labels)
		out = append(out, job.PushRuns{Push: p, Jobs: jobs, Err: err})
	}
	if h.bad != nil {
		return h.bad(out)
	}
	return out, nil
}

func (h *historian) HistoryWidth() int {
	if h.width == 0 {
		return 500
	}
	return h.width
}

// ranOn is one run of each label; push 13 cannot be read.
func ranOn(p job.Push, labels []string) (out []job.Job, err error) {
	if p.ID == 13 {
		return nil, job.Wrap("jobs", p.String(), job.ErrNotFound)
	}
	for _, l := range labels {
		out = append(out, job.New(job.Fields{ID: fmt.Sprint(p.ID, l), Name: l, Push: p, Status: job.StatusSuccess}))
	}
	return out, nil
}

func pushesUpTo(n int64) (out []job.Push) {
	for id := range n {
		out = append(out, job.Push{Repo: "r", ID: id + 1, Revision: fmt.Sprintf("%040x", id+1)})
	}
	return out
}

// walk asks about the newest n pushes, as an algorithm does, and checks each answer.
func walk(t *testing.T, h *analysis.History, n int) {
	t.Helper()
	fetch := func(ctx context.Context, p job.Push, _ *slog.Logger) ([]job.Job, error) {
		return h.Jobs(ctx, p, "b", "a")
	}
	for r := range analysis.OrderedWindows(t.Context(), h, fetch, nil) {
		want, wantErr := ranOn(r.Push, []string{"a", "b"})
		if !errors.Is(r.Err, errors.Unwrap(wantErr)) && (wantErr != nil || r.Err != nil) {
			t.Fatalf("push %d: the error %v, want %v", r.Push.ID, r.Err, wantErr)
		}
		if got := ids(r.Value); got != ids(want) {
			t.Fatalf("push %d: %s, want %s", r.Push.ID, got, ids(want))
		}
		if n--; n == 0 {
			return
		}
	}
}

func ids(jobs []job.Job) string {
	var out []string
	for _, j := range jobs {
		out = append(out, j.ID())
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

func TestHistoryWindowsGrow(t *testing.T) {
	for _, c := range []struct {
		pushes int64
		width  int
		walked int // pushes
		want   []int
	}{
		{1300, 0, 1300, []int{150, 500, 500, 150}},
		{1300, 0, 150, []int{150}},
		{1300, 0, 151, []int{150, 500}},
		{101, 0, 1, []int{101}},
		{150, 60, 150, []int{60, 60, 30}},
		{700, 300, 700, []int{150, 300, 250}},
		{25, 7, 25, []int{7, 7, 7, 4}},
		{25, 7, 7, []int{7}},
		{2, 0, 2, []int{2}},
	} {
		ci := &historian{width: c.width}
		pushes := pushesUpTo(c.pushes)
		walk(t, analysis.NewHistory(ci, pushes), c.walked)
		if !slices.Equal(ci.sizes, c.want) || len(ci.alone) > 0 {
			t.Errorf("%d pushes, width %d: windows %v and %d pushes by themselves, want %v", c.pushes, c.width,
				ci.sizes, len(ci.alone), c.want)
		}
	}
}

// What needs no window, or has none, is asked by itself: a range of one push, a push that
// is not in the range, one that cannot run, and all labels.
func TestHistoryByItself(t *testing.T) {
	pushes := pushesUpTo(20)
	pushes[4].Revision = ""
	ci := &historian{}
	h := analysis.NewHistory(ci, pushes)
	for _, p := range []job.Push{{Repo: "other", ID: 3, Revision: pushes[2].Revision}, {Repo: "r", ID: 99}, pushes[4]} {
		if _, err := h.Jobs(t.Context(), p, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Jobs(t.Context(), pushes[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := analysis.NewHistory(ci, pushes[:1]).Jobs(t.Context(), pushes[0], "a"); err != nil {
		t.Fatal(err)
	}
	if want := []int64{3, 99, 5, 1, 1}; !slices.Equal(ci.alone, want) || len(ci.sizes) > 0 {
		t.Errorf("pushes %v by themselves and windows %v, want %v alone", ci.alone, ci.sizes, want)
	}
}

// A CI without the ability, or that finds out only then that it has none, is read push by
// push; labels in another order are the same question.
func TestHistoryFallsBack(t *testing.T) {
	pushes := pushesUpTo(15)
	unsupported := func([]job.PushRuns) ([]job.PushRuns, error) { return nil, job.Wrap("x", "", errors.ErrUnsupported) }
	ci := &historian{bad: unsupported}
	walk(t, analysis.NewHistory(ci, pushes), 15)
	if len(ci.alone) != 15 {
		t.Errorf("%d pushes were read, want 15", len(ci.alone))
	}
	w := jobtest.MustParse("push a b\n1 a1c0 pass fail\n2 a2c0 - pass\n3 a3c0 fail -\n")
	bare := jobtest.Slow(jobtest.NewCI(w, nil), 0)
	for _, ci := range []job.Scheduler{bare, jobtest.NewCI(w, nil)} {
		h := analysis.NewHistory(ci, w.Pushes("autoland"))
		for _, p := range w.Pushes("autoland") {
			want, _ := ci.Jobs(t.Context(), p, "a", "b")
			for _, labels := range [][]string{{"a", "b"}, {"b", "a"}, {"a", "b", "a"}} {
				got, err := h.Jobs(t.Context(), p, labels...)
				if err != nil || ids(got) != ids(want) {
					t.Errorf("push %d: %s, %v, want %s", p.ID, ids(got), err, ids(want))
				}
			}
		}
	}
}

// An answer for another number of pushes is not believed, and an error about all is the
// error of each push.
func TestHistoryOfABadCI(t *testing.T) {
	pushes := pushesUpTo(12)
	for name, bad := range map[string]func([]job.PushRuns) ([]job.PushRuns, error){
		"less": func(all []job.PushRuns) ([]job.PushRuns, error) { return all[1:], nil },
		"none": func([]job.PushRuns) ([]job.PushRuns, error) { return nil, nil },
		"others": func(all []job.PushRuns) ([]job.PushRuns, error) {
			slices.Reverse(all)
			return all, nil
		},
		"more": func(all []job.PushRuns) ([]job.PushRuns, error) { return append(all, all[0]), nil },
	} {
		h := analysis.NewHistory(&historian{bad: bad}, pushes)
		if _, err := h.Jobs(t.Context(), pushes[3], "a"); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: the error %v, want one that wraps %v", name, err, job.ErrMalformed)
		}
	}
	h := analysis.NewHistory(&historian{bad: func([]job.PushRuns) ([]job.PushRuns, error) {
		return nil, job.Wrap("x", "", job.ErrUnavailable)
	}}, pushes)
	for _, p := range pushes {
		if _, err := h.Jobs(t.Context(), p, "a"); !errors.Is(err, job.ErrUnavailable) {
			t.Errorf("push %d: the error %v, want %v", p.ID, err, job.ErrUnavailable)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := analysis.NewHistory(&historian{}, pushes).Jobs(ctx, pushes[0], "a")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: the error %v", err)
	}
}
