package scope_test

import (
	"slices"
	"testing"

	"github.com/mozci/mozci/internal/scope"
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
