package taskcluster_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// Pushes of the deployment that was recorded while mozci's requests were acted
// on.
var (
	actingFailedBuild = recordedPlace{"K3m-Db51Qgm3IIzEEBNr5Q", job.Push{Repo: "autoland", ID: 41, Revision: "cbe111ed1a54a3e5e1d57fa2964235a222343d37"}}
	actingRetriggered = recordedPlace{"HE5RD52iQ0KWNfmyqQOsug", job.Push{Repo: "autoland", ID: 45, Revision: "fdb940ad4b25d94271fbc9871fa3d21201c0af94"}}
	actingLate        = recordedPlace{"Q2GRcPvWRZygSOj0-04hbA", job.Push{Repo: "autoland", ID: 48, Revision: "a8695561ff240b867eef9795b4a273d9ffc3e0b7"}}
	actingQueueDown   = recordedPlace{"coY_2DUNSTiu0GJt7a-Prw", job.Push{Repo: "autoland", ID: 50, Revision: "93d85addf45ad881f2ed96ca728b53a5592cacc5"}}
)

type recordedPlace struct {
	decision string
	push     job.Push
}

// acting serves the recorded exchanges, with the index of one push, and what the
// decision task left behind.
func acting(t *testing.T, at recordedPlace, before func(w http.ResponseWriter, r *http.Request) bool) *taskcluster.Client {
	t.Helper()
	replay := tctest.NewReplay(ok(tctest.ReadRecorded(testenv.Shared(t, "wire", "taskcluster-acting"))))
	replay.URL = "http://tc.example"
	offers := testenv.Read(t, "wire", "decision", "actions.json")
	offers = []byte(strings.NewReplacer(tctest.RecordedDecision, at.decision, tctest.RecordedRevision, at.push.Revision).Replace(string(offers)))
	replay.Files[at.decision+"/public/actions.json"] = offers
	answer := func(w http.ResponseWriter, v any) { _, _ = w.Write(ok(json.Marshal(v))) }
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		switch {
		case before != nil && before(w, r):
		case strings.HasSuffix(p, "/tasks/indexes"):
			answer(w, tctest.Object{"tasks": []any{tctest.Object{"namespace": "gecko.v2.autoland.revision." + at.push.Revision + ".taskgraph.decision", "taskId": at.decision}}})
		case strings.HasSuffix(p, ".cron"):
			answer(w, tctest.Object{"tasks": []any{}})
		case strings.HasSuffix(p, "/scopes/expand"):
			answer(w, tctest.Object{"scopes": []any{"in-tree:hook-action:project-gecko/in-tree-action-3-*"}})
		case strings.HasSuffix(p, "/task/"+at.decision): // the definition, of which the group has all that is needed
			answer(w, tctest.Object{"taskGroupId": at.decision, "metadata": tctest.Object{"name": "Gecko Decision Task"}, "payload": tctest.Object{"env": tctest.Object{"GECKO_HEAD_REV": at.push.Revision}}})
		case strings.HasSuffix(p, at.decision+"/status"):
			answer(w, tctest.Object{"status": tctest.Object{"taskId": at.decision, "state": "completed", "runs": []any{tctest.Object{"runId": 0, "state": "completed"}}}})
		default:
			// mozci asks where an artifact is; what was recorded is the redirect.
			if name, ok := strings.CutPrefix(p, "/api/queue/v1/task/"); ok && strings.Contains(name, "/artifact-content/") && !strings.Contains(name, at.decision) {
				id, file, _ := strings.Cut(strings.Replace(name, "/runs/0", "", 1), "/artifact-content/public/")
				r = httptest.NewRequest(http.MethodGet, "/api/queue/v1/task/"+id+"/artifacts/public%2F"+file, http.NoBody)
				rec := httptest.NewRecorder()
				replay.ServeHTTP(rec, r)
				if rec.Code == http.StatusSeeOther {
					answer(w, tctest.Object{"storageType": "s3", "url": "http://tc.example/stored/" + id + "/0/public/" + file})
					return
				}
				w.WriteHeader(http.StatusNotFound)
				_, _ = w.Write([]byte(`{"code": "ResourceNotFound", "message": "Artifact not found", "requestInfo": {}}`))
				return
			}
			if file, isStored := strings.CutPrefix(p, "/stored/"); isStored {
				for _, e := range ok(tctest.ReadRecorded(testenv.Shared(t, "wire", "taskcluster-acting"))) {
					if strings.HasSuffix(e.Request.URL, "/public-bucket/"+file) {
						_, _ = w.Write(e.Response.Body)
					}
				}
				return
			}
			replay.ServeHTTP(w, r)
		}
	})
	return ok(taskcluster.New("http://tc.example", &taskcluster.Options{
		HTTP:        &http.Client{Transport: testenv.InMemory{Handler: h}},
		Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
	}))
}

// The tests of a build that failed stay unscheduled for ever: they do not wait.
func TestRecordedFailedBuild(t *testing.T) {
	at := actingFailedBuild
	got := map[string]int{}
	for _, j := range ok(acting(t, at, nil).Project("autoland", nil).Jobs(t.Context(), at.push)) {
		got[j.Kind().String()+" "+j.Status().String()]++
		if r := j.Raw().(taskcluster.Record); j.Status() == job.StatusSkipped && r.Never != "build-linux64/opt failed" {
			t.Errorf("%s: %q", j.Name(), r.Never)
		}
	}
	if got["test skipped"] == 0 || got["test unscheduled"] > 0 || got["build busted"] != 1 {
		t.Errorf("%v", got)
	}
}

// What the recorded action tasks made, by their receipts.
func TestRecordedOutcomes(t *testing.T) {
	const suite = "test-linux2404-64/opt-mochitest-browser-chrome-3"
	at := actingRetriggered
	p := acting(t, at, nil).Project("autoland", nil)
	for name, c := range map[string]struct {
		by  string
		ids int
		why string
	}{
		"three runs of one label": {"NAZjEd8LQ0KTvYVbcvPJxA", 3, ""},
		"it failed":               {"FbOI6eXYS5SXOLQMq9nHiA", 0, "FbOI6eXYS5SXOLQMq9nHiA failed"},
		"it made nothing":         {"GWhmgZr2SLSbM8iRptcGNg", 0, "GWhmgZr2SLSbM8iRptcGNg made nothing"},
	} {
		out, err := p.Outcome(t.Context(), at.push, suite, job.Receipt{By: c.by + "/0"})
		if err != nil || !out.Done || len(out.IDs) != c.ids || !strings.Contains(out.Why, c.why) || (c.why == "") != (out.Why == "") {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
		if c.ids > 0 && !slices.Contains(out.IDs, "d8xI3sKARpejopXi9JYK3g/0") {
			t.Errorf("%s: %q", name, out.IDs)
		}
	}
}

// hooks answered 400 both times: once the task was made, and is found; once the
// queue was down, and nothing was made.
func TestRecordedUnclearAnswers(t *testing.T) {
	const suite = "test-linux2404-64/opt-mochitest-browser-chrome-3"
	for name, c := range map[string]struct {
		at   recordedPlace
		fire string // the exchange of the answer, and that of the latest fires
		last string
		by   string
	}{
		"RabbitMQ was down, and the task was made": {actingLate, "235", "236", "ZmPmrSzoTkO8_eBsr4OyBA/0"},
		"the queue was down":                       {actingQueueDown, "239", "240", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			all := ok(tctest.ReadRecorded(testenv.Shared(t, "wire", "taskcluster-acting")))
			by := func(number string) tctest.Recorded {
				return all[slices.IndexFunc(all, func(e tctest.Recorded) bool { return strings.HasPrefix(e.Name, number) })]
			}
			fire := by(c.fire)
			var said struct{ RequestInfo struct{ Time time.Time } }
			if err := json.Unmarshal(fire.Response.Body, &said); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(said.RequestInfo.Time.Add(-30 * time.Second)))
			fired := 0
			client := acting(t, c.at, func(w http.ResponseWriter, r *http.Request) bool {
				var e tctest.Recorded
				switch {
				case strings.HasSuffix(r.URL.Path, "/trigger"):
					fired++
					if fired == 1 {
						time.Sleep(30 * time.Second) // as long as it took
					}
					e = fire
				case strings.HasSuffix(r.URL.Path, "/last-fires"):
					e = by(c.last) // of a queue that stays away, each fire comes to nothing
					e.Response.Body = []byte(strings.ReplaceAll(string(e.Response.Body), "2026-11-25T17:51:01.981Z", time.Now().UTC().Format("2006-01-02T15:04:05.000Z")))
				case strings.HasSuffix(r.URL.Path, "/list"): // as it was before
					group := by("241")
					if c.at.decision == actingLate.decision {
						group = by("237")
					}
					var g tctest.Object
					if err := json.Unmarshal(group.Response.Body, &g); err != nil {
						t.Error(err)
					}
					g["tasks"] = slices.DeleteFunc(g["tasks"].([]any), func(x any) bool {
						return x.(tctest.Object)["status"].(tctest.Object)["taskId"] == "ZmPmrSzoTkO8_eBsr4OyBA"
					})
					_, _ = w.Write(ok(json.Marshal(g)))
					return true
				case strings.HasSuffix(r.URL.Path, "/v1/tasks"): // the definitions; the queue has the one
					group := by("237")
					var g struct{ Tasks []tctest.Object }
					if err := json.Unmarshal(group.Response.Body, &g); err != nil {
						t.Error(err)
					}
					out := []any{}
					for _, x := range g.Tasks {
						if id := x["status"].(tctest.Object)["taskId"]; id == "ZmPmrSzoTkO8_eBsr4OyBA" && c.at.decision == actingLate.decision {
							out = append(out, tctest.Object{"taskId": id, "task": x["task"]})
						}
					}
					_, _ = w.Write(ok(json.Marshal(tctest.Object{"tasks": out})))
					return true
				default:
					return false
				}
				w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
				w.WriteHeader(e.Response.Status)
				_, _ = w.Write(e.Response.Body)
				return true
			})
			got, err := client.Project("autoland", nil).Trigger(t.Context(), job.Request{
				Action: "retrigger-multiple", Push: c.at.push, Count: 1,
				Input: map[string]any{"requests": []any{map[string]any{"tasks": []any{suite}, "times": 1}}},
			})
			switch {
			case c.by != "" && (err != nil || got.By != c.by || fired != 1):
				t.Errorf("%s: %+v, %v after %d fires", name, got, err, fired)
			case c.by == "" && (!errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "nothing was made") || fired != 3):
				t.Errorf("%s: %+v, %v after %d fires", name, got, err, fired)
			}
		})
	}
}
