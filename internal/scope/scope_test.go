package scope_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/mozci/mozci/internal/scope"
	"github.com/mozci/mozci/internal/testing/testenv"
)

func TestSatisfies(t *testing.T) {
	const hook = "hooks:trigger-hook:project-gecko/in-tree-action-3-generic/abc"
	for _, c := range []struct {
		have []string
		need string
		want bool
	}{
		{nil, hook, false},
		{[]string{}, "", false},
		{[]string{""}, "", true},
		{[]string{hook}, hook, true},
		{[]string{hook + "x"}, hook, false},
		{[]string{hook[:len(hook)-1]}, hook, false},
		{[]string{hook[:len(hook)-1] + "*"}, hook, true},
		{[]string{hook + "*"}, hook, true},
		{[]string{hook + "/*"}, hook, false},
		{[]string{"*"}, hook, true},
		{[]string{"queue:*", "hooks:trigger-hook:project-gecko/*"}, hook, true},
		{[]string{"hooks:*:project-gecko/*"}, hook, false}, // a star counts at the end alone
		{[]string{"hooks:trigger-hook:*"}, "hooks:trigger-hook:*", true},
		{[]string{"hooks:trigger-hook:a/*"}, "hooks:trigger-hook:*", false},
		{[]string{"hooks:*"}, "hooks:trigger-hook:*", true},
		{[]string{"HOOKS:*"}, hook, false},
		{[]string{"assume:*"}, hook, false},
	} {
		if got := scope.Satisfies(c.have, c.need); got != c.want {
			t.Errorf("Satisfies(%q, %q) is %t", c.have, c.need, got)
		}
	}
}

func TestMissing(t *testing.T) {
	need := [][]string{{"a:1"}, {"b:1", "b:2"}, {"c:x/y"}}
	for _, c := range []struct {
		have []string
		need [][]string
		want []string
	}{
		{nil, nil, nil},
		{nil, need, []string{"a:1", "b:1", "c:x/y"}},
		{[]string{"a:1", "b:2", "c:x/*"}, need, nil},
		{[]string{"a:*", "b:1"}, need, []string{"c:x/y"}},
		{[]string{"a:1", "c:*"}, need, []string{"b:1"}},
		{[]string{"*"}, append(need, nil), nil},
		{[]string{"a*", "b*", "c*"}, append(need, nil), []string{"*"}},
	} {
		if got := scope.Missing(c.have, c.need); !slices.Equal(got, c.want) {
			t.Errorf("Missing(%q, %q) is %q, expected %q", c.have, c.need, got, c.want)
		}
	}
}

// Taskcluster's own cases: of each, all of one list of what is required.
func TestVectors(t *testing.T) {
	var cases []struct {
		Satisfied bool
		Given     []string
		Required  [][]string
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "8-specs", "taskcluster__scopes_ported_vectors.json"),
		&cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		got := false
		for _, all := range c.Required {
			every := true
			for _, want := range all {
				every = every && scope.Satisfies(c.Given, want)
			}
			got = got || every
		}
		if got != c.Satisfied {
			t.Errorf("%q satisfies %q: %t", c.Given, c.Required, got)
		}
	}
	if len(cases) < 10 {
		t.Errorf("%d cases", len(cases))
	}
}
