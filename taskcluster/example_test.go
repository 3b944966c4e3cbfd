package taskcluster_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sort"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// Read what ran on a push, and ask for two runs more of a test.
func ExampleProject() {
	deployment := tctest.New() // in place of https://firefox-ci-tc.services.mozilla.com
	server := httptest.NewServer(deployment)
	defer server.Close()
	push := job.Push{Repo: "autoland", ID: 7, Revision: "a1c0178dce4cd1f0b4bcb1a0e5f5ba2cb0bd5d86"}
	decision := deployment.AddPush(push.Repo, push.ID, push.Revision,
		tctest.Label{Name: "build-linux64/opt", Planned: true},
		tctest.Label{Name: "test-linux64/opt-xpcshell-1", Build: "build-linux64/opt", Planned: true})
	deployment.Resolve(deployment.Tasks(decision, "test-linux64/opt-xpcshell-1")[0], "failed", "failed")

	client, err := taskcluster.New(server.URL, &taskcluster.Options{
		Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
	})
	if err != nil {
		panic(err)
	}
	autoland := client.Project("autoland", nil)
	jobs, err := autoland.Jobs(context.Background(), push)
	if err != nil {
		panic(err)
	}
	sort.Slice(jobs, func(i, j int) bool { return jobs[i].Name() < jobs[j].Name() })
	for _, j := range jobs {
		fmt.Println(j.Name(), j.Kind(), j.Status())
	}
	receipt, err := autoland.Trigger(context.Background(),
		job.Request{Label: "test-linux64/opt-xpcshell-1", Push: push, Count: 2})
	fmt.Println(receipt.State, err)
	asked, err := autoland.Accepted(context.Background(), push, "test-linux64/opt-xpcshell-1")
	fmt.Println(asked[0].Count, "asked for and not visible yet", err)
	// Output:
	// Gecko Decision Task other success
	// build-linux64/opt build pending
	// test-linux64/opt-xpcshell-1 test test_failed
	// accepted <nil>
	// 2 asked for and not visible yet <nil>
}
