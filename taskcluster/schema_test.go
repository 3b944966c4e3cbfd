package taskcluster_test

import (
	"encoding/json"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
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
