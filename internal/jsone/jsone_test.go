package jsone_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/mozci/mozci/internal/jsone"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// now is the time that the specification's cases are about.
var now = time.Date(2017, 1, 19, 16, 27, 20, 974e6, time.UTC)

// All cases of the specification that are at hand. `go test -v -run Spec`
// prints how many there are, and how many errors are in its words.
func TestSpec(t *testing.T) {
	dec := yaml.NewDecoder(strings.NewReader(
		string(testenv.Read(t, "data", "8-specs", "json-e__specification.odd.yml"))))
	section, total, passed, errs, worded := "", 0, 0, 0, 0
	for {
		var c struct {
			Section  string
			Title    string
			Context  map[string]any
			Template any
			Result   any
			Error    any
		}
		if err := dec.Decode(&c); err != nil {
			break
		}
		if c.Section != "" {
			section = c.Section
			continue
		}
		total++
		got, err := jsone.Render(c.Template, c.Context, now)
		if c.Error != nil {
			errs++
			if err == nil {
				t.Errorf("%s: %s: %v = %v, expected the error %v", section, c.Title, c.Template, got, c.Error)
				continue
			}
			passed++
			want, ok := c.Error.(string)
			if !ok || err.Error() == want {
				worded++
			} else {
				t.Logf("%s: %s: other words: %v; the specification: %s", section, c.Title, err, want)
			}
			continue
		}
		want, _ := jsone.Render(map[string]any{"$json": escape(c.Result)}, nil, now)
		text, _ := jsone.Render(map[string]any{"$json": escape(got)}, nil, now)
		if err != nil || text != want {
			t.Errorf("%s: %s: %v with %v = %v, %v; expected %v", section, c.Title, c.Template, c.Context, text, err,
				want)
			continue
		}
		passed++
	}
	t.Logf("specification: %d of %d cases, %d of %d errors in its words", passed, total, worded, errs)
	if total < 500 {
		t.Errorf("%d cases, expected the 588 of the odd half", total)
	}
}

// escape makes a value render to itself.
func escape(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "${", "$${")
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = escape(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			k = strings.ReplaceAll(k, "${", "$${")
			if strings.HasPrefix(k, "$") && !strings.HasPrefix(k, "$${") {
				k = "$" + k
			}
			out[k] = escape(e)
		}
		return out
	}
	return v
}

// Answers that the two public implementations of JSON-e 4 (JavaScript's and
// Python's) agree on, observed in November 2026, where the half of the
// specification that is at hand is silent.
func TestAsOthersRenderIt(t *testing.T) {
	for _, c := range []struct{ template, context, want string }{
		{`{"$eval": "!defined('x')"}`, `{}`, `InterpreterError: false is not callable`},
		{`{"$eval": "-a.b"}`, `{"a": {"b": 2}}`, `InterpreterError: unary - expects number`},
		{`{"$eval": "-2 ** 2"}`, `{}`, `4`},
		{`{"$eval": "a['b']"}`, `{"a": {}}`, `null`},
		{`{"$eval": "1 / 0"}`, `{}`, `InterpreterError: division by zero`},
		{`{"$eval": "{a: 1,}"}`, `{}`, `{"a":1}`},
		{
			`{"$eval": "[1,]"}`, `{}`,
			`SyntaxError: Found: ] token, expected one of: !, (, +, -, [, false, identifier, null, number, string, true, {`,
		},
		{`{"$eval": "split(12, 1)"}`, `{}`, `BuiltinError: invalid arguments to builtin: split`},
		{`[{"$reverse": {"$eval": "a"}}, {"$eval": "a"}]`, `{"a": [1, 2]}`, `[[2,1],[1,2]]`},
		{`{"$$": 1, "$$$foo": 2}`, `{}`, `{"$":1,"$$foo":2}`},
		{`{"$fromNow": "1 hrs"}`, `{}`, `TemplateError: String: '1 hrs' isn't a time expression`},
		{`{"$fromNow": ""}`, `{}`, `"2017-01-19T16:27:20.974Z"`},
		{`{"$reduce": [], "each(a, x)": 1, "initial": {"$eval": "1+1"}}`, `{}`, `{"$eval":"1+1"}`},
		{`{"$eval": "[number(' -1.5e3 '), number('+2.'), number('.5')]"}`, `{}`, `[-1500,2,0.5]`},
		{`{"$eval": "number('0x1p4')"}`, `{}`, `BuiltinError: invalid arguments to builtin: number`},
		{`{"$eval": "number('0x_1p4')"}`, `{}`, `BuiltinError: invalid arguments to builtin: number`},
		{`{"$eval": "number('1_000')"}`, `{}`, `BuiltinError: invalid arguments to builtin: number`},
		{`{"$eval": "number('Infinity')"}`, `{}`, `BuiltinError: invalid arguments to builtin: number`},
		{`{"$eval": "number('1e999')"}`, `{}`, `BuiltinError: invalid arguments to builtin: number`},
		{`{"$eval": "number('')"}`, `{}`, `BuiltinError: invalid arguments to builtin: number`},
		{`{"$find": ["$${x}"], "each(y)": "true"}`, `{"x": 1}`, `"${x}"`},
		{`{"$find": {"$eval": "a"}, "each(y)": "true"}`, `{"a": [{"$eval": "b"}]}`, `{"$eval":"b"}`},
		{`{"$switch": {"true": 1, "1 == 1": 2}}`, `{}`, `TemplateError: $switch can only have one truthy condition`},
		{
			`{"a": {"$map": [1], "each(x)": {"c": {"$eval": "y"}}}}`, `{}`,
			`InterpreterError at template.a.c: unknown context value y`,
		},
	} {
		if got := render(t, c.template, c.context); got != c.want {
			t.Errorf("%s with %s = %s, expected %s", c.template, c.context, got, c.want)
		}
	}
}

// render renders JSON and gives JSON, or the error's text.
func render(t testing.TB, template, context string) string {
	t.Helper()
	var tpl any
	var ctx map[string]any
	for text, into := range map[string]any{template: &tpl, context: &ctx} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	v, err := jsone.Render(tpl, ctx, now)
	if err != nil {
		return err.Error()
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// The task that Taskcluster really made of a hook, in 2019: every field but
// the route that holds the task's own id, which was replaced in the context.
func TestRealHook(t *testing.T) {
	read := func(name string) (v map[string]any) {
		if err := json.Unmarshal(testenv.Read(t, "data", "4-taskcluster", name), &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v
	}
	got, err := jsone.Render(read("scriptworker_cotv4__retrigger_template.json"),
		read("scriptworker_cotv4__retrigger_context.json"), now)
	if err != nil {
		t.Fatal(err)
	}
	task := got.(map[string]any)["tasks"].([]any)[0].(map[string]any)
	want := read("scriptworker_cotv4__action_retrigger.json")
	for _, v := range []map[string]any{task, want} {
		routes := v["routes"].([]any)
		v["routes"] = routes[:3]
		delete(v, "taskId")
	}
	if d := cmp.Diff(want, task); d != "" {
		t.Errorf("the task (-real +rendered):\n%s", d)
	}
}

// Templates that would go on for ever, or fill the memory.
func TestLimits(t *testing.T) {
	nested := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for name, template := range map[string]string{
		"a template that nests":    nested,
		"an expression that nests": `{"$eval": "` + nested + `"}`,
		"signs":                    `{"$eval": "` + strings.Repeat("-", 5000) + `1"}`,
		"powers":                   `{"$eval": "` + strings.Repeat("1**", 5000) + `1"}`,
		"members":                  `{"$eval": "a` + strings.Repeat(".a", 5000) + `"}`,
		"a value that nests":       `{"$reduce": {"$eval": "range(0, 1000)"}, "each(a, x)": [{"$eval": "a"}], "initial": []}`,
		"doubling a string":        `{"$reduce": {"$eval": "range(0, 64)"}, "each(a, x)": {"$eval": "a + a"}, "initial": "x"}`,
		"doubling an array":        `{"$reduce": {"$eval": "range(0, 64)"}, "each(a, x)": {"$eval": "[a, a]"}, "initial": 0}`,
		"flattening doubled":       `{"$let": {"d": {"$reduce": {"$eval": "range(0, 64)"}, "each(a, x)": {"$eval": "[a, a]"}, "initial": []}}, "in": {"$flattenDeep": {"$eval": "d"}}}`,
		"comparing for ever":       `{"$let": {"d": {"$reduce": {"$eval": "range(0, 64)"}, "each(a, x)": {"$eval": "[a, a]"}, "initial": []}}, "in": {"$eval": "d == d || d in [d]"}}`,
		"writing for ever":         `{"$let": {"d": {"$reduce": {"$eval": "range(0, 64)"}, "each(a, x)": {"$eval": "{a: a, b: a}"}, "initial": []}}, "in": {"$json": {"$eval": "d"}}}`,
		"a long range":             `{"$eval": "range(0, 1000000000000)"}`,
		"maps in maps":             `{"$map": {"$eval": "range(0, 100000)"}, "each(x)": {"$map": {"$eval": "range(0, 100000)"}, "each(y)": 1}}`,
		"merging for ever":         `{"$reduce": {"$eval": "range(0, 400)"}, "each(a, x)": {"$mergeDeep": [{"$eval": "a"}, {"k": {"$eval": "a"}}]}, "initial": {}}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(template), &v); err != nil {
			t.Fatal(err)
		}
		if _, err := jsone.Render(v, map[string]any{"a": 1.0}, now); !errors.Is(err, jsone.ErrLimit) {
			t.Errorf("%s: error %v, expected the limit", name, err)
		}
	}
}

func TestNothingIsShared(t *testing.T) {
	inner := []any{"x"}
	template := map[string]any{"$eval": "list"}
	got, err := jsone.Render(template, map[string]any{"list": inner}, now)
	if err != nil {
		t.Fatal(err)
	}
	got.([]any)[0] = "changed"
	if inner[0] != "x" {
		t.Error("the result shares an array with the context")
	}
	if _, err := jsone.Render(template, map[string]any{"list": struct{}{}}, now); err == nil {
		t.Error("a struct in the context is no error")
	}
	if v, err := jsone.Render(map[string]any{"$if": "false"}, nil, now); v != nil || err != nil {
		t.Errorf("a template that renders to nothing = %v, %v", v, err)
	}
}

func FuzzRender(f *testing.F) {
	for _, s := range []string{
		`{"$eval": "a + b[0:1]"}`, `{"x": "${a} $${b}"}`, `{"$map": [1, 2], "each(x,i)": {"$eval": "x ** i"}}`,
		`{"$fromNow": "1 day"}`,
		`{"$reduce": [1], "each(a, x)": {"$eval": "[a, a]"}, "initial": 0}`, `{"$sort": [{"a": 1}], "by(x)": "x.a"}`,
		`{"$json": ["é"]}`,
		`{"$switch": {"a > 1": 1, "$default": 2}}`, `{"$let": {"x": {"$eval": "a"}}, "in": "${x}"}`,
		`{"$mergeDeep": [{"a": {}}, {"a": {"b": []}}]}`,
		`{"$eval": "split(s, '')[-1]"}`, `{"$eval": "{a: !true, 'b': -1}.a"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		ctx := map[string]any{"a": 2, "b": []any{1, 2}, "s": "añ"}
		one, err := jsone.Render(v, ctx, now)
		two, again := jsone.Render(v, ctx, now)
		if (err == nil) != (again == nil) || cmp.Diff(one, two) != "" {
			t.Fatalf("%s renders differently the second time: %v, %v", text, err, again)
		}
		if _, jsonErr := json.Marshal(one); err == nil && jsonErr != nil {
			t.Fatalf("%s renders to what is not JSON: %v", text, jsonErr)
		}
	})
}
