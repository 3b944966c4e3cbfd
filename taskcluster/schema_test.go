package taskcluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// What hooks are sent, as user shows it.
const (
	multiple = `["retrigger-multiple",{"requests":[{"tasks":["` + test + `"],"times":3}]},false,true]`
	retry    = `["retrigger",{"downstream":false,"times":3},true,true]`
	bare     = `["retrigger",{"times":3},true,true]`
	add      = `["add-new-jobs",{"tasks":["` + test + `"],"times":3},false,true]`
)

// oddSchema is a schema of an action, and what is sent under it.
type oddSchema struct {
	action, schema string // empty for none
	drop           []string
	want           string
}

var oddSchemas = map[string]oddSchema{
	"no schema":             {"retrigger-multiple", "", nil, multiple},
	"null":                  {"retrigger-multiple", "null", nil, multiple},
	"true":                  {"retrigger-multiple", "true", nil, multiple},
	"false":                 {"retrigger-multiple", "false", nil, multiple},
	"a word":                {"retrigger-multiple", `"object"`, nil, multiple},
	"no such type":          {"retrigger-multiple", `{"type": "objekt"}`, nil, multiple},
	"refers elsewhere":      {"retrigger-multiple", `{"$ref": "https://example.com/schema.json"}`, nil, multiple},
	"refers to nothing":     {"retrigger-multiple", `{"$ref": "#/definitions/none"}`, nil, multiple},
	"refers to itself":      {"retrigger-multiple", `{"$ref": "#"}`, nil, multiple},
	"has no end":            {"retrigger-multiple", exploding(), nil, multiple},
	"has no end, either":    {"retrigger", exploding(), []string{"retrigger-multiple"}, bare},
	"needs what nobody has": {"retrigger-multiple", `{"type": "object", "required": ["other"]}`, nil, multiple},
	"fewer times": {
		"retrigger-multiple", `{"type": "object", "properties": {"requests": {"type": "array",
			"items": {"type": "object", "properties": {"times": {"maximum": 2}}}}}}`,
		nil, retry,
	},
	"a retrigger that refers": {
		"retrigger", `{"$ref": "#/definitions/in", "definitions": {
			"in": {"type": "object", "properties": {"times": {"type": "integer"},
				"downstream": {"$ref": "#/definitions/no"}}},
			"no": {"type": "boolean", "default": false}}}`,
		[]string{"retrigger-multiple"},
		retry,
	},
	"a retrigger, true": {"retrigger", "true", []string{"retrigger-multiple"}, bare},
	"a retrigger that is once": {
		"retrigger", `{"type": "object", "properties": {}}`,
		[]string{"retrigger-multiple"},
		add,
	},
	"a retrigger without one":   {"retrigger", "", []string{"retrigger-multiple"}, add},
	"new jobs without a schema": {"add-new-jobs", "", []string{"retrigger-multiple", "retrigger"}, add},
	"new jobs, null":            {"add-new-jobs", "null", []string{"retrigger-multiple", "retrigger"}, add},
	"new jobs, unreadable":      {"add-new-jobs", "[]", []string{"retrigger-multiple", "retrigger"}, add},
}

// What mozci composes is sent whatever an action's schema fails to say; what a
// sound schema refuses goes on to the next way.
func TestSchemas(t *testing.T) {
	for name, c := range oddSchemas {
		t.Run(name, func(t *testing.T) {
			s, decision := world()
			a := tctest.Actions(decision, "autoland", 20, push(20).Revision)
			var kept []any
			for _, x := range a["actions"].([]any) {
				x := x.(tctest.Object)
				dropped := false
				for _, d := range c.drop {
					dropped = dropped || x["name"] == d
				}
				if x["name"] == c.action {
					delete(x, "schema")
					if c.schema != "" {
						x["schema"] = json.RawMessage(c.schema)
					}
				}
				if !dropped {
					kept = append(kept, x)
				}
			}
			a["actions"] = kept
			s.Put(decision, 0, "public/actions.json", ok(json.Marshal(a)))
			k := (&sent{}).watch(s)
			got, err := serve(t, s).Project("autoland", nil).Trigger(t.Context(),
				job.Request{Label: test, Push: push(20), Count: 3})
			if err != nil || len(k.payloads) != 1 {
				t.Fatalf("%+v, %v; sent %v", got, err, k.payloads)
			}
			if u := user(k.payloads[0]); u != c.want {
				t.Errorf("sent\n%s, expected\n%s", u, c.want)
			}
		})
	}
}

// exploding is a schema of two kilobytes that takes a million million checks.
func exploding() string {
	var b strings.Builder
	b.WriteString(`{"$ref": "#/definitions/d0", "definitions": {`)
	for i := range 40 {
		fmt.Fprintf(&b, `"d%d": {"allOf": [{"$ref": "#/definitions/d%d"}, {"$ref": "#/definitions/d%[2]d"}]}, `, i, i+1)
	}
	return b.String() + `"d40": {"type": "object"}}}`
}

// A person's input to an action whose schema has no end, or would have mozci read a
// file, is an error that names the action, says what to do, and no place on this
// machine. An ended context ends it.
func TestHostileSchemas(t *testing.T) {
	dir := ok(os.Getwd())
	parse := func(schema string) *taskcluster.Action {
		a := ok(taskcluster.ParseActions([]byte(`{"version": 1, "actions": [{"name": "odd", "kind": "hook", "context": [],
			"hookGroupId": "g", "hookId": "h", "hookPayload": {}, "schema": ` + schema + `}]}`)))
		x, _ := taskcluster.ForGroup(a, "odd")
		return x
	}
	for schema, want := range map[string]string{
		exploding(): "the schema of odd: too much to check: checking by it takes more than 300000 steps; fire the " +
			"action from Treeherder",
		strings.Repeat(`{"not":`, 500) + "true" + strings.Repeat("}", 500): "levels deep; fire the action from Treeherder",
		`{"$ref": "other.json"}`:        "the schema of odd: it refers to another document, and no file is read",
		`{"$ref": "file:///etc/group"}`: "the schema of odd: it refers to another document, and no file is read",
	} {
		_, err := taskcluster.ActionInput(parse(schema), t.Context(), map[string]any{"a": 1})
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "file:") {
			t.Errorf("%.60s: %v", schema, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, in := range []func() error{
		func() error { _, err := taskcluster.ActionInput(parse(exploding()), ctx, nil); return err },
		func() error { _, err := taskcluster.ComposeInput(parse(exploding()), ctx, nil); return err },
	} {
		if err := in(); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}
