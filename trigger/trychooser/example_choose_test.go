package trychooser_test

import (
	"fmt"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// catalog is what a CI says that can run on a push, as its Runnable does.
func catalog() []job.Runnable {
	var out []job.Runnable
	for _, l := range []string{
		"build-linux64/debug", "build-linux64/opt", "test-linux2404-64/debug-mochitest-plain-1",
		"test-linux2404-64/opt-mochitest-plain-1", "test-linux2404-64/opt-mochitest-plain-2",
		"test-linux2404-64/opt-xpcshell-1", "test-windows11-64/opt-xpcshell-1",
	} {
		out = append(out, job.Runnable{Label: l, Kind: job.KindOfLabel(l), Parts: job.PartsOfLabel(l)})
	}
	return out
}

func ExampleParseQuery() {
	q, err := trychooser.ParseQuery("'xpcshell !debug windows | linux")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range catalog() {
		if q.Match(e.Label) {
			fmt.Println(e.Label)
		}
	}
	// Output:
	// test-linux2404-64/opt-xpcshell-1
	// test-windows11-64/opt-xpcshell-1
}

func ExampleParseTry() {
	const message = "Bug 1 - Fix it\n\ntry: -b o -p linux64,linux63 -u mochitests-1,xpcshell -t none --rebuild 3"
	try, err := trychooser.ParseTry(message)
	if err != nil {
		fmt.Println(err)
		return
	}
	labels, notUnderstood := try.Choose(catalog())
	for _, l := range labels {
		fmt.Println(l)
	}
	fmt.Println("not understood:", notUnderstood)
	fmt.Println("runs of each test:", try.Rebuild)
	// Output:
	// build-linux64/opt
	// test-linux2404-64/opt-mochitest-plain-1
	// test-linux2404-64/opt-xpcshell-1
	// not understood: [platform "linux63"]
	// runs of each test: 3
}

func ExampleChoice() {
	q, err := trychooser.ParseQuery("'mochitest")
	if err != nil {
		fmt.Println(err)
		return
	}
	chosen := trychooser.Choice{Types: []string{"opt"}, Queries: []trychooser.Query{q}}.Choose(catalog())
	text, err := trychooser.TryTaskConfig(chosen.Labels, trychooser.SelectorFuzzy)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", text)
	// Output:
	// {
	//     "parameters": {
	//         "optimize_target_tasks": false,
	//         "try_task_config": {
	//             "env": {
	//                 "TRY_SELECTOR": "fuzzy"
	//             },
	//             "tasks": [
	//                 "test-linux2404-64/opt-mochitest-plain-1",
	//                 "test-linux2404-64/opt-mochitest-plain-2"
	//             ]
	//         }
	//     },
	//     "version": 2
	// }
}

func ExampleRank() {
	q, err := trychooser.ParseQuery("xpc")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(trychooser.Rank(q, []string{"test-linux64/opt-xpcshell-1", "linux/opt-c", "xpcshell"}))
	// Output: [xpcshell linux/opt-c test-linux64/opt-xpcshell-1]
}
