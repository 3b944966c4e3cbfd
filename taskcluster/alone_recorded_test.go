package taskcluster_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// batched answers, of the recorded listing of a group, what nobody asked while it was
// recorded: several of its tasks in one request, and the file of its decision task.
func batched(listing []tctest.Object, at recordedPlace) func(http.ResponseWriter, *http.Request) bool {
	mapping := map[string]any{}
	for _, t := range listing {
		if t["task"].(tctest.Object)["extra"].(tctest.Object)["parent"] == at.decision {
			mapping[nameIn(t["task"].(tctest.Object))] = t["status"].(tctest.Object)["taskId"]
		}
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		member := map[string]string{"/api/queue/v1/tasks": "task", "/api/queue/v1/tasks/status": "status"}[r.URL.Path]
		list := map[string]string{"task": "tasks", "status": "statuses"}[member]
		switch {
		case member != "":
			var in struct{ TaskIDs []string }
			_ = json.Unmarshal(ok(io.ReadAll(r.Body)), &in)
			out := []any{}
			for _, t := range listing {
				if id := t["status"].(tctest.Object)["taskId"].(string); slices.Contains(in.TaskIDs, id) {
					out = append(out, tctest.Object{"taskId": id, member: t[member]})
				}
			}
			_, _ = w.Write(ok(json.Marshal(tctest.Object{list: out})))
		case strings.HasSuffix(r.URL.Path, at.decision+"/runs/0/artifact-content/public/label-to-taskid.json"):
			stored := "http://tc.example/mapping/" + at.decision + "/0/public/label-to-taskid.json"
			_, _ = w.Write(ok(json.Marshal(tctest.Object{"storageType": "s3", "url": stored})))
		case strings.HasPrefix(r.URL.Path, "/mapping/"):
			_, _ = w.Write(ok(json.Marshal(mapping)))
		default:
			return false
		}
		return true
	}
}

// The recorded push on which an action made three runs of one label, and the one whose
// build failed, read label by label: as by their groups, and without them.
func TestRecordedPushesAlone(t *testing.T) {
	for _, c := range []struct {
		at      recordedPlace
		listing string
		runs    map[string]int
	}{
		{actingRetriggered, "222-queue-listTaskGroup-after-retrigger-200.json", map[string]int{
			"test-linux2404-64/opt-mochitest-browser-chrome-3": 4, "build-linux64/opt": 1, "Action: Retrigger": 1,
			"Gecko Decision Task": 1, "test-linux2404-64/opt-web-platform-tests-8": 1, "nobody's": 0,
		}},
		{actingFailedBuild, "201-queue-listTaskGroup-build-failed-200.json", map[string]int{
			"build-linux64/opt": 1, "Gecko Decision Task": 1,
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var e struct {
				Response struct {
					Body struct{ Tasks []tctest.Object }
				}
			}
			if err := json.Unmarshal(testenv.Read(t, "wire", "taskcluster-acting", c.listing), &e); err != nil {
				t.Fatal(err)
			}
			files, lists := batched(e.Response.Body.Tasks, c.at), 0
			p := acting(t, c.at, func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, ".taskgraph.actions") && c.at.decision != actingRetriggered.decision {
					_, _ = w.Write([]byte(`{"tasks": []}`))
					return true
				}
				if strings.HasSuffix(r.URL.Path, "/list") {
					lists++
				}
				return files(w, r)
			}).Project("autoland", nil)
			for _, task := range e.Response.Body.Tasks {
				c.runs[nameIn(task["task"].(tctest.Object))] += 0
			}
			for label, want := range c.runs {
				lists = 0
				got, err := p.Jobs(t.Context(), c.at.push, label)
				if alone := lists == 0; !alone || want > 0 && len(got) != want {
					t.Errorf("%s: %s, expected %d runs; without groups: %t", label, text(got), want, alone)
				}
				other := acting(t, c.at, files).Project("autoland", nil)
				groups := wholly(taskcluster.JobsByGroup(t.Context(), other, c.at.push, label))
				if d := cmp.Diff(groups, wholly(got, err)); d != "" {
					t.Errorf("%s (-by the groups +alone):\n%s", label, d)
				}
			}
		})
	}
}

// The recorded batch answers to the ids of one label what the jobs of the label say.
func TestRecordedStatuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e struct {
			Response struct {
				Body struct {
					Statuses []struct{ TaskID, State string }
				}
			}
		}
		raw := testenv.Read(t, "wire", "taskcluster-acting", "245-queue-statuses-batch-of-one-label-200.json")
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		var listing struct {
			Response struct {
				Body struct{ Tasks []tctest.Object }
			}
		}
		file := testenv.Read(t, "wire", "taskcluster-acting", "222-queue-listTaskGroup-after-retrigger-200.json")
		if err := json.Unmarshal(file, &listing); err != nil {
			t.Fatal(err)
		}
		files := batched(listing.Response.Body.Tasks, actingRetriggered)
		p := acting(t, actingRetriggered, func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/api/queue/v1/tasks/status" {
				return files(w, r)
			}
			var recorded struct {
				Response struct{ Body json.RawMessage }
			}
			_ = json.Unmarshal(raw, &recorded)
			_, _ = w.Write(recorded.Response.Body)
			return true
		}).Project("autoland", nil)
		var ids []string
		for _, s := range e.Response.Body.Statuses {
			ids = append(ids, s.TaskID+"/0")
		}
		got := ok(p.Statuses(t.Context(), ids...))
		want := map[string]job.Status{ids[0]: job.StatusCancelled, ids[1]: job.StatusPending, ids[2]: job.StatusPending}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}
