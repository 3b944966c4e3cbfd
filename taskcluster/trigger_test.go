package taskcluster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger"
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

// What is refused, before a hook is fired and after.
func TestRefusals(t *testing.T) {
	hookless := func(s *tctest.Server, _ string) { s.Roles = map[string][]string{} }
	file := func(text string) func(*tctest.Server, string) {
		return func(s *tctest.Server, decision string) { s.Put(decision, 0, "public/actions.json", []byte(text)) }
	}
	hook := func(more string) string {
		return `{"version": 1, "actions": [{"name": "add-new-jobs", "kind": "hook", "hookGroupId": "project-gecko", "hookId": "in-tree-action-3-x/0", "context": []` + more + `}]}`
	}
	nested := strings.Repeat(`{"$let": {"x": 1}, "in": `, 300) + "1" + strings.Repeat("}", 300)
	for name, c := range map[string]struct {
		world func(*tctest.Server, string)
		req   job.Request
		err   error
		words string
		fired bool
	}{
		"a hook that the decision task may not fire": {hookless, job.Request{Label: spare, Count: 1}, job.ErrDenied, "lacks in-tree:hook-action:project-gecko/in-tree-action-3-generic/0123456789", false},
		"actions.json of version 2":                  {file(`{"version": 2, "actions": []}`), job.Request{Label: spare, Count: 1}, job.ErrMalformed, "version 2, expected 1", false},
		"actions.json that is HTML":                  {file(`<html>`), job.Request{Label: spare, Count: 1}, job.ErrMalformed, "<html>", false},
		"actions.json that is torn":                  {file(`{"version": 1, "act`), job.Request{Label: spare, Count: 1}, job.ErrMalformed, "", false},
		"an action without a payload":                {file(hook("")), job.Request{Label: spare, Count: 1}, job.ErrMalformed, "action 1", false},
		"only an unknown kind":                       {file(strings.Replace(hook(`, "hookPayload": {}`), `"kind": "hook"`, `"kind": "magic"`, 1)), job.Request{Label: spare, Count: 1}, job.ErrRefused, "no action", false},
		"a payload that nests":                       {file(hook(`, "schema": {"properties": {"tasks": {}}}, "hookPayload": ` + nested)), job.Request{Label: spare, Count: 1}, job.ErrRefused, "asks for too much", false},
		"a payload that is no JSON-e":                {file(hook(`, "schema": {"properties": {"tasks": {}}}, "hookPayload": {"$eval": "nothing"}`)), job.Request{Label: spare, Count: 1}, job.ErrRefused, "unknown context value nothing", false},
		"a schema that fetches":                      {file(hook(`, "schema": {"$ref": "http://127.0.0.1:1/x"}, "hookPayload": {}`)), job.Request{Action: "add-new-jobs", Input: map[string]any{"tasks": []any{spare}}, Count: 1}, job.ErrMalformed, "nothing is fetched", false},
		"a payload that the hook does not take":      {file(hook(`, "schema": {"properties": {"tasks": {}}}, "hookPayload": {}`)), job.Request{Label: spare, Count: 1}, job.ErrRefused, "does not match the schema", true},
		"more than the schema allows":                {func(s *tctest.Server, d string) { without(s, d, "retrigger-multiple") }, job.Request{Label: test, Count: 101}, job.ErrRefused, "maximum", false},
		"an input of another type":                   {nil, job.Request{Action: "backfill-task", Count: 1, Input: map[string]any{"label": 7}}, job.ErrInvalid, "label", false},
		"an input without what is required":          {nil, job.Request{Action: "backfill-task", Count: 1}, job.ErrInvalid, "label", false},
		"an input that is a list":                    {nil, job.Request{Action: "backfill-task", Count: 1, Input: []int{1}}, job.ErrInvalid, "not a JSON object", false},
		"an input where there is none":               {nil, job.Request{Action: "cancel", Label: test, Count: 1, Input: map[string]any{"x": 1}}, job.ErrInvalid, "takes no input", false},
		"an action that there is not":                {nil, job.Request{Action: "dance", Label: test, Count: 1}, job.ErrInvalid, `no action "dance"`, false},
		"an action on a task that did not run":       {nil, job.Request{Action: "confirm-failures", Label: spare, Count: 1}, job.ErrInvalid, "acts on a task", false},
		"an action that is not for the task":         {nil, job.Request{Action: "confirm-failures", Label: build, Count: 1}, job.ErrInvalid, "such as that of " + build, false},
		"twice what runs once":                       {nil, job.Request{Action: "confirm-failures", Label: test, Count: 2}, job.ErrInvalid, "has no times", false},
		"neither label nor action":                   {nil, job.Request{Count: 1}, job.ErrInvalid, "neither", false},
		"no label of the push":                       {nil, job.Request{Label: "test-x", Count: 1}, job.ErrNotFound, `no label "test-x"`, false},
		"no scopes":                                  {func(s *tctest.Server, _ string) { s.Scopes = []string{"queue:*"} }, job.Request{Label: spare, Count: 1}, job.ErrDenied, "hooks:trigger-hook:project-gecko/in-tree-action-3-generic/0123456789", true},
		"a hook that makes nothing":                  {func(s *tctest.Server, _ string) { s.NoTasks = true }, job.Request{Label: spare, Count: 1}, taskcluster.ErrNothingCreated, "accepted, nothing created", true},
		"a hook that is gone, and nothing to copy":   {func(s *tctest.Server, _ string) { s.Gone = true }, job.Request{Key: "k", Label: spare, Count: 1}, job.ErrRefused, "too old for actions", true},
		"a hook that is gone, for another action":    {func(s *tctest.Server, _ string) { s.Gone = true }, job.Request{Key: "k", Label: test, Action: "confirm-failures", Count: 1}, job.ErrRefused, "too old for actions", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, decision := world()
				if c.world != nil {
					c.world(s, decision)
				}
				k := (&sent{}).watch(s)
				c.req.Push = push(20)
				_, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(), c.req)
				var wrapped *job.Error
				if !errors.Is(err, c.err) || !errors.As(err, &wrapped) || !strings.Contains(err.Error(), c.words) || (len(k.payloads) > 0) != c.fired {
					t.Errorf("%v, %d fired; expected %v with %q", err, len(k.payloads), c.err, c.words)
				}
				if errors.Is(err, job.ErrUnavailable) != errors.Is(err, taskcluster.ErrNothingCreated) {
					t.Errorf("%v says that the outcome is not known", err)
				}
			})
		})
	}
}

// Whoever has no credentials is told by the service what is missing.
func TestAnonymousTrigger(t *testing.T) {
	s, _ := world()
	_, err := connect(t, s, nil).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: spare, Push: push(20), Count: 1})
	if !errors.Is(err, job.ErrDenied) || !strings.Contains(err.Error(), "hooks:trigger-hook") {
		t.Error(err)
	}
}

// A hook's answer is lost: its task is looked for, and the hook not fired again.
func TestLostAnswer(t *testing.T) {
	s, decision := world()
	k := (&sent{}).watch(s)
	p := serve(t, s).Project("autoland", nil)
	for i := range 2 { // the second time, the first one's task has the same input
		s.Lose = true
		got, err := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2})
		if err != nil || got.State != job.ReceiptAccepted || len(k.payloads) != i+1 {
			t.Fatalf("%+v, %v, fired %d times", got, err, len(k.payloads))
		}
	}
	s.Settle()
	if n := len(s.Tasks(decision, test)); n != 5 {
		t.Errorf("%d tasks, expected 1 + 2 + 2", n)
	}
	// Nothing was made: the outcome is not known, and nothing is repeated.
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		fired := 0
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/api/hooks/") && r.Method == http.MethodPost {
				fired++
				w.WriteHeader(http.StatusGatewayTimeout)
				_, _ = w.Write([]byte("<html><title>504 Gateway Time-out</title>"))
				return true
			}
			return false
		}
		c := ok(taskcluster.New("http://tc.example", &taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}}))
		_, err := c.Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2})
		if !errors.Is(err, job.ErrUnavailable) || fired != 1 || !strings.Contains(err.Error(), "504") {
			t.Errorf("%v after %d attempts", err, fired)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Project("autoland", nil).Trigger(ctx, job.Request{Label: test, Push: push(20), Count: 2}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while it is looked for: %v", err)
		}
	})
}

// What action tasks under way are asked for is in flight, until it is made.
func TestInflight(t *testing.T) {
	s, decision := world()
	p := serve(t, s).Project("autoland", nil)
	count := func(label string) int {
		n := 0
		for _, r := range ok(p.Accepted(t.Context(), push(20), label)) {
			n += r.Count
		}
		return n
	}
	for _, r := range []job.Request{
		{Label: test, Count: 3},
		{Label: test, Count: 2, Action: "retrigger"},
		{Label: spare, Count: 1},
		{Count: 4, Action: "backfill-task", Input: map[string]any{"label": spare}},
		{Label: test, Count: 1, Action: "rerun"},
		{Label: test, Count: 1, Action: "confirm-failures"},
		{Label: other, Count: 3},
	} {
		r.Push = push(20)
		if _, err := p.Trigger(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for label, want := range map[string]int{test: 3 + 2 + 1, spare: 5, other: 3, test + "-cf": 1, build: 0} {
		if got := count(label); got != want {
			t.Errorf("%d runs of %s are in flight, expected %d", got, label, want)
		}
	}
	// One action has made two of its three, and is not done.
	action := s.Tasks(decision, "Action: retrigger-multiple")[0]
	for range 2 {
		s.Add(decision, tctest.Object{"metadata": tctest.Object{"name": test}, "extra": tctest.Object{"parent": action}}, true)
	}
	_ = ok(p.Jobs(t.Context(), push(20)))
	if got := count(test); got != 6-2 {
		t.Errorf("%d runs are in flight once two are made, expected 4", got)
	}
	s.Requests()
	_, _ = count(test), count(spare)
	if got := s.Requests(); len(got) > 0 {
		t.Errorf("right after the jobs were read: %q", got)
	}
	s.Settle()
	_ = ok(p.Jobs(t.Context(), push(20)))
	if got := count(test) + count(spare); got != 0 {
		t.Errorf("%d runs are in flight once the actions are done", got)
	}
}

// A push that is too old for actions: its task is copied, once for each key.
func TestCopies(t *testing.T) {
	s, decision := world()
	s.Gone = true
	p := serve(t, s).Project("autoland", nil)
	old := s.Tasks(decision, build)[0]
	s.Resolve(old, "failed", "failed")
	fresh := s.Add(decision, tctest.Object{"metadata": tctest.Object{"name": build}, "tags": tctest.Object{"kind": "build"}}, true)
	s.Resolve(fresh.ID, "completed", "completed")
	original := s.Tasks(decision, test)[0]
	d := s.Definition(original)
	d["created"], d["deadline"], d["expires"] = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z", "2026-02-01T00:00:00.000Z"
	d["payload"] = tctest.Object{
		"env": tctest.Object{"FETCH": "task/" + old + "/artifacts/public/build/target.zip"}, "artifacts": []any{tctest.Object{"expires": "2026-02-01T00:00:00.000Z", "name": "x"}},
	}
	req := job.Request{Key: "k", Label: test, Push: push(20), Count: 2}
	first, err := p.Trigger(t.Context(), req)
	if err != nil || first.State != job.ReceiptCreated || len(first.IDs) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := p.Trigger(t.Context(), req)
	if err != nil || again.State != job.ReceiptAlreadyAsked || fmt.Sprint(again.IDs) != fmt.Sprint(first.IDs) {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	ids := s.Tasks(decision, test)
	if len(ids) != 3 || ids[1]+"/0" != first.IDs[0] {
		t.Fatalf("%d tasks: %q", len(ids), ids)
	}
	c := s.Definition(ids[1])
	created, deadline := ok(time.Parse(time.RFC3339, c["created"].(string))), ok(time.Parse(time.RFC3339, c["deadline"].(string)))
	text := string(ok(json.Marshal(c)))
	if time.Since(created).Abs() > time.Minute || deadline.Sub(created) != 24*time.Hour || strings.Contains(text, "2026-0") || strings.Contains(text, old) ||
		!strings.Contains(text, "task/"+fresh.ID+"/artifacts") || strings.Contains(text, "index.") || !strings.Contains(text, "tc-treeherder.v2.x") {
		t.Errorf("the copy is %s", text)
	}
	for _, j := range ok(p.Jobs(t.Context(), push(20), test)) {
		if is := ok(p.WasAdded(t.Context(), j)); is != (j.ID() != original+"/0") {
			t.Errorf("%s is offspring: %t", j.ID(), is)
		}
	}
	s.Resolve(fresh.ID, "failed", "failed")
	if _, err := p.Trigger(t.Context(), job.Request{Key: "l", Label: test, Push: push(20), Count: 1}); !errors.Is(err, job.ErrNoBuild) {
		t.Errorf("without a build: %v", err)
	}
	if _, err := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 1}); !errors.Is(err, job.ErrRefused) {
		t.Errorf("without a key: %v", err)
	}
	s.Resolve(fresh.ID, "completed", "completed")
	s.Scopes = []string{"hooks:*"}
	var denied *taskcluster.Error
	if _, err := p.Trigger(t.Context(), job.Request{Key: "m", Label: test, Push: push(20), Count: 1}); !errors.As(err, &denied) || len(denied.Missing) != 1 {
		t.Errorf("without scopes: %v", err)
	}
}

// An action of kind task makes its task itself, with the decision task's scopes
// and no more.
func TestTaskAction(t *testing.T) {
	s, decision := world()
	var ext string
	s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			ext = r.Header.Get("Authorization")
		}
		return false
	}
	s.Put(decision, 0, "public/actions.json", []byte(`{"version": 1, "variables": {"who": "somebody"}, "actions": [
		{"name": "odd", "kind": "task", "context": [{"kind": "test"}], "task": {
			"metadata": {"name": "made by ${who} of ${task.metadata.name}"}, "created": {"$fromNow": ""}, "deadline": {"$fromNow": "1 day"},
			"payload": {"own": {"$eval": "ownTaskId"}}, "taskGroupId": {"$eval": "taskGroupId"}}}]}`))
	p := serve(t, s).Project("autoland", nil)
	for range 2 {
		got, err := p.Trigger(t.Context(), job.Request{Key: "k", Label: test, Push: push(20), Count: 1, Action: "odd"})
		if err != nil && !strings.Contains(err.Error(), "RequestConflict") || err == nil && got.State != job.ReceiptAccepted {
			t.Errorf("%+v, %v", got, err)
		}
	}
	ids := s.Tasks(decision, "made by somebody of "+test)
	if len(ids) != 1 || s.Definition(ids[0])["payload"].(map[string]any)["own"] != ids[0] || !strings.Contains(ext, "ext=") {
		t.Errorf("made %q; signed with %s", ids, ext)
	}
}

// The whole way: plan, run, crash, run again, over actions that take a while.
func TestPlanAndRun(t *testing.T) {
	s, decision := world()
	k := (&sent{}).watch(s)
	p := serve(t, s).Project("autoland", nil)
	ledger := trigger.NewMemory()
	plan := func() trigger.Plan {
		return ok(trigger.Make(t.Context(), p, []job.Push{push(20)}, []string{test, spare}, &trigger.Options{Times: 3, Ledger: ledger}))
	}
	first := plan()
	if len(first.Steps) != 2 || first.Steps[0].Action != trigger.ActionTrigger || first.Steps[1].Action != trigger.ActionTrigger {
		t.Fatalf("the build is under way, and the actions wait for it: %+v", first.Steps)
	}
	s.Lose = true
	if _, err := trigger.Run(t.Context(), p, first, &trigger.RunOptions{Ledger: ledger}); err != nil {
		t.Fatal(err)
	}
	if _, err := trigger.Run(t.Context(), p, first, &trigger.RunOptions{Ledger: ledger}); err != nil || len(k.payloads) != 2 {
		t.Errorf("the second time: %v, fired %d times", err, len(k.payloads))
	}
	for _, when := range []string{"in flight", "made"} {
		for _, step := range plan().Steps {
			if step.Action != trigger.ActionNothing {
				t.Errorf("while they are %s: %+v", when, step)
			}
		}
		s.Settle()
	}
	// Another process, without the ledger, sees the same.
	again := ok(trigger.Make(t.Context(), serve(t, s).Project("autoland", nil), []job.Push{push(20)}, []string{test, spare}, &trigger.Options{Times: 3}))
	for _, step := range again.Steps {
		if step.Action != trigger.ActionNothing {
			t.Errorf("without the ledger: %+v", step)
		}
	}
	if a, b := len(s.Tasks(decision, test)), len(s.Tasks(decision, spare)); a != 3 || b != 3 {
		t.Errorf("%d and %d tasks, expected 3 and 3", a, b)
	}
}
