package shape_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/shape"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name, want, got string
		keyed, lines    []string
	}{
		{name: "values do not matter", want: `{"a": 1, "b": ["x"]}`, got: `{"b": [], "a": 2.5}`},
		{name: "a field is missing", want: `{"a": {"b": 1}}`, got: `{"a": {}}`, lines: []string{"a.b: missing"}},
		{name: "a field is new", want: `[{"a": 1}]`, got: `[{"a": 1, "b": 2}]`, lines: []string{"[].b: not in want"}},
		{name: "another type", want: `{"a": 1}`, got: `{"a": "1"}`, lines: []string{"a: string, want number"}},
		{
			name: "null, where the real one never is", want: `{"a": []}`, got: `{"a": null}`,
			lines: []string{"a: null, want array"},
		},
		{
			name: "not null, where the real one is", want: `{"a": null}`, got: `{"a": "x"}`,
			lines: []string{"a: string, want null"},
		},
		{name: "sometimes null", want: `[{"a": null}, {"a": 1}]`, got: `[{"a": 1}]`},
		{name: "sometimes missing", want: `[{"a": 1}, {}]`, got: `[{}, {"a": 2}]`},
		{
			name: "missing in one of many", want: `[{"a": 1}, {"a": 1}]`, got: `[{}, {"a": 2}]`,
			lines: []string{"[].a: missing"},
		},
		{
			name: "empty, and so not compared", want: `{"r": [{"a": 1}]}`, got: `{"r": []}`,
			lines: []string{"r: empty, want objects"},
		},
		{name: "nothing to compare with", want: `{"r": []}`, got: `{"r": [{"a": 1}]}`},
		{
			name: "rows", want: `[[1, "x", null], [2, "y", "z"]]`, got: `[[true]]`,
			lines: []string{"[][]: bool, want null or number or string"},
		},
		{
			name: "keys that are data", keyed: []string{"p"},
			want: `{"p": {"1": {"d": 1}}}`, got: `{"p": {"7": {"d": "x"}, "8": {}}}`,
			lines: []string{"p.*.d: missing", "p.*.d: string, want number"},
		},
		{
			name: "keyed and empty", keyed: []string{"."}, want: `{"1": {"d": 1}}`, got: `{}`,
			lines: []string{".: empty, want objects"},
		},
		{name: "another type at the root", want: `{}`, got: `[]`, lines: []string{".: array, want object"}},
		{
			name: "no JSON", want: `{}`, got: `<html>`,
			lines: []string{".: got is not JSON: invalid character '<' looking for beginning of value"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.lines, shape.Diff([]byte(c.want), []byte(c.got), c.keyed...)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestUnexpected(t *testing.T) {
	lines := []string{"a.b: missing", "c: string, want number"}
	got := shape.Unexpected(lines, "a.", "d: missing")
	if diff := cmp.Diff([]string{"c: string, want number", "no longer different: d: missing"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := shape.Unexpected(lines, "a.b: missing", "c:"); got != nil {
		t.Errorf("%q, want none", got)
	}
}
