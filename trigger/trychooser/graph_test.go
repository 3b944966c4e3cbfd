package trychooser_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// realGraphs are those that Mozilla's tools made of Mozilla's try in 2016.
var realGraphs = []string{
	"mozilla_ci_tools__2016-05-19_graph_result.json.gz", "mozilla_ci_tools__2016-12-08_graph_result.json",
}

// allthethings is the file of which a graph was made, as far as the graph tells: the
// builders, what triggers what, and, where named is false, the platforms of the builds.
func allthethings(g trychooser.Graph, named bool) io.Reader {
	type object = map[string]any
	builders, schedulers := object{}, object{}
	for buildType, platforms := range g {
		for at, p := range platforms {
			if buildType != "opt" {
				at += "-" + buildType
			}
			for build, tests := range p.Builds {
				properties := object{"branch": "try", "product": "firefox"}
				if !named {
					properties["platform"] = at
				}
				builders[build] = object{"shortname": "short " + build, "properties": properties}
				for _, test := range tests {
					builders[test] = object{"shortname": "short " + test, "properties": object{"branch": "try"}}
				}
				schedulers["tests-"+build] = object{"downstream": tests, "triggered_by": []string{"short " + build}}
			}
		}
	}
	text, err := json.Marshal(object{"builders": builders, "schedulers": schedulers})
	if err != nil {
		panic(err) // it has strings only
	}
	return bytes.NewReader(text)
}

// The real graphs come out of their builders exactly: with what allthethings.json says of
// the platforms, and by the builders' names alone.
func TestRealGraphs(t *testing.T) {
	for _, file := range realGraphs {
		want, err := trychooser.ReadGraph(bytes.NewReader(testenv.Read(t, "data", "5-buildbot", file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, named := range []bool{false, true} {
			all, err := selfserve.ReadAllTheThings(allthethings(want, named))
			if err != nil {
				t.Fatal(err)
			}
			got := trychooser.NewGraph(all.Catalog(""))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, by names alone: %t (-want +got):\n%s", file, named, diff)
			}
			if d := trychooser.Compare(want, got); !d.Empty() {
				t.Errorf("%s: %+v", file, d)
			}
		}
	}
}

// A real graph that was read is written as it was, but for its white space.
func TestGraphIsWrittenAsItWasRead(t *testing.T) {
	for _, file := range realGraphs {
		text := testenv.Read(t, "data", "5-buildbot", file)
		g, err := trychooser.ReadGraph(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := json.Compact(&want, text); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(g)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s: not the same when written again (%v)", file, err)
		}
	}
}

func runnable(kind job.Kind, label string, p job.Parts, upstreams ...string) job.Runnable {
	return job.Runnable{Label: label, Kind: kind, Parts: p, Upstreams: upstreams}
}

func TestNewGraph(t *testing.T) {
	opt := job.Parts{BuildType: "opt", Platform: "linux64"}
	catalog := []job.Runnable{
		runnable(job.KindBuild, "build-linux64/opt", opt),
		runnable(job.KindBuild, "build-linux64/debug", job.Parts{BuildType: "debug", Platform: "linux64"}),
		runnable(job.KindTest, "test-b/opt-xpcshell-2",
			job.Parts{BuildType: "opt", TestPlatform: "b", Suite: "xpcshell", Chunk: 2}, "build-linux64/opt"),
		runnable(job.KindTest, "test-a/opt-xpcshell-2",
			job.Parts{BuildType: "opt", TestPlatform: "a", Suite: "xpcshell", Chunk: 2}, "build-linux64/opt"),
		runnable(job.KindPerf, "test-a/opt-tp5o", job.Parts{Suite: "tp5o"}, "build-linux64/opt", "build-linux64/debug"),
		runnable(job.KindTest, "test-far/opt-gtest",
			job.Parts{BuildType: "opt", Platform: "far", Suite: "gtest"}, "gone"),
		runnable(job.KindTest, "test-far/debug-gtest",
			job.Parts{BuildType: "debug", TestPlatform: "far", Suite: "gtest"}),
		runnable(job.KindTest, "test-plain", job.Parts{}),
		runnable(job.KindOther, "docker-image-x", opt),
		runnable(job.KindBuild, "fetch-z", job.Parts{}),
		runnable(job.KindBuild, "toolchain-linux64-clang", job.Parts{}),
		runnable(job.KindTest, "source-test-python-a-linux2404-64/opt", job.Parts{BuildType: "opt"}),
		runnable(job.KindTest, "test-c/opt-jittest",
			job.Parts{BuildType: "opt", Suite: "jittest"}, "fetch-z", "build-linux64/opt", "toolchain-linux64-clang"),
		{Label: "barred", Kind: job.KindBuild, Barred: "no form"},
		{Label: "barred test", Kind: job.KindTest, Barred: "no form"},
	}
	want := trychooser.Graph{
		"opt": {
			"linux64": {
				Tests: []string{"jittest", "tp5o", "xpcshell-2"},
				Builds: map[string][]string{"build-linux64/opt": {
					"test-a/opt-tp5o", "test-a/opt-xpcshell-2", "test-b/opt-xpcshell-2", "test-c/opt-jittest",
				}},
			},
			"far": {Tests: []string{"gtest"}, Builds: map[string][]string{}},
		},
		"debug": {
			"linux64": {
				Tests: []string{"tp5o"}, Builds: map[string][]string{"build-linux64/debug": {"test-a/opt-tp5o"}},
			},
			"far": {Tests: []string{"gtest"}, Builds: map[string][]string{}},
		},
		trychooser.Other: {trychooser.Other: {Tests: []string{"test-plain"}, Builds: map[string][]string{}}},
	}
	if diff := cmp.Diff(want, trychooser.NewGraph(catalog)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	slices.Reverse(catalog)
	if diff := cmp.Diff(want, trychooser.NewGraph(catalog)); diff != "" {
		t.Errorf("of the catalog in another order, -want +got:\n%s", diff)
	}
	got, err := json.Marshal(trychooser.NewGraph(catalog[14:])) // the build alone
	if s := `{"opt":{"linux64":{"build-linux64/opt":[],"tests":[]}}}`; err != nil || string(got) != s {
		t.Errorf("%s, %v, want %s", got, err, s)
	}
}

func TestReadGraphRefuses(t *testing.T) {
	for text, says := range map[string]string{
		``:                                      "EOF",
		`{}`:                                    "no build types",
		`null`:                                  "no build types",
		`[]`:                                    "array",
		`<html>`:                                "'<'",
		`{"opt": {"linux64": {"tests": ["x"]`:   "EOF",
		`{"opt": {"linux64": {"b": ["x"]}}}`:    `without "tests"`,
		`{"opt": {"linux64": {"tests": "x"}}}`:  "string",
		`{"opt": {"linux64": {"tests": [1]}}}`:  "number",
		`{"opt": {}, "opt": {}}`:                "duplicate",
		`{"builders": {"b": {"shortname": 1}}}`: "/builders",
	} {
		g, err := trychooser.ReadGraph(strings.NewReader(text))
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(fmt.Sprint(err), says) || g != nil {
			t.Errorf("%s: %v, %v, want one that says %q", text, g, err, says)
		}
	}
	large := io.MultiReader(strings.NewReader(`{"opt": {}}`), strings.NewReader(strings.Repeat(" ", 16<<20)))
	if _, err := trychooser.ReadGraph(large); !errors.Is(err, job.ErrMalformed) {
		t.Errorf("of more than 16 MiB: %v", err)
	}
	if _, err := json.Marshal(trychooser.Graph{"opt": {"p": {Builds: map[string][]string{"tests": nil}}}}); err == nil {
		t.Error("a build that is called tests was written")
	}
}
