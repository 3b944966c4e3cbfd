package taskcluster_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
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
