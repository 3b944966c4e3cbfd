package taskcluster_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// refusal is what a push's world refuses to a request, and how.
type refusal struct {
	world func(s *tctest.Server, decision string)
	req   job.Request
	err   error
	words string // that the error has
	fired bool   // a hook was fired before it was refused
}

// offering is a world whose actions.json is this.
func offering(text string) func(*tctest.Server, string) {
	return func(s *tctest.Server, decision string) { s.Put(decision, 0, "public/actions.json", []byte(text)) }
}

// oneHook is an actions.json of one action, add-new-jobs, with more in it.
func oneHook(more string) string {
	return `{"version": 1, "actions": [{"name": "add-new-jobs", "kind": "hook", "hookGroupId": "project-gecko", ` +
		`"hookId": "in-tree-action-3-x/0", "context": []` + more + `}]}`
}

func hookless(s *tctest.Server, _ string) { s.Roles = map[string][]string{} }

var nestedPayload = strings.Repeat(`{"$let": {"x": 1}, "in": `, 300) + "1" + strings.Repeat("}", 300)

var refusals = map[string]refusal{
	"a hook that the decision task may not fire": {
		world: hookless,
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrDenied, words: "lacks in-tree:hook-action:project-gecko/in-tree-action-3-generic/0123456789",
	},
	"actions.json of version 2": {
		world: offering(`{"version": 2, "actions": []}`),
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrMalformed, words: "version: 2, expected at most 1",
	},
	"actions.json that is HTML": {
		world: offering(`<html>`),
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrMalformed, words: "<html>",
	},
	"actions.json that is torn": {
		world: offering(`{"version": 1, "act`),
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrMalformed,
	},
	"an action without a payload": {
		world: offering(oneHook("")),
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrMalformed, words: "action 1",
	},
	"only an unknown kind": {
		world: offering(strings.Replace(oneHook(`, "hookPayload": {}`), `"kind": "hook"`, `"kind": "magic"`, 1)),
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrRefused, words: "no action",
	},
	"a payload that nests": {
		world: offering(oneHook(`, "schema": {"properties": {"tasks": {}}}, "hookPayload": ` + nestedPayload)),
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrRefused, words: "asks for too much",
	},
	"a payload that is no JSON-e": {
		world: offering(oneHook(`, "schema": {"properties": {"tasks": {}}}, "hookPayload": {"$eval": "nothing"}`)),
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrRefused, words: "unknown context value nothing",
	},
	"a schema that fetches": {
		world: offering(oneHook(`, "schema": {"$ref": "http://127.0.0.1:1/x"}, "hookPayload": {}`)),
		req:   job.Request{Action: "add-new-jobs", Input: map[string]any{"tasks": []any{spare}}, Count: 1},
		err:   job.ErrMalformed, words: "nothing is fetched",
	},
	"a payload that the hook does not take": {
		world: offering(oneHook(`, "schema": {"properties": {"tasks": {}}}, "hookPayload": {}`)),
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrRefused, words: "does not match the schema", fired: true,
	},
	"more than the schema allows": {
		world: func(s *tctest.Server, d string) { without(s, d, "retrigger-multiple") },
		req:   job.Request{Label: test, Count: 101},
		err:   job.ErrRefused, words: "maximum",
	},
	"an input of another type": {
		req: job.Request{Action: "backfill-task", Count: 1, Input: map[string]any{"label": 7}},
		err: job.ErrInvalid, words: "label",
	},
	"an input without what is required": {
		req: job.Request{Action: "backfill-task", Count: 1},
		err: job.ErrInvalid, words: "label",
	},
	"an input that is a list": {
		req: job.Request{Action: "backfill-task", Count: 1, Input: []int{1}},
		err: job.ErrInvalid, words: "not a JSON object",
	},
	"an input where there is none": {
		req: job.Request{Action: "cancel", Label: test, Count: 1, Input: map[string]any{"x": 1}},
		err: job.ErrInvalid, words: "takes no input",
	},
	"an action that there is not": {
		req: job.Request{Action: "dance", Label: test, Count: 1},
		err: job.ErrInvalid, words: `no action "dance"`,
	},
	"an action on a task that did not run": {
		req: job.Request{Action: "confirm-failures", Label: spare, Count: 1},
		err: job.ErrInvalid, words: "acts on a task",
	},
	"an action that is not for the task": {
		req: job.Request{Action: "confirm-failures", Label: build, Count: 1},
		err: job.ErrInvalid, words: "like that of " + build,
	},
	"twice what runs once": {
		req: job.Request{Action: "confirm-failures", Label: test, Count: 2},
		err: job.ErrInvalid, words: `has no input "times"`,
	},
	"neither label nor action": {
		req: job.Request{Count: 1},
		err: job.ErrInvalid, words: "neither",
	},
	"no label of the push": {
		req: job.Request{Label: "test-x", Count: 1},
		err: job.ErrNotFound, words: `no label "test-x"`,
	},
	"no scopes": {
		world: func(s *tctest.Server, _ string) { s.Scopes = []string{"queue:*"} },
		req:   job.Request{Label: spare, Count: 1},
		err:   job.ErrDenied,
		words: "hooks:trigger-hook:project-gecko/in-tree-action-3-generic/0123456789", fired: true,
	},
	"a hook that makes nothing": {
		world: func(s *tctest.Server, _ string) { s.NoTasks = true },
		req:   job.Request{Label: spare, Count: 1},
		err:   taskcluster.ErrNothingCreated, words: "accepted, nothing created", fired: true,
	},
	"a hook that is gone, and nothing to copy": {
		world: func(s *tctest.Server, _ string) { s.Gone = true },
		req:   job.Request{Key: "k", Label: spare, Count: 1},
		err:   job.ErrRefused, words: "too old for actions", fired: true,
	},
	"a hook that is gone, for another action": {
		world: func(s *tctest.Server, _ string) { s.Gone = true },
		req:   job.Request{Key: "k", Label: test, Action: "confirm-failures", Count: 1},
		err:   job.ErrRefused, words: "too old for actions", fired: true,
	},
}

// What is refused, before a hook is fired and after.
func TestRefusals(t *testing.T) {
	for name, c := range refusals {
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
				if !errors.Is(err, c.err) || !errors.As(err, &wrapped) || !strings.Contains(err.Error(), c.words) ||
					(len(k.payloads) > 0) != c.fired {
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
	_, err := connect(t, s, nil).Project("autoland", nil).Trigger(t.Context(),
		job.Request{Label: spare, Push: push(20), Count: 1})
	if !errors.Is(err, job.ErrDenied) || !strings.Contains(err.Error(), "hooks:trigger-hook") {
		t.Error(err)
	}
}
