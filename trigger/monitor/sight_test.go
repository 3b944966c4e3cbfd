package monitor_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
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

// A run that a person stops, and replaces a little later, is not the end, although the only
// run that was known to be under way, a build's, is as it was.
func TestNothingEndsByOldFacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "takes t 60m\ntakes b 200m\nneeds t b\npush t b\n1 a001 pass pass\n2 a002 - pass,running\n")
		ci, p := s.paced(), s.push(t, 2)
		ask := func(key string) string {
			r, err := ci.Trigger(t.Context(), job.Request{Key: key, Label: "t", Push: p, Count: 1})
			if err != nil || len(r.IDs) != 1 {
				t.Fatalf("%v, %v", r, err)
			}
			return r.IDs[0]
		}
		first := ask("first")
		m := s.monitor(ci)
		if _, err := m.Expect(t.Context(), monitor.Expectation{Push: p, Label: "t", WatchOnly: true}); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() {
			if err := m.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(5*time.Minute + 10*time.Second)
		ci.pace()
		if err := s.ci.Cancel(t.Context(), first); err != nil {
			t.Error(err)
		}
		time.Sleep(90 * time.Second)
		ask("second")
		all.Wait()
		got := s.ended(t)[0].Progress
		if got.Outcome == monitor.Cancelled || got.Outcome == "" || ci.statuses.Load() == 0 {
			t.Errorf("it ended with the first run, after %d requests for statuses: %s, %s\n%s", ci.statuses.Load(),
				got.Outcome, got.Note, s.trace)
		}
	})
}
