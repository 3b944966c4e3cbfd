package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// beside is a history of 40 pushes in which the test broke fails half of the time since
// push 29, and another of the same job in three of ten runs, always.
func beside(seed uint64) string {
	text := fmt.Sprintf("seed %d\ntruth l culprit=29 before=0 after=0.5 sig=broke other=0.3\npush l\n", seed)
	for i := 1; i <= 40; i++ {
		cell := "-"
		switch {
		case i == 40:
			cell = "fail:sig=broke"
		case i%4 == 0:
			cell = []string{"fail:sig=other", "pass", "pass", "fail:sig=other", "pass"}[i/4%5]
		}
		text += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, cell)
	}
	return text
}

// Another intermittent of the same job costs who counts every failure most of the runs;
// who counts those of what failed finds the culprit with fewer.
func TestSearchBySignature(t *testing.T) {
	for seed := range uint64(3) {
		runs, found := map[bool]int{}, map[bool]bool{}
		for _, every := range []bool{false, true} {
			ci, repo := open(t, beside(seed))
			r, err := backfill.Search(t.Context(), repo, ci, "l", "tip", &backfill.SearchOptions{
				AnyFailure: every, MaxRuns: 190, Batch: 4, Approve: func(float64, int) bool { return true },
			})
			if err != nil {
				t.Fatal(err)
			}
			runs[every], found[every] = r.Runs, r.Culprit != nil && r.Culprit.ID == 29
			told := told(r) + strings.Join(r.Warnings, "\n")
			switch {
			case every:
				if len(r.Signatures) > 0 || r.Others > 0 {
					t.Errorf("every failure: %v, %d others", r.Signatures, r.Others)
				}
			case r.Outcome != culprit.Found || r.Culprit.ID != 29:
				t.Error(told)
			case len(r.Signatures) != 1 || r.Signatures[0].String() != "broke" || r.Others < 5 || r.Unread > 0 ||
				!strings.Contains(told, fmt.Sprintf("%d other failures of the job do not count: other (%[1]d)",
					r.Others)):
				t.Errorf("%v, %d others: %s", r.Signatures, r.Others, told)
			}
		}
		if found[true] && float64(runs[false]) > 0.65*float64(runs[true]) {
			t.Errorf("seed %d: %d runs, and %d where every failure counts", seed, runs[false], runs[true])
		}
	}
}

// Another break of the same job, mended by the push that broke it anew, is accused where
// every failure counts.
func TestSearchAccusesAnother(t *testing.T) {
	world := "truth l culprit=12 before=0 after=1 sig=broke\npush l\n"
	for i := 1; i <= 20; i++ {
		cell := "pass*4"
		switch {
		case i >= 12:
			cell = "fail*4:sig=broke"
		case i >= 8:
			cell = "fail*4:sig=old"
		}
		world += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, cell)
	}
	for every, want := range map[bool]int64{false: 12, true: 8} {
		ci, repo := open(t, world)
		r, err := backfill.Search(t.Context(), repo, ci, "l", "tip", &backfill.SearchOptions{AnyFailure: every})
		if err != nil || r.Outcome != culprit.Found || r.Culprit.ID != want {
			t.Errorf("every failure counts %t: %v, %s", every, err, told(r))
		}
	}
}

// listing is a CI that counts which logs are opened, and may have none of some runs.
type listing struct {
	*jobtest.CI
	gone func(job.Job) error

	mu     sync.Mutex
	opened map[string]int // by run and kind
	passed int            // logs of runs that passed
	read   int            // pushes
}

func (l *listing) Jobs(ctx context.Context, p job.Push, labels ...string) ([]job.Job, error) {
	l.mu.Lock()
	l.read++
	l.mu.Unlock()
	return l.CI.Jobs(ctx, p, labels...)
}

func (l *listing) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	return jobtest.HistoryByJobs(ctx, l.Jobs, pushes, labels...)
}

func (l *listing) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	l.mu.Lock()
	if l.opened == nil {
		l.opened = map[string]int{}
	}
	l.opened[j.ID()+string(which)]++
	if j.Status() == job.StatusSuccess {
		l.passed++
	}
	l.mu.Unlock()
	if l.gone != nil {
		if err := l.gone(j); err != nil {
			return nil, err
		}
	}
	return l.CI.OpenLog(ctx, j, which)
}

// Only logs of failed runs are read, each once.
func TestSearchReadsFailedRunsOnce(t *testing.T) {
	ci, repo := open(t, beside(1))
	l := &listing{CI: ci}
	_, err := backfill.Search(t.Context(), repo, l, "l", "tip", &backfill.SearchOptions{
		DryRun: true, MaxRuns: -1, Signatures: []string{"test | broke | expected PASS"},
	})
	first := l.read
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backfill.Search(t.Context(), repo, l, "l", "tip", &backfill.SearchOptions{
		DryRun: true, MaxRuns: -1,
	}); err != nil || l.read != 2*first {
		t.Errorf("%v; %d reads of pushes, and %d to learn what is sought", err, first, l.read-first)
	}
	l = &listing{CI: ci}
	r, err := backfill.Search(t.Context(), repo, l, "l", "tip", &backfill.SearchOptions{Batch: 4})
	if err != nil || r.Outcome != culprit.Found {
		t.Fatalf("%v, %s", err, told(r))
	}
	if l.passed > 0 || len(l.opened) == 0 {
		t.Errorf("%d logs of %d were of runs that passed", l.passed, len(l.opened))
	}
	for id, n := range l.opened {
		if n > 1 {
			t.Errorf("%s was opened %d times", id, n)
		}
	}
}

// several is a history whose start failed twice, in two tests.
const several = "truth l culprit=5 before=0 after=1 sig=a\npush l\n1 a001 pass\n2 a002 fail:sig=b\n" +
	"3 a003 fail:sig=c\n4 a004 -\n5 a005 -\n6 a006 fail:sig=a,fail:sig=b\n"

// unsaid are searches in which it is not known, or not said, what failed.
var unsaid = map[string]struct {
	gone       func(job.Job) error
	opts       backfill.SearchOptions
	signatures string
	unread     int
	warning    string
}{
	"several": {
		signatures: "a, b", warning: "2 different failures count, all those seen at the start: a, b",
	},
	"no logs": {
		gone:    func(job.Job) error { return job.ErrNotFound },
		warning: "every failure of l counts, because it is unclear what failed at the start: its log is gone",
	},
	"no log of one": {
		gone: func(j job.Job) error {
			if j.Push().ID == 3 {
				return job.ErrNotFound
			}
			return nil
		},
		opts:       backfill.SearchOptions{Signatures: []string{"test | a | expected PASS"}},
		signatures: "a", unread: 1, warning: "1 failed run counts whatever failed in it: its log is gone",
	},
	"no log of another": {
		gone: func(j job.Job) error {
			if j.Push().ID == 2 {
				return job.ErrUnavailable
			}
			return nil
		},
		opts:       backfill.SearchOptions{Signatures: []string{"test | a | expected PASS"}},
		signatures: "a", unread: 1, warning: "1 failed run counts whatever failed in it: its log could not be read",
	},
	"every failure": {opts: backfill.SearchOptions{AnyFailure: true}},
	"a judge":       {opts: backfill.SearchOptions{Judge: analysis.ByStatus}},
	"given": {
		opts:       backfill.SearchOptions{Signatures: []string{" test | a | expected PASS\n"}},
		signatures: "a", warning: "other failures of the job do not count: b",
	},
}

// What is not known of what failed is said: at the start, of others, and where there are
// several.
func TestSearchSaysWhatIsNotKnown(t *testing.T) {
	for name, c := range unsaid {
		ci, repo := open(t, several)
		c.opts.DryRun, c.opts.MaxRuns = true, -1
		r, err := backfill.Search(t.Context(), repo, &listing{CI: ci, gone: c.gone}, "l", "tip", &c.opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var signs []string
		for _, s := range r.Signatures {
			signs = append(signs, s.String())
		}
		warnings := strings.Join(r.Warnings, "\n")
		if d := cmp.Diff(c.signatures, strings.Join(signs, ", ")); d != "" || r.Unread != c.unread ||
			!strings.Contains(warnings, c.warning) {
			t.Errorf("%s: %d not read: %s\n%s", name, r.Unread, warnings, d)
		}
		if c.warning == "" && strings.Contains(warnings, "count") {
			t.Errorf("%s: %s", name, warnings)
		}
	}
}

// A start that did not fail with the signature says with which it did; signatures go
// with nothing else that says what counts.
func TestSearchForAnotherSignature(t *testing.T) {
	ci, repo := open(t, "push l\n1 a001 pass\n2 a002 fail:sig=b\n")
	sought := []string{"test | a | expected PASS"}
	_, err := backfill.Search(t.Context(), repo, ci, "l", "tip", &backfill.SearchOptions{Signatures: sought})
	if !errors.Is(err, backfill.ErrNotBad) || !strings.Contains(fmt.Sprint(err), `"test | b | expected PASS"`) {
		t.Error(err)
	}
	for name, o := range map[string]backfill.SearchOptions{
		"a test":        {Signatures: sought, Test: "a"},
		"a judge":       {Signatures: sought, Judge: analysis.ByStatus},
		"every failure": {Signatures: sought, AnyFailure: true},
		"nothing":       {Signatures: []string{""}},
	} {
		if _, err := backfill.Search(t.Context(), repo, ci, "l", "tip", &o); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A judge of the status is asked first, and learnt signatures after it: a job without its
// test is no evidence.
func TestSearchWithStatus(t *testing.T) {
	ci, repo := open(t, "push l\n1 a001 pass\n2 a002 pass:no-test\n3 a003 fail:sig=b:no-test\n4 a004 fail:sig=a\n")
	r, err := backfill.Search(t.Context(), repo, ci, "l", "tip", &backfill.SearchOptions{
		Status: jobtest.TestJudge(analysis.ByStatus, analysis.Unclear), DryRun: true,
	})
	counts := func(r backfill.SearchResult) (got []string) {
		for _, p := range r.Pushes {
			got = append(got, fmt.Sprint(p.Failed, p.Passed, p.Infra))
		}
		return got
	}
	every, failed := backfill.Search(t.Context(), repo, ci, "l", "tip", &backfill.SearchOptions{
		Status: jobtest.TestJudge(analysis.ByStatus, analysis.Unclear), AnyFailure: true, DryRun: true,
	})
	if d := cmp.Diff(counts(r), counts(every)); d != "" || failed != nil {
		t.Errorf("every failure: %v\n%s", failed, d)
	}
	sought := []joblog.Signature{{Print: "test | a | expected PASS", Test: "a", Group: "group"}}
	if d := cmp.Diff([]string{"0 1 0", "0 0 1", "0 0 1", "1 0 0"}, counts(r)); d != "" || err != nil ||
		!slices.Equal(r.Signatures, sought) {
		t.Errorf("%v, %v\n%s", r.Signatures, err, d)
	}
}

// So many newer pushes are read as evidence where nobody says how many.
func TestSearchReadsNewerPushes(t *testing.T) {
	world := "truth l culprit=10\npush l\n"
	for i := 1; i <= 60; i++ {
		world += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, map[bool]string{true: "fail", false: "pass"}[i >= 10])
	}
	for newer, want := range map[int]int{0: 41, 7: 8, -1: 1} {
		ci, repo := open(t, world)
		r, err := backfill.Search(t.Context(), repo, ci, "l", fmt.Sprintf("%04x", 0xa00a),
			&backfill.SearchOptions{Newer: newer, DryRun: true, MaxRuns: -1})
		if n := r.Before.Failures + r.After.Failures; err != nil || n != want {
			t.Errorf("newer %d: %v, %d failures were read", newer, err, n)
		}
	}
}

// rewording is a CI in whose logs the same failure has another message on each push.
type rewording struct{ *jobtest.CI }

func (r rewording) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	log, err := r.CI.OpenLog(ctx, j, which)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(log)
	word := strings.Repeat("no", int(j.Push().ID))
	return io.NopCloser(strings.NewReader(strings.ReplaceAll(string(text), "expected PASS", word))), err
}

// What is learnt is a failure of the same test whatever it says; also where the range
// grows, which is no reason to learn it again.
func TestSearchLearnsTheTest(t *testing.T) {
	world := "truth l culprit=14 before=0 after=1 sig=broke\npush l\n"
	for i := 1; i <= 40; i++ {
		cell := "-"
		switch {
		case i >= 39:
			cell = "fail:sig=broke"
		case i <= 13:
			cell = "pass"
		}
		world += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, cell)
	}
	ci, repo := open(t, world)
	r, err := backfill.Search(t.Context(), repo, rewording{ci}, "l", "tip",
		&backfill.SearchOptions{MaxRevisions: 8, History: 30, Extend: 3})
	if err != nil || r.Outcome != culprit.Found || r.Culprit.ID != 14 || len(r.Signatures) != 1 ||
		strings.Contains(fmt.Sprint(r.Warnings), "sought") {
		t.Errorf("%v, %v, %v: %s", err, r.Signatures, r.Warnings, told(r))
	}
}
