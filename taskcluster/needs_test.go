package taskcluster_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

const generic = "hooks:trigger-hook:project-gecko/in-tree-action-3-generic/0123456789"

// What a request needs is the hook that Trigger fires, and nothing is fired to know it.
func TestTriggerNeeds(t *testing.T) {
	const fires = "[[" + generic + "]]"
	s, decision := world()
	s.Resolve(s.Tasks(decision, build)[0], "completed", "completed")
	k := (&sent{}).watch(s)
	p := serve(t, s).Project("autoland", nil)
	for name, c := range map[string]struct {
		req  job.Request
		want string
		err  error
	}{
		"a label that ran":       {job.Request{Label: test, Count: 2}, fires, nil},
		"one that did not":       {job.Request{Label: spare, Count: 1}, fires, nil},
		"an action":              {job.Request{Action: "confirm-failures", Label: test, Count: 1}, fires, nil},
		"what others have asked": {job.Request{Label: test, Count: 1, Times: 1}, "[]", nil},
		"no label of the push":   {job.Request{Label: "test-x", Count: 1}, "[]", job.ErrNotFound},
		"none":                   {job.Request{Count: 1}, "[]", job.ErrInvalid},
	} {
		c.req.Push = push(20)
		need, err := p.TriggerNeeds(t.Context(), c.req)
		if fmt.Sprint(need) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", name, need, err)
		}
		var wrapped *job.Error
		if err != nil && !errors.As(err, &wrapped) {
			t.Errorf("%s: %v is no *job.Error", name, err)
		}
	}
	hookless(s, decision)
	if need, err := serve(t, s).Project("autoland", nil).TriggerNeeds(t.Context(),
		job.Request{Label: test, Push: push(20), Count: 1}); !errors.Is(err, job.ErrDenied) {
		t.Errorf("a hook that the push may not name: %q, %v", need, err)
	}
	if len(k.payloads) > 0 {
		t.Errorf("%d hooks were fired", len(k.payloads))
	}
}

// Whoever asks needs the scopes, whatever the client may: of the first way and of any
// other, short by one letter too.
func TestTriggerWithinScopes(t *testing.T) {
	for scopes, may := range map[string]bool{
		generic:                               true,
		generic[:40] + "*":                    true,
		"*":                                   true,
		generic + "0":                         false,
		generic[:len(generic)-1]:              false,
		"":                                    false,
		"in-tree:hook-action:project-gecko/*": false,
	} {
		s, decision := world()
		s.Resolve(s.Tasks(decision, build)[0], "completed", "completed")
		k := (&sent{}).watch(s)
		p := serve(t, s).Project("autoland", nil)
		ctx := job.WithScopes(t.Context(), strings.Fields(scopes))
		_, err := p.Trigger(ctx, job.Request{Label: test, Push: push(20), Count: 1})
		if may != (err == nil) || may != (len(k.payloads) == 1) ||
			!may && (!errors.Is(err, job.ErrDenied) || !strings.Contains(err.Error(), "lacks the scopes "+generic)) {
			t.Errorf("with %q: %v, %d fired", scopes, err, len(k.payloads))
		}
	}
}

// A copy of a task needs what the queue asks of whoever creates it.
func TestCopyWithinScopes(t *testing.T) {
	whole := []string{
		generic, "queue:create-task:low:gecko-t/linux", "queue:scheduler-id:gecko-level-3",
		"queue:create-task:project:none", "queue:route:tc-treeherder.v2.autoland.*", "docker:x",
	}
	try := func(scopes []string) (copies int, err error) {
		s, decision := world()
		s.Gone = true
		s.Resolve(s.Tasks(decision, build)[0], "completed", "completed")
		d := s.Definition(s.Tasks(decision, test)[0])
		d["scopes"], d["priority"], d["taskQueueId"] = []any{"docker:x"}, "low", "gecko-t/linux"
		delete(d, "projectId")
		_, err = serve(t, s).Project("autoland", nil).Trigger(job.WithScopes(t.Context(), scopes),
			job.Request{Key: "k", Label: test, Push: push(20), Count: 2})
		return len(s.Tasks(decision, test)) - 1, err
	}
	if n, err := try(whole); err != nil || n != 2 {
		t.Errorf("with all: %v, %d copies", err, n)
	}
	higher := append([]string{"queue:create-task:highest:gecko-t/linux"}, whole...)
	if n, err := try(append(higher[:2:2], higher[3:]...)); err != nil || n != 2 {
		t.Errorf("with those of a higher priority: %v, %d copies", err, n)
	}
	for i := range whole {
		less := append(append([]string{}, whole[:i]...), whole[i+1:]...)
		lacks := strings.TrimSuffix(whole[i], "*")
		if n, err := try(less); !errors.Is(err, job.ErrDenied) || n != 0 || !strings.Contains(err.Error(), lacks) {
			t.Errorf("without %s: %v, %d copies", whole[i], err, n)
		}
	}
}

// What the queue wants of whoever creates a task.
func TestCreateNeeds(t *testing.T) {
	for text, want := range map[string]string{
		`{"provisionerId": "p", "workerType": "w", "priority": "very-high"}`: "[[queue:create-task:very-high:p/w " +
			"queue:create-task:highest:p/w] [queue:scheduler-id:-] [queue:create-task:project:none]]",
		`{"taskQueueId": "p/w", "schedulerId": "s", "projectId": "x", "priority": "highest", "routes": ["r.a"], ` +
			`"scopes": ["a", "b:*"]}`: "[[queue:create-task:highest:p/w] [queue:scheduler-id:s] " +
			"[queue:create-task:project:x] [queue:route:r.a] [a] [b:*]]",
	} {
		need, err := taskcluster.CreateNeeds(object([]byte(text)))
		if got := fmt.Sprint(need); err != nil || got != want {
			t.Errorf("%s\n got %s, %v\nwant %s", text, got, err, want)
		}
	}
	lowest := ok(taskcluster.CreateNeeds(map[string]any{"taskQueueId": "p/w"}))
	normal := ok(taskcluster.CreateNeeds(map[string]any{"taskQueueId": "p/w", "priority": "normal"}))
	if len(lowest[0]) != 7 || lowest[0][0] != "queue:create-task:lowest:p/w" ||
		fmt.Sprint(lowest) != fmt.Sprint(normal) {
		t.Errorf("%q, %q", lowest, normal)
	}
	for _, bad := range []any{map[string]any{"priority": "urgent"}, map[string]any{"scopes": "x"}, "x"} {
		if need, err := taskcluster.CreateNeeds(bad); err == nil || len(need) > 0 {
			t.Errorf("%v needs %q", bad, need)
		}
	}
}

// Who may cancel a task.
func TestCancelNeeds(t *testing.T) {
	s, decision := world()
	s.Resolve(s.Tasks(decision, build)[0], "completed", "completed")
	p := serve(t, s).Project("autoland", nil)
	id := s.Tasks(decision, test)[0]
	run := id + "/0"
	exact := "queue:cancel-task:gecko-level-3/" + decision + "/" + id
	want := fmt.Sprintf("[[%s queue:cancel-task-in-project:none]]", exact)
	if need, err := p.CancelNeeds(t.Context(), run); err != nil || fmt.Sprint(need) != want {
		t.Errorf("%q, %v; expected %s", need, err, want)
	}
	if need, err := p.CancelNeeds(t.Context(), s.Tasks(decision, build)[0]+"/0"); err != nil || len(need) > 0 {
		t.Errorf("of what has ended: %q, %v", need, err)
	}
	if _, err := p.CancelNeeds(t.Context(), "x"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("of no id: %v", err)
	}
	state := func() string {
		return ok(serve(t, s).Status(t.Context(), id)).State
	}
	short := job.WithScopes(t.Context(), []string{exact[:len(exact)-1], "hooks:*"})
	if err := p.Cancel(short, run); !errors.Is(err, job.ErrDenied) || !strings.Contains(err.Error(), exact) ||
		state() != "pending" {
		t.Errorf("without the scope: %v; it is %s", err, state())
	}
	for _, scope := range []string{exact, "queue:cancel-task-in-project:*"} {
		if err := p.Cancel(job.WithScopes(t.Context(), []string{scope}), run); err != nil || state() != "exception" {
			t.Errorf("with %s: %v; it is %s", scope, err, state())
		}
		s.Add(decision, tctest.Object{}, true)
	}
}

// An action of kind task needs what its task does, and makes none for who lacks it.
func TestTaskActionWithinScopes(t *testing.T) {
	s, decision := world()
	s.Put(decision, 0, "public/actions.json", []byte(`{"version": 1, "actions": [
		{"name": "odd", "kind": "task", "context": [{"kind": "test"}], "task": {
			"metadata": {"name": "odd"}, "created": {"$fromNow": ""}, "deadline": {"$fromNow": "1 day"}, "payload": {},
			"taskQueueId": "p/w", "priority": "highest", "schedulerId": "s", "scopes": ["${taskId}"],
			"taskGroupId": {"$eval": "taskGroupId"}}}]}`))
	p := serve(t, s).Project("autoland", nil)
	req := job.Request{Key: "k", Label: test, Push: push(20), Count: 1, Action: "odd"}
	need := ok(p.TriggerNeeds(t.Context(), req))
	id := s.Tasks(decision, test)[0]
	want := "[[queue:create-task:highest:p/w] [queue:scheduler-id:s] [queue:create-task:project:none] [" + id + "]]"
	if fmt.Sprint(need) != want {
		t.Errorf("%q, expected %s", need, want)
	}
	all := []string{"queue:create-task:*", "queue:scheduler-id:s", id}
	for i := range all {
		ctx := job.WithScopes(t.Context(), append(append([]string{}, all[:i]...), all[i+1:]...))
		if _, err := p.Trigger(ctx, req); !errors.Is(err, job.ErrDenied) || len(s.Tasks(decision, "odd")) > 0 {
			t.Errorf("without %s: %v", all[i], err)
		}
	}
	if _, err := p.Trigger(job.WithScopes(t.Context(), all), req); err != nil || len(s.Tasks(decision, "odd")) != 1 {
		t.Errorf("with all: %v", err)
	}
}
