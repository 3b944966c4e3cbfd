package taskcluster_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// An action that failed, or made nothing, is told by its receipt's outcome, and
// the next way is taken; after two the request is given up.
func TestFruitlessActions(t *testing.T) {
	for name, ending := range map[string]tctest.Ending{
		"failed":       tctest.ActionFailed,
		"made nothing": tctest.ActionMadeNothing,
	} {
		s, _ := world()
		s.Act = func(string) tctest.Ending { return ending }
		k := (&sent{}).watch(s)
		p := serve(t, s).Project("autoland", nil)
		for i, want := range []string{"retrigger-multiple", "retrigger"} {
			got := ok(p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2}))
			if out := ok(p.Outcome(t.Context(), push(20), test, got)); out.Done || len(out.IDs) > 0 {
				t.Errorf("%s: under way, its outcome is %+v", name, out)
			}
			s.Settle()
			out := ok(p.Outcome(t.Context(), push(20), test, got))
			if !out.Done || len(out.IDs) > 0 || !strings.Contains(out.Why, name) ||
				!strings.Contains(out.Why, strings.TrimSuffix(got.By, "/0")) {
				t.Errorf("%s: the outcome is %+v", name, out)
			}
			if len(k.payloads) != i+1 || !strings.HasPrefix(user(k.payloads[i]), `["`+want+`"`) ||
				(i > 0) != strings.Contains(got.Note, name) {
				t.Errorf("%s, attempt %d: %+v, sent %v", name, i+1, got, k.payloads)
			}
		}
		_, err := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2})
		if !errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrUnavailable) ||
			!strings.Contains(err.Error(), "mozci gave up") || len(k.payloads) != 2 {
			t.Errorf("%s: %v after %d", name, err, len(k.payloads))
		}
	}
}

// What an action made is in its outcome, builds included where no label is
// named; a pending action and pending runs are cancelled.
func TestOutcomeAndCancel(t *testing.T) {
	s := tctest.New()
	decision := s.AddPush("autoland", 20, push(20).Revision, tctest.Label{Name: build},
		tctest.Label{Name: spare, Build: build})
	p := serve(t, s).Project("autoland", nil)
	got := ok(p.Trigger(t.Context(), job.Request{Label: spare, Push: push(20), Count: 2}))
	s.Settle()
	if out := ok(p.Outcome(t.Context(), push(20), spare, got)); !out.Done || len(out.IDs) != 2 || out.Why != "" {
		t.Errorf("of the label: %+v", out)
	}
	all := ok(p.Outcome(t.Context(), push(20), "", got))
	if len(all.IDs) != 3 {
		t.Errorf("of all labels: %+v", all)
	}
	next := ok(p.Trigger(t.Context(), job.Request{Label: spare, Push: push(20), Count: 1}))
	for _, id := range append(all.IDs, next.By) {
		if err := p.Cancel(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	s.Settle()
	left := map[job.Status]int{}
	for _, j := range ok(p.Jobs(t.Context(), push(20), spare, build)) {
		left[j.Status()]++
	}
	if d := cmp.Diff(map[job.Status]int{job.StatusCancelled: 3}, left); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if out := ok(p.Outcome(t.Context(), push(20), "", next)); !out.Done || !strings.Contains(out.Why, "was cancelled") {
		t.Errorf("of a cancelled action: %+v", out)
	}
	nobodys := job.Receipt{By: "AAAAAAAAQAaAAAAAAAAAAA/0"}
	if _, err := p.Outcome(t.Context(), push(20), "", nobodys); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("of a task that there is not: %v", err)
	}
	if n := len(s.Tasks(decision, spare)); n != 2 {
		t.Errorf("%d tasks: a cancelled action makes nothing", n)
	}
}

// An action that made fewer runs than it was asked for says so, and the next plan
// asks for the others.
func TestActionThatMadeFewer(t *testing.T) {
	s, decision := world()
	s.Resolve(s.Tasks(decision, build)[0], "completed", "completed")
	s.Put(s.Tasks(decision, build)[0], 0, "public/build/target.zip", []byte("a build"))
	p := serve(t, s).Project("autoland", nil)
	l := ledger.NewMemory()
	plan := func() trigger.Plan {
		return ok(trigger.Make(t.Context(), serve(t, s).Project("autoland", nil), []job.Push{push(20)}, []string{test},
			4, &trigger.Options{Ledger: l}))
	}
	r := ok(trigger.Run(t.Context(), p, plan(), &trigger.RunOptions{Ledger: l})).Steps[0].Receipt
	by := strings.TrimSuffix(r.By, "/0")
	made := s.Add(decision, tctest.Object{
		"metadata": tctest.Object{"name": test},
		"tags":     tctest.Object{"kind": "test"}, "extra": tctest.Object{"parent": by},
	}, true).ID
	s.Put(by, 0, "public/task-graph.json", ok(json.Marshal(tctest.Object{made: tctest.Object{"label": test}})))
	s.Resolve(by, "completed", "completed")
	out := ok(p.Outcome(t.Context(), push(20), test, *r))
	if !out.Done || len(out.IDs) != 1 || !strings.Contains(out.Why, "made 1 of 3 runs") {
		t.Errorf("the outcome is %+v", out)
	}
	if next := plan(); next.Total() != 2 {
		t.Errorf("the next plan asks for %d runs, expected 2: %+v", next.Total(), next.Steps)
	}
}

// What somebody else triggered is not stopped with a plan that found it there.
func TestCancelLeavesOthers(t *testing.T) {
	s, decision := world()
	s.Resolve(s.Tasks(decision, build)[0], "completed", "completed")
	s.Put(s.Tasks(decision, build)[0], 0, "public/build/target.zip", []byte("a build"))
	l := ledger.NewMemory()
	p := serve(t, s).Project("autoland", nil)
	plan := ok(trigger.Make(t.Context(), p, []job.Push{push(20)}, []string{test},
		3, &trigger.Options{Ledger: l}))
	theirs := ok(serve(t, s).Project("autoland", nil).Trigger(t.Context(),
		job.Request{Label: test, Push: push(20), Count: 2, Times: 3}))
	if r := ok(trigger.Run(t.Context(), p, plan, &trigger.RunOptions{Ledger: l})).Steps[0].Receipt; r.By != theirs.By ||
		!r.Others() {
		t.Fatalf("%+v, expected that of %+v", r, theirs)
	}
	ids, left, err := trigger.Cancel(t.Context(), p, l, plan)
	if err != nil || len(ids) > 0 || len(left) != 1 || !strings.Contains(left[0].Why, "somebody else") {
		t.Errorf("cancelled %q, left %+v, %v", ids, left, err)
	}
	if !s.Waiting(strings.TrimSuffix(theirs.By, "/0")) {
		t.Error("the action of somebody else was stopped")
	}
}
