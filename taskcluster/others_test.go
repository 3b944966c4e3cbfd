package taskcluster_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// A build failed, somebody ran it again and it passed: the test that waits for the
// first one never runs, and does not stand in the way of a new one.
func TestBuildThatPassedTheSecondTime(t *testing.T) {
	s, decision := world()
	s.Resolve(s.Tasks(decision, build)[0], "failed", "failed")
	again := s.Add(decision, tctest.Object{"metadata": tctest.Object{"name": build}, "tags": tctest.Object{"kind": "build"}}, true).ID
	s.Resolve(again, "completed", "completed")
	s.Put(again, 0, "public/build/target.zip", []byte("a build"))
	k := (&sent{}).watch(s)
	p := serve(t, s).Project("autoland", nil)
	l := ledger.NewMemory()
	plan := ok(trigger.Make(t.Context(), p, []job.Push{push(20)}, []string{test}, 1, &trigger.Options{Ledger: l}))
	if plan.Total() != 1 {
		t.Fatalf("planned %+v", plan)
	}
	done := ok(trigger.Run(t.Context(), p, plan, &trigger.RunOptions{Ledger: l}))
	if r := done.Steps[0].Receipt; r == nil || r.State != job.ReceiptAccepted || len(k.payloads) != 1 {
		t.Errorf("receipt %+v, %d fired", r, len(k.payloads))
	}
}

// A chain of dependencies is followed through other groups, and through a
// circle.
func TestNeverThroughOtherGroups(t *testing.T) {
	s := tctest.New()
	decision := s.AddPush("autoland", 20, push(20).Revision)
	add := func(group, name string, needs ...any) string {
		return s.Add(group, tctest.Object{"metadata": tctest.Object{"name": name}, "tags": tctest.Object{"kind": "test"}, "dependencies": needs}, false).ID
	}
	end := func(state string) string {
		id := s.Add("", tctest.Object{"metadata": tctest.Object{"name": "far " + state}}, true).ID
		if state != "pending" {
			s.Resolve(id, state, state)
		}
		return id
	}
	failed, pending := end("failed"), end("pending")
	add(decision, "fails", add("", "near", add("", "middle", failed)))
	add(decision, "waits", add("", "near", add("", "middle", pending)))
	a := add(decision, "circle a")
	b := add(decision, "circle b", a)
	s.Definition(a)["dependencies"] = []any{b, failed}
	got := map[string]job.Status{}
	for _, j := range ok(serve(t, s).Project("autoland", nil).Jobs(t.Context(), push(20))) {
		got[j.Name()] = j.Status()
	}
	for name, want := range map[string]job.Status{"fails": job.StatusSkipped, "waits": job.StatusUnscheduled, "circle a": job.StatusSkipped, "circle b": job.StatusSkipped} {
		if got[name] != want {
			t.Errorf("%s is %s, expected %s", name, got[name], want)
		}
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
		return ok(trigger.Make(t.Context(), serve(t, s).Project("autoland", nil), []job.Push{push(20)}, []string{test}, 4, &trigger.Options{Ledger: l}))
	}
	r := ok(trigger.Run(t.Context(), p, plan(), &trigger.RunOptions{Ledger: l})).Steps[0].Receipt
	by := strings.TrimSuffix(r.By, "/0")
	made := s.Add(decision, tctest.Object{"metadata": tctest.Object{"name": test}, "tags": tctest.Object{"kind": "test"}, "extra": tctest.Object{"parent": by}}, true).ID
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
	plan := ok(trigger.Make(t.Context(), p, []job.Push{push(20)}, []string{test}, 3, &trigger.Options{Ledger: l}))
	theirs := ok(serve(t, s).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2, Times: 3}))
	if r := ok(trigger.Run(t.Context(), p, plan, &trigger.RunOptions{Ledger: l})).Steps[0].Receipt; r.By != theirs.By || !r.Others() {
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

// A hook that answers with a task that is none of this fire is looked up like one
// that did not answer.
func TestAnswerOfAnotherFire(t *testing.T) {
	for name, answer := range map[string]func(s *tctest.Server, decision string) string{
		"a task of the push": func(s *tctest.Server, decision string) string { return s.Tasks(decision, other)[0] },
		"of another group":   func(s *tctest.Server, _ string) string { return s.Add("", tctest.Object{}, true).ID },
		"no task id":         func(*tctest.Server, string) string { return "../../ping" },
	} {
		synctest.Test(t, func(t *testing.T) {
			s, decision := world()
			id := answer(s, decision)
			s.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/trigger") {
					return false
				}
				_, _ = fmt.Fprintf(w, `{"taskId": %q}`, id)
				return true
			}
			got, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2, Times: 3})
			if err == nil || strings.Contains(got.By, id) {
				t.Errorf("%s: believed: %+v", name, got)
			}
		})
	}
}
