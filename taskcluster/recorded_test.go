package taskcluster_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

const recordedTest = "A0cKfsxWTMq5ESDjLOnkVg"

var recordedPush = job.Push{Repo: "autoland", ID: tctest.RecordedID, Revision: tctest.RecordedRevision}

// The files of the recorded decision task, and of what it led to: the artifact
// that each is served as, or why it is not.
var decisionFiles = map[string]string{
	"actions.json":                 tctest.RecordedDecision + "/public/actions.json",
	"full-task-graph.json":         tctest.RecordedDecision + "/public/full-task-graph.json",
	"label-to-taskid.json":         tctest.RecordedDecision + "/public/label-to-taskid.json",
	"runnable-jobs.json":           tctest.RecordedDecision + "/public/runnable-jobs.json",
	"failed-test.errorsummary.log": recordedTest + "/public/test_info/mochitest-browser-chrome_errorsummary.log",
	"failed-test.live_backing.log": recordedTest + "/public/logs/live_backing.log",

	"parameters.yml":                           "not read: payloads and the index say all of it that is needed",
	"target-tasks.json":                        "not read: what was left out is in the full graph",
	"task-graph.json":                          "not read: label-to-taskid.json says the same, shorter",
	"action-add-new-jobs.label-to-taskid.json": "not read: the group has the tasks, and who made them",
	"action-add-new-jobs.task-graph.json":      "not read: the group has the tasks",
	"action-add-new-jobs.to-run.json":          "not read: the action task's input says it before the action has run",
	"action-unknown-label.live_backing.log":    "not read: the status of an action task that failed says that it did",
}

// replayed is a server of the recorded exchanges, without those that drop
// names, with the artifacts of the recorded decision task.
func replayed(t *testing.T, drop ...string) (*tctest.Replay, *taskcluster.Client) {
	t.Helper()
	r := ok(tctest.ReplayPush(testenv.Shared(t, "wire", "taskcluster"), testenv.Shared(t, "wire", "decision"), drop...))
	for file, artifact := range decisionFiles {
		if !strings.HasPrefix(artifact, "not read") {
			r.Files[artifact] = testenv.Read(t, "wire", "decision", file)
		}
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	c := ok(taskcluster.New(server.URL,
		&taskcluster.Options{Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"}}))
	return r, c
}

func TestDecisionFiles(t *testing.T) {
	names := ok(filepath.Glob(filepath.Join(testenv.Shared(t, "wire", "decision"), "*")))
	for _, n := range names {
		if decisionFiles[filepath.Base(n)] == "" {
			t.Errorf("%s is neither used nor has a reason", n)
		}
	}
	if len(names) != len(decisionFiles) {
		t.Errorf("%d files, and %d on the list", len(names), len(decisionFiles))
	}
}

// The recorded push, read whole: before and after people asked for more.
func TestRecordedPush(t *testing.T) {
	_, c := replayed(t, "185-gecko")
	got := text(ok(c.Project("autoland", nil).Jobs(t.Context(), recordedPush)))
	want := `test-linux2404-64/opt-mochitest-browser-chrome-2 test test_failed
Gecko Decision Task other success
build-linux64/opt build success
test-linux2404-64/opt-xpcshell-4 test success`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	_, c = replayed(t, "172-gecko")
	p := c.Project("autoland", nil)
	made := map[string]int{}
	for _, j := range ok(p.Jobs(t.Context(), recordedPush)) {
		if ok(p.WasAdded(t.Context(), j)) {
			made[j.Name()+" "+j.Status().String()]++
		}
	}
	t.Log(made)
	const suite = "test-linux2404-64/opt-mochitest-browser-chrome-2"
	if made[suite+" test_failed"]+made[suite+" success"]+made[suite+" pending"] == 0 ||
		made["build-linux64/opt success"] > 0 {
		t.Errorf("offspring: %v", made)
	}
}

// What each recorded way to ask for more was sent is sent again, to the letter;
// but for the defaults of the action's schema, which are filled in where the
// recorded client left them out.
func TestRecordedActions(t *testing.T) {
	const suite = "test-linux2404-64/opt-mochitest-browser-chrome-2"
	filled := map[string]map[string]any{
		"178-gecko": {"test_manifests": []any{}, "times": 1.0},
		"179-gecko": {"times": 1.0},
	}
	for name, req := range map[string]job.Request{
		"175-gecko": {Count: 1, Action: "add-new-jobs", Input: map[string]any{}},
		"176-gecko": {Label: suite, Count: 3, Action: "retrigger"},
		"177-gecko": {Label: suite, Count: 2},
		"178-gecko": {Count: 2, Action: "backfill-task", Input: map[string]any{}},
		"179-gecko": {Count: 1, Action: "add-new-jobs", Input: map[string]any{}},
	} {
		t.Run(name, func(t *testing.T) {
			all := ok(tctest.ReadRecorded(testenv.Shared(t, "wire", "taskcluster")))
			i := slices.IndexFunc(all, func(e tctest.Recorded) bool { return strings.HasPrefix(e.Name, name) })
			var want struct {
				User struct{ Input map[string]any }
			}
			if err := json.Unmarshal(all[i].Request.Body, &want); err != nil {
				t.Fatal(err)
			}
			if req.Input != nil || req.Action == "retrigger" { // a person's input
				req.Input, req.Count = want.User.Input, 1
			} else {
				req.Label, req.Count = chosen(want.User.Input)
			}
			r, _ := replayed(t, "185-gecko")
			var sent []byte
			front := watching(t, r, &sent)
			req.Push = recordedPush
			got, err := front.Project("autoland", nil).Trigger(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(canonical(all[i].Request.Body, filled[name]), canonical(sent, nil)); d != "" ||
				got.State != job.ReceiptAccepted {
				t.Errorf("%+v (-recorded +sent):\n%s", got, d)
			}
		})
	}
}

// watching is a client of the replay that keeps what hooks are sent.
func watching(t *testing.T, r *tctest.Replay, sent *[]byte) *taskcluster.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/trigger") {
			*sent = ok(io.ReadAll(q.Body))
			q.Body = io.NopCloser(bytes.NewReader(*sent))
		}
		r.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL
	return ok(taskcluster.New(server.URL,
		&taskcluster.Options{Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"}}))
}

// chosen is the label and the count of an input of add-new-jobs or
// retrigger-multiple.
func chosen(in map[string]any) (label string, count int) {
	if requests, ok := in["requests"].([]any); ok {
		in = requests[0].(map[string]any)
	}
	tasks, _ := in["tasks"].([]any)
	n, _ := in["times"].(float64)
	if len(tasks) != 1 {
		return "", 0
	}
	return tasks[0].(string), max(1, int(n))
}

// canonical is a hook's payload in one form, with more in its input.
func canonical(raw []byte, more map[string]any) string {
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err.Error()
	}
	for name, d := range more {
		v["user"].(map[string]any)["input"].(map[string]any)[name] = d
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// The logs of the recorded test that failed.
func TestRecordedLogs(t *testing.T) {
	_, c := replayed(t, "185-gecko", "174-gecko")
	p := c.Project("autoland", nil)
	jobs := ok(p.Jobs(t.Context(), recordedPush, "test-linux2404-64/opt-mochitest-browser-chrome-2"))
	// The recorded listing is of the latest run; mozci asks by run.
	for which, file := range map[job.LogKind]string{
		job.LogErrorSummary: "failed-test.errorsummary.log",
		job.LogText:         "failed-test.live_backing.log",
	} {
		name := strings.TrimPrefix(decisionFiles[file], recordedTest+"/")
		var got bytes.Buffer
		if err := c.ReadArtifact(t.Context(), recordedTest, 0, name,
			func(r io.Reader) error { got.Reset(); _, err := got.ReadFrom(r); return err }); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), testenv.Read(t, "wire", "decision", file)) {
			t.Errorf("%s of %s differs", which, jobs[0].ID())
		}
	}
}
