package buildbot_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/mozci/mozci/buildbot"
)

// What ran on the newest change of a branch.
func Example() {
	ctx := context.Background()
	master := httptest.NewServer(http.HandlerFunc(serve)) // in place of http://127.0.0.1:8010
	defer master.Close()

	client, err := buildbot.New(master.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	autoland := client.Project("autoland", nil)
	push, err := autoland.Push(ctx, "tip")
	if err != nil {
		fmt.Println(err)
		return
	}
	jobs, err := autoland.Jobs(ctx, push)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, j := range jobs {
		fmt.Println(j.Push().Short(), j.ID(), j.Name(), j.Kind(), j.Status())
	}
	// Output:
	// 8a9e3240c506 17/1 test-linux64/opt-xpcshell-1 test retry
	// 8a9e3240c506 17/2 test-linux64/opt-xpcshell-1 test success
}

// serve answers as a master that was told of one change and retried its test.
func serve(w http.ResponseWriter, r *http.Request) {
	const (
		rev    = "8a9e3240c506cb19b3199f9f271517301bd87fd9"
		source = `"branch": "integration/autoland", "revision": "` + rev + `", "codebase": "", "repository": "",
			"project": ""`
		stamp = `{` + source + `, "ssid": 40, "patch": null, "created_at": 1795413048}`
		done  = `"buildrequestid": 17, "builderid": 6, "complete": true, "complete_at": 1795413090`
		built = done + `, "started_at": 1795413050, "state_string": "", "properties": {}`
	)
	if r.URL.Query().Get("branch") == "autoland" { // no branch is called just so
		_, _ = fmt.Fprint(w, `{"changes": []}`)
		return
	}
	_, _ = fmt.Fprint(w, map[string]string{
		"/api/v2/changes": `{"changes": [{"changeid": 43, ` + source + `, "author": "dev", "comments": "a change",
			"parent_changeids": [], "when_timestamp": 1795413040, "sourcestamp": ` + stamp + `}]}`,
		"/api/v2/buildsets": `{"buildsets": [{"bsid": 9, "reason": "scheduler", "submitted_at": 1795413049,
			"complete": true, "complete_at": 1795413090, "parent_buildid": null, "sourcestamps": [` + stamp + `]}]}`,
		"/api/v2/buildrequests": `{"buildrequests": [{"buildsetid": 9, "claimed": true, "claimed_at": 1795413050,
			"results": 0, "submitted_at": 1795413049, "properties": null, ` + done + `}]}`,
		"/api/v2/builds": `{"builds": [{"buildid": 1, "number": 1, "results": 5, ` + built + `},
			{"buildid": 2, "number": 2, "results": 0, ` + built + `}]}`,
		"/api/v2/builders": `{"builders": [{"builderid": 6, "name": "test-linux64/opt-xpcshell-1", "description": null,
			"tags": ["autoland", "test"], "masterids": [1]}]}`,
	}[r.URL.Path])
}
