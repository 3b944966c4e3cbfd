package monitor_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/trigger/monitor"
)

// Where the CI has no events, what changed is asked for all expectations that are due in
// one request; the CI is read where something changed, and after a while. What comes of it,
// and what is told of it, is the same as if it were read each minute.
func TestWaitingByStatus(t *testing.T) {
	const world = "takes t 60m\ntakes b 90m\nneeds u b\n" + truth +
		"push t u b\n1 a001 pass pass pass\n2 a002 - - -\n3 a003 - - -\n" +
		"4 a004 fail - -\n"
	var reads, asked [2]int32
	var summaries, traces [2]string
	for i, mute := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, world)
			s.opts.Width = 1 // what happens in one minute is told in one order
			ci := s.paced()
			ci.mute = mute
			s.run(t, ci, monitor.Expectation{Push: s.push(t, 2), Label: "t", Trigger: true},
				monitor.Expectation{Push: s.push(t, 3), Label: "t", Count: 2, Trigger: true},
				monitor.Expectation{Push: s.push(t, 3), Label: "u", Trigger: true})
			reads[i], asked[i] = ci.reads.Load(), ci.statuses.Load()
			summaries[i], traces[i] = s.summary(t), s.trace.String()
		})
	}
	if diff := cmp.Diff(summaries[1], summaries[0]); diff != "" {
		t.Errorf("-read each minute +by status:\n%s", diff)
	}
	if diff := cmp.Diff(traces[1], traces[0]); diff != "" {
		t.Errorf("what is told: -read each minute +by status:\n%s", diff)
	}
	if asked[0] == 0 || reads[0]*3 > reads[1] {
		t.Errorf("%d reads and %d requests for statuses, %d reads without", reads[0], asked[0], reads[1])
	}
	t.Logf("%d reads and %d requests for statuses, %d reads without", reads[0], asked[0], reads[1])
}
