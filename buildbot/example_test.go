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
		source = `"branch": "integration/autoland", "revision": "` + rev + `"`
		done   = `"buildrequestid": 17, "builderid": 6, "complete": true`
	)
	_, _ = fmt.Fprint(w, map[string]string{
		"/api/v2/changes": `{"changes": [{"changeid": 43, ` + source + `, "author": "dev"}]}`,
		"/api/v2/buildsets": `{"buildsets": [{"bsid": 9, "submitted_at": 1795413049,
			"sourcestamps": [{` + source + `}]}]}`,
		"/api/v2/buildrequests": `{"buildrequests": [{"buildsetid": 9, "claimed": true, "results": 0, ` + done + `}]}`,
		"/api/v2/builds": `{"builds": [{"buildid": 1, "number": 1, "results": 5, ` + done + `},
			{"buildid": 2, "number": 2, "results": 0, ` + done + `}]}`,
		"/api/v2/builders": `{"builders": [{"builderid": 6, "name": "test-linux64/opt-xpcshell-1",
			"tags": ["autoland", "test"], "masterids": [1]}]}`,
	}[r.URL.Path])
}
