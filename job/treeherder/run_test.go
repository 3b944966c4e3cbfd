package treeherder_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
)

// ranTwice has a task with two runs, a job of Buildbot, and a job whose push is gone.
func ranTwice() *thtest.Server {
	s := server("autoland", "101@0", "104@30")
	for i, o := range []thtest.Object{
		{"push_id": 101, "task_id": task, "retry_id": 0, "result": "retry"},
		{"push_id": 101, "task_id": task, "retry_id": 1, "result": "testfailed"},
		{"push_id": 104, "build_system_type": "buildbot", "ref_data_name": "a builder", "result": "busted"},
		{"push_id": 99, "result": "busted"},
	} {
		o["id"], o["state"], o["job_type_name"] = 9+i, "completed", "l"
		s.AddJob(o)
	}
	return s
}

func TestFindRun(t *testing.T) {
	s := ranTwice()
	p := project(t, s, "autoland")
	first, second := "9 l retry 101 taskcluster "+task+"/0", "10 l test_failed 101 taskcluster "+task+"/1"
	for id, want := range map[string]string{
		"9": first, "10": second, task: second, task + "/1": second, task + "/0": first,
		"11":        "11 a builder busted 104 buildbot ",
		"12":        "not found: it is of no push: Treeherder has the job, but not its push 99",
		"13":        "no such job in autoland: it may be older than 120 days",
		task + "/2": "no such job in autoland",
		"0":         "not found: \"0\" is neither", "-9": "is neither", "": "is neither", "9/0": "is neither",
		task + "/": "is neither", task + "/-1": "is neither", "9999999999999999": "is neither", task[1:]: "is neither",
	} {
		j, err := job.FindRun(t.Context(), p, id)
		got := fmt.Sprint(err)
		if err == nil {
			ci, run := j.Raw().(treeherder.Record).Run()
			got = fmt.Sprint(j.ID(), " ", j.Name(), " ", j.Status(), " ", j.Push().ID, " ", ci, " ", run)
			if j.Push().Repo != "autoland" || j.Push().Revision != revision(int(j.Push().ID)) {
				t.Errorf("%q: of %+v", id, j.Push())
			}
		}
		var e *job.Error
		if !strings.Contains(got, want) || err != nil && (!errors.Is(err, job.ErrNotFound) || !errors.As(err, &e)) {
			t.Errorf("%q: %s\nexpected %s", id, got, want)
		}
	}
	if _, err := project(t, s, "elsewhere").FindRun(t.Context(), "9"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a project that is not there: %v", err)
	}
}

// What the server says of another job, or of another push, is not believed.
func TestFindRunIsAboutTheJob(t *testing.T) {
	s := ranTwice()
	for param, id := range map[string]string{
		"id": "10", "task_id": strings.Repeat("a", 22), "retry_id": task + "/0", "id__gte": "11", "id__lte": "9",
	} {
		ignoring := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			q.Del(param)
			r.URL.RawQuery = q.Encode()
			s.ServeHTTP(w, r)
		})
		if j, err := project(t, ignoring, "autoland").FindRun(t.Context(), id); j != nil ||
			!errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "asked for") {
			t.Errorf("%s is ignored: %v, %v", param, j, err)
		}
	}
	s.AddJob(thtest.Object{"id": 20, "push_id": 101, "task_id": task, "retry_id": 1, "job_type_name": "m"})
	if j, err := project(t, s, "autoland").FindRun(t.Context(), task); j != nil || !errors.Is(err, job.ErrMalformed) ||
		!strings.Contains(err.Error(), "are the same run") {
		t.Errorf("one run twice: %v, %v", j, err)
	}
	s.AddJob(thtest.Object{"id": 21, "push_id": 101, "state": "thinking", "job_type_name": "m"})
	if j, err := project(t, s, "autoland").FindRun(t.Context(), "21"); j != nil || !errors.Is(err, job.ErrUnknownWord) {
		t.Errorf("an unknown state: %v, %v", j, err)
	}
}

// What was recorded of a job says its task.
func TestRecordedJobSaysItsTask(t *testing.T) {
	var r treeherder.Record
	if err := json.Unmarshal(testenv.Read(t, "data", "2-treeherder", "treeherder__full_job.json"), &r); err != nil {
		t.Fatal(err)
	}
	if ci, run := r.Run(); ci != "taskcluster" || run != "O5YBAWwxRfuZ_UlRJS5Rqg/0" || r.PushID != 717491 {
		t.Errorf("%s %s of push %d", ci, run, r.PushID)
	}
}
