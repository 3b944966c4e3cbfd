package taskcluster_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// addEnded adds a task to a group, or to one of its own, that ended so; an empty
// state leaves it pending.
func addEnded(s *tctest.Server, group, name, state, reason string) string {
	id := s.Add(group, tctest.Object{"metadata": tctest.Object{"name": name}}, true).ID
	if state != "" {
		s.Resolve(id, state, reason)
	}
	return id
}

// A task that waits for what has ended without success will never run: it does
// not wait, whatever lies between, in this group or elsewhere.
func TestNever(t *testing.T) {
	s := tctest.New()
	decision := s.AddPush("autoland", 20, push(20).Revision)
	add := func(name string, requires string, needs ...string) string {
		deps := []any{}
		for _, n := range needs {
			deps = append(deps, n)
		}
		d := tctest.Object{
			"metadata": tctest.Object{"name": name}, "tags": tctest.Object{"kind": "test"},
			"dependencies": deps,
		}
		if requires != "" {
			d["requires"] = requires
		}
		return s.Add(decision, d, false).ID
	}
	failed := addEnded(s, decision, "failed", "failed", "failed")
	cancelled := addEnded(s, decision, "cancelled", "exception", "canceled")
	good, running := addEnded(s, decision, "good", "completed", "completed"), addEnded(s, decision, "running", "", "")
	elsewhere := addEnded(s, "", "elsewhere", "failed", "failed")
	goodElsewhere := addEnded(s, "", "good elsewhere", "completed", "completed")
	signing := add("signing", "", failed)
	for name, c := range map[string]struct{ id, why string }{
		"of failed":    {add("of failed", "", good, failed), "failed failed"},
		"of cancelled": {add("of cancelled", "", cancelled), "cancelled was cancelled"},
		"of signing":   {add("of signing", "", signing), "failed failed"},
		"of elsewhere": {add("of elsewhere", "", elsewhere), "the task " + elsewhere + " failed"},
		"of what expired": {
			add("of what expired", "", "AAAAAAAAQAaAAAAAAAAAAA"),
			"needs the task AAAAAAAAQAaAAAAAAAAAAA, which has expired",
		},
		"of good ones":      {add("of good ones", "", good, goodElsewhere), ""},
		"of running":        {add("of running", "", running, good), ""},
		"when all is done":  {add("when all is done", "all-resolved", failed, running), ""},
		"without any needs": {add("without any needs", ""), ""},
	} {
		jobs := ok(serve(t, s).Project("autoland", nil).Jobs(t.Context(), push(20), name))
		want := job.StatusUnscheduled
		if c.why != "" {
			want = job.StatusSkipped
		}
		if len(jobs) != 1 || jobs[0].Status() != want {
			t.Fatalf("%s: %s", name, text(jobs))
		}
		if why := jobs[0].Raw().(taskcluster.Record).Never; !strings.Contains(why, c.why) ||
			(why == "") != (c.why == "") {
			t.Errorf("%s: %q, expected %q", name, why, c.why)
		}
	}
	s.Requests()
	_ = ok(serve(t, s).Project("autoland", nil).Jobs(t.Context(), push(20)))
	if n := len(slices.DeleteFunc(s.Requests(),
		func(r string) bool { return !strings.Contains(r, "tasks/status") })); n != 1 {
		t.Errorf("%d requests for all dependencies elsewhere, expected 1", n)
	}
}

// A chain of dependencies is followed through other groups, and through a
// circle.
func TestNeverThroughOtherGroups(t *testing.T) {
	s := tctest.New()
	decision := s.AddPush("autoland", 20, push(20).Revision)
	add := func(group, name string, needs ...any) string {
		return s.Add(group, tctest.Object{
			"metadata": tctest.Object{"name": name},
			"tags":     tctest.Object{"kind": "test"}, "dependencies": needs,
		}, false).ID
	}
	failed, pending := addEnded(s, "", "far failed", "failed", "failed"), addEnded(s, "", "far pending", "", "")
	add(decision, "fails", add("", "near", add("", "middle", failed)))
	add(decision, "waits", add("", "near", add("", "middle", pending)))
	a := add(decision, "circle a")
	b := add(decision, "circle b", a)
	s.Definition(a)["dependencies"] = []any{b, failed}
	got := map[string]job.Status{}
	for _, j := range ok(serve(t, s).Project("autoland", nil).Jobs(t.Context(), push(20))) {
		got[j.Name()] = j.Status()
	}
	for name, want := range map[string]job.Status{
		"fails": job.StatusSkipped, "waits": job.StatusUnscheduled,
		"circle a": job.StatusSkipped, "circle b": job.StatusSkipped,
	} {
		if got[name] != want {
			t.Errorf("%s is %s, expected %s", name, got[name], want)
		}
	}
}

// A build failed, somebody ran it again and it passed: the test that waits for the
// first one never runs, and does not stand in the way of a new one.
func TestBuildThatPassedTheSecondTime(t *testing.T) {
	s, decision := world()
	s.Resolve(s.Tasks(decision, build)[0], "failed", "failed")
	again := s.Add(decision, tctest.Object{
		"metadata": tctest.Object{"name": build},
		"tags":     tctest.Object{"kind": "build"},
	}, true).ID
	s.Resolve(again, "completed", "completed")
	s.Put(again, 0, "public/build/target.zip", []byte("a build"))
	k := (&sent{}).watch(s)
	p := serve(t, s).Project("autoland", nil)
	l := ledger.NewMemory()
	plan := ok(trigger.Make(t.Context(), p, []job.Push{push(20)}, []string{test},
		1, &trigger.Options{Ledger: l}))
	if plan.Total() != 1 {
		t.Fatalf("planned %+v", plan)
	}
	done := ok(trigger.Run(t.Context(), p, plan, &trigger.RunOptions{Ledger: l}))
	if r := done.Steps[0].Receipt; r == nil || r.State != job.ReceiptAccepted || len(k.payloads) != 1 {
		t.Errorf("receipt %+v, %d fired", r, len(k.payloads))
	}
}
