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
		"a hook that makes nothing":                  {func(s *tctest.Server, _ string) { s.Nothing = true }, job.Request{Label: spare, Count: 1}, taskcluster.ErrNothingCreated, "accepted, nothing created", true},
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
