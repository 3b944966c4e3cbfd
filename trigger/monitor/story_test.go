package monitor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

// stage is a World with a monitor of it.
type stage struct {
	ci    *jobtest.CI
	repo  job.Repository
	store monitor.Store
	opts  monitor.Options
	trace *strings.Builder
	began time.Time
}

func newStage(t *testing.T, world string) *stage {
	t.Helper()
	ci := jobtest.NewCI(jobtest.MustParse(world), nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{
		ci: ci, repo: repo, store: monitor.NewMemory(ci.Now), trace: &strings.Builder{}, began: ci.Now(),
	}
	s.opts = monitor.Options{
		Ledger: ledger.NewMemory(), UntilDone: true,
		OnChange: func(changes []monitor.Change) {
			for _, c := range changes {
				s.trace.WriteString(s.line(c) + "\n")
			}
		},
	}
	return s
}

// line is a change as a test reads it: minutes since the beginning, the push, and what.
func (s *stage) line(c monitor.Change) string {
	out := fmt.Sprintf("%3.0f min  push %d  ", c.Time.Sub(s.began).Minutes(), c.Push.ID)
	switch {
	case c.Outcome != "":
		return out + strings.ToUpper(string(c.Outcome)) + ": " + c.Why
	case c.Action != "":
		return out + fmt.Sprintf("%s %d %s: %s", c.Action, c.Count, c.Label, c.Why)
	}
	return out + fmt.Sprintf("%s %s", c.Label, c.Status)
}

func (s *stage) push(t *testing.T, id int64) job.Push {
	t.Helper()
	ps, err := s.repo.Pushes(t.Context(), job.IDs(id, id))
	if err != nil || len(ps) != 1 {
		t.Fatalf("push %d: %v, %v", id, ps, err)
	}
	return ps[0]
}

func (s *stage) monitor(ci job.Scheduler) *monitor.Monitor {
	return monitor.New(ci, s.ci.Repository, s.store, &s.opts)
}

// expect adds expectations and runs the monitor until all have ended.
func (s *stage) expect(t *testing.T, es ...monitor.Expectation) string {
	t.Helper()
	m := s.monitor(s.ci)
	for _, e := range es {
		if _, err := m.Expect(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute) // of a test that hangs
	defer stop()
	if err := m.Run(ctx); err != nil {
		t.Fatalf("%v\n%s", err, s.trace)
	}
	return s.trace.String()
}

const truth = "seed 1\ntruth t culprit=3 before=0 after=1\n"

// always is a history.
func always(failures, runs int) func(context.Context, monitor.Expectation) (int, int, error) {
	return func(context.Context, monitor.Expectation) (int, int, error) { return failures, runs, nil }
}

// stories are what a monitor does in a world, from the first look to the end.
var stories = []struct {
	name, world string
	push        int64
	e           monitor.Expectation
	change      func(*monitor.Options)
	want        string
}{
	{
		name: "a coalesced test is scheduled again and watched", push: 2,
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 coalesced
3 a003 fail
`,
		want: `
  0 min  push 2  t coalesced
  0 min  push 2  trigger 1 t: its run was coalesced into one of another push
  1 min  push 2  t pending
  5 min  push 2  t running
 35 min  push 2  t success
 35 min  push 2  MET: 1 of 1 run passed
`,
	},
	{
		name: "a failure is retriggered, and is permanent", push: 3,
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 pass
3 a003 fail
`,
		want: `
  0 min  push 3  t test_failed
  0 min  push 3  trigger 2 t: failed 1 of 1 run; 2 more runs will show whether it is permanent
  1 min  push 3  t pending
  1 min  push 3  t pending
  5 min  push 3  t running
  5 min  push 3  t running
 35 min  push 3  t test_failed
 35 min  push 3  t test_failed
 35 min  push 3  PERMANENT: failed 3 of 3 runs
`,
	},
	{
		name: "a failure that was seen before is retriggered as often as its frequency asks, and is intermittent",
		push: 3, change: func(o *monitor.Options) { o.History = always(4, 6) },
		world: `
seed 4
truth t culprit=1 before=0 after=0.5
push t
1 a001 pass
2 a002 pass
3 a003 fail
`,
		want: `
  0 min  push 3  t test_failed
  0 min  push 3  trigger 4 t: failed 1 of 1 run; it failed 4 of 6 runs before, so 4 more runs will show whether it is permanent
  1 min  push 3  t pending
  1 min  push 3  t pending
  1 min  push 3  t pending
  1 min  push 3  t pending
  5 min  push 3  t running
  5 min  push 3  t running
  5 min  push 3  t running
  5 min  push 3  t running
 35 min  push 3  t test_failed
 35 min  push 3  t success
 35 min  push 3  t success
 35 min  push 3  t success
 35 min  push 3  INTERMITTENT: failed 2 of 5 runs
`,
	},
	{
		name: "a test whose build is under way is waited for", push: 2,
		world: `
seed 1
truth t culprit=3 before=0 after=1
kind b build
needs t b
takes b 40m
push b t
1 a001 pass pass
2 a002 running unscheduled
3 a003 pass -
`,
		want: `
  0 min  push 2  t unscheduled
 40 min  push 2  t pending
 45 min  push 2  t running
 75 min  push 2  t success
 75 min  push 2  MET: 1 of 1 run passed
`,
	},
	{
		name: "a build that is done gets its test", push: 2, e: monitor.Expectation{Trigger: true},
		world: `
seed 1
truth t culprit=3 before=0 after=1
kind b build
needs t b
takes b 40m
push b t
1 a001 pass pass
2 a002 running -
3 a003 pass -
`,
		want: `
 40 min  push 2  trigger 1 t: its build is done
 41 min  push 2  t pending
 45 min  push 2  t running
 75 min  push 2  t success
 75 min  push 2  MET: 1 of 1 run passed
`,
	},
	{
		name: "a coalesced test whose build's files are gone gets a build first, which is watched too", push: 2,
		world: `
seed 1
truth t culprit=3 before=0 after=1
kind b build
needs t b
push b t
1 a001 pass pass
2 a002 pass:expired coalesced
3 a003 pass -
`,
		want: `
  0 min  push 2  t coalesced
  0 min  push 2  build 1 b: t needs it, and its files are gone
  0 min  push 2  b pending
  5 min  push 2  b running
 35 min  push 2  trigger 1 t: its run was coalesced into one of another push
 35 min  push 2  b success
 35 min  push 2  MET: 1 of 1 run passed
 36 min  push 2  t pending
 40 min  push 2  t running
 70 min  push 2  t success
 70 min  push 2  MET: 1 of 1 run passed
`,
	},
	{
		name: "a test whose build failed is not testable", push: 2,
		world: `
seed 1
truth t culprit=3 before=0 after=1
kind b build
needs t b
push b t
1 a001 pass pass
2 a002 busted unscheduled
3 a003 pass -
`,
		want: `
  0 min  push 2  t unscheduled
  0 min  push 2  BLOCKED: its build b failed
`,
	},
	{
		name: "what a person cancelled stays cancelled", push: 2,
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 cancelled
3 a003 -
`,
		want: `
  0 min  push 2  t cancelled
  0 min  push 2  CANCELLED: a person cancelled it
`,
	},
	{
		name: "skipped is no run, and not waited for", push: 2,
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 skipped
3 a003 -
`,
		want: `
  0 min  push 2  t skipped
  0 min  push 2  NO_RUN: it was skipped
`,
	},
	{
		name: "a retried run is followed by another one", push: 2,
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 retry,running
3 a003 -
`,
		want: `
  0 min  push 2  t running
  0 min  push 2  t retry
 30 min  push 2  t success
 30 min  push 2  MET: 1 of 1 run passed
`,
	},
	{
		name: "what infrastructure ended is triggered again, three times in a row at most", push: 2,
		world: `
seed 1
truth t culprit=1 before=0 after=0 infra=1
push t
1 a001 pass
2 a002 exception
3 a003 -
`,
		want: `
  0 min  push 2  t exception
  0 min  push 2  trigger 1 t: infrastructure ended its last run
  1 min  push 2  t pending
  5 min  push 2  t running
 35 min  push 2  t exception
 35 min  push 2  trigger 1 t: infrastructure ended its last run
 36 min  push 2  t pending
 40 min  push 2  t running
 70 min  push 2  t exception
 70 min  push 2  INFRA: infrastructure ended 3 runs in a row
`,
	},
	{
		name: "a push that was backed out is moot before anything is triggered", push: 2,
		world: `
truth t culprit=2 before=0 after=1
push t
1 a001 pass
2 a002 fail
3 a003 pass undoes=2
`,
		want: `
  0 min  push 2  t test_failed
  0 min  push 2  MOOT: push autoland 3 a003f8d5f32b backed it out
`,
	},
	{
		name: "where the policy says so, a newer push that passed is enough", push: 2,
		world: `
truth t culprit=2 before=0 after=1
push t
1 a001 pass
2 a002 fail
3 a003 pass
`,
		change: func(o *monitor.Options) { o.Policy.NewerGreen = true },
		want: `
  0 min  push 2  t test_failed
  0 min  push 2  MOOT: it passed on the newer push autoland 3 a003f8d5f32b
`,
	},
	{
		name: "results that disagree are intermittent, and nothing is triggered", push: 2,
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 pass,fail
3 a003 -
`,
		want: `
  0 min  push 2  t success
  0 min  push 2  t test_failed
  0 min  push 2  INTERMITTENT: failed 1 of 2 runs
`,
	},
	{
		name: "a label that was never scheduled did not run", push: 2,
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 not-scheduled
3 a003 -
`,
		want: `
  0 min  push 2  NO_RUN: nothing is scheduled on it
`,
	},
	{
		name: "the first failure ends it when asked", push: 2, e: monitor.Expectation{FailFast: true, Count: 3},
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 pass,fail,running
3 a003 -
`,
		want: `
  0 min  push 2  t running
  0 min  push 2  t success
  0 min  push 2  t test_failed
  0 min  push 2  INTERMITTENT: failed 1 of 2 runs; stopped at the first failure
`,
	},
	{
		name: "a deadline ends it", push: 2, e: monitor.Expectation{Deadline: 20 * time.Minute},
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 running
3 a003 -
`,
		want: `
  0 min  push 2  t running
 20 min  push 2  TIMED_OUT: not met within 20 min: 1 running
`,
	},
	{
		name: "a test that is not in the runs is no result", push: 2,
		change: func(o *monitor.Options) {
			o.Judge = func(monitor.Expectation) analysis.Judge {
				return jobtest.TestJudge(analysis.ByStatus, analysis.Unclear)
			}
		},
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 pass:no-test
3 a003 -
`,
		want: `
  0 min  push 2  t success
  0 min  push 2  NO_RUN: 1 run ended without saying anything about it
`,
	},
	{
		name: "what may not be triggered is said", push: 3, e: monitor.Expectation{WatchOnly: true},
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 pass
3 a003 fail
`,
		want: `
  0 min  push 3  t test_failed
  0 min  push 3  LIMIT: failed 1 of 1 run; 2 more runs would show whether it is permanent, and nothing may be triggered
`,
	},
	{
		name: "a budget is a limit", push: 3,
		change: func(o *monitor.Options) { o.Budgets = trigger.Budgets{Call: new(1)} },
		world: `
seed 1
truth t culprit=3 before=0 after=1
push t
1 a001 pass
2 a002 pass
3 a003 fail
`,
		want: `
  0 min  push 3  t test_failed
  0 min  push 3  trigger 1 t: failed 1 of 1 run; 2 more runs will show whether it is permanent
  1 min  push 3  t pending
  5 min  push 3  t running
 35 min  push 3  t test_failed
 35 min  push 3  LIMIT: failed 2 of 2 runs; 1 more run will show whether it is permanent; the budget of this call is spent
`,
	},
	{
		name: "batches until it fails", push: 2, e: monitor.Expectation{UntilHit: true, Batch: 2, Max: 7},
		world: `
seed 5
truth t culprit=1 before=0 after=0.2
push t
1 a001 pass
2 a002 pass,fail
3 a003 -
`,
		want: `
  0 min  push 2  trigger 2 t: 0 of up to 7 passed so far; the next 2 runs take about 30 min of machine time
  1 min  push 2  t pending
  1 min  push 2  t pending
  5 min  push 2  t running
  5 min  push 2  t running
 35 min  push 2  t success
 35 min  push 2  t success
 35 min  push 2  trigger 2 t: 2 of up to 7 passed so far; the next 2 runs take about 1 h of machine time
 36 min  push 2  t pending
 36 min  push 2  t pending
 40 min  push 2  t running
 40 min  push 2  t running
 70 min  push 2  t success
 70 min  push 2  t success
 70 min  push 2  trigger 2 t: 4 of up to 7 passed so far; the next 2 runs take about 1 h of machine time
 71 min  push 2  t pending
 71 min  push 2  t pending
 75 min  push 2  t running
 75 min  push 2  t running
105 min  push 2  t test_failed
105 min  push 2  t success
105 min  push 2  HIT: failed 1 of 6 runs
`,
	},
	{
		name: "a build that fails again is not built a third time", push: 2,
		world: `
kind b build
needs t b
truth b culprit=2 before=0 after=1
push b t
1 a001 pass pass
2 a002 pass:expired coalesced
`,
		want: `
  0 min  push 2  t coalesced
  0 min  push 2  build 1 b: t needs it, and its files are gone
  0 min  push 2  b pending
  5 min  push 2  b running
 35 min  push 2  BLOCKED: its run was coalesced into one of another push; its build b failed
 35 min  push 2  b busted
 35 min  push 2  LIMIT: stopped at the first failure: 1 of 1 run failed; unclear whether it is permanent
`,
	},
	{
		name: "a failure whose build is gone and fails is blocked", push: 2,
		world: `
kind b build
needs t b
truth b culprit=2 before=0 after=1
push b t
1 a001 pass pass
2 a002 pass:expired fail
`,
		want: `
  0 min  push 2  t test_failed
  0 min  push 2  build 1 b: t needs it, and its files are gone
  0 min  push 2  b pending
  5 min  push 2  b running
 35 min  push 2  BLOCKED: failed 1 of 1 run; it cannot run again: its build b failed
 35 min  push 2  b busted
 35 min  push 2  LIMIT: stopped at the first failure: 1 of 1 run failed; unclear whether it is permanent
`,
	},
	{
		name: "a build that infrastructure ends again and again is given up", push: 2,
		world: `
kind b build
needs t b
truth b culprit=2 before=0 after=0 infra=1
push b t
1 a001 pass pass
2 a002 pass:expired coalesced
`,
		want: `
  0 min  push 2  t coalesced
  0 min  push 2  build 1 b: t needs it, and its files are gone
  0 min  push 2  b pending
  5 min  push 2  b running
 35 min  push 2  build 1 b: t needs it, and its files are gone
 35 min  push 2  b exception
 35 min  push 2  b pending
 40 min  push 2  b running
 70 min  push 2  build 1 b: t needs it, and its files are gone
 70 min  push 2  b exception
 70 min  push 2  b pending
 75 min  push 2  b running
105 min  push 2  BLOCKED: its run was coalesced into one of another push; infrastructure ended its build b 3 times in a row
105 min  push 2  b exception
105 min  push 2  INFRA: infrastructure ended 3 runs in a row
`,
	},
	{
		name: "a test whose build failed is not triggered", push: 2,
		world: `
kind b build
needs t b
push b t
1 a001 pass pass
2 a002 busted coalesced
`,
		want: `
  0 min  push 2  t coalesced
  0 min  push 2  BLOCKED: its run was coalesced into one of another push; its build b failed
`,
	},
	{
		name: "a budget is a limit until it fails, whatever failed before", push: 2,
		e:      monitor.Expectation{UntilHit: true, Batch: 2, Max: 7},
		change: func(o *monitor.Options) { o.Budgets = trigger.Budgets{Call: new(1)} },
		world: `
push t
1 a001 pass
2 a002 pass,fail
`,
		want: `
  0 min  push 2  trigger 1 t: 0 of up to 7 passed so far; the next 2 runs take about 10 min of machine time
  1 min  push 2  t pending
  5 min  push 2  t running
 35 min  push 2  t success
 35 min  push 2  LIMIT: 1 of up to 7 passed so far; the next 2 runs take about 10 min of machine time; the budget of this call is spent
`,
	},
	{
		name: "runs without a result are paid for too", push: 2,
		e: monitor.Expectation{UntilHit: true, Batch: 2, Max: 3},
		world: `
seed 4
truth t culprit=2 before=0 after=0 infra=0.5
push t
1 a001 pass
2 a002 pass
`,
		want: `
  0 min  push 2  trigger 2 t: 0 of up to 3 passed so far; the next 2 runs take about 10 min of machine time
  1 min  push 2  t pending
  1 min  push 2  t pending
  5 min  push 2  t running
  5 min  push 2  t running
 35 min  push 2  t success
 35 min  push 2  t exception
 35 min  push 2  trigger 1 t: 1 of up to 3 passed so far; the next run takes about 30 min of machine time
 36 min  push 2  t pending
 40 min  push 2  t running
 70 min  push 2  t success
 70 min  push 2  LIMIT: passed 2 of 2 runs; the maximum of 3 is reached
`,
	},
	{
		name: "retriggers that ran without the test have others in their place, up to a limit", push: 2,
		change: func(o *monitor.Options) {
			o.Judge = func(monitor.Expectation) analysis.Judge {
				return jobtest.TestJudge(analysis.ByStatus, analysis.Unclear)
			}
		},
		world: `
truth t culprit=2 before=0 after=1
push t
1 a001 pass
2 a002 fail,pass:no-test
`,
		want: `
  0 min  push 2  t test_failed
  0 min  push 2  t success
  0 min  push 2  trigger 2 t: failed 1 of 1 run; 2 more runs will show whether it is permanent
  1 min  push 2  t pending
  1 min  push 2  t pending
  5 min  push 2  t running
  5 min  push 2  t running
 35 min  push 2  t test_failed
 35 min  push 2  t test_failed
 35 min  push 2  PERMANENT: failed 3 of 3 runs
`,
	},
	{
		name: "until it fails: runs without the test do not stop it", push: 2,
		e: monitor.Expectation{UntilHit: true, Batch: 2, Max: 3},
		change: func(o *monitor.Options) {
			o.Judge = func(monitor.Expectation) analysis.Judge {
				return jobtest.TestJudge(analysis.ByStatus, analysis.Unclear)
			}
		},
		world: `
push t
1 a001 pass
2 a002 pass:no-test
`,
		want: `
  0 min  push 2  trigger 2 t: 0 of up to 3 passed so far; the next 2 runs take about 10 min of machine time
  1 min  push 2  t pending
  1 min  push 2  t pending
  5 min  push 2  t running
  5 min  push 2  t running
 35 min  push 2  t success
 35 min  push 2  t success
 35 min  push 2  trigger 1 t: 2 of up to 3 passed so far; the next run takes about 30 min of machine time
 36 min  push 2  t pending
 40 min  push 2  t running
 70 min  push 2  t success
 70 min  push 2  LIMIT: passed 3 of 3 runs; the maximum of 3 is reached
`,
	},
}

// TestStories tells them.
func TestStories(t *testing.T) {
	for _, c := range stories {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, c.world)
			if c.change != nil {
				c.change(&s.opts)
			}
			c.e.Push, c.e.Label = s.push(t, c.push), "t"
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), s.expect(t, c.e)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
