package buildbot

import (
	"strings"
	"testing"
)

// The master matches from the first character, as Python's match does, and so does a form here.
func TestMatchesAsPython(t *testing.T) {
	short, full := "0123456789ab", strings.Repeat("0123456789", 4)
	most := 12
	for _, c := range []struct {
		f     formField
		value string
		want  bool
	}{
		{formField{Regex: "[0-9a-f]{12}$"}, short, true},
		{formField{Regex: "[0-9a-f]{12}$"}, full, false},
		{formField{Regex: "^[0-9a-f]{12}"}, full, true}, // what follows does not matter
		{formField{Regex: "tip|[0-9a-f]{40}$"}, full, true},
		{formField{Regex: "tip|[0-9a-f]{40}$"}, "xtip", false}, // both alternatives begin at the first character
		{formField{Regex: "(?i)ABC"}, "abc", true},
		{formField{Regex: "(?<=x)abc"}, "abc", true}, // Go does not know it: the master decides
		{formField{}, "", true},
		{formField{MaxSize: &most}, full, false},
	} {
		if got := matches(c.f, c.value); got != c.want {
			t.Errorf("%q against %q: %t", c.value, c.f.Regex, got)
		}
	}
}
