package tctest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
)

// The queue's answers about tasks are of the form that was recorded, state by
// state.
func TestTasksAsRecorded(t *testing.T) {
	w := newWorld()
	task := func(id, rest string) string { return "/api/queue/v1/task/" + id + rest }
	group := func(id string) string { return "/api/queue/v1/task-group/" + id + "/list" }
	none, fresh := slug.Of("no such task"), w.Add("", tctest.Object{}, true).ID // a group where nothing has run yet
	for range 3 {
		w.Add(fresh, tctest.Object{"dependencies": []any{fresh}}, false)
	}
	compare(t, w, []pair{
		{recorded: "queue-task-200", path: task(w.test, "")},
		{recorded: "queue-task-404", path: task(none, "")},
		{recorded: "queue-unknown-route-404", path: "/api/queue/v1/tusk/" + none},
		{recorded: "queue-status-404-wrong-method", method: http.MethodPut, path: task(w.test, "/status")},
		{recorded: "queue-status-200-pending", path: task(w.test, "/status")},
		{recorded: "queue-status-200-unscheduled", path: task(w.unscheduled, "/status")},
		{recorded: "queue-status-200-running", path: task(w.other, "/status")},
		{recorded: "queue-status-200-completed", path: task(w.build, "/status")},
		{recorded: "queue-status-200-failed", path: task(w.failed, "/status")},
		{recorded: "queue-status-200-automatic-retry", path: task(w.retried, "/status")},
		{recorded: "queue-status-404", path: task(none, "/status")},
		{recorded: "queue-listTaskGroup-200-all", path: group(fresh)},
		{recorded: "queue-listTaskGroup-200-bad-token", path: group(fresh) + "?continuationToken=x"},
		{recorded: "queue-listTaskGroup-404", path: group(none)},
		{
			recorded: "queue-statuses-200-batch-limit2", method: http.MethodPost, path: "/api/queue/v1/tasks/status",
			body:      tctest.Object{"taskIds": []string{w.test, none, fresh}},
			onPurpose: []string{"continuationToken: missing"}, // only a group has pages here
		},
		{
			recorded: "queue-statuses-400-schema", method: http.MethodPost, path: "/api/queue/v1/tasks/status",
			body: tctest.Object{"taskIds": "x"},
		},
		{
			recorded: "queue-tasks-200-batch", method: http.MethodPost, path: "/api/queue/v1/tasks",
			body: tctest.Object{"taskIds": []string{w.test, w.build}},
		},
		{recorded: "queue-taskQueueCounts-200", path: "/api/queue/v1/task-queues/gecko-t%2Flinux/counts"},
	})
	w.Page = 2
	compare(t, w, []pair{{recorded: "queue-listTaskGroup-200-page1-limit2", path: group(fresh)}})
}

// So are its answers to those who create, rerun and cancel.
func TestActingAsRecorded(t *testing.T) {
	w := newWorld()
	task := func(id, rest string) string { return "/api/queue/v1/task/" + id + rest }
	put := func(file, id string, how signing, body any) pair {
		return pair{
			recorded: "queue-createTask-" + file, method: http.MethodPut, path: task(id, ""), how: how,
			body: body,
		}
	}
	post := func(file, id, what string, how signing) pair {
		return pair{recorded: "queue-" + file, method: http.MethodPost, path: task(id, what), how: how}
	}
	first, none, good := slug.Of("first"), slug.Of("none"), definition(nil)
	old := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	compare(t, w, []pair{
		put("200", first, signed, good),
		put("same-definition-200", first, signed, good),
		put("409-other-definition", first, signed, definition(tctest.Object{"priority": "high"})),
		put("400-schema", none, signed, tctest.Object{"created": "x"}),
		put("400-created-in-past", none, signed, definition(tctest.Object{"created": old})),
		put("400-deadline-in-past", none, signed, definition(tctest.Object{"deadline": old})),
		put("400-unknown-dependency", none, signed, definition(tctest.Object{"dependencies": []string{none}})),
		put("403-anonymous", none, unsigned, good),
		put("401-bad-signature", none, wrongly, good),
		put("400-malformed-json", none, signed, `{"a":`),
		post("rerunTask-404", none, "/rerun", signed),
		post("rerunTask-401", w.failed, "/rerun", wrongly),
		post("rerunTask-200-failed", w.failed, "/rerun", signed),
		post("rerunTask-200-pending-noop", w.failed, "/rerun", signed),
		post("cancelTask-404", none, "/cancel", signed),
		post("cancelTask-200-pending", w.test, "/cancel", signed),
		post("cancelTask-200-again", w.test, "/cancel", signed),
		post("cancelTask-200-unscheduled", w.unscheduled, "/cancel", signed),
		{recorded: "queue-status-200-canceled-running", path: task(w.test, "/status"), onPurpose: []string{
			// Here it was pending when it was cancelled.
			"status.runs[].started", "status.runs[].takenUntil", "status.runs[].workerGroup", "status.runs[].workerId",
		}},
	})
	w.Scopes = []string{}
	compare(t, w, []pair{
		put("403-scopes", none, signed, good),
		post("rerunTask-403", w.failed, "/rerun", signed),
		post("cancelTask-403", w.failed, "/cancel", signed),
	})
}

func TestArtifactsAsRecorded(t *testing.T) {
	w := newWorld()
	of := func(id, rest string) string { return "/api/queue/v1/task/" + id + rest }
	const log = "/public/logs/live_backing.log"
	compare(t, w, []pair{
		{
			recorded: "queue-listArtifacts-200-page1-limit2", path: of(w.build, "/runs/0/artifacts"),
			onPurpose: []string{"continuationToken: missing"}, // only a group has pages here
		},
		{recorded: "queue-listArtifacts-404-run", path: of(w.build, "/runs/7/artifacts")},
		{recorded: "queue-listLatestArtifacts-200", path: of(w.build, "/artifacts")},
		{recorded: "queue-listLatestArtifacts-200-empty", path: of(w.test, "/artifacts")},
		{recorded: "queue-listLatestArtifacts-404-no-runs", path: of(w.unscheduled, "/artifacts")},
		{recorded: "queue-listLatestArtifacts-404", path: of(slug.Of("none"), "/artifacts")},
		{recorded: "queue-getLatestArtifact-303-s3", path: of(w.build, "/artifacts"+log)},
		{recorded: "queue-getLatestArtifact-404", path: of(w.build, "/artifacts/public/nope")},
		{recorded: "queue-latestArtifact-content-200-s3", path: of(w.build, "/artifact-content"+log)},
		{recorded: "queue-artifact-content-404", path: of(w.build, "/artifact-content/public/nope")},
	})
	rec := w.ask(t, http.MethodGet, of(w.build, "/artifacts"+log), unsigned, nil)
	at := rec.Header().Get("Location")
	if kind := rec.Header().Get("X-Taskcluster-Artifact-Storage-Type"); kind != "s3" ||
		!strings.Contains(at, "/bucket/") {
		t.Errorf("an artifact in %q at %q", kind, at)
	}
	rec = w.ask(t, http.MethodGet, strings.TrimPrefix(at, "http://tc.example"), unsigned, nil)
	if rec.Code != http.StatusOK || rec.Header().Get("Content-Encoding") != "gzip" { // as 053-s3-origin-200-gzip
		t.Errorf("the store answers %d, %q", rec.Code, rec.Header())
	}
}

func TestIndexAsRecorded(t *testing.T) {
	w := newWorld()
	at := "gecko.v2.autoland.revision." + revision
	find := func(paths ...string) tctest.Object { return tctest.Object{"indexes": paths} }
	compare(t, w, []pair{
		{recorded: "index-findTask-200", path: "/api/index/v1/task/" + at + ".taskgraph.decision"},
		{recorded: "index-findTask-404", path: "/api/index/v1/task/" + at + ".nothing"},
		{
			recorded: "index-listTasks-200-page1-limit2", path: "/api/index/v1/tasks/" + at + ".taskgraph",
			onPurpose: []string{"continuationToken: missing"}, // only a group has pages here
		},
		{recorded: "index-listTasks-200-empty", path: "/api/index/v1/tasks/wire.nothing"},
		{recorded: "index-listNamespaces-200", path: "/api/index/v1/namespaces/gecko.v2.autoland"},
		{recorded: "index-listNamespaces-200-empty", path: "/api/index/v1/namespaces/wire.nothing"},
		{
			recorded: "126-index-findTasksAtIndex-200", method: http.MethodPost, path: "/api/index/v1/tasks/indexes",
			body: find(at+".taskgraph.decision", at+".nothing"),
		},
		{
			recorded: "127-index-findTasksAtIndex-200", method: http.MethodPost, path: "/api/index/v1/tasks/indexes",
			body: find(at + ".nothing"),
		},
	})
}

func TestHooksAsRecorded(t *testing.T) {
	w := newWorld()
	payload := tctest.Object{
		"decision": tctest.Object{
			"action": tctest.Object{"name": "add-new-jobs"}, "push": tctest.Object{},
			"repository": tctest.Object{},
		},
		"user": tctest.Object{"input": tctest.Object{}, "taskId": nil, "taskGroupId": w.decision},
	}
	fire := func(file, group string, how signing, body any) pair {
		path := "/api/hooks/v1/hooks/" + group + "/in-tree-action-3-generic%2F0123456789/trigger"
		return pair{recorded: "hooks-triggerHook-" + file, method: http.MethodPost, path: path, how: how, body: body}
	}
	const gecko = "project-gecko"
	fires := "/api/hooks/v1/hooks/project-gecko/in-tree-action-3-generic%2F0123456789/last-fires"
	compare(t, w, []pair{
		fire("200", gecko, signed, payload),
		fire("400-schema", gecko, signed, tctest.Object{"decision": tctest.Object{"action": tctest.Object{}}}),
		fire("400-malformed-json", gecko, signed, "{"),
		fire("403-anonymous", gecko, unsigned, payload),
		fire("401", gecko, wrongly, payload),
		fire("404", "project-other", signed, payload),
		{recorded: "146-hooks-listLastFires-200-limit2", path: fires},
		// A hook of in-tree actions that never fired has an empty list here.
		{recorded: "hooks-listLastFires-404", path: "/api/hooks/v1/hooks/project-wire/nope/last-fires"},
	})
	w.NoTasks = true
	compare(t, w, []pair{fire("200-no-task", gecko, signed, payload)})
	w.NoTasks = false
	for file, fault := range map[string]tctest.Fault{
		"rabbitmq-down-400": tctest.LateMade, "queue-down-400": tctest.QueueDown,
	} {
		w.Fault = func() tctest.Fault { return fault }
		compare(t, w, []pair{fire(file, gecko, signed, payload)})
	}
	w.Fault, w.Scopes = nil, []string{}
	compare(t, w, []pair{fire("403", gecko, signed, payload)})
}

func TestAuthAsRecorded(t *testing.T) {
	w := newWorld()
	w.Scopes = []string{"queue:*"}
	expand := func(body any) pair {
		return pair{method: http.MethodPost, path: "/api/auth/v1/scopes/expand", body: body}
	}
	good, bad := expand(tctest.Object{"scopes": []string{"assume:repo:autoland"}}), expand(tctest.Object{"scopes": "x"})
	good.recorded, bad.recorded = "auth-expandScopes-200", "auth-expandScopes-400"
	current := pair{recorded: "auth-currentScopes-200", path: "/api/auth/v1/scopes/current"}
	refused := pair{recorded: "auth-currentScopes-401", path: current.path, how: wrongly}
	compare(t, w, []pair{good, bad, current, refused})
}

// What it says of signatures has the form that was recorded.
func TestHawkAsRecorded(t *testing.T) {
	w := newWorld()
	check := func(file string, body any) pair {
		return pair{
			recorded: "auth-authenticateHawk-" + file, method: http.MethodPost, path: "/api/auth/v1/authenticate-hawk",
			body: body,
		}
	}
	asked := func(resource string) tctest.Object {
		u, err := url.Parse("https://service.example.com/path?a=1")
		if err != nil {
			t.Fatal(err)
		}
		header, err := hawk.Key{ID: "me", Secret: "secret"}.Header(
			hawk.Signed{Method: "GET", URL: u, Time: time.Now(), Nonce: hawk.NewNonce()})
		if err != nil {
			t.Fatal(err)
		}
		return tctest.Object{
			"method": "get", "resource": resource, "host": u.Host, "port": 443, "authorization": header,
		}
	}
	compare(t, w, []pair{
		check("200-success", asked("/path?a=1")), check("200-failure", asked("/other")),
		check("400-schema", tctest.Object{"method": "get"}),
	})
}
