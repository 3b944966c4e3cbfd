package jobtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// What the flags say of each run, by the abilities of the CI.
func TestWhatFlagsSay(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse(`
every 1h
push t
1 a1c0 pass:v=431.2,fail*2:sig=a:by=x,fail:class=fixed,busted:by=backfill:class=auto,retry:class=infra
2 b2d1 exception:class=needs-bug,pending:class=expected:v=7,fail
`), nil)
	said := func() (got []string) {
		for _, rev := range []string{"a1c0", "b2d1"} {
			p, err := repository(t, ci).Push(t.Context(), rev)
			if err != nil {
				t.Fatal(err)
			}
			jobs, err := ci.Jobs(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range jobs {
				got = append(got, saidOf(t, ci, p, j))
			}
		}
		return got
	}
	ci.Advance(time.Hour)
	p, err := repository(t, ci).Push(t.Context(), "tip")
	if err == nil {
		_, err = ci.Trigger(t.Context(), job.Request{Key: "k", Label: "t", Push: p, Count: 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"success 431.2 added=false  0s not_classified",
		"test_failed added=true x 1h0m0s not_classified", "test_failed added=true x 1h0m0s not_classified",
		"test_failed added=false  0s fixed_by_commit by sheriff after 36m0s",
		"busted added=true backfill 1h0m0s not_classified",
		"retry added=false  0s infra by sheriff after 36m0s",
		"exception added=false  0s intermittent_needs_bugid by sheriff after 36m0s",
		"success 7 added=false  0s not_classified", "test_failed added=false  0s not_classified",
		"pending added=true mozci 2h0m0s not_classified",
	}
	if d := cmp.Diff(want, said()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func saidOf(t *testing.T, ci *jobtest.CI, p job.Push, j job.Job) string {
	t.Helper()
	added, err1 := job.WasAdded(t.Context(), ci, j)
	by, err2 := job.RequesterOf(t.Context(), ci, j)
	c, err3 := job.Classified(t.Context(), ci, j)
	record, ok := j.Raw().(jobtest.Record)
	if err := errors.Join(err1, err2, err3); err != nil || !ok {
		t.Fatal(j.Raw(), err)
	}
	line := j.Status().String()
	if record.Value != nil {
		line += fmt.Sprint(" ", *record.Value)
	}
	line += fmt.Sprintf(" added=%t %s %s %s", added, by, j.Times().Requested.Sub(p.Time), c.Kind)
	if c.Classified() {
		line += fmt.Sprint(" by ", c.By, " after ", c.At.Sub(p.Time))
	} else if c.By != "" || !c.At.IsZero() {
		t.Errorf("not classified by %q at %s", c.By, c.At)
	}
	return line
}

// A classification is for a run that failed and for later than a minute after its end,
// and what is not there is not found.
func TestWhatIsNotSaid(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse("every 5m\npush t\n1 a1c0 fail:class=fixed,pending:class=fixed\n"), nil)
	p, err := repository(t, ci).Push(t.Context(), "tip")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		by   time.Duration
		want string
	}{
		{0, "not_classified not_classified"},
		{time.Minute - 1, "not_classified not_classified"},
		{1, "fixed_by_commit not_classified"},
		{time.Hour, "fixed_by_commit not_classified"},
	} {
		ci.Advance(c.by)
		jobs, err := ci.Jobs(t.Context(), p)
		if err != nil || len(jobs) != 2 {
			t.Fatal(jobs, err)
		}
		a, err1 := ci.Classification(t.Context(), jobs[0])
		b, err2 := ci.Classification(t.Context(), jobs[1])
		if got := fmt.Sprint(a.Kind, " ", b.Kind); got != c.want || errors.Join(err1, err2) != nil {
			t.Errorf("at %s: %s, %v, %v; expected %s", ci.Now(), got, err1, err2, c.want)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, id := range []string{"", "run-", "run-0", "run-3", "run-01", "run-+1", "1"} {
		j := job.New(job.Fields{ID: id})
		_, err1 := ci.WasAdded(t.Context(), j)
		_, err2 := ci.Requester(t.Context(), j)
		_, err3 := ci.Classification(t.Context(), j)
		_, err4 := ci.Classification(cancelled, j)
		_, err5 := ci.Requester(cancelled, j)
		for i, err := range []error{err1, err2, err3, err4, err5} {
			want, e := job.ErrNotFound, (*job.Error)(nil)
			if i > 2 {
				want = context.Canceled
			}
			if !errors.Is(err, want) || !errors.As(err, &e) {
				t.Errorf("%q: %v, expected %v", id, err, want)
			}
		}
	}
}

// The break of a truth is in the pushes from the culprit up to the one that ends it, and
// has a test of its own.
func TestTruthsEnd(t *testing.T) {
	w := jobtest.MustParse("truth t culprit=2 until=4 before=0.3 sig=broke flake=flaky\npush t\n" +
		"1 a1c0 fail*20\n2 b2d1 -\n3 c3e2 -\n4 d4f3 -\n5 e5a4 -\n")
	ci := jobtest.NewCI(w, nil)
	for _, p := range w.Pushes("autoland") {
		if _, err := ci.Trigger(t.Context(), job.Request{Label: "t", Push: p, Count: 100}); err != nil {
			t.Fatal(err)
		}
	}
	ci.Advance(time.Hour)
	for _, p := range w.Pushes("autoland") {
		jobs, err := ci.Jobs(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, j := range jobs {
			got[failedIn(t, ci, j)]++
		}
		if p.ID == 1 && got["test"] != 20 { // what the grid says is its own, whatever the truth draws
			t.Errorf("the runs of the grid: %v", got)
		}
		broken := p.ID == 2 || p.ID == 3
		if broken != (got["broke"] == 100) || broken != (got["flaky"] == 0) || !broken && got["flaky"] > 50 {
			t.Errorf("push %d: %v", p.ID, got)
		}
	}
}
