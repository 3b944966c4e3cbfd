package taskcluster_test

import (
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// What action tasks under way are asked for is in flight, until it is made.
// No time passes: what was read is fresh for some seconds.
func TestInflight(t *testing.T) { synctest.Test(t, inflight) }

func inflight(t *testing.T) {
	s, decision := world()
	p := inMemory(s).Project("autoland", nil)
	count := func(label string) int {
		n := 0
		for _, r := range ok(p.Accepted(t.Context(), push(20), label)) {
			n += r.Count
		}
		return n
	}
	for _, r := range []job.Request{
		{Label: test, Count: 3},
		{Label: test, Count: 2, Action: "retrigger"},
		{Label: spare, Count: 1},
		{Count: 4, Action: "backfill-task", Input: map[string]any{"label": spare}},
		{Label: test, Count: 1, Action: "rerun"},
		{Label: test, Count: 1, Action: "confirm-failures"},
		{Label: other, Count: 3},
	} {
		r.Push = push(20)
		if _, err := p.Trigger(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for label, want := range map[string]int{test: 3 + 2 + 1, spare: 5, other: 3, test + "-cf": 1, build: 0} {
		if got := count(label); got != want {
			t.Errorf("%d runs of %s are in flight, expected %d", got, label, want)
		}
	}
	// One action has made two of its three, and is not done.
	action := s.Tasks(decision, "Action: retrigger-multiple")[0]
	for range 2 {
		s.Add(decision, tctest.Object{
			"metadata": tctest.Object{"name": test},
			"extra":    tctest.Object{"parent": action},
		}, true)
	}
	_ = ok(p.Jobs(t.Context(), push(20)))
	if got := count(test); got != 6-2 {
		t.Errorf("%d runs are in flight once two are made, expected 4", got)
	}
	s.Requests()
	_, _ = count(test), count(spare)
	if got := s.Requests(); len(got) > 0 {
		t.Errorf("right after the jobs were read: %q", got)
	}
	s.Settle()
	_ = ok(p.Jobs(t.Context(), push(20)))
	if got := count(test) + count(spare); got != 0 {
		t.Errorf("%d runs are in flight once the actions are done", got)
	}
}

// The whole way: plan, run, crash, run again, over actions that take a while.
func TestPlanAndRun(t *testing.T) {
	s, decision := world()
	k := (&sent{}).watch(s)
	p := serve(t, s).Project("autoland", nil)
	memory := ledger.NewMemory()
	plan := func() trigger.Plan {
		return ok(trigger.Make(t.Context(), p, []job.Push{push(20)}, []string{test, spare},
			3, &trigger.Options{Ledger: memory}))
	}
	first := plan()
	if len(first.Steps) != 2 || first.Steps[0].Action != trigger.ActionTrigger ||
		first.Steps[1].Action != trigger.ActionTrigger {
		t.Fatalf("the build is under way, and the actions wait for it: %+v", first.Steps)
	}
	s.Lose = true
	if _, err := trigger.Run(t.Context(), p, first, &trigger.RunOptions{Ledger: memory}); err != nil {
		t.Fatal(err)
	}
	if _, err := trigger.Run(t.Context(), p, first, &trigger.RunOptions{Ledger: memory}); err != nil ||
		len(k.payloads) != 2 {
		t.Errorf("the second time: %v, fired %d times", err, len(k.payloads))
	}
	for _, when := range []string{"in flight", "made"} {
		for _, step := range plan().Steps {
			if step.Action != trigger.ActionNothing {
				t.Errorf("while they are %s: %+v", when, step)
			}
		}
		s.Settle()
	}
	// Another process, without the ledger, sees the same.
	again := ok(trigger.Make(t.Context(), serve(t, s).Project("autoland", nil), []job.Push{push(20)},
		[]string{test, spare}, 3, nil))
	for _, step := range again.Steps {
		if step.Action != trigger.ActionNothing {
			t.Errorf("without the ledger: %+v", step)
		}
	}
	if a, b := len(s.Tasks(decision, test)), len(s.Tasks(decision, spare)); a != 3 || b != 3 {
		t.Errorf("%d and %d tasks, expected 3 and 3", a, b)
	}
}
