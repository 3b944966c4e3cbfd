package taskcluster_test

import (
	"testing"

	"github.com/mozci/mozci/job/jobtest"
)

// The conformance kit, over a deployment whose actions take effect when it
// settles: with and without batch calls.
func TestKit(t *testing.T) {
	for name, old := range map[string]bool{"today's": false, "without batch calls": true} {
		t.Run(name, func(t *testing.T) {
			s, _ := world()
			s.Old = old
			p := serve(t, s).Project("autoland", nil)
			if err := jobtest.CheckScheduler(t.Context(), p, jobtest.SchedulerCase{
				Push: push(20), Labels: []string{test, other}, Runs: 1, NotScheduled: push(21), Settle: s.Settle,
			}); err != nil {
				t.Error(err)
			}
		})
	}
}
