package taskcluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// Every word that the services document, and one that they do not.
func TestStatuses(t *testing.T) {
	started := time.Unix(1, 0)
	for _, c := range []struct {
		state, reason string
		kind          job.Kind
		started       bool
		later         bool
		want          job.Status
	}{
		{state: "pending", want: job.StatusPending},
		{state: "running", want: job.StatusRunning},
		{state: "completed", want: job.StatusSuccess},
		{state: "failed", kind: job.KindTest, want: job.StatusTestFailed},
		{state: "failed", kind: job.KindPerf, want: job.StatusTestFailed},
		{state: "failed", kind: job.KindBuild, want: job.StatusBusted},
		{state: "failed", kind: job.KindOther, want: job.StatusBusted},
		{state: "exception", reason: "malformed-payload", want: job.StatusException},
		{state: "exception", reason: "resource-unavailable", want: job.StatusException},
		{state: "exception", reason: "internal-error", want: job.StatusException},
		{state: "exception", reason: "claim-expired", want: job.StatusException},
		{state: "exception", reason: "claim-expired", later: true, want: job.StatusRetry},
		{state: "exception", reason: "worker-shutdown", want: job.StatusException},
		{state: "exception", reason: "worker-shutdown", later: true, want: job.StatusRetry},
		{state: "exception", reason: "intermittent-task", want: job.StatusException},
		{state: "exception", reason: "intermittent-task", later: true, want: job.StatusRetry},
		{state: "exception", reason: "deadline-exceeded", want: job.StatusSkipped},
		{state: "exception", reason: "deadline-exceeded", started: true, want: job.StatusException},
		{state: "exception", reason: "canceled", want: job.StatusCancelled},
		{state: "exception", reason: "superseded", want: job.StatusCoalesced},
		{state: "exception", reason: "bored"},
		{state: "exception"},
		{state: "completing"},
	} {
		r := &taskcluster.TaskRun{State: c.state, ReasonResolved: c.reason}
		if c.started {
			r.Started = started
		}
		got, err := taskcluster.StatusOf(r, c.kind, c.later)
		if got != c.want || (c.want == 0) != errors.Is(err, job.ErrUnknownWord) {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

// What happened on a push, run by run: an automatic retry is one job and its
// successor another, an unscheduled task is a job that waits.
func TestJobs(t *testing.T) {
	s, decision := world()
	s.Page = 2 // more pages than one
	find := func(label string) string { return s.Tasks(decision, label)[0] }
	s.Resolve(find(build), "completed", "completed")
	s.Resolve(find(test), "exception", "worker-shutdown")
	s.Start(find(test))
	s.Resolve(find(other), "exception", "deadline-exceeded")
	s.Add(decision, tctest.Object{
		"metadata": tctest.Object{"name": spare},
		"tags":     tctest.Object{"kind": "test"},
	}, false)
	odd := s.Add(decision, tctest.Object{
		"metadata": tctest.Object{"name": "odd"}, "extra": "anything",
		"tags": tctest.Object{"kind": []any{1}},
	}, true)
	p := connect(t, s, nil).Project("autoland", nil) // reading needs no credentials
	jobs, err := p.Jobs(t.Context(), push(20))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text(jobs), "\n")
	slices.Sort(lines)
	want := strings.Split(strings.TrimSpace(`
Gecko Decision Task other success
build-linux64/opt build success
odd other pending
test-linux2404-64/opt-mochitest-1 test retry
test-linux2404-64/opt-mochitest-1 test running
test-linux2404-64/opt-talos-g1 perf unscheduled
test-linux2404-64/opt-xpcshell-1 test skipped`), "\n")
	if d := cmp.Diff(want, lines); d != "" {
		t.Errorf("jobs (-expected +got):\n%s", d)
	}
	for _, j := range jobs {
		r := j.Raw().(taskcluster.Record)
		if !strings.HasPrefix(j.ID(), r.Status.TaskID+"/") || j.Push().ID != 20 ||
			(r.Run == nil) != (j.Status() == job.StatusUnscheduled) || j.Times().Requested.IsZero() {
			t.Errorf("%s: %+v", j.ID(), j)
		}
	}
	s.Resolve(odd.ID, "exception", "bored")
	jobs, err = p.Jobs(t.Context(), push(20))
	if !errors.Is(err, job.ErrUnknownWord) || !strings.Contains(err.Error(), odd.ID) || len(jobs) != len(want)-1 {
		t.Errorf("an unknown word: %v with %d jobs", err, len(jobs))
	}
	if jobs, err := p.Jobs(t.Context(), push(20), build); err != nil || len(jobs) != 1 {
		t.Errorf("an unknown word elsewhere: %d jobs, %v", len(jobs), err)
	}
	s.Requests()
	_, _ = p.Jobs(t.Context(), push(20))
	if got := s.Requests(); len(got) != 4 {
		t.Errorf("the decision task was known, 6 tasks are 3 pages, and there are no cron jobs: %q", got)
	}
}

// Runs that somebody asked for are told from those that came with the push.
func TestOffspring(t *testing.T) {
	s, decision := world()
	p := serve(t, s).Project("autoland", nil)
	for _, r := range []job.Request{
		{Label: test, Count: 2},
		{Label: spare, Count: 1},
		{Label: other, Count: 1, Action: "backfill-task", Input: map[string]any{"label": other}},
	} {
		r.Push = push(20)
		if _, err := p.Trigger(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	s.Settle()
	tagged := func(name, action, symbol string) {
		s.Add(decision, tctest.Object{
			"metadata": tctest.Object{"name": name}, "tags": tctest.Object{"action": action},
			"extra": tctest.Object{"treeherder": tctest.Object{"symbol": symbol}},
		}, true)
	}
	tagged("backfilled", "backfill-task", "")
	tagged("symbol", "", "M-0123456789a-bk")
	tagged("retriggered", "retrigger-task", "")
	tagged(test+"-cf", "", "")
	got := map[string][]bool{}
	made := map[string]string{}
	for _, j := range ok(p.Jobs(t.Context(), push(20))) {
		is, err := job.WasAdded(t.Context(), p, j)
		if err != nil {
			t.Fatal(err)
		}
		got[j.Name()] = append(got[j.Name()], is)
		made[j.Name()] = taskcluster.Made(j.Raw().(taskcluster.Record))
	}
	for _, v := range got {
		slices.SortFunc(v, func(a, b bool) int { return len(fmt.Sprint(b)) - len(fmt.Sprint(a)) })
	}
	want := map[string][]bool{
		"Gecko Decision Task": {false}, build: {false}, test: {false, true, true}, other: {false, true}, spare: {true},
		"Action: retrigger-multiple": {true}, "Action: add-new-jobs": {true}, "Action: backfill-task": {true},
		"backfilled": {true}, "symbol": {true}, "retriggered": {true}, test + "-cf": {true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("offspring (-expected +got):\n%s", d)
	}
	if made["backfilled"] != "backfill" || made["symbol"] != "backfill" || made["retriggered"] != "retrigger" ||
		made[test+"-cf"] != "confirm" || made["Action: add-new-jobs"] != "action" {
		t.Error(made)
	}
}

func TestCancel(t *testing.T) {
	s, decision := world()
	p := serve(t, s).Project("autoland", nil)
	id := s.Tasks(decision, test)[0]
	s.Resolve(id, "exception", "claim-expired") // run 1 is pending now
	if err := p.Cancel(t.Context(), id+"/0"); err != nil {
		t.Error(err)
	}
	if jobs := ok(p.Jobs(t.Context(), push(20), test)); jobs[1].Status() != job.StatusPending {
		t.Errorf("cancelling a run that was retried stopped the retry: %s", text(jobs))
	}
	for range 2 {
		if err := p.Cancel(t.Context(), id+"/1"); err != nil {
			t.Error(err)
		}
	}
	if jobs := ok(p.Jobs(t.Context(), push(20), test)); jobs[1].Status() != job.StatusCancelled {
		t.Error(text(jobs))
	}
	for _, bad := range []string{"", "x", id, id + "/x", id + "/7", slug.Of("nobody") + "/0"} {
		if err := p.Cancel(t.Context(), bad); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("Cancel(%q) = %v", bad, err)
		}
	}
	s.Scopes = []string{}
	var denied *taskcluster.Error
	if err := p.Cancel(t.Context(), s.Tasks(decision, other)[0]+"/0"); !errors.As(err, &denied) ||
		!errors.Is(err, job.ErrDenied) || len(denied.Missing) != 1 {
		t.Errorf("without scopes: %v", err)
	}
}

func TestLoad(t *testing.T) {
	s, _ := world()
	p := serve(t, s).Project("autoland", nil)
	if _, err := p.QueueDepth(t.Context(), test); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("before a task was seen: %v", err)
	}
	_ = ok(p.Jobs(t.Context(), push(20), test))
	if got, err := p.QueueDepth(t.Context(), test); err != nil || got != (job.QueueDepth{Pending: 3, Running: 2}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got := s.Requests(); got[len(got)-1] != "GET /api/queue/v1/task-queues/gecko-t%2Flinux/counts" {
		t.Errorf("asked %q", got)
	}
}
