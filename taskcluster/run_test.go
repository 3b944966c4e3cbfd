package taskcluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// A run is found by its task, with the push that the task's route names, of whatever
// repository; without a number it is the newest.
func TestFindRun(t *testing.T) {
	s := tctest.New()
	decision := s.AddPush("autoland", 20, push(20).Revision, labels...)
	central := s.AddPush("mozilla-central", 7, push(7).Revision, labels...)
	b := s.Tasks(decision, build)[0]
	s.Resolve(b, "exception", "worker-shutdown")
	waits, other := s.Tasks(decision, test)[0], s.Tasks(central, build)[0]
	p := serve(t, s).Project("autoland", nil)
	s.Requests()
	for id, want := range map[string]string{
		b:             b + "/1 " + build + " pending autoland 20 " + push(20).Revision,
		b + "/0":      b + "/0 " + build + " retry autoland 20 " + push(20).Revision,
		b + "/1":      b + "/1 " + build + " pending autoland 20 " + push(20).Revision,
		waits:         waits + "/0 " + test + " unscheduled autoland 20 " + push(20).Revision,
		waits + "/0":  waits + "/0 " + test + " unscheduled autoland 20 " + push(20).Revision,
		other + "/0":  other + "/0 " + build + " pending mozilla-central 7 " + push(7).Revision,
		b + "/2":      "not found: the task has no run 2; it has 2, counted from 0",
		waits + "/1":  "not found: the task has no run 1; it has 0, counted from 0",
		slug.Of("no"): "has expired or never existed",
		b + "/-1":     "not found: no run can have the ID",
		b + "/":       "not found: no run can have the ID",
		"303550431":   "not found: no run can have the ID",
		"":            "not found: no run can have the ID",
		"../" + b[3:]: "not found: no run can have the ID",
	} {
		j, err := job.FindRun(t.Context(), p, id)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprint(j.ID(), " ", j.Name(), " ", j.Status(), " ", j.Push().Repo, " ", j.Push().ID, " ",
				j.Push().Revision)
		}
		var e *job.Error
		if !strings.Contains(got, want) || err != nil && (!errors.Is(err, job.ErrNotFound) || !errors.As(err, &e)) {
			t.Errorf("%q: %s\nexpected %s", id, got, want)
		}
	}
	s.Requests()
	_ = ok(p.FindRun(t.Context(), b))
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests for a task whose definition is known, expected its status alone", n)
	}
}

// A task that a hook made is of no push, and the error says why.
func TestFindRunWithoutAPush(t *testing.T) {
	s, _ := world()
	id := s.Add("", tctest.Object{"metadata": tctest.Object{"name": "a hook's"}, "routes": []any{}}, true).ID
	j, err := serve(t, s).Project("autoland", nil).FindRun(t.Context(), id)
	if j != nil || !errors.Is(err, job.ErrNoPush) || !errors.Is(err, job.ErrNotFound) ||
		!strings.Contains(err.Error(), "no route for Treeherder") {
		t.Errorf("%v, %v", j, err)
	}
}

// A repository whose project has another name in Taskcluster has its own name.
func TestFindRunOfANamedProject(t *testing.T) {
	s := tctest.New()
	decision := s.AddPush("elsewhere", 20, push(20).Revision, labels...)
	p := serve(t, s).Project("mine", &taskcluster.ProjectOptions{Name: "elsewhere"})
	if j := ok(p.FindRun(t.Context(), s.Tasks(decision, build)[0])); j.Push().Repo != "mine" {
		t.Errorf("it is of %q", j.Push().Repo)
	}
}

// An answer about another task is no answer.
func TestFindRunIsAboutTheTask(t *testing.T) {
	for name, c := range map[string]struct {
		path  string
		alter func(tctest.Object)
		words string
	}{
		"another task's status": {"/status", func(o tctest.Object) {
			part(o, "status")["taskId"] = slug.Of("another")
		}, "taskcluster/queue.status: status.taskId"},
		"another group's status": {"/status", func(o tctest.Object) {
			part(o, "status")["taskGroupId"] = slug.Of("another")
		}, "taskcluster/queue.task: task.taskGroupId"},
		"no name": {"/task/TASK", func(o tctest.Object) {
			delete(part(o, "metadata"), "name")
		}, "taskcluster/queue.task: metadata.name"},
		"another group's definition": {"/task/TASK", func(o tctest.Object) {
			o["taskGroupId"] = slug.Of("another")
		}, "taskcluster/queue.task: task.taskGroupId"},
	} {
		s, decision := world()
		id := s.Tasks(decision, build)[0]
		p := at(t, &altered{s, strings.ReplaceAll(c.path, "TASK", id), c.alter}).Project("autoland", nil)
		if j, err := p.FindRun(t.Context(), id); j != nil || !errors.Is(err, job.ErrMalformed) ||
			!strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, %v", name, j, err)
		}
	}
	s, decision := world()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := serve(t, s).Project("autoland", nil).FindRun(ctx, s.Tasks(decision, build)[0]); !errors.Is(err,
		context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
