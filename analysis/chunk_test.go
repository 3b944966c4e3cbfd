package analysis_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

func TestCounterparts(t *testing.T) {
	catalog := []job.Runnable{
		{Label: "l/m-1", Manifests: []string{"a", "b"}},
		{Label: "l/m-2", Manifests: []string{"c", "d"}},
		{Label: "l/m-3", Manifests: []string{"d"}},
		{Label: "w/m-1", Manifests: []string{"c"}},
		{Label: "l/x"},
	}
	for name, c := range map[string]struct {
		label     string
		manifests []string
		want      string
	}{
		"where it was":         {"l/m-1", []string{"a"}, "[{l/m-1 [a] []}] true"},
		"moved":                {"l/m-1", []string{"c"}, "[{l/m-2 [c] []}] true"},
		"in two, the own one":  {"l/m-3", []string{"d"}, "[{l/m-3 [d] []} {l/m-2 [d] []}] true"},
		"in two, the lower":    {"l/m-1", []string{"d"}, "[{l/m-2 [d] []} {l/m-3 [d] []}] true"},
		"the one with most":    {"l/m-3", []string{"c", "d"}, "[{l/m-2 [c d] []} {l/m-3 [d] [c]}] true"},
		"spread":               {"l/m-9", []string{"a", "c"}, "[{l/m-1 [a] [c]} {l/m-2 [c] [a]}] true"},
		"nowhere":              {"l/m-1", []string{"z"}, "[] true"},
		"on another platform":  {"w/m-1", []string{"a"}, "[] true"},
		"nothing to look for":  {"l/m-1", nil, "[] false"},
		"nobody says":          {"l/x", []string{"a"}, "[] false"},
		"no label of the push": {"l/y-1", []string{"a"}, "[] false"},
	} {
		found, known := analysis.Counterparts(catalog, c.label, c.manifests)
		type plain struct {
			Label      string
			Has, Lacks []string
		}
		var got []plain
		for _, f := range found {
			got = append(got, plain(f))
		}
		if d := cmp.Diff(c.want, fmt.Sprint(got, " ", known)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	for want, c := range map[string]analysis.Counterpart{
		"runs a":                    {Has: []string{"a"}},
		"runs the 2 manifests":      {Has: []string{"a", "b"}},
		"runs 1 of the 2 manifests": {Has: []string{"a"}, Lacks: []string{"b"}},
	} {
		if c.String() != want {
			t.Errorf("%q, expected %q", c, want)
		}
	}
}
