package taskcluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
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
	s.Add(decision, tctest.Object{"metadata": tctest.Object{"name": spare}, "tags": tctest.Object{"kind": "test"}}, false)
	odd := s.Add(decision, tctest.Object{"metadata": tctest.Object{"name": "odd"}, "extra": "anything", "tags": tctest.Object{"kind": []any{1}}}, true)
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
		if !strings.HasPrefix(j.ID(), r.Status.TaskID+"/") || j.Push().ID != 20 || (r.Run == nil) != (j.Status() == job.StatusUnscheduled) || j.Times().Requested.IsZero() {
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
	_, _ = p.Jobs(t.Context(), push(20), build)
	if got := s.Requests(); len(got) != 4 {
		t.Errorf("the decision task was known, 6 tasks are 3 pages, and there are no cron jobs: %q", got)
	}
}

// Found by its revision, or else by its push id if it is of that revision; not
// at all, of another revision, or failed, is not scheduled.
func TestDecisionTask(t *testing.T) {
	s, decision := world()
	short := push(20)
	short.Revision = short.Revision[:12]
	byID := push(20)
	byID.Revision = strings.Repeat("f", 40)
	byRevision := push(20)
	byRevision.ID = 99
	for name, c := range map[string]struct {
		p job.Push
		n int
	}{"both": {push(20), 4}, "a short revision": {short, 4}, "an id that is another push's here": {byID, 0}, "another id": {byRevision, 4}} {
		project := connect(t, s, nil).Project("autoland", nil)
		jobs, err := project.Jobs(t.Context(), c.p)
		if err != nil || len(jobs) != c.n {
			t.Errorf("%s: %d jobs, %v", name, len(jobs), err)
		}
		if c.n > 0 {
			continue
		}
		_, err = serve(t, s).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: c.p, Count: 1})
		if !errors.Is(err, job.ErrNotScheduled) || !strings.Contains(err.Error(), "looked for gecko.v2.autoland.revision."+c.p.Revision) || len(s.Tasks(decision, "Action: retrigger-multiple")) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	failed := tctest.New()
	id := failed.AddPush("autoland", 20, push(20).Revision)
	failed.Resolve(id, "failed", "failed")
	for name, s := range map[string]*tctest.Server{"no decision task": tctest.New(), "one that failed": failed} {
		p := serve(t, s).Project("autoland", nil)
		jobs, err := p.Jobs(t.Context(), push(20))
		_, catalogErr := p.Catalog(t.Context(), push(20))
		_, triggerErr := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 1})
		asked, inflightErr := p.Accepted(t.Context(), push(20), test)
		if len(jobs) > 0 || err != nil || !errors.Is(catalogErr, job.ErrNotScheduled) || !errors.Is(triggerErr, job.ErrNotScheduled) || len(asked) > 0 || inflightErr != nil {
			t.Errorf("%s: %d jobs, %v; catalog %v; trigger %v; in flight %v, %v", name, len(jobs), err, catalogErr, triggerErr, asked, inflightErr)
		}
	}
	if _, err := connect(t, s, nil).Project("autoland", nil).Jobs(t.Context(), job.Push{Repo: "autoland", Revision: strings.Repeat("a", 12)}); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("neither an id nor a whole revision: %v", err)
	}
	s.Index("comm.v2.comm-central.pushlog-id.20.decision", decision)
	s.Index("app.v2.fenix.pushlog-id.20.decision", decision)
	comm := push(20)
	comm.Repo = "comm-central"
	if jobs, err := connect(t, s, nil).Project("autoland", nil).Jobs(t.Context(), comm); err != nil || len(jobs) != 4 {
		t.Errorf("a push of another repository: %d jobs, %v", len(jobs), err)
	}
	comm.Repo = "fenix"
	if jobs, err := connect(t, s, nil).Project("fenix", &taskcluster.ProjectOptions{TrustDomain: "app"}).Jobs(t.Context(), comm); err != nil || len(jobs) != 4 {
		t.Errorf("a trust domain: %d jobs, %v", len(jobs), err)
	}
}

// Runs that somebody asked for are told from those that came with the push.
func TestOffspring(t *testing.T) {
	s, decision := world()
	p := serve(t, s).Project("autoland", nil)
	for _, r := range []job.Request{
		{Label: test, Count: 2}, {Label: spare, Count: 1}, {Label: other, Count: 1, Action: "backfill-task", Input: map[string]any{"label": other}},
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
	if made["backfilled"] != "backfill" || made["symbol"] != "backfill" || made["retriggered"] != "retrigger" || made[test+"-cf"] != "confirm" || made["Action: add-new-jobs"] != "action" {
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
	if err := p.Cancel(t.Context(), s.Tasks(decision, other)[0]+"/0"); !errors.As(err, &denied) || !errors.Is(err, job.ErrDenied) || len(denied.Missing) != 1 {
		t.Errorf("without scopes: %v", err)
	}
}

func TestLoad(t *testing.T) {
	s, _ := world()
	p := serve(t, s).Project("autoland", nil)
	if _, err := p.QueueDepth(t.Context(), test); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("before a task was seen: %v", err)
	}
	_ = ok(p.Jobs(t.Context(), push(20), build))
	if got, err := p.QueueDepth(t.Context(), test); err != nil || got != (job.QueueDepth{Pending: 3, Running: 2}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got := s.Requests(); got[len(got)-1] != "GET /api/queue/v1/task-queues/gecko-t%2Flinux/counts" {
		t.Errorf("asked %q", got)
	}
}

// Real groups of 2017 and 2018: every task is read, across pages.
func TestRealGroups(t *testing.T) {
	for name, c := range map[string]struct {
		pages []string
		jobs  int
	}{
		"two pages":      {[]string{"code-coverage__list-task-group_page1.json.gz", "code-coverage__list-task-group_page2.json"}, 210},
		"a try push":     {[]string{"wpt-sync__taskgroup-wpt-complete.json"}, 20},
		"builds failed":  {[]string{"wpt-sync__taskgroup-build-failed.json.gz"}, 217},
		"mozilla, 2018":  {[]string{"release-services__list-task-group_MibGDsa4Q7uFNzDf7EV6nw.json.gz"}, 201},
		"pages in names": {[]string{"taskhuddler__continuation1.json", "taskhuddler__continuation2.json", "taskhuddler__completed.json"}, 4},
	} {
		var pages [][]byte
		for _, n := range c.pages {
			pages = append(pages, testenv.Read(t, "data", "4-taskcluster", n))
		}
		n := 0
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			var page map[string]json.RawMessage
			if err := json.Unmarshal(pages[n], &page); err != nil {
				t.Fatal(err)
			}
			n++
			delete(page, "continuationToken") // each fixture has its own way to say it
			if n < len(pages) {
				page["continuationToken"] = fmt.Appendf(nil, `"page %d"`, n)
			}
			_ = json.NewEncoder(w).Encode(page)
		})
		states := map[string]int{}
		for task, err := range taskcluster.TaskGroup(at(t, h), t.Context(), "A5O76NnPRt--HRPWdpOVlA") {
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			states[task.Status.State]++
			if task.Task.Metadata.Name == "" || taskcluster.QueueOf(&task.Task) == "" {
				t.Errorf("%s: a task without a name or a queue: %+v", name, task.Task)
			}
		}
		total := 0
		for _, k := range states {
			total += k
		}
		if total != c.jobs {
			t.Errorf("%s: %d tasks, expected %d: %v", name, total, c.jobs, states)
		}
	}
}

// A group that is listed while it grows, and pages that are torn.
func TestTornPages(t *testing.T) {
	const id = "A5O76NnPRt--HRPWdpOVlA"
	page := func(token string, ids ...string) string {
		var tasks []string
		for _, i := range ids {
			tasks = append(tasks, fmt.Sprintf(`{"task": {"metadata": {"name": "x"}}, "status": {"taskId": %q, "state": "unscheduled", "runs": []}}`, i))
		}
		return fmt.Sprintf(`{"tasks": [%s], "continuationToken": %q}`, strings.Join(tasks, ","), token)
	}
	for name, c := range map[string]struct {
		pages []string
		tasks int
		err   error
		words string
	}{
		"one that grows":               {[]string{page("a", "1", "2"), page("b", "2", "3"), page("", "3", "4")}, 4, nil, ""},
		"an empty last page":           {[]string{page("a", "1"), page("")}, 1, nil, ""},
		"the same token for ever":      {[]string{page("a", "1")}, 1, job.ErrMalformed, "continuationToken"},
		"tokens in a ring":             {[]string{page("a", "1"), page("b", "2"), page("a", "3"), page("b", "4")}, 2, job.ErrMalformed, "continuationToken"},
		"no tasks":                     {[]string{`{"taskGroupId": "x"}`}, 0, job.ErrMalformed, "tasks"},
		"a list":                       {[]string{`[]`}, 0, job.ErrMalformed, "expected {"},
		"HTML":                         {[]string{`<html>welcome</html>`}, 0, job.ErrMalformed, ""},
		"nothing":                      {[]string{``}, 0, job.ErrMalformed, ""},
		"half of it":                   {[]string{page("a", "1")[:60]}, 0, job.ErrMalformed, ""},
		"a state that is a number":     {[]string{`{"tasks": [{"task": {}, "status": {"taskId": "1", "state": 1}}]}`}, 0, job.ErrMalformed, "state"},
		"extra that is a list":         {[]string{`{"tasks": [{"task": {"extra": [1], "payload": "x"}, "status": {"taskId": "1"}}]}`}, 1, nil, ""},
		"a second page that is HTML":   {[]string{page("a", "1"), "<html>"}, 1, job.ErrMalformed, ""},
		"an unknown member that nests": {[]string{`{"x": [[{"y": []}]], "tasks": []}`}, 0, nil, ""},
	} {
		n := 0
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("continuationToken") == "" && n > 0 {
				n = 0
			}
			_, _ = w.Write([]byte(c.pages[min(n, len(c.pages)-1)]))
			n++
		})
		seen := 0
		var got error
		for _, err := range taskcluster.TaskGroup(at(t, h), t.Context(), id) {
			if got = err; err == nil {
				seen++
			}
		}
		var wrapped *job.Error
		if seen < c.tasks || !errors.Is(got, c.err) || c.err != nil && !errors.As(got, &wrapped) || got != nil && !strings.Contains(got.Error(), c.words) {
			t.Errorf("%s: %d tasks, %v; expected %d, %v", name, seen, got, c.tasks, c.err)
		}
	}
	for _, err := range taskcluster.TaskGroup(at(t, http.NotFoundHandler()), t.Context(), "../../../etc/passwd..") {
		if !errors.Is(err, job.ErrInvalid) {
			t.Errorf("no task id: %v", err)
		}
	}
}

// A deployment's batch calls, and what takes their place where it has none.
func TestBatches(t *testing.T) {
	for _, old := range []bool{false, true} {
		s, decision := world()
		s.Old = old
		c := connect(t, s, nil)
		ids := []string{decision, s.Tasks(decision, test)[0], slug.Of("nobody")}
		tasks, err := taskcluster.Tasks(c, t.Context(), ids...)
		if err != nil || len(tasks) != 2 || tasks[ids[1]].Metadata.Name != test {
			t.Errorf("old %t: tasks %v, %v", old, tasks, err)
		}
		statuses, err := taskcluster.Statuses(c, t.Context(), ids...)
		if err != nil || len(statuses) != 2 || statuses[ids[1]].State != "unscheduled" {
			t.Errorf("old %t: statuses %v, %v", old, statuses, err)
		}
		want := map[bool]int{false: 2, true: 8}[old]
		if got := s.Requests(); len(got) != want {
			t.Errorf("old %t: %d requests, expected %d: %q", old, len(got), want, got)
		}
		if _, err := taskcluster.Tasks(c, t.Context(), "nope"); !errors.Is(err, job.ErrInvalid) {
			t.Error(err)
		}
	}
}
