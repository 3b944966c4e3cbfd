package taskcluster_test

import (
	"net/http"
	"testing"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/taskcluster"
)

// The conformance kit, over a deployment whose actions take effect when it
// settles: with and without batch calls.
func TestKit(t *testing.T) {
	for name, old := range map[string]bool{"today's": false, "without batch calls": true} {
		t.Run(name, func(t *testing.T) {
			s, _ := world()
			s.Old = old
			s.AddPush("autoland", 19, push(19).Revision, labels...)
			s.AddPush("autoland", 22, push(22).Revision, labels[:2]...)
			client, gate := hgtest.Gated(&http.Client{})
			me := &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"}
			p := connect(t, s, &taskcluster.Options{HTTP: client, Credentials: me}).Project("autoland", nil)
			if err := jobtest.CheckScheduler(t.Context(), p, jobtest.SchedulerCase{
				Push: push(20), Labels: []string{test, other}, Runs: 1, NotScheduled: push(21), Settle: s.Settle,
				Hang: gate.Hang, Others: []job.Push{push(19), push(22), push(23)},
			}); err != nil {
				t.Error(err)
			}
		})
	}
}
