package taskcluster_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// told is a message as it was recorded: its exchange, and its body.
type told struct {
	Exchange string          `json:"exchange"`
	Payload  json.RawMessage `json:"payload"`
	Routes   string          `json:"routes"` // its routing key
}

// toldBy are the messages that Treeherder recorded in 2019, by task.
func toldBy(t testing.TB) map[string]told {
	t.Helper()
	var out map[string]told
	text := testenv.Read(t, "data", "3-pulse", "treeherder__taskcluster_pulse_messages.json")
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// definedBy are the definitions of these tasks.
func definedBy(t testing.TB) map[string]json.RawMessage {
	t.Helper()
	var out map[string]json.RawMessage
	text := testenv.Read(t, "data", "3-pulse", "treeherder__taskcluster_tasks.json.gz")
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// ingested is a job that Treeherder makes of a message and a definition.
type ingested struct {
	Job struct {
		GUID    string `json:"job_guid"`
		Symbol  string `json:"job_symbol"`
		Machine string `json:"machine"`
		Name    string `json:"name"`
		Reason  string `json:"reason"`
		Result  string `json:"result"`
		State   string `json:"state"`
		Submit  int64  `json:"submit_timestamp"`
		Start   int64  `json:"start_timestamp"`
		End     int64  `json:"end_timestamp"`
		Retry   int    `json:"taskcluster_retry_id"`
		Task    string `json:"taskcluster_task_id"`
	} `json:"job"`
	Revision string `json:"revision"`
}

// uuid is a task's id as Treeherder writes it.
func uuid(t *testing.T, taskID string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(taskID)
	if err != nil || len(raw) != 16 {
		t.Fatalf("%s: %v", taskID, err)
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
}

// seconds is a time as Treeherder writes it; 0 for none.
func seconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.Unix()
}

// Of the 91 messages of 2019 with their definitions the jobs come out that Treeherder
// makes of them. What Treeherder calls submitted is when the task was made, and not
// when the run was asked for; its platforms, options, tiers, groups, logs and owners
// are not what mozci reads.
func TestMessagesAreTreeherdersJobs(t *testing.T) {
	var want map[string]ingested
	text := testenv.Read(t, "data", "3-pulse", "treeherder__taskcluster_transformed_jobs.json")
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	messages, defined, got := toldBy(t), definedBy(t), map[string]ingested{}
	for id, m := range messages {
		d, err := taskcluster.ParseDefinition(defined[id])
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		for _, exchange := range []string{m.Exchange, ""} {
			decoded, err := taskcluster.DecodeMessage(exchange, m.Payload)
			if err != nil || !strings.HasSuffix(m.Exchange, "/"+decoded.Kind) || decoded.RunID != 0 {
				t.Fatalf("%s: %+v, %v", id, decoded, err)
			}
			events, err := decoded.Events(d)
			if err != nil || len(events) != 1 {
				t.Fatalf("%s: %d events, %v", id, len(events), err)
			}
			e := events[0]
			if e.CI != "taskcluster" || e.Time.IsZero() || e.Job.Push().ID < 1 || e.Job.Kind() == 0 {
				t.Errorf("%s: %+v", id, e)
			}
			got[id] = ingestedOf(t, e.Job)
		}
	}
	if d := cmp.Diff(want, got); d != "" || len(got) != 91 {
		t.Errorf("%d jobs (-want +got)\n%s", len(got), d)
	}
}

// ingestedOf is a job in Treeherder's words.
func ingestedOf(t *testing.T, j job.Job) (out ingested) {
	t.Helper()
	r := j.Raw().(taskcluster.Record)
	task, run, _ := strings.Cut(j.ID(), "/")
	out.Revision = j.Push().Revision
	x := &out.Job
	x.GUID, x.Task, x.Retry = uuid(t, task)+"/"+run, task, r.Run.RunID
	x.Name, x.Symbol, x.Reason = j.Name(), r.Task.Extra.Treeherder.Symbol, r.Run.ReasonCreated
	if x.Machine = r.Run.WorkerID; x.Machine == "" {
		x.Machine = "unknown"
	}
	x.State, x.Result = j.Status().String(), "unknown"
	if j.Status() == job.StatusSuccess {
		x.State, x.Result = "completed", "success"
	}
	x.Submit, x.Start, x.End = seconds(r.Task.Created), seconds(j.Times().Started), seconds(j.Times().Finished)
	if j.Times().Requested != r.Run.Scheduled {
		t.Errorf("%s: asked for at %s", j.ID(), j.Times().Requested)
	}
	return out
}

// wired are the messages of a deployment of today, by the file's name.
func wired(t testing.TB) map[string]told {
	t.Helper()
	out := map[string]told{}
	for _, n := range ok(filepath.Glob(filepath.Join(testenv.Shared(t, "wire", "pulse"), "*.json"))) {
		var m struct {
			Fields struct {
				Exchange   string `json:"exchange"`
				RoutingKey string `json:"routingKey"`
			} `json:"fields"`
			Body json.RawMessage `json:"body"`
		}
		if err := json.Unmarshal(ok(os.ReadFile(n)), &m); err != nil {
			t.Fatal(err)
		}
		name, _ := strings.CutSuffix(filepath.Base(n), ".json")
		out[name] = told{m.Fields.Exchange, m.Body, m.Fields.RoutingKey}
	}
	return out
}

// runsOfWired are, of each of them, the run that it is about, and the runs with their
// statuses.
var runsOfWired = map[string]string{
	"01-task-defined-unscheduled":                       "-1 0:unscheduled",
	"02-task-defined-with-routes":                       "-1 0:unscheduled",
	"03-task-pending-first-run":                         "0 0:pending",
	"04-task-pending-retry":                             "1 0:retry 1:pending",
	"05-task-pending-task-retry":                        "1 0:retry 1:pending",
	"06-task-pending-rerun":                             "1 0:test_failed 1:pending",
	"07-task-running":                                   "0 0:running",
	"08-task-completed":                                 "0 0:success",
	"09-task-failed":                                    "0 0:test_failed",
	"10-task-exception-worker-shutdown-retries-left":    "0 0:retry 1:pending",
	"11-task-exception-worker-shutdown-no-retries-left": "1 0:retry 1:exception",
	"12-task-exception-intermittent-task-retries-left":  "0 0:retry 1:pending",
	"13-task-exception-malformed-payload":               "1 0:retry 1:exception",
	"14-task-exception-canceled-pending":                "0 0:cancelled",
	"15-task-exception-canceled-unscheduled":            "0 0:cancelled",
	"16-task-exception-canceled-running":                "0 0:cancelled",
	"17-task-exception-deadline-exceeded":               "0 0:skipped",
	"18-task-exception-claim-expired-retries-left":      "0 0:retry 1:pending",
	"19-artifact-created-link":                          "0 0:running",
	"20-artifact-created-reference":                     "0 0:running",
	"21-artifact-created-error":                         "0 0:running",
	"22-artifact-created-object":                        "0 0:running",
	"23-task-group-resolved":                            "-1",
	"24-task-group-sealed":                              "-1",
	"25-task-priority-changed":                          "-1 0:pending",
	"26-task-group-priority-changed":                    "-1",
	"27-gecko-decision-task-completed":                  "0 0:success",
	"28-gecko-test-task-failed":                         "0 0:test_failed",
	"29-gecko-action-task-completed":                    "0 0:success",
}

// Every message says how far all runs of its task are.
func TestMessagesHaveAllRuns(t *testing.T) {
	got := map[string]string{}
	for name, w := range wired(t) {
		m, err := taskcluster.DecodeMessage(w.Exchange, w.Payload)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		alone, err := taskcluster.DecodeMessage("", w.Payload)
		if err != nil || alone.Kind != m.Kind {
			t.Errorf("%s: without its exchange it is %+v, %v", name, alone, err)
		}
		if (m.Artifact != nil) != strings.Contains(name, "artifact") {
			t.Errorf("%s: artifact %v", name, m.Artifact)
		}
		events, err := m.Events(nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got[name] = fmt.Sprint(m.RunID)
		for _, e := range events {
			_, run, _ := strings.Cut(e.Job.ID(), "/")
			got[name] += fmt.Sprintf(" %s:%s", run, e.Job.Status())
			if e.Job.Name() != m.Tags["label"] || e.Job.Push().Repo != m.Tags["project"] ||
				e.Job.Push().Revision != "" || e.Time.IsZero() != (e.Job.Status() == job.StatusUnscheduled) {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
	if d := cmp.Diff(runsOfWired, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// An exception of a task that never ran names no run.
func TestExceptionWithoutARun(t *testing.T) {
	w := wired(t)["17-task-exception-deadline-exceeded"]
	body := strings.Replace(string(w.Payload), "\"runId\": 0,\n    \"task\"", "\"task\"", 1)
	for _, exchange := range []string{w.Exchange, ""} {
		m, err := taskcluster.DecodeMessage(exchange, []byte(body))
		if err != nil || m.RunID != taskcluster.NoRun || m.Kind != "task-exception" {
			t.Fatalf("%q: %+v, %v", exchange, m, err)
		}
		if events, err := m.Events(nil); err != nil || len(events) != 1 || events[0].Job.Status() != job.StatusSkipped {
			t.Errorf("%v, %v", events, err)
		}
	}
}

// The messages of 2026 have the label and the project in tags.
func TestMessagesOf2026(t *testing.T) {
	var all []told
	text := testenv.Read(t, "data", "3-pulse", "bugbug__taskcluster_task-failed_2026-06.json")
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	repos := map[string]int{}
	for _, m := range all {
		decoded, err := taskcluster.DecodeMessage(m.Exchange, m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		events, err := decoded.Events(nil)
		if err != nil || len(events) != 1 {
			t.Fatalf("%v, %v", events, err)
		}
		j := events[0].Job
		repos[j.Push().Repo]++
		if !strings.HasPrefix(j.Name(), "test-") || j.Kind() != job.KindTest || j.Status() != job.StatusTestFailed ||
			!events[0].Time.Equal(j.Times().Finished) {
			t.Errorf("%+v", events[0])
		}
	}
	if d := cmp.Diff(map[string]int{"try": 4, "autoland": 4}, repos); d != "" {
		t.Error(d)
	}
}

func TestBadMessages(t *testing.T) {
	all := wired(t)
	failed, pending := string(all["09-task-failed"].Payload), string(all["04-task-pending-retry"].Payload)
	beyond := strings.Replace(pending, "\"runId\": 1,\n    \"version\"", "\"runId\": 2,\n    \"version\"", 1)
	const queue = "exchange/taskcluster-queue/v1/"
	for _, c := range []struct {
		exchange, body string
		want           error
		says           string
	}{
		{queue + "task-failed", "", job.ErrMalformed, "pulse.task-failed"},
		{"", "<html>", job.ErrMalformed, "<html>"},
		{"", "{}", job.ErrMalformed, "about neither a task nor a group"},
		{"", "[]", job.ErrMalformed, ""},
		{"", `{"status": 7}`, job.ErrMalformed, "status"},
		{"exchange/build/", failed, job.ErrUnknownWord, "exchange/build/"},
		{queue + "task-vanished", failed, job.ErrUnknownWord, "task-vanished"},
		{queue + "task-failed", strings.Replace(failed, `"version": 1`, `"version": 2`, 1), job.ErrMalformed, "version"},
		{queue + "task-failed", strings.Replace(failed, `"runId": 0,`, `"runId": 1,`, 1), job.ErrMalformed, "runId"},
		{
			"", beyond, job.ErrMalformed,
			"runId: 2",
		},
		{queue + "task-pending", beyond, job.ErrMalformed, "runId: 2"},
	} {
		m, err := taskcluster.DecodeMessage(c.exchange, []byte(c.body))
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) || m != nil {
			t.Errorf("%s %.60s: %v, expected %v that says %q", c.exchange, c.body, err, c.want, c.says)
		}
	}
}

// A run in words that nobody documents is an error, and the others are told.
func TestUnknownRunOfAMessage(t *testing.T) {
	w := wired(t)["04-task-pending-retry"]
	body := strings.Replace(string(w.Payload), `"worker-shutdown"`, `"worker-melted"`, 1)
	m, err := taskcluster.DecodeMessage(w.Exchange, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	events, err := m.Events(nil)
	if !errors.Is(err, job.ErrUnknownWord) || !strings.Contains(fmt.Sprint(err), "worker-melted") || len(events) != 1 ||
		events[0].Job.Status() != job.StatusPending {
		t.Errorf("%v, %v", events, err)
	}
}

// A definition of another group is not that of the message's task.
func TestDefinitionOfAnotherGroup(t *testing.T) {
	w := wired(t)["09-task-failed"]
	m := ok(taskcluster.DecodeMessage(w.Exchange, w.Payload))
	for _, body := range definedBy(t) {
		events, err := m.Events(ok(taskcluster.ParseDefinition(body)))
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(fmt.Sprint(err), "taskGroupId") || len(events) > 0 {
			t.Errorf("%v, %v", events, err)
		}
		return
	}
}

func FuzzDecodeMessage(f *testing.F) {
	for _, w := range wired(f) {
		f.Add(w.Exchange, []byte(w.Payload))
		f.Add("", []byte(w.Payload))
	}
	f.Fuzz(func(t *testing.T, exchange string, body []byte) {
		m, err := taskcluster.DecodeMessage(exchange, body)
		var wrapped *job.Error
		if err != nil {
			if !errors.As(err, &wrapped) || m != nil ||
				!errors.Is(err, job.ErrMalformed) && !errors.Is(err, job.ErrUnknownWord) {
				t.Fatalf("%v, %v", m, err)
			}
			return
		}
		events, err := m.Events(nil)
		if err != nil && !errors.Is(err, job.ErrUnknownWord) {
			t.Fatal(err)
		}
		if err == nil && (m.Status == nil) != (len(events) == 0) {
			t.Fatalf("%d events of %+v", len(events), m)
		}
		for _, e := range events {
			if e.Job.ID() == "" || e.Job.Status().String() == "" || e.CI == "" {
				t.Fatalf("%+v", e)
			}
		}
	})
}
