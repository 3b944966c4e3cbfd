package jobtest_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

const buildWorld = `
needs test build
takes build 40m
truth test culprit=2 before=0 after=1
push   test         build
1 a1c0 -            -
2 b2d1 unscheduled  running
3 c3e2 -            pass:expired
`

func TestTestNeedsItsBuild(t *testing.T) {
	w := jobtest.MustParse(buildWorld)
	ci := jobtest.NewCI(w, nil)
	for _, p := range w.Pushes("autoland") {
		_, err := ci.Trigger(t.Context(), job.Request{Label: "test", Push: p, Count: 1})
		if !errors.Is(err, job.ErrNoBuild) {
			t.Errorf("push %d: error %v, expected ErrNoBuild", p.ID, err)
		}
	}
	if _, err := ci.Trigger(t.Context(), job.Request{
		Label: "build", Push: w.Pushes("autoland")[0],
		Count: 1,
	}); err != nil {
		t.Fatal(err)
	}
	ci.Advance(time.Hour)
	if _, err := ci.Trigger(t.Context(), job.Request{
		Label: "test", Push: w.Pushes("autoland")[0],
		Count: 1,
	}); err != nil {
		t.Errorf("with its build done: %v", err)
	}
}

// Watching moves the time: the whole trace of a build, the test that waits for
// it, and the end.
func TestWatchTellsWhatHappens(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse(buildWorld), nil)
	began := ci.Now()
	var got []string
	for e, err := range ci.Watch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Time.Sub(began), " ", e.Job.Name(), " ", e.Job.Push().ID, " ", e.Job.Status()))
	}
	want := []string{
		"40m0s test 2 pending", "40m0s build 2 success", "45m0s test 2 running", "1h15m0s test 2 test_failed",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

func TestInvisibleRunsAreInFlight(t *testing.T) {
	w := jobtest.MustParse(buildWorld)
	ci := jobtest.NewCI(w, &jobtest.CIOptions{Visible: time.Minute})
	p := w.Pushes("autoland")[0]
	for _, key := range []string{"one", "two"} {
		receipt, err := ci.Trigger(t.Context(), job.Request{Key: key, Label: "build", Push: p, Count: 2})
		if err != nil || receipt.State != job.ReceiptAccepted {
			t.Fatalf("receipt %+v, %v; expected accepted", receipt, err)
		}
	}
	asked, err := job.Accepted(t.Context(), ci, p, "build")
	if err != nil || len(asked) != 2 || asked[0].Key != "one" || asked[1].Count != 2 {
		t.Errorf("in flight: %+v, %v; expected two requests for two runs", asked, err)
	}
	ci.Advance(time.Minute)
	jobs, err := ci.Jobs(t.Context(), p, "build")
	if err != nil || len(jobs) != 4 {
		t.Errorf("after a minute %d jobs are visible, %v; expected 4", len(jobs), err)
	}
}

func TestLogsAndLoad(t *testing.T) {
	w := jobtest.MustParse("push test build\n1 a1c0 pass,fail,pass:no-test,pending,running busted\n")
	ci := jobtest.NewCI(w, nil)
	jobs, err := ci.Jobs(t.Context(), w.Pushes("autoland")[0])
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range jobs {
		for _, which := range []job.LogKind{job.LogErrorSummary, job.LogStructured, job.LogText} {
			log, err := job.OpenLog(t.Context(), ci, j, which)
			if errors.Is(err, job.ErrNotFound) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(log)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %s %d FAIL=%t", j.Status(), which, strings.Count(string(text), "\n"),
				strings.Contains(string(text), "FAIL")))
		}
	}
	want := []string{
		"success errorsummary 2 FAIL=false", "success text 1 FAIL=false",
		"test_failed errorsummary 3 FAIL=true", "test_failed text 1 FAIL=true",
		"success errorsummary 2 FAIL=false", "success text 1 FAIL=false",
		"busted text 1 FAIL=false",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("logs (-want +got):\n%s", d)
	}
	load, err := job.QueueDepthOf(t.Context(), ci, "test")
	if err != nil || load != (job.QueueDepth{Pending: 1, Running: 1}) {
		t.Errorf("load = %+v, %v", load, err)
	}
}
