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

const (
	genericHook  = "/api/hooks/v1/hooks/project-gecko/in-tree-action-3-generic%2F0123456789/trigger"
	backfillHook = "/api/hooks/v1/hooks/project-gecko/in-tree-action-3-backfill%2F0123456789/trigger"
)

// firing is what a request makes mozci send to which hook.
type firing struct {
	req   job.Request
	drop  []string // actions that the push does not offer
	want  string
	hook  string
	runs  int
	after string // whose runs, where not the request's label
}

var firings = map[string]firing{
	"a label that ran": {
		req:  job.Request{Label: test, Count: 3},
		want: `["retrigger-multiple",{"requests":[{"tasks":["` + test + `"],"times":3}]},false,true]`,
		hook: genericHook, runs: 4,
	},
	"without the multiple": {
		req:  job.Request{Label: test, Count: 3},
		drop: []string{"retrigger-multiple"},
		want: `["retrigger",{"downstream":false,"times":3},true,true]`,
		hook: genericHook, runs: 4,
	},
	"without any retrigger": {
		req:  job.Request{Label: test, Count: 3},
		drop: []string{"retrigger-multiple", "retrigger"},
		want: `["add-new-jobs",{"tasks":["` + test + `"],"times":3},false,true]`,
		hook: genericHook, runs: 4,
	},
	"one that did not run": {
		req:  job.Request{Label: spare, Count: 2},
		want: `["add-new-jobs",{"tasks":["` + spare + `"],"times":2},false,true]`,
		hook: genericHook, runs: 2,
	},
	"a build": {
		req:  job.Request{Label: build, Count: 1},
		want: `["add-new-jobs",{"tasks":["` + build + `"],"times":1},false,true]`,
		hook: genericHook, runs: 2,
	},
	"confirm-failures": {
		req:  job.Request{Label: test, Count: 1, Action: "confirm-failures"},
		want: `["confirm-failures",{},true,true]`,
		hook: genericHook, runs: 1,
	},
	"the retrigger that is meant": {
		req:  job.Request{Label: test, Count: 2, Action: "retrigger"},
		want: `["retrigger",{"downstream":false,"times":2},true,true]`,
		hook: genericHook, runs: 3,
	},
	"of a build another one": {
		req:  job.Request{Label: build, Count: 1, Action: "retrigger", Input: map[string]any{"force": true}},
		want: `["retrigger-disabled",{"force":true,"times":1},true,true]`,
		hook: genericHook, runs: 2,
	},
	"of the decision task a third": {
		req:  job.Request{Label: "Gecko Decision Task", Count: 1, Action: "retrigger"},
		want: `["retrigger-decision",null,true,true]`,
		hook: genericHook, runs: 1,
	},
	"backfill-task": {
		req:  job.Request{Count: 2, Action: "backfill-task", Input: map[string]any{"label": spare}},
		want: `["backfill-task",{"label":"` + spare + `","retrigger":true,"times":2},false,true]`,
		hook: backfillHook, runs: 2, after: spare,
	},
	"times that the input says": {
		req: job.Request{Count: 1, Action: "backfill-task", Input: struct {
			Label string `json:"label"`
			Times int    `json:"times"`
		}{spare, 3}},
		want: `["backfill-task",{"label":"` + spare + `","retrigger":true,"times":3},false,true]`,
		hook: backfillHook, runs: 3, after: spare,
	},
	"rerun": {
		req:  job.Request{Label: test, Count: 1, Action: "rerun"},
		want: `["rerun",{},true,true]`,
		hook: genericHook, runs: 1,
	},
}

// Which action runs a label, and what it is sent: one request for all runs.
func TestTriggering(t *testing.T) {
	for name, c := range firings {
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
