package trychooser_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

const few = `
build-linux64/opt                     linux64
build-win64/debug                     win64
test-linux2404-64/opt-xpcshell-1      linux64
test-linux2404-64/opt-xpcshell-2      linux64
test-linux2404-64/debug-xpcshell-1    linux64
test-windows11-64/debug-mochitest-a11y win64
`

type choiceCase struct {
	choice trychooser.Choice
	want   []int // of the sorted labels
	missed string
}

func choices(t *testing.T) map[string]choiceCase {
	try := parse(t, "try: -b do -p linux64,linux63 -u xpcshell-1")
	re := regexp.MustCompile
	queries := func(texts ...string) (out []trychooser.Query) {
		for _, text := range texts {
			out = append(out, query(t, text))
		}
		return out
	}
	return map[string]choiceCase{
		"everything":        {trychooser.Choice{}, []int{0, 1, 2, 3, 4, 5}, ""},
		"includes":          {trychooser.Choice{Includes: []string{"XPC", "opt"}}, []int{3, 4}, ""},
		"excludes":          {trychooser.Choice{Excludes: []string{"xpc", "OPT"}}, []int{1, 5}, ""},
		"types":             {trychooser.Choice{Types: []string{"debug", "pgo"}}, []int{1, 2, 5}, `build type "pgo"`},
		"builds' platforms": {trychooser.Choice{Platforms: []string{"win64"}}, []int{1, 5}, ""},
		"tests' platforms": {trychooser.Choice{Platforms: []string{"linux2404-64", "windows11-64"}}, []int{
			2,
			3, 4, 5,
		}, ""},
		"an unknown platform": {trychooser.Choice{Platforms: []string{"win64", "a", "a"}}, []int{1, 5}, `platform "a"`},
		"suites":              {trychooser.Choice{Suites: []string{"mochitest-a11y", "xpcshell-2"}}, []int{4, 5}, ""},
		"an unknown suite":    {trychooser.Choice{Suites: []string{"xpc"}}, nil, `suite "xpc"`},
		"chunks": {trychooser.Choice{Chunks: []int{1, 9}, Suites: []string{"xpcshell"}}, []int{
			2,
			3,
		}, `chunk "9"`},
		"in one piece": {trychooser.Choice{Chunks: []int{0}}, []int{0, 1, 5}, ""},
		"expressions": {
			trychooser.Choice{Matches: []*regexp.Regexp{re(`-2$`), re(`^build-w`)}},
			[]int{1, 4},
			"",
		},
		"a query":            {trychooser.Choice{Queries: queries("'xpcshell !debug")}, []int{3, 4}, ""},
		"queries":            {trychooser.Choice{Queries: queries("'xpcshell 2$", "^build win")}, []int{1, 4}, ""},
		"a query of nothing": {trychooser.Choice{Queries: queries("'zzz")}, nil, ""},
		"try syntax":         {trychooser.Choice{Try: &try}, []int{0, 2, 3}, `platform "linux63"`},
		"try syntax, a query": {
			trychooser.Choice{Try: &try, Queries: queries("'xpcshell")},
			[]int{2, 3},
			`platform "linux63"`,
		},
		"all of it": {trychooser.Choice{
			Try: &try, Queries: queries("^test"), Matches: []*regexp.Regexp{re("xpc")}, Includes: []string{"-1"},
			Excludes: []string{"debug"}, Types: []string{"opt", "debug"}, Platforms: []string{"linux64", "linux63"},
			Suites: []string{"xpcshell"}, Chunks: []int{1},
		}, []int{3}, `platform "linux63"`},
	}
}

// Each field chooses by itself, and what is set must all hold.
func TestChoice(t *testing.T) {
	labels := strings.Fields("build-linux64/opt build-win64/debug test-linux2404-64/debug-xpcshell-1 " +
		"test-linux2404-64/opt-xpcshell-1 test-linux2404-64/opt-xpcshell-2 test-windows11-64/debug-mochitest-a11y")
	for name, c := range choices(t) {
		want := trychooser.Chosen{Labels: []string{}, NotUnderstood: []string{}}
		for _, i := range c.want {
			want.Labels = append(want.Labels, labels[i])
		}
		if c.missed != "" {
			want.NotUnderstood = append(want.NotUnderstood, c.missed)
		}
		catalog := catalogOf(few, true)
		catalog = append(catalog, catalog[1], catalog[2]) // twice in the catalog, once chosen
		got := c.choice.Choose(catalog)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for i := range catalog {
			catalog[i].Barred = "closed"
		}
		if got := c.choice.Choose(catalog); len(got.Labels) > 0 {
			t.Errorf("%s: what cannot run is chosen: %q", name, got.Labels)
		}
	}
}

func TestChosenJSON(t *testing.T) {
	got, err := json.Marshal(trychooser.Choice{}.Choose(nil))
	if want := `{"labels":[],"not_understood":[]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

// The file is what `mach try` commits: its shape, and its layout of four spaces and sorted
// names.
func TestTryTaskConfig(t *testing.T) {
	given := []string{"test-b<&>", "test-a", "test-b<&>"}
	for _, selector := range []string{trychooser.SelectorFuzzy, trychooser.SelectorSyntax} {
		got, err := trychooser.TryTaskConfig(given, selector)
		if err != nil {
			t.Fatal(err)
		}
		want := `{
    "parameters": {
        "optimize_target_tasks": false,
        "try_task_config": {
            "env": {
                "TRY_SELECTOR": "` + selector + `"
            },
            "tasks": [
                "test-a",
                "test-b<&>"
            ]
        }
    },
    "version": 2
}
`
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if given[0] != "test-b<&>" {
		t.Error("the labels were sorted in place")
	}
	got, err := trychooser.TryTaskConfig(nil, trychooser.SelectorFuzzy)
	if err != nil || !strings.Contains(string(got), `"tasks": []`) {
		t.Errorf("of nothing: %s, %v", got, err)
	}
	for _, bad := range []struct {
		labels   []string
		selector string
	}{{given, ""}, {given, "fuzz"}, {[]string{"a", ""}, "fuzzy"}} {
		_, err := trychooser.TryTaskConfig(bad.labels, bad.selector)
		if e := (*job.Error)(nil); !errors.Is(err, job.ErrInvalid) || !errors.As(err, &e) {
			t.Errorf("%q by %q: %v", bad.labels, bad.selector, err)
		}
	}
}
