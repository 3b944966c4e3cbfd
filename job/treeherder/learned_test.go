package treeherder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
)

// A push that was found by its other hash is known by the one that it was asked by.
func TestOtherHashesAreLearned(t *testing.T) {
	s := server("autoland", "1@0", "2@10")
	s.AddJob(thtest.Object{"id": 9, "push_id": 2, "state": "completed", "result": "success", "job_type_name": "l"})
	hg, asked := strings.Repeat("17", 20), 0
	srv, err := treeherder.New("https://treeherder.example", &treeherder.Options{
		HTTP: hgtest.Client(s),
		Twins: func(context.Context, string, string) (string, string, error) {
			asked++
			return hg, revision(2), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // each time by another Project: what is known is the server's
		jobs, err := srv.Project("autoland").Jobs(t.Context(), job.Push{Repo: "autoland", ID: 77, Revision: hg})
		if err != nil || len(jobs) != 1 || asked != 1 {
			t.Errorf("%d jobs, %v; its twin was asked for %d times", len(jobs), err, asked)
		}
	}
}

// A push that the server gives for a changeset is believed without the changeset
// only where the list of these is cut short.
func TestChangesetsOfAnswers(t *testing.T) {
	rev, other := strings.Repeat("ab", 20), strings.Repeat("cd", 20)
	for count, want := range map[int]error{1: job.ErrMalformed, 2: nil} {
		p := project(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Query().Has("revision") {
				_, _ = io.WriteString(w, `{"meta":{"repository":"autoland","count":0},"results":[]}`)
				return
			}
			_, _ = fmt.Fprintf(w, `{"meta":{"repository":"autoland","count":1},"results":[{"id":1,"revision":%q,
				"author":"dev","push_timestamp":1700000000,"revision_count":%d,
				"revisions":[{"revision":%q,"author":"Dev","comments":"Bug 1"}]}]}`, other, count, other)
		}), "autoland")
		if got, err := p.Push(t.Context(), rev); !errors.Is(err, want) || want == nil && got.Revision != other {
			t.Errorf("of %d changesets: %v, %v; expected %v", count, got, err, want)
		}
	}
}

// The server says of a job that has not ended when it changed last: that is no end.
func TestRunningJobsHaveNotEnded(t *testing.T) {
	s := server("autoland", "1@0")
	for i, state := range []string{"pending", "running", "completed"} {
		s.AddJob(thtest.Object{
			"id": i + 1, "push_id": 1, "state": state, "result": "success", "job_type_name": state,
			"submit_timestamp": 1700000000, "start_timestamp": 1700000100, "end_timestamp": 1700000200,
		})
	}
	jobs, err := project(t, s, "autoland").Jobs(t.Context(), job.Push{Repo: "autoland", ID: 1, Revision: revision(1)})
	if err != nil || len(jobs) != 3 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	for _, j := range jobs {
		if ended := !j.Times().Finished.IsZero(); ended == j.Status().Waiting() {
			t.Errorf("%s finished %v", j.Status(), j.Times().Finished)
		}
	}
}

// A job that a snapshot lists in two groups is one job.
func TestSnapshotListsAJobOnce(t *testing.T) {
	const group = `{"symbol":"M","jobs":[{
		"id":7,"state":"completed","result":"success","job_type_name":"Mochitest","job_type_symbol":"1"}]}`
	text := fmt.Sprintf(`{"meta":{"repository":"m-i"},"results":[{
		"id":1,"revision":"abcdef012345","author":"dev","push_timestamp":1400000000,
		"platforms":[{"name":"linux64","option":"opt","groups":[%s,%s]}]}]}`, group, group)
	s, err := treeherder.ReadSnapshot(strings.NewReader(text), "")
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := s.Jobs(t.Context(), job.Push{Repo: "m-i", ID: 1, Revision: "abcdef012345"})
	if err != nil || len(jobs) != 1 {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
}
