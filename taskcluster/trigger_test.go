package taskcluster_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
)

// sent keeps what hooks are sent.
type sent struct {
	payloads []map[string]any
	paths    []string
}

func (k *sent) watch(s *tctest.Server) *sent {
	s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/api/hooks/") && r.Method == http.MethodPost {
			body := ok(io.ReadAll(r.Body))
			r.Body = io.NopCloser(bytes.NewReader(body))
			var p map[string]any
			_ = json.Unmarshal(body, &p)
			k.payloads, k.paths = append(k.payloads, p), append(k.paths, r.URL.RequestURI())
		}
		return false
	}
	return k
}

// user is what a payload says for the action: its name, input and task.
func user(p map[string]any) string {
	action := p["decision"].(map[string]any)["action"].(map[string]any)
	u := p["user"].(map[string]any)
	return string(ok(json.Marshal([]any{action["cb_name"], u["input"], u["taskId"] != nil, u["taskGroupId"] != nil})))
}

// Which action runs a label, and what it is sent: one request for all runs.
func TestTriggering(t *testing.T) {
	const hook = "/api/hooks/v1/hooks/project-gecko/in-tree-action-3-generic%2F0123456789/trigger"
	for name, c := range map[string]struct {
		req   job.Request
		drop  []string // actions that the push does not offer
		want  string
		hook  string
		runs  int
		after string // whose runs, where not the request's label
	}{
		"a label that ran":      {job.Request{Label: test, Count: 3}, nil, `["retrigger-multiple",{"requests":[{"tasks":["` + test + `"],"times":3}]},false,true]`, hook, 4, ""},
		"without the multiple":  {job.Request{Label: test, Count: 3}, []string{"retrigger-multiple"}, `["retrigger",{"downstream":false,"times":3},true,true]`, hook, 4, ""},
		"without any retrigger": {job.Request{Label: test, Count: 3}, []string{"retrigger-multiple", "retrigger"}, `["add-new-jobs",{"tasks":["` + test + `"],"times":3},false,true]`, hook, 4, ""},
		"one that did not run":  {job.Request{Label: spare, Count: 2}, nil, `["add-new-jobs",{"tasks":["` + spare + `"],"times":2},false,true]`, hook, 2, ""},
		"a build":               {job.Request{Label: build, Count: 1}, nil, `["add-new-jobs",{"tasks":["` + build + `"],"times":1},false,true]`, hook, 2, ""},
		"confirm-failures":      {job.Request{Label: test, Count: 1, Action: "confirm-failures"}, nil, `["confirm-failures",{},true,true]`, hook, 1, ""},
		"the retrigger that is meant": {
			job.Request{Label: test, Count: 2, Action: "retrigger"},
			nil,
			`["retrigger",{"downstream":false,"times":2},true,true]`, hook, 3, "",
		},
		"of a build another one": {
			job.Request{Label: build, Count: 1, Action: "retrigger", Input: map[string]any{"force": true}},
			nil,
			`["retrigger-disabled",{"force":true,"times":1},true,true]`, hook, 2, "",
		},
		"of the decision task a third": {job.Request{Label: "Gecko Decision Task", Count: 1, Action: "retrigger"}, nil, `["retrigger-decision",null,true,true]`, hook, 1, ""},
		"backfill-task": {
			job.Request{Count: 2, Action: "backfill-task", Input: map[string]any{"label": spare}},
			nil,
			`["backfill-task",{"label":"` + spare + `","retrigger":true,"times":2},false,true]`, strings.Replace(hook, "generic", "backfill", 1), 2, spare,
		},
		"times that the input says": {job.Request{Count: 1, Action: "backfill-task", Input: struct {
			Label string `json:"label"`
			Times int    `json:"times"`
		}{spare, 3}}, nil, `["backfill-task",{"label":"` + spare + `","retrigger":true,"times":3},false,true]`, strings.Replace(hook, "generic", "backfill", 1), 3, spare},
		"rerun": {job.Request{Label: test, Count: 1, Action: "rerun"}, nil, `["rerun",{},true,true]`, hook, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, decision := world()
			without(s, decision, c.drop...)
			k := (&sent{}).watch(s)
			p := serve(t, s).Project("autoland", nil)
			c.req.Push, c.req.Key = push(20), "k"
			got, err := p.Trigger(t.Context(), c.req)
			if err != nil || got.State != job.ReceiptAccepted || len(k.payloads) != 1 {
				t.Fatalf("%+v, %v; sent %v", got, err, k.payloads)
			}
			if u := user(k.payloads[0]); u != c.want || k.paths[0] != c.hook {
				t.Errorf("sent to %s\n%s, expected\n%s", k.paths[0], u, c.want)
			}
			s.Settle()
			if c.after == "" {
				c.after = c.req.Label
			}
			if got := len(s.Tasks(decision, c.after)); got != c.runs {
				t.Errorf("%d tasks of %s, expected %d", got, c.after, c.runs)
			}
		})
	}
}

// without takes actions out of a push's actions.json.
func without(s *tctest.Server, decision string, names ...string) {
	a := tctest.Actions(decision, "autoland", 20, push(20).Revision)
	var kept []any
	for _, x := range a["actions"].([]any) {
		drop := false
		for _, n := range names {
			drop = drop || x.(tctest.Object)["name"] == n
		}
		if !drop {
			kept = append(kept, x)
		}
	}
	a["actions"] = kept
	s.Put(decision, 0, "public/actions.json", ok(json.Marshal(a)))
}
