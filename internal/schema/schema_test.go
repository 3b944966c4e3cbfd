package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/schema"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// chain is a schema of definitions d0 to dn, each of which is made of two of the next;
// the last is what everything comes down to.
func chain(n int, twice, last string) string {
	var b strings.Builder
	b.WriteString(`{"$ref": "#/definitions/d0", "definitions": {`)
	for i := range n {
		next := fmt.Sprintf(`{"$ref": "#/definitions/d%d"}`, i+1)
		fmt.Fprintf(&b, `"d%d": %s, `, i, strings.ReplaceAll(twice, "X", next))
	}
	fmt.Fprintf(&b, `"d%d": %s}}`, n, last)
	return b.String()
}

func repeat(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }

// numbered is n members, each with the name's number.
func numbered(n int, name, value string) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`"%s": %s`, fmt.Sprintf(name, i), value)
	}
	return strings.Join(out, ",")
}

const someObject = `{"requests": [{"tasks": ["a", "b"], "times": 3}], "name": "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`

// attacks are schemas that would keep the validator busy, or fill the memory.
var attacks = map[string]struct{ schema, value string }{
	"allOf doubles":       {chain(40, `{"allOf": [X, X]}`, `{"type": "object"}`), someObject},
	"allOf that fails":    {chain(40, `{"allOf": [X, X]}`, `{"type": "array"}`), someObject},
	"anyOf doubles":       {chain(40, `{"anyOf": [X, X]}`, `false`), someObject},
	"oneOf doubles":       {chain(40, `{"oneOf": [X, X]}`, `false`), someObject},
	"not doubles":         {chain(40, `{"not": {"anyOf": [X, X]}}`, `false`), someObject},
	"if doubles":          {chain(40, `{"if": X, "then": X, "else": X}`, `true`), someObject},
	"draft 4":             {`{"$schema": "http://json-schema.org/draft-04/schema#",` + chain(40, `{"allOf": [X, X]}`, `{}`)[1:], someObject},
	"dependencies double": {chain(40, `{"dependencies": {"name": X, "requests": X}}`, `{"minProperties": 1}`), someObject},
	"dependentSchemas double": {
		`{"$schema": "https://json-schema.org/draft/2020-12/schema",` +
			chain(40, `{"dependentSchemas": {"name": X, "requests": X}}`, `{"minProperties": 1}`)[1:], someObject,
	},
	"it refers to itself": {`{"allOf": [{"$ref": "#"}, {"$ref": "#"}]}`, someObject},
	"every part to the others": {`{"anyOf": [{"$ref": "#/definitions/d0"}], "definitions": {` + numbered(20, "d%d",
		`{"anyOf": [`+refs(20)+`]}`) + `}}`, someObject},
	"itself, of a deep value": {
		`{"items": {"$ref": "#"}, "allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}`,
		strings.Repeat("[", 40) + strings.Repeat("]", 40),
	},
	"patterns meet":     {`{"patternProperties": {` + numbered(400, "(a|b%d)", `{"$ref": "#"}`) + `}}`, nested(6)},
	"repeats":           {`{"properties": {"name": {"pattern": "` + strings.Repeat("(a?){1000}", 50) + `"}}}`, someObject},
	"many that repeat":  {`{"allOf": [` + distinct(200, `{"pattern": "a{1000}%d"}`) + `]}`, `"a"`},
	"names that repeat": {`{"patternProperties": {` + numbered(200, "a{1000}%d", "true") + `}}`, someObject},
	"a long pattern":    {`{"pattern": "` + strings.Repeat("a", 5000) + `"}`, `"a"`},
	"a long text": {
		`{"allOf": [` + distinct(1500, `{"pattern": "^(.*)%d$"}`) + `]}`, `"` + strings.Repeat("a", 900_000) + `"`,
	},
	"deep":           {strings.Repeat(`{"not":`, 200) + "true" + strings.Repeat("}", 200), someObject},
	"very deep":      {strings.Repeat(`[`, 9000) + strings.Repeat("]", 9000), someObject},
	"many parts":     {`{"properties": {` + numbered(3000, "p%d", "{}") + `}}`, someObject},
	"a large enum":   {`{"enum": [` + repeat("1", 5000) + `]}`, someObject},
	"large":          {`{"description": "` + strings.Repeat("x", 100<<10) + `"}`, someObject},
	"long names":     {strings.Repeat(`{"properties": {"`+strings.Repeat("x", 900)+`":`, 30) + `{"enum": [` + repeat("1", 1800) + `]}` + strings.Repeat("}}", 30), someObject},
	"a large number": {`{"multipleOf": 1e999999}`, "1"},
	"a small number": {`{"minimum": 1e-999999}`, "1"},
	"a long number":  {`{"minimum": ` + strings.Repeat("9", 1000) + `}`, "1"},
	"enum, often":    {`{"items": {"allOf": [` + repeat(`{"$ref": "#/definitions/e"}`, 100) + `]}, "definitions": {"e": {"enum": [` + distinct(1500, "%d") + `]}}}`, `[` + repeat("-1", 1000) + `]`},
	"unique, often":  {`{"allOf": [` + repeat(`{"uniqueItems": true}`, 500) + `]}`, `[` + repeat("[1,2,3]", 1000) + `]`},
	"dynamic": {`{"$schema": "https://json-schema.org/draft/2020-12/schema", "$dynamicAnchor": "a",
		"allOf": [{"$dynamicRef": "#a"}, {"$dynamicRef": "#a"}]}`, someObject},
	"recursive": {`{"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveAnchor": true,
		"allOf": [{"$recursiveRef": "#"}, {"$recursiveRef": "#"}]}`, someObject},
	"unevaluated, often": {`{"$schema": "https://json-schema.org/draft/2019-09/schema", "unevaluatedProperties": true,
		"allOf": [` + repeat(`{"$ref": "#/$defs/a"}`, 400) + `], "$defs": {"a": {"anyOf": [` + repeat("true", 500) + `]}}}`, someObject},
	"a large value": {`{"type": "array"}`, `[` + repeat("1", 400_000) + `]`},
}

func refs(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`{"$ref": "#/definitions/d%d"}`, i)
	}
	return strings.Join(out, ",")
}

func distinct(n int, format string) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(out, ",")
}

// nested is objects in each other, each the only member of the next.
func nested(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }

func value(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// check reads a schema and checks a value by it.
func check(ctx context.Context, text string, v any) error {
	s, err := schema.Read([]byte(text))
	if err != nil {
		return err
	}
	if v, err = s.Defaults(v); err != nil {
		return err
	}
	return s.Validate(ctx, v)
}

// A schema that has no end is refused before anything is begun, and nothing goes on
// behind the caller's back. Without the bounds most of these would run for hours.
func TestAttacks(t *testing.T) {
	routines := runtime.NumGoroutine()
	for name, c := range attacks {
		t.Run(name, func(t *testing.T) {
			err := check(t.Context(), c.schema, value(t, c.value))
			if !errors.Is(err, schema.ErrBound) || len(err.Error()) > 400 {
				t.Errorf("%v", err)
			}
		})
	}
	testenv.NoMoreRoutines(t, routines) // those of the tests above may be about to end
}

// What a real schema may well have is not refused.
func TestWithinBounds(t *testing.T) {
	for name, c := range map[string]struct{ schema, value string }{
		"a tree": {
			`{"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}`,
			`{"left": {"left": {}, "right": {}}, "right": {"left": {}}}`,
		},
		"many tasks": {
			`{"properties": {"tasks": {"type": "array", "uniqueItems": true, "items": {"type": "string",
				"pattern": "^[a-z0-9-]{1,100}$"}}}}`,
			`{"tasks": [` + distinct(900, `"test-linux64-%d"`) + `]}`,
		},
		"a few references": {chain(10, `{"allOf": [X, X]}`, `{"type": "object"}`), someObject},
		"draft 2020": {
			`{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"n": {"type": "string"}},
				"properties": {"name": {"$ref": "#/$defs/n"}}, "unevaluatedProperties": true}`, someObject,
		},
		"anchors":          {`{"definitions": {"n": {"$id": "#n", "type": "string"}}, "properties": {"name": {"$ref": "#n"}}}`, someObject},
		"what a schema is": {`{"properties": {"s": {"$ref": "http://json-schema.org/draft-07/schema#"}}}`, `{"s": {"minimum": 3}}`},
		"letters":          {`{"properties": {"name": {"pattern": "^[\\p{L}_]{1,200}$"}}}`, someObject},
		"no schema":        {`true`, someObject},
	} {
		if err := check(t.Context(), c.schema, value(t, c.value)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Defaults that multiply are refused: a schema of 60 KB that gives each of a thousand
// items all it has would make 60 MB.
func TestDefaultsAreBounded(t *testing.T) {
	items := `[` + repeat("{}", 1000) + `]`
	for name, text := range map[string]string{
		"properties":        `{"items": {"properties": {` + numbered(600, "p%d", `{"default": 1}`) + `}}}`,
		"one that is large": `{"items": {"properties": {"p": {"default": [` + repeat("1", 1500) + `]}}}}`,
	} {
		s, err := schema.Read([]byte(text))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := s.Defaults(value(t, items)); !errors.Is(err, schema.ErrBound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nothing is fetched and no file is read, and no error says where we are.
func TestErrorsNameNoPlace(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{"$ref": "other.json"}`,
		`{"$ref": "/etc/passwd"}`,
		`{"$ref": "file:///etc/passwd"}`,
		`{"$ref": "../schema.go#/x"}`,
		`{"$ref": "//example.com/x"}`,
		`{"$schema": "other.json"}`,
		`{"$schema": "file:///etc/hostname"}`,
		`{"$ref": "#/definitions/none"}`,
		`{"$ref": "#none"}`,
		`{"$ref": "%zz"}`,
		`{"$id": "%zz", "type": "x"}`,
		`{"$id": "a/b", "$ref": "c"}`,
		`{"type": "objekt"}`,
		`{"pattern": "("}`,
		`{"properties": {"name": {"pattern": "((a{30}){30}b){1000}"}}}`,
		`{"allOf": [{"$ref": "#"}]}`,
		`{"type": "string", "minimum": "one"}`,
		`{"required": ["x"]}`,
		`{"properties": {"name": {"enum": [` + distinct(900, `"word %d"`) + `]}}}`,
		`{"properties": {"name": false}}`,
		`{"$id": "mozci:///schema", "$ref": "#/x"}`,
		`{"definitions": {"a": {"$id": "#x"}, "b": {"$id": "#x"}}}`,
	} {
		err := check(t.Context(), text, value(t, someObject))
		if err == nil || len(err.Error()) > 2000 {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, bad := range []string{dir, "/tmp", "file:", "mozci:", "schema.go"} {
			if strings.Contains(err.Error(), bad) {
				t.Errorf("%s: the error says %q: %v", text, bad, err)
			}
		}
	}
	err = check(t.Context(), `{"$ref": "https://example.com/x?a=1"}`, nil)
	if err == nil || err.Error() != `it refers to "https://example.com/x?a=1", and nothing is fetched` {
		t.Errorf("%v", err)
	}
}

// An ended context ends a check, also one that is being counted.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := check(ctx, chain(40, `{"allOf": [X, X]}`, `{}`), value(t, someObject)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := check(ctx, `{"type": "array"}`, value(t, someObject)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// What is wrong with a value is said, and where; of many reasons the first.
func TestReasons(t *testing.T) {
	for text, want := range map[string]string{
		`{"required": ["label"]}`:                                    "at '': missing property 'label'",
		`{"properties": {"name": {"type": "integer"}}}`:              "at '/name': got string, want integer",
		`{"allOf": [` + distinct(30, `{"required": ["p%d"]}`) + `]}`: "and 25 more",
	} {
		err := check(t.Context(), text, value(t, someObject))
		if !errors.Is(err, schema.ErrInvalid) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
}

// No schema panics, and what is bounded ends.
func FuzzValidate(f *testing.F) {
	for _, c := range attacks {
		if len(c.schema)+len(c.value) < 2000 {
			f.Add([]byte(c.schema), []byte(c.value))
		}
	}
	f.Fuzz(func(t *testing.T, text, v []byte) {
		var in any
		if json.Unmarshal(v, &in) != nil {
			return
		}
		if err := check(t.Context(), string(text), in); err != nil && strings.Contains(err.Error(), "mozci:///") {
			t.Error(err)
		}
	})
}
