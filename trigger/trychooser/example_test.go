package trychooser_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// linked is the catalog of the examples, of linux alone, with the builds that tests need.
func linked() []job.Runnable {
	var out []job.Runnable
	for _, e := range catalog() {
		if strings.Contains(e.Label, "windows") {
			continue
		}
		if e.Kind == job.KindTest {
			e.Upstreams = []string{"build-linux64/" + e.BuildType}
		}
		out = append(out, e)
	}
	return out
}

// Is a chooser that was made earlier out of date?
func ExampleCompare() {
	const made = `{"opt": {"linux64": {
		"build-linux64/opt": ["test-linux1804-64/opt-mochitest-plain-1", "test-linux1804-64/opt-mochitest-plain-2",
			"test-linux1804-64/opt-xpcshell-1", "test-linux1804-64/opt-gtest"],
		"tests": ["gtest", "mochitest-plain-1", "mochitest-plain-2", "xpcshell-1"]
	}}}`
	old, err := trychooser.ReadGraph(strings.NewReader(made))
	if err != nil {
		fmt.Println(err)
		return
	}
	d := trychooser.Compare(old, trychooser.NewGraph(linked()))
	for _, e := range d.Gone {
		fmt.Println("gone", e.Label)
	}
	for _, e := range d.New {
		fmt.Println("new", e.Label)
	}
	for _, r := range d.Renamed {
		fmt.Println("renamed", r.From.Label, "to", r.To.Label)
	}
	// Output:
	// gone test-linux1804-64/opt-gtest
	// new build-linux64/debug
	// new test-linux2404-64/debug-mochitest-plain-1
	// renamed test-linux1804-64/opt-mochitest-plain-1 to test-linux2404-64/opt-mochitest-plain-1
	// renamed test-linux1804-64/opt-mochitest-plain-2 to test-linux2404-64/opt-mochitest-plain-2
	// renamed test-linux1804-64/opt-xpcshell-1 to test-linux2404-64/opt-xpcshell-1
}

func ExampleNewGraph() {
	text, err := json.MarshalIndent(trychooser.NewGraph(linked()[:1]), "", "    ")
	fmt.Println(string(text), err)
	// Output:
	// {
	//     "debug": {
	//         "linux64": {
	//             "build-linux64/debug": [],
	//             "tests": []
	//         }
	//     }
	// } <nil>
}
