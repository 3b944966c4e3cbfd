package selfserve_test

import (
	"fmt"
	"strings"

	"github.com/mozci/mozci/buildbot/selfserve"
)

// What a builder's name says, and which build it needs.
func ExampleUpstream() {
	const tester = "Ubuntu VM 12.04 x64 mozilla-inbound pgo test mochitest-browser-chrome-3"
	name, err := selfserve.ParseName(tester)
	if err != nil {
		fmt.Println(err)
		return
	}
	builds, err := selfserve.Upstream(tester)
	fmt.Println(name.Repo, name.BuildType, name.Suite, name.Chunk)
	fmt.Println(builds, err)
	// Output:
	// mozilla-inbound pgo mochitest-browser-chrome 3
	// [Linux x86-64 mozilla-inbound pgo-build] <nil>
}

// A dump is read as it comes, however large it is.
func ExampleReadDump() {
	dump := strings.NewReader(`{"builds": [{"id": 26553425, "master_id": 82, "buildnumber": 1012, "requesttime": 1376502844,
		"starttime": 1376503892, "endtime": 1376511677, "result": 1, "reason": "scheduler",
		"request_ids": [28005220, 28006065], "properties": {"buildername": "Linux x86-64 mozilla-inbound build",
		"buildnumber": 1012, "revision": "1fa1f28c6edf"}}]}`)
	err := selfserve.ReadDump(dump, func(b selfserve.DumpBuild) error {
		fmt.Println(b.Builder, b.Revision, b.Result, b.Requests)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Linux x86-64 mozilla-inbound build 1fa1f28c6edf 1 [28005220 28006065]
}
