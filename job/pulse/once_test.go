package pulse_test

import (
	"fmt"
	"testing"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

func event(ci, id string, s job.Status) job.Event {
	return job.Event{CI: ci, Job: job.New(job.Fields{ID: id, Status: s})}
}

func TestOnceTellsEachStatusOnceAndNeverBackwards(t *testing.T) {
	o := pulse.NewOnce(10)
	for i, step := range []struct {
		ci, id string
		status job.Status
		fresh  bool
	}{
		{"taskcluster", "a/0", job.StatusPending, true},
		{"taskcluster", "a/0", job.StatusPending, false},
		{"taskcluster", "a/1", job.StatusPending, true},
		{"selfserve", "a/0", job.StatusPending, true},
		{"taskcluster", "a/0", job.StatusSuccess, true},
		{"taskcluster", "a/0", job.StatusRunning, false},
		{"taskcluster", "a/0", job.StatusBusted, false},
		{"taskcluster", "a/1", job.StatusException, true},
		{"taskcluster", "a/1", job.StatusRetry, true},
		{"taskcluster", "a/1", job.StatusException, false},
		{"taskcluster", "b/0", job.StatusUnknown, true},
		{"taskcluster", "b/0", job.StatusTestFailed, true},
		{"taskcluster", "b/0", job.StatusUnscheduled, false},
	} {
		if got := o.Fresh(event(step.ci, step.id, step.status)); got != step.fresh {
			t.Errorf("step %d, %s %s %s: fresh %v, want %v", i, step.ci, step.id, step.status, got, step.fresh)
		}
	}
}

func TestOnceLetsThroughWhatHasNoJob(t *testing.T) {
	o := pulse.NewOnce(10)
	for range 2 {
		if !o.Fresh(job.Event{Missed: true, Note: "cut off"}) {
			t.Error("an event that says that others were missed is not told")
		}
	}
}

func TestOnceForgetsTheJobsThatWereToldOfLongAgo(t *testing.T) {
	o := pulse.NewOnce(3)
	for i := range 4 {
		o.Fresh(event("taskcluster", fmt.Sprintf("t/%d", i), job.StatusSuccess))
	}
	if !o.Fresh(event("taskcluster", "t/0", job.StatusSuccess)) {
		t.Error("the oldest of four jobs is still remembered by a filter of three")
	}
	if o.Fresh(event("taskcluster", "t/3", job.StatusSuccess)) {
		t.Error("the newest job is forgotten")
	}
}
