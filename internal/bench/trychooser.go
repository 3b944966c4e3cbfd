package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

const (
	chooserPlatforms = 60
	chooserTests     = 333 // tests of each platform's build, which makes 20,000 tasks
	chooserRatio     = 1.3
	chooserMemory    = 64 << 20 // maximum heap above the result, in bytes
)

// chooser measures the data of a try chooser: reading everything that can run from a
// full-task-graph.json of Firefox's size, against a bare decode of the same fields; and the filter
// of the page.
func chooser(t *testing.T) {
	graph := chooserGraph()
	fmt.Printf("trychooser: a full-task-graph.json of %d MB, %d tasks\n\n", len(graph)>>20,
		chooserPlatforms*(chooserTests+1))
	p := job.Push{Repo: "autoland", ID: 1, Revision: fmt.Sprintf("%040x", 1)}
	project := tcProject(t, &fixed{graph: graph})
	compare(t, "what can run", chooserRatio, chooserMemory,
		func() any { return chooserMinimal(t, graph) },
		func() any {
			entries, err := project.Catalog(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			g := trychooser.NewGraph(entries)
			if n := len(g["opt"]) + len(g["debug"]); len(entries) != chooserPlatforms*(chooserTests+1) ||
				n != chooserPlatforms {
				t.Fatalf("%d labels, %d platforms", len(entries), n)
			}
			return struct {
				entries []job.Runnable
				graph   trychooser.Graph
			}{entries, g}
		})
	chooserPage(t, flag.Lookup("quick").Value.String() == "true")
}

// chooserGraph is a full-task-graph.json with builds, and tests for each.
func chooserGraph() []byte {
	var b bytes.Buffer
	b.WriteString("{")
	n := 0
	add := func(label, kind string, dependencies, attributes tctest.Object) {
		if n++; n > 1 {
			b.WriteString(",")
		}
		b.Write(encoded(label))
		b.WriteString(":")
		b.Write(encoded(tctest.Object{
			"label": label, "kind": kind, "optimization": tctest.Object{"test": []string{"firefox"}},
			"description":  strings.Repeat("What it does. ", 36),
			"dependencies": dependencies, "attributes": attributes, "task": tcDefinition(n, label),
		}))
	}
	for p := range chooserPlatforms {
		platform, buildType := fmt.Sprintf("linux%d", p/2), []string{"opt", "debug"}[p%2]
		build := "build-" + platform + "/" + buildType
		parts := func() tctest.Object {
			return tctest.Object{
				"build_platform": platform, "build_type": buildType, "run_on_projects": []string{"built-projects"},
				"kind": "test",
			}
		}
		add(build, "build", tctest.Object{}, parts())
		for i := range chooserTests {
			suite, chunk := fmt.Sprintf("suite%d", i/8), fmt.Sprint(i%8+1)
			a := parts()
			a["test_platform"], a["test_chunk"] = platform+"-qr/"+buildType, chunk
			a["unittest_suite"] = suite
			a["test_manifests"] = []string{
				fmt.Sprintf("dom/%d/mochitest.toml", i), fmt.Sprintf("layout/%d/mochitest.toml", i),
			}
			add(fmt.Sprintf("test-%s-qr/%s-%s-%s", platform, buildType, suite, chunk), "test",
				tctest.Object{"build": build}, a)
		}
	}
	b.WriteString("}")
	return b.Bytes()
}

// chooserMinimal is the baseline: it reads what a try chooser needs from the graph, without checks.
func chooserMinimal(t *testing.T, graph []byte) any {
	all := map[string]tcBareLabel{}
	if err := v2.UnmarshalRead(bytes.NewReader(graph), &all); err != nil {
		t.Fatal(err)
	}
	return all
}
