package tctest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/slug"
)

// The recorded push, one of autoland.
const (
	RecordedDecision = "A5O76NnPRt--HRPWdpOVlA"                   // the id of the push's decision task
	RecordedRevision = "567d57332b25c9645bbf0957e04efaa1c83a11bd" // in full, 40 digits
	RecordedID       = 20                                         // the push's id in the pushlog
)

// decisionArtifacts are the files of the recorded decision task that mozci
// reads.
var decisionArtifacts = []string{"actions.json", "full-task-graph.json", "label-to-taskid.json", "runnable-jobs.json"}

// ReplayPush returns a replay of one folder of exchanges and one of a decision
// task's artifacts, as recorded, without the exchanges that drop names.
//
// Three answers are derived by hand, since nobody asked while it was recorded:
// the decision task's status, from the group's listing; what its scopes
// contain, among them its hooks; and none for batch calls to the index, so that
// it is asked path by path.
func ReplayPush(exchanges, decision string, drop ...string) (*Replay, error) {
	all, err := ReadRecorded(exchanges)
	if err != nil {
		return nil, err
	}
	var kept []Recorded
	drop = append(drop, "findTasksAtIndex", "expandScopes")
	for _, e := range all {
		wanted := true
		for _, d := range drop {
			wanted = wanted && !strings.Contains(e.Name, d)
		}
		if wanted {
			kept = append(kept, e)
		}
	}
	r := NewReplay(append(kept, derivedStatus(kept), derivedScopes(kept)))
	for _, name := range decisionArtifacts {
		text, err := os.ReadFile(filepath.Join(decision, name))
		if err != nil {
			return nil, err
		}
		r.Files[RecordedDecision+"/public/"+name] = text
	}
	return r, nil
}

// exchange is one that was not recorded.
func exchange(name, method, path string, body any) Recorded {
	r := Recorded{Name: name}
	r.Request.Method, r.Request.URL = method, recordedRoot+path
	r.Response.Status, r.Response.Headers = 200, map[string]string{"content-type": "application/json; charset=utf-8"}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // what is given here is plain
	}
	r.Response.Body = text
	return r
}

func derivedScopes(all []Recorded) Recorded {
	scopes, _ := decisionIn(all)["task"].(Object)["scopes"].([]any)
	scopes = append(slices.Clone(scopes),
		"queue:create-task:low:*", "queue:route:*", "in-tree:hook-action:project-gecko/in-tree-action-3-*")
	return exchange("derived-scopes", "POST", "/api/auth/v1/scopes/expand", Object{"scopes": scopes})
}

// decisionIn is the recorded decision task in the listing of its group.
func decisionIn(all []Recorded) Object {
	listing, _ := group(all)
	tasks, _ := listing["tasks"].([]any)
	for _, t := range tasks {
		if t := t.(Object); t["status"].(Object)["taskId"] == RecordedDecision {
			return t
		}
	}
	panic("no listing of the recorded push among the exchanges")
}

// group is the listing of the recorded push among exchanges.
func group(all []Recorded) (listing Object, found bool) {
	for _, e := range all {
		if strings.Contains(e.Name, "-gecko-listTaskGroup-") && json.Unmarshal(e.Response.Body, &listing) == nil {
			return listing, true
		}
	}
	return nil, false
}

func derivedStatus(all []Recorded) Recorded {
	return exchange("derived-status", "GET", "/api/queue/v1/task/"+RecordedDecision+"/status",
		Object{"status": decisionIn(all)["status"]})
}

// Derive adds another push to the replay, made by hand from the recorded one:
// the same tasks under ids of its own, ended as results says by label, with
// completed, failed or canceled; labels that it does not name did not run. It
// returns the decision task's id.
func (p *Replay) Derive(id int64, revision string, results map[string]string) string {
	listing, found := group(p.all)
	if !found {
		panic("no listing of the recorded push among the exchanges")
	}
	ids := map[string]string{}
	var kept []any
	for _, t := range listing["tasks"].([]any) {
		t := t.(Object)
		label, status := nameOf(t["task"].(Object)), t["status"].(Object)
		result, ran := results[label]
		old := status["taskId"].(string)
		if old == RecordedDecision {
			result, ran = "completed", true
		}
		if !ran || ids[old] != "" {
			continue
		}
		ids[old] = slug.Of(fmt.Sprint(revision, label))
		end(status, result)
		kept = append(kept, t)
	}
	listing["tasks"] = kept
	decision := ids[RecordedDecision]
	moved := []string{RecordedRevision, revision}
	for old, now := range ids {
		moved = append(moved, old, now)
	}
	move := strings.NewReplacer(moved...)
	add := func(name, path string, body any) {
		e := exchange(fmt.Sprint("derived-", id, "-", name), "GET", path, body)
		e.Response.Body = []byte(move.Replace(string(e.Response.Body)))
		p.all = append(p.all, e)
	}
	for name, at := range map[string]string{
		"revision": "gecko.v2.autoland.revision." + revision + ".taskgraph.decision",
		"pushlog":  fmt.Sprintf("gecko.v2.autoland.pushlog-id.%d.decision", id),
	} {
		add(name, "/api/index/v1/task/"+at, Object{
			"namespace": at, "taskId": decision, "rank": id, "data": Object{}, "expires": "2030-01-01T00:00:00.000Z",
		})
	}
	for label, result := range results {
		if id := slug.Of(fmt.Sprint(revision, label)); strings.HasPrefix(label, "build-") && result == "completed" {
			add("files-"+label, "/api/queue/v1/task/"+id+"/runs/0/artifacts", Object{"artifacts": []any{
				Object{
					"name": "public/build/target.zip", "storageType": "s3", "contentType": "application/zip",
					"expires": "2126-01-01T00:00:00.000Z",
				},
			}})
		}
	}
	add("group", "/api/queue/v1/task-group/"+decision+"/list", listing)
	for _, name := range decisionArtifacts {
		text := move.Replace(string(p.Files[RecordedDecision+"/public/"+name]))
		p.Files[decision+"/public/"+name] = []byte(strings.ReplaceAll(text, `"pushlog_id": "20"`,
			fmt.Sprintf(`"pushlog_id": "%d"`, id)))
	}
	return decision
}

// end ends the latest run of a task's status.
func end(status Object, result string) {
	state := result
	if result == "canceled" {
		state = "exception"
	}
	runs := status["runs"].([]any)
	last := runs[len(runs)-1].(Object)
	status["state"], last["state"], last["reasonResolved"] = state, state, result
}
