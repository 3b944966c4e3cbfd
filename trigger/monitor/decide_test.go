package monitor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/monitor"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// facts are runs, one word each: a status and, after @, how many minutes ago it ended (or was
// requested, where it has not).
func facts(t *testing.T, runs string) monitor.Facts {
	t.Helper()
	f := monitor.Facts{Now: noon}
	for i, word := range strings.Fields(runs) {
		name, at, _ := strings.Cut(word, "@")
		s, err := job.ParseStatus(name)
		if err != nil {
			t.Fatal(err)
		}
		ago := 60
		if at != "" {
			if _, err := fmt.Sscan(at, &ago); err != nil {
				t.Fatal(err)
			}
		}
		when := noon.Add(-time.Duration(ago) * time.Minute)
		times := job.Times{Requested: when}
		if !s.Waiting() {
			times = job.Times{Requested: when.Add(-time.Hour), Started: when.Add(-30 * time.Minute), Finished: when}
		}
		f.Jobs = append(f.Jobs, job.New(job.Fields{ID: fmt.Sprint(i), Name: "t", Status: s, Times: times}))
	}
	var err error
	if f.Runs, err = analysis.OfRuns(t.Context(), f.Jobs, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// built adds a build that ended so many minutes ago.
func built(f monitor.Facts, s trigger.BuildState, ago int) monitor.Facts {
	end := job.Times{Finished: noon.Add(-time.Duration(ago) * time.Minute)}
	f.Builds = append(f.Builds, trigger.BuildFacts{
		Label: "b", State: s, Jobs: []job.Job{job.New(job.Fields{ID: "b", Status: job.StatusSuccess, Times: end})},
	})
	return f
}

// TestDecide has what stories do not show: time that passes, caps, and what is waited for.
func TestDecide(t *testing.T) { //nolint:funlen // it is a table
	old := monitor.Expectation{Count: 1, Deadline: 24 * time.Hour, Progress: monitor.Progress{Added: noon}}
	with := func(change func(*monitor.Expectation)) monitor.Expectation {
		e := old
		change(&e)
		return e
	}
	hit := with(func(e *monitor.Expectation) {
		e.UntilHit, e.Batch, e.Max = true, 2, 5
		e.Progress.Base, e.Progress.Triggered = &monitor.Counts{Failures: 1, Runs: 2}, 2
	})
	scheduled := with(func(e *monitor.Expectation) { e.Progress.Scheduled = 3 })
	retriggered := with(func(e *monitor.Expectation) { e.Progress.Retriggered = 8 })
	two := with(func(e *monitor.Expectation) { e.Count = 2 })
	fast := with(func(e *monitor.Expectation) { e.FailFast = true })
	barred := facts(t, "")
	barred.Barred = "nothing is scheduled on it"
	asked := facts(t, "coalesced")
	asked.Asked = 1
	withdrawn := facts(t, "coalesced")
	withdrawn.Withdrawn = true
	for _, c := range []struct {
		name string
		e    monitor.Expectation
		f    monitor.Facts
		want string // the outcome, or what is triggered, or what is waited for and for how long
	}{
		{"one failure with fail-fast proves nothing", fast, facts(t, "test_failed@50"), "limit"},
		{"nor do two", fast, facts(t, "test_failed@50 test_failed@50"), "limit"},
		{"three do", fast, facts(t, "test_failed@50 test_failed@50 test_failed@50"), "permanent"},
		{"and so does a pass", fast, facts(t, "success@50 test_failed@50"), "intermittent"},
		{"a failure settles for two minutes", old, facts(t, "test_failed@1"), "watching 1m0s"},
		{"and is final then", old, facts(t, "test_failed@2"), "failure 3"},
		{"an exception too", old, facts(t, "exception@1"), "watching 1m0s"},
		{"a success need not settle", old, facts(t, "success@0"), "met"},
		{"a retried run is followed by another one", old, facts(t, "retry@5"), "watching 10m0s"},
		{"or else it is triggered again", old, facts(t, "retry@15"), "exception 1"},
		{"a retried run that was followed says nothing", old, facts(t, "retry@50 success@5"), "met"},
		{
			"exceptions before a result do not add up",
			old,
			facts(t, "exception@50 exception@40 exception@30 success@5"), "met",
		},
		{"exceptions after one do", two, facts(t, "success@50 exception@40 exception@30 exception@20"), "infra"},
		{"exceptions end retriggers", old, facts(t, "test_failed@50 exception@40 exception@30 exception@20"), "infra"},
		{"coalesced again and again", scheduled, facts(t, "coalesced@9"), "limit"},
		{"retriggers that never have a result", retriggered, facts(t, "test_failed@50 coalesced@9"), "permanent"},
		{"more is wanted than passed", two, facts(t, "success@9"), "build 2"},
		{"one of two waits", two, facts(t, "success@9 pending@9"), "watching 24h0m0s"},
		{"what was triggered is not visible yet", old, asked, "awaiting_test 24h0m0s"},
		{"what was to run it was stopped", old, withdrawn, "cancelled"},
		{"one of two was cancelled", two, facts(t, "success@9 cancelled@5"), "cancelled"},
		{"one of two was skipped", two, facts(t, "success@9 skipped@5"), "no_run"},
		{"nothing is scheduled yet", old, barred, "awaiting_test 24h0m0s"},
		{"nothing is there yet", old, facts(t, ""), "awaiting_test 24h0m0s"},
		{"the build is under way", old, built(facts(t, ""), trigger.BuildUnderWay, 0), "awaiting_build 24h0m0s"},
		{"the build failed", old, built(facts(t, ""), trigger.BuildFailed, 0), "blocked"},
		{"the build was cancelled", old, built(facts(t, "unscheduled"), trigger.BuildWithdrawn, 0), "blocked"},
		{"the build is not there yet", old, built(facts(t, ""), trigger.BuildMissing, 99), "awaiting_test 24h0m0s"},
		{
			"the CI has a quarter of an hour to start a test",
			old,
			built(facts(t, ""), trigger.BuildWorking, 5), "awaiting_test 10m0s",
		},
		{"then it is triggered", old, built(facts(t, ""), trigger.BuildWorking, 15), "build 1"},
		{
			"or at once where that was the plan",
			with(func(e *monitor.Expectation) { e.Trigger = true }),
			built(facts(t, ""), trigger.BuildWorking, 0), "build 1",
		},
		{
			"the deadline comes first",
			with(func(e *monitor.Expectation) { e.Progress.Added = noon.Add(-24*time.Hour + time.Minute) }),
			facts(t, "retry@5"), "watching 1m0s",
		},
		{
			"and is over",
			with(func(e *monitor.Expectation) { e.Progress.Added = noon.Add(-24 * time.Hour) }),
			facts(t, "running"), "timed_out",
		},
		{
			"but a result is a result",
			with(func(e *monitor.Expectation) { e.Progress.Added = noon.Add(-48 * time.Hour) }),
			facts(t, "success@0"), "met",
		},
		{
			"until it fails: what was there before does not count",
			hit,
			facts(t, "test_failed@90 success@80 success@9 success@9"), "until_hit 6",
		},
		{
			"until it fails: the last batch is smaller",
			hit,
			facts(t, "test_failed@90 success@80 success@9 success@9 success@9 success@9"), "until_hit 7",
		},
		{
			"until it fails: enough",
			hit,
			facts(t, "test_failed@90 success@80 success@9 success@9 success@9 success@9 success@9"), "limit",
		},
		{
			"until it fails: it did, and others run",
			hit,
			facts(t, "test_failed@90 success@80 test_failed@9 running"), "hit",
		},
		{
			"until it fails: others run",
			hit,
			facts(t, "test_failed@90 success@80 success@9 running"), "watching 24h0m0s",
		},
		{
			"until it fails: a person stopped one",
			hit,
			facts(t, "test_failed@90 success@80 success@9 cancelled@9"), "cancelled",
		},
		{
			"until it fails: infrastructure",
			hit,
			facts(t, "test_failed@90 success@80 exception@9 exception@8 exception@7"), "infra",
		},
	} {
		d := monitor.Decide(c.e, c.f, monitor.Policy{})
		got := string(d.Outcome)
		switch {
		case d.Want > 0:
			got = fmt.Sprint(d.Reason, " ", d.Want)
		case d.Outcome == "":
			got = fmt.Sprint(d.State, " ", d.Again)
		}
		if got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got, d.Why, c.want)
		}
		if d.Why == "" {
			t.Errorf("%s: it does not say why", c.name)
		}
	}
}
