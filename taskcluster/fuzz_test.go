package taskcluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/taskcluster"
)

// actions.json comes from anybody's push: it is read, or refused with a
// sentinel, and its inputs are checked without harm.
func FuzzActions(f *testing.F) {
	f.Add(`{"version": 1, "actions": []}`, `{}`)
	f.Add(string(ok(json.Marshal(tctest.Actions("AAAAAAAAQAaAAAAAAAAAAA", "autoland", 1, "x")))),
		`{"times": 3, "tasks": ["a"]}`)
	f.Add(`{"version": 1, "actions": [{"name": "a", "kind": "task", "task": {}, "schema": {"$ref": "#"}}]}`, `[]`)
	f.Add(`{"version": 1, "actions": [{"name": "a", "kind": "hook", "hookGroupId": "g", "hookId": "h",
		"hookPayload": {"$eval": "input"}, "schema": {"properties": {"a": {"default": 1}}}}]}`, `{"a": {}}`)
	f.Fuzz(func(t *testing.T, text, input string) {
		a, err := taskcluster.ParseActions([]byte(text))
		if err != nil {
			if !errors.Is(err, job.ErrMalformed) && !errors.Is(err, job.ErrInvalid) {
				t.Errorf("%v has no sentinel", err)
			}
			return
		}
		var in any
		_ = json.Unmarshal([]byte(input), &in)
		for _, name := range taskcluster.ActionNames(a) {
			if x, found := taskcluster.ForTask(a, name, map[string]string{"kind": "test"}); found {
				_, _ = taskcluster.ActionInput(x, t.Context(), in)
			}
			if x, found := taskcluster.ForGroup(a, name); found {
				_, _ = taskcluster.ActionInput(x, t.Context(), in)
			}
		}
	})
}

// A page of a group is anything: jobs, or an error of the contract.
func FuzzGroup(f *testing.F) {
	f.Add(`{"taskGroupId": "x", "tasks": []}`)
	f.Add(`{"tasks": [{"task": {"metadata": {"name": "a"}, "tags": 3, "extra": []},
		"status": {"taskId": "AAAAAAAAQAaAAAAAAAAAAA", "state": "completed",
		"runs": [{"runId": 0, "state": "completed"}]}}]}`)
	f.Add(`{"continuationToken": "x", "tasks": [{"status": {"state": "unscheduled"}}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		c := at(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/index/v1/tasks/indexes" {
				_, _ = w.Write([]byte(`{"tasks": [{
					"namespace": "gecko.v2.autoland.pushlog-id.1.decision", "taskId": "AAAAAAAAQAaAAAAAAAAAAA"}]}`))
				return
			}
			_, _ = w.Write([]byte(body))
		}))
		jobs, err := c.Project("autoland", nil).Jobs(t.Context(), job.Push{Repo: "autoland", ID: 1, Revision: "abc"})
		var wrapped *job.Error
		if err != nil && !errors.As(err, &wrapped) {
			t.Errorf("%v is no *job.Error", err)
		}
		for _, j := range jobs {
			if j.Status().String() == "" || j.ID() == "" {
				t.Errorf("%+v", j)
			}
		}
	})
}

// answers are requests whose answers are anything, and who asks.
var answers = []struct {
	path string
	ask  func(context.Context, *taskcluster.Project) error
	seed string
}{
	{"/list", jobsOf, page("", "1")},
	{"/indexes", jobsOf, `{"tasks": [{"namespace": "gecko.v2.autoland.pushlog-id.20.decision", "taskId": "x"}]}`},
	{".cron", jobsOf, `{"tasks": []}`},
	{"/status", catalogOf, `{"status": {"taskId": "AAAAAAAAQAaAAAAAAAAAAA", "state": "completed", "runs": []}}`},
	{"/full-task-graph.json", catalogOf, `{"storageType": "object", "name": "t/x/0/y", "credentials": {}}`},
	{"/0/public/full-task-graph.json", catalogOf, `{"a": {"label": "a", "kind": "build", "dependencies": {},
		"attributes": {"test_manifests": {}}, "task": {"payload": {"env": {"MOZHARNESS_TEST_PATHS": "{}"}}}}}`},
	{"/0/public/label-to-taskid.json", addedOf, `{"a": "AAAAAAAAQAaAAAAAAAAAAA"}`},
	{"/expand", triggered, `{"scopes": ["in-tree:hook-action:*"]}`},
	{"/0/public/actions.json", triggered, `{"version": 1, "variables": {}, "actions": [{"kind": "hook", "name": "a",
		"context": [], "hookGroupId": "g", "hookId": "h", "hookPayload": {}}]}`},
}

// Whatever a service answers, what is made of it is a result or an error of the
// contract, and nothing else.
func FuzzAnswers(f *testing.F) {
	for i, a := range answers {
		f.Add(uint8(i), a.seed) // #nosec G115 -- a few
		f.Add(uint8(i), `{"continuationToken": "x", "tasks": null}`)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		a := answers[int(which)%len(answers)]
		s := tctest.New()
		s.AddPush("autoland", 20, push(20).Revision, labels...)
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, a.path) {
				return false
			}
			_, _ = w.Write([]byte(body))
			return true
		}
		var wrapped *job.Error
		if err := a.ask(t.Context(), at(t, s).Project("autoland", nil)); err != nil && !errors.As(err, &wrapped) {
			t.Errorf("%v is no *job.Error", err)
		}
	})
}

// No text makes a contract panic, and what breaks none is JSON.
func FuzzContracts(f *testing.F) {
	f.Add(`{"taskGroupId": "AAAAAAAAQAaAAAAAAAAAAA", "schedulerId": "x", "version": 1}`)
	f.Add(`{"lastFires": [{"hookGroupId": "g", "hookId": "h", "taskId": "x", "taskCreateTime": "2026-11-26T00:00:00Z",
		"taskState": "unknown"}]}`)
	f.Add(page("a", "1", "2"))
	for _, a := range answers {
		f.Add(a.seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range taskcluster.Contracts() {
			if len(e.Check(contract.Asked{}, []byte(text))) == 0 && !json.Valid([]byte(text)) {
				t.Errorf("%s is kept by %q", e.Title(), text)
			}
		}
	})
}
