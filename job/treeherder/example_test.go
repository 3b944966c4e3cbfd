package treeherder_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
)

// A saved answer of 2014 is a repository and a CI like any other. Today's
// server is treeherder.New(treeherder.DefaultURL, nil).
func ExampleReadSnapshot() {
	saved := strings.NewReader(`{
		"meta": {"repository": "mozilla-inbound"},
		"job_property_names": ["id", "state", "result", "job_type_name", "job_type_symbol",
    "job_group_symbol", "platform", "platform_option"],
		"results": [{
			"id": 18, "revision": "f00a529f89c0", "author": "dev@mozilla.example", "push_timestamp": 1397588653,
			"platforms": [{"name": "linux64", "option": "debug", "groups": [{"symbol": "M", "jobs": [
				[7, "completed", "testfailed", "Mochitest", "1", "M", "linux64", "debug"]
			]}]}]
		}]
	}`)
	snapshot, err := treeherder.ReadSnapshot(saved, "")
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	pushes, err := snapshot.Pushes(ctx, job.Around("tip", 10, 0))
	if err != nil {
		panic(err)
	}
	jobs, err := snapshot.Jobs(ctx, pushes[0])
	if err != nil {
		panic(err)
	}
	for _, j := range jobs {
		fmt.Println(j.Push(), "/", j.Name(), "/", j.Kind(), j.Status())
	}
	// Output:
	// mozilla-inbound 18 f00a529f89c0 / linux64 | debug | M | Mochitest | 1 / test test_failed
}
