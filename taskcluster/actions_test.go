package taskcluster_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// The actions of Firefox's CI as they are: what mozci composes is sent as
// Treeherder's page sends it, although the schema refuses it.
func TestGeckoActions(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		hook string
	}{
		"Firefox's mobile projects, 2022": {
			"data/4-taskcluster/fxci-config__actions.json",
			"project-mobile/in-tree-action-3-generic/93267a5f84",
		},
		"autoland, 2020":                 {"data/4-taskcluster/treeherder_sherlock__initialActions.json", ""},
		"a schema that closes its items": {"cases/formats/c1_actions.json", "project-x/in-tree-action-3-generic/0011"},
	} {
		t.Run(name, func(t *testing.T) {
			text := testenv.Read(t, strings.Split(c.file, "/")...)
			a := ok(taskcluster.ParseActions(text))
			multiple, there := taskcluster.ForGroup(a, "retrigger-multiple")
			if !there {
				multiple, there = taskcluster.ForTask(a, "retrigger-multiple", nil)
			}
			if !there && c.hook != "" {
				t.Fatalf("no retrigger-multiple among %q", taskcluster.ActionNames(a))
			}
			in := map[string]any{"requests": []any{map[string]any{"tasks": []any{test}, "times": 3}}}
			if there {
				got, err := taskcluster.ComposeInput(multiple, t.Context(), in)
				if err != nil || string(ok(json.Marshal(got))) != string(ok(json.Marshal(in))) {
					t.Errorf("composed %v, %v", got, err)
				}
			}
			if c.hook == "" {
				return
			}
			if _, err := taskcluster.ActionInput(multiple, t.Context(), in); !errors.Is(err, job.ErrInvalid) {
				t.Errorf("a person's input is checked by the schema as it is: %v", err)
			}
			firesAsThePage(t, text, c.hook)
		})
	}
}

// firesAsThePage checks that three runs of a label are asked of a push with this
// actions.json as Treeherder's page asks for them.
func firesAsThePage(t *testing.T, actions []byte, hook string) {
	t.Helper()
	s, decision := world()
	s.Put(decision, 0, "public/actions.json", actions)
	s.Roles["repo:autoland"] = []string{"in-tree:hook-action:" + hook}
	var path string
	var body bytes.Buffer
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/trigger") {
			return false
		}
		path = r.URL.RequestURI()
		_, _ = body.ReadFrom(r.Body)
		_, _ = w.Write([]byte(`{"taskId": "A5O76NnPRt--HRPWdpOVlA"}`))
		return true
	}
	got, err := serve(t, s).Project("autoland", nil).Trigger(t.Context(),
		job.Request{Label: test, Push: push(20), Count: 3})
	if err != nil || got.State != job.ReceiptAccepted || got.By != "A5O76NnPRt--HRPWdpOVlA/0" {
		t.Fatalf("%+v, %v", got, err)
	}
	group, id, _ := strings.Cut(hook, "/")
	id = strings.ReplaceAll(id, "/", "%2F")
	if want := "/api/hooks/v1/hooks/" + group + "/" + id + "/trigger"; path != want {
		t.Errorf("fired %s, expected %s", path, want)
	}
	var sent struct{ User struct{ Input any } }
	if err := json.Unmarshal(body.Bytes(), &sent); err != nil {
		t.Fatal(err)
	}
	want := any(map[string]any{"requests": []any{map[string]any{"tasks": []any{test}, "times": 3.0}}})
	if d := cmp.Diff(want, sent.User.Input); d != "" {
		t.Errorf("(-as Treeherder's page +sent):\n%s", d)
	}
}

// What a sound schema refuses goes on to the next way, and the receipt says so;
// what no way takes is refused, and nothing is fired.
func TestNextWay(t *testing.T) {
	s, decision := world()
	k := (&sent{}).watch(s)
	a := tctest.Actions(decision, "autoland", 20, push(20).Revision)
	for _, x := range a["actions"].([]any) {
		if o := x.(tctest.Object); o["name"] == "retrigger-multiple" { // it is right, and takes two
			o["schema"] = json.RawMessage(`{"type": "object", "properties": {"requests": {"type": "array",
				"items": {"type": "object", "properties": {"times": {"maximum": 2}}}}}}`)
		}
	}
	s.Put(decision, 0, "public/actions.json", ok(json.Marshal(a)))
	got, err := serve(t, s).Project("autoland", nil).Trigger(t.Context(),
		job.Request{Label: test, Push: push(20), Count: 3})
	if err != nil || len(k.payloads) != 1 || !strings.HasPrefix(user(k.payloads[0]), `["retrigger",`) ||
		!strings.Contains(got.Note, "retrigger-multiple was refused") || !strings.Contains(got.Note, "maximum") {
		t.Errorf("%+v, %v; sent %v", got, err, k.payloads)
	}
}

// One action that makes no sense does not take the others away.
func TestOneBadAction(t *testing.T) {
	a := ok(taskcluster.ParseActions([]byte(`{"version": 1, "actions": [
		{"name": "odd", "kind": "hook", "context": "everything", "hookGroupId": "g", "hookId": "h", "hookPayload": {}},
		{"name": "hookless", "kind": "hook", "context": []},
		{"name": "good", "kind": "hook", "context": [], "hookGroupId": "g", "hookId": "h", "hookPayload": {}}]}`)))
	if !slices.Equal(taskcluster.ActionNames(a), []string{"good"}) {
		t.Errorf("%q", taskcluster.ActionNames(a))
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
			"metadata": {"name": "made by ${who} of ${task.metadata.name}"},
			"created": {"$fromNow": ""}, "deadline": {"$fromNow": "1 day"},
			"payload": {"own": {"$eval": "ownTaskId"}}, "taskGroupId": {"$eval": "taskGroupId"}}}]}`))
	p := serve(t, s).Project("autoland", nil)
	for range 2 {
		got, err := p.Trigger(t.Context(), job.Request{Key: "k", Label: test, Push: push(20), Count: 1, Action: "odd"})
		if err != nil && !strings.Contains(err.Error(), "RequestConflict") ||
			err == nil && got.State != job.ReceiptAccepted {
			t.Errorf("%+v, %v", got, err)
		}
	}
	ids := s.Tasks(decision, "made by somebody of "+test)
	if len(ids) != 1 || s.Definition(ids[0])["payload"].(map[string]any)["own"] != ids[0] ||
		!strings.Contains(ext, "ext=") {
		t.Errorf("made %q; signed with %s", ids, ext)
	}
}
