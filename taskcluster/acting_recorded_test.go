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
	actingFailedBuild = autolandPlace("K3m-Db51Qgm3IIzEEBNr5Q", 41, "cbe111ed1a54a3e5e1d57fa2964235a222343d37")
	actingRetriggered = autolandPlace("HE5RD52iQ0KWNfmyqQOsug", 45, "fdb940ad4b25d94271fbc9871fa3d21201c0af94")
	actingLate        = autolandPlace("Q2GRcPvWRZygSOj0-04hbA", 48, "a8695561ff240b867eef9795b4a273d9ffc3e0b7")
	actingQueueDown   = autolandPlace("coY_2DUNSTiu0GJt7a-Prw", 50, "93d85addf45ad881f2ed96ca728b53a5592cacc5")
)

type recordedPlace struct {
	decision string
	push     job.Push
}

func autolandPlace(decision string, id int64, revision string) recordedPlace {
	return recordedPlace{decision, job.Push{Repo: "autoland", ID: id, Revision: revision}}
}

// index is where the index has the place's decision task.
func (p recordedPlace) index() string {
	return "gecko.v2.autoland.revision." + p.push.Revision + ".taskgraph.decision"
}

// acting serves the recorded exchanges, with the index of one push, and what the
// decision task left behind; before may answer first.
func acting(
	t *testing.T, at recordedPlace, before func(w http.ResponseWriter, r *http.Request) bool,
) *taskcluster.Client {
	t.Helper()
	all := ok(tctest.ReadRecorded(testenv.Shared(t, "wire", "taskcluster-acting")))
	replay := tctest.NewReplay(all)
	replay.URL = "http://tc.example"
	offers := string(testenv.Read(t, "wire", "decision", "actions.json"))
	offers = strings.NewReplacer(tctest.RecordedDecision, at.decision, tctest.RecordedRevision, at.push.Revision).
		Replace(offers)
	replay.Files[at.decision+"/public/actions.json"] = []byte(offers)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before != nil && before(w, r) || ofPlace(w, r, at) || ofArtifact(w, r, at, replay) {
			return
		}
		if file, isStored := strings.CutPrefix(r.URL.Path, "/stored/"); isStored {
			for _, e := range all {
				if strings.HasSuffix(e.Request.URL, "/public-bucket/"+file) {
					_, _ = w.Write(e.Response.Body)
				}
			}
			return
		}
		replay.ServeHTTP(w, r)
	})
	return ok(taskcluster.New("http://tc.example", &taskcluster.Options{
		HTTP:        &http.Client{Transport: testenv.InMemory{Handler: h}},
		Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
	}))
}

// ofPlace answers what was not recorded of a push: its index, its decision task
// and what that may do.
func ofPlace(w http.ResponseWriter, r *http.Request, at recordedPlace) bool {
	var answer tctest.Object
	switch p := r.URL.Path; {
	case strings.HasSuffix(p, "/tasks/indexes"):
		answer = tctest.Object{"tasks": []any{tctest.Object{"namespace": at.index(), "taskId": at.decision}}}
	case strings.HasSuffix(p, ".cron"):
		answer = tctest.Object{"tasks": []any{}}
	case strings.HasSuffix(p, "/scopes/expand"):
		answer = tctest.Object{"scopes": []any{"in-tree:hook-action:project-gecko/in-tree-action-3-*"}}
	case strings.HasSuffix(p, "/task/"+at.decision): // the definition, of which the group has all that is needed
		answer = tctest.Defined(at.decision, tctest.Object{
			"metadata": tctest.Object{"name": "Gecko Decision Task"},
			"payload":  tctest.Object{"env": tctest.Object{"GECKO_HEAD_REV": at.push.Revision}},
		})
	case strings.HasSuffix(p, at.decision+"/status"):
		answer = tctest.Object{"status": tctest.Completed(at.decision, at.decision)}
	default:
		return false
	}
	_, _ = w.Write(ok(json.Marshal(answer)))
	return true
}

// ofArtifact answers where an artifact is, which mozci asks; what was recorded is
// the redirect.
func ofArtifact(w http.ResponseWriter, r *http.Request, at recordedPlace, replay *tctest.Replay) bool {
	name, isTask := strings.CutPrefix(r.URL.Path, "/api/queue/v1/task/")
	if !isTask || !strings.Contains(name, "/artifact-content/") || strings.Contains(name, at.decision) {
		return false
	}
	id, file, _ := strings.Cut(strings.Replace(name, "/runs/0", "", 1), "/artifact-content/public/")
	url := "/api/queue/v1/task/" + id + "/artifacts/public%2F" + file
	rec := httptest.NewRecorder()
	replay.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, url, http.NoBody))
	if rec.Code == http.StatusSeeOther {
		stored := "http://tc.example/stored/" + id + "/0/public/" + file
		_, _ = w.Write(ok(json.Marshal(tctest.Object{"storageType": "s3", "url": stored})))
		return true
	}
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(`{"code": "ResourceNotFound", "message": "Artifact not found", "requestInfo": {}}`))
	return true
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
		if err != nil || !out.Done || len(out.IDs) != c.ids || !strings.Contains(out.Why, c.why) ||
			(c.why == "") != (out.Why == "") {
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
		scene unclearScene
		by    string
	}{
		"RabbitMQ was down, and the task was made": {
			unclearScene{at: actingLate, fire: "235", last: "236", group: "237"}, lateTask + "/0",
		},
		"the queue was down": {unclearScene{at: actingQueueDown, fire: "239", last: "240", group: "241"}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			scene := c.scene
			scene.all = ok(tctest.ReadRecorded(testenv.Shared(t, "wire", "taskcluster-acting")))
			var said struct{ RequestInfo struct{ Time time.Time } }
			if err := json.Unmarshal(scene.exchange(scene.fire).Response.Body, &said); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(said.RequestInfo.Time.Add(-30 * time.Second)))
			client := acting(t, scene.at, scene.answer)
			got, err := client.Project("autoland", nil).Trigger(t.Context(), job.Request{
				Action: "retrigger-multiple", Push: scene.at.push, Count: 1,
				Input: map[string]any{"requests": []any{map[string]any{"tasks": []any{suite}, "times": 1}}},
			})
			switch {
			case c.by != "" && (err != nil || got.By != c.by || scene.fired != 1):
				t.Errorf("%s: %+v, %v after %d fires", name, got, err, scene.fired)
			case c.by == "" && (!errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrUnavailable) ||
				!strings.Contains(err.Error(), "nothing was made") || scene.fired != 3):
				t.Errorf("%s: %+v, %v after %d fires", name, got, err, scene.fired)
			}
		})
	}
}

// lateTask is the task that was made although hooks answered 400.
const lateTask = "ZmPmrSzoTkO8_eBsr4OyBA"

// unclearScene is what the services answered around a fire whose answer was
// unclear.
type unclearScene struct {
	at                recordedPlace
	fire, last, group string // the numbers of the recorded exchanges
	all               []tctest.Recorded
	fired             int
}

func (s *unclearScene) exchange(number string) tctest.Recorded {
	return s.all[slices.IndexFunc(s.all, func(e tctest.Recorded) bool { return strings.HasPrefix(e.Name, number) })]
}

func (s *unclearScene) answer(w http.ResponseWriter, r *http.Request) bool {
	var e tctest.Recorded
	switch {
	case strings.HasSuffix(r.URL.Path, "/trigger"):
		s.fired++
		if s.fired == 1 {
			time.Sleep(30 * time.Second) // as long as it took
		}
		e = s.exchange(s.fire)
	case strings.HasSuffix(r.URL.Path, "/last-fires"):
		e = s.exchange(s.last) // of a queue that stays away, each fire comes to nothing
		now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
		e.Response.Body = []byte(strings.ReplaceAll(string(e.Response.Body), "2026-11-25T17:51:01.981Z", now))
	case strings.HasSuffix(r.URL.Path, "/list"): // as it was before
		_, _ = w.Write(ok(json.Marshal(s.before())))
		return true
	case strings.HasSuffix(r.URL.Path, "/v1/tasks"): // the definitions; the queue has the one
		_, _ = w.Write(ok(json.Marshal(tctest.Object{"tasks": s.definitions()})))
		return true
	default:
		return false
	}
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.WriteHeader(e.Response.Status)
	_, _ = w.Write(e.Response.Body)
	return true
}

// before is the push's group without what was made late.
func (s *unclearScene) before() tctest.Object {
	g := recordedGroup(s.exchange(s.group))
	g["tasks"] = slices.DeleteFunc(g["tasks"].([]any), isLate)
	return g
}

// definitions are those of what was made late; none where nothing was.
func (s *unclearScene) definitions() []any {
	out := []any{}
	if s.at.decision != actingLate.decision {
		return out
	}
	for _, x := range recordedGroup(s.exchange("237"))["tasks"].([]any) {
		if isLate(x) {
			out = append(out, tctest.Object{"taskId": lateTask, "task": x.(tctest.Object)["task"]})
		}
	}
	return out
}

func isLate(task any) bool {
	return task.(tctest.Object)["status"].(tctest.Object)["taskId"] == lateTask
}

func recordedGroup(e tctest.Recorded) (g tctest.Object) {
	if err := json.Unmarshal(e.Response.Body, &g); err != nil {
		panic(err)
	}
	return g
}
