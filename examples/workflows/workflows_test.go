package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// commit is a full revision that begins with some digits.
func commit(digits string) string { return digits + strings.Repeat("0", 40-len(digits)) }

// A job that was good, was skipped on two commits since its paths were not theirs, and then failed.
func Example() {
	s := &service{}
	for i, conclusion := range []string{"success", "skipped", "skipped", "failure"} {
		run := int64(i + 1)
		s.add(run, commit(fmt.Sprint(run)), "build / linux", "success")
		s.add(run, commit(fmt.Sprint(run)), "test / linux", conclusion)
	}
	server := httptest.NewServer(s)
	defer server.Close()
	err := fill(context.Background(), New(server.URL, repo, server.Client()), "test / linux",
		[]string{commit("1"), commit("2"), commit("3"), commit("4")})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// last good acme/app 1 100000000000, first bad acme/app 4 400000000000
	// 3 trigger 1 between last good 1 and first bad 4; 0 of 1 run (1 skipped)
	// 2 trigger 1 between last good 1 and first bad 4; 0 of 1 run (1 skipped)
}

var thePush = job.Push{Repo: repo, ID: 2, Revision: commit("b")}

// history has runs on several pages, several attempts, and a commit without any.
func history() *service {
	s := &service{}
	s.add(1, commit("a"), "test / linux", "success")
	s.add(2, commit("b"), "build / linux", "success")
	s.add(3, commit("b"), "lint", "success")
	s.add(4, commit("b"), "test / linux", "success")
	s.add(4, commit("b"), "test / linux", "failure")
	s.add(4, commit("b"), "test / mac", "timed_out")
	return s
}

func TestContract(t *testing.T) {
	s := history()
	err := jobtest.CheckScheduler(t.Context(), serve(t, s), jobtest.SchedulerCase{
		Push: thePush, Labels: []string{"test / linux", "build / linux", "lint", "test / mac"}, Runs: 2,
		NotScheduled: job.Push{Repo: repo, ID: 3, Revision: commit("c")}, Settle: s.finish, Hang: s.hang,
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWords(t *testing.T) {
	for conclusion, want := range map[string]job.Status{
		"": job.StatusPending, "success": job.StatusSuccess, "failure": job.StatusTestFailed,
		"cancelled": job.StatusCancelled, "skipped": job.StatusSkipped, "neutral": job.StatusSkipped,
		"action_required": job.StatusSkipped, "timed_out": job.StatusException,
	} {
		s := &service{}
		s.add(1, thePush.Revision, "test / linux", conclusion)
		jobs, err := serve(t, s).Jobs(t.Context(), thePush)
		if err != nil || len(jobs) != 1 || jobs[0].Status() != want || jobs[0].Kind() != job.KindTest {
			t.Errorf("%s: %v, %v", conclusion, jobs, err)
		}
	}
	s := &service{}
	s.add(1, thePush.Revision, "build / linux", "failure")
	if jobs, err := serve(t, s).Jobs(t.Context(), thePush); err != nil || jobs[0].Status() != job.StatusBusted {
		t.Errorf("%v, %v", jobs, err)
	}
}

// set changes a field of the first item of a list; a nil value takes it away.
func set(path, list, field string, value any) func(string, map[string]any) any {
	return func(p string, body map[string]any) any {
		items, _ := body[list].([]any)
		if !strings.HasPrefix(p, path) || len(items) == 0 {
			return body
		}
		item := maps.Clone(items[0].(map[string]any))
		if item[field] = value; value == nil {
			delete(item, field)
		}
		items[0] = item
		return body
	}
}

// top takes a field of an answer away, or sets it to something else.
func top(path, field string, value any) func(string, map[string]any) any {
	return func(p string, body map[string]any) any {
		if strings.HasPrefix(p, path) {
			if body[field] = value; value == nil {
				delete(body, field)
			}
		}
		return body
	}
}

// An answer that is not about what was asked for, lacks something or says what nobody
// documents is no answer: never an empty list, never a default.
func TestAnswersAreProven(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(string, map[string]any) any
		says   string
		is     error
	}{
		"another repository":   {set("runs", "workflow_runs", "repository", named("x/y")), "x/y", nil},
		"no repository":        {set("runs", "workflow_runs", "repository", nil), "", nil},
		"another commit":       {set("runs", "workflow_runs", "head_sha", commit("d")), commit("d"), nil},
		"no commit":            {set("runs", "workflow_runs", "head_sha", nil), "", nil},
		"a run without an id":  {set("runs", "workflow_runs", "id", nil), "id 0", nil},
		"a job without an id":  {set("runs/", "jobs", "id", nil), "id 0", nil},
		"a negative id":        {set("runs/", "jobs", "id", -1), "id -1", nil},
		"another run's job":    {set("runs/", "jobs", "run_id", 77), "run 77", nil},
		"no run":               {set("runs/", "jobs", "run_id", nil), "run 0", nil},
		"another commit's job": {set("runs/", "jobs", "head_sha", commit("d")), commit("d"), nil},
		"no name":              {set("runs/", "jobs", "name", nil), "", nil},
		"no status":            {set("runs/", "jobs", "status", nil), `""`, nil},
		"no conclusion":        {set("runs/", "jobs", "conclusion", nil), "conclusion: false", nil},
		"no end":               {set("runs/", "jobs", "completed_at", nil), "an end: false", nil},
		"an end too early":     {set("runs/", "jobs", "completed_at", noon), "before its start", nil},
		"queued and concluded": {set("runs/", "jobs", "status", "queued"), "conclusion: true", nil},
		"an unknown conclusion": {
			set("runs/", "jobs", "conclusion", "stale"), `conclusion "stale"`, job.ErrUnknownWord,
		},
		"an empty conclusion": {set("runs/", "jobs", "conclusion", ""), `conclusion ""`, job.ErrUnknownWord},
		"a capital":           {set("runs/", "jobs", "conclusion", "Success"), `"Success"`, job.ErrUnknownWord},
		"an unknown status": {
			func(p string, body map[string]any) any {
				set("runs/", "jobs", "conclusion", nil)(p, body)
				set("runs/", "jobs", "completed_at", nil)(p, body)
				return set("runs/", "jobs", "status", "resting")(p, body)
			}, `status "resting"`, job.ErrUnknownWord,
		},
		"a number for a word":    {set("runs/", "jobs", "status", 3), "", nil},
		"no total of runs":       {top("runs", "total_count", nil), "no total_count", nil},
		"no total of jobs":       {top("runs/", "total_count", nil), "no total_count", nil},
		"no list of runs":        {top("runs", "workflow_runs", nil), "no list", nil},
		"no list of jobs":        {top("runs/", "jobs", nil), "no list", nil},
		"pages without an end":   {top("runs", "total_count", 1000), "has 0 new items", nil},
		"fewer than there are":   {top("runs/", "total_count", 1), "2 of 1", nil},
		"the same page always":   {samePage(), "has 0 new items", nil},
		"a list that is endless": {endless(), "10001 of", nil},
		"no object":              {func(string, map[string]any) any { return []any{} }, "", nil},
	} {
		s := history()
		s.answer = c.answer
		jobs, err := serve(t, s).Jobs(t.Context(), thePush)
		want := c.is
		if want == nil {
			want = job.ErrMalformed
		}
		if jobs != nil || !errors.Is(err, want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d jobs, %v; expected none and an error that says %q", name, len(jobs), err, c.says)
		}
	}
}

func named(repo string) map[string]any { return map[string]any{"full_name": repo} }

// samePage answers the first page of jobs again and again.
func samePage() func(string, map[string]any) any {
	first := map[string]any{}
	return func(p string, body map[string]any) any {
		if first[p] == nil {
			first[p] = body["jobs"]
		}
		if first[p] != nil {
			body["jobs"], body["total_count"] = first[p], 3
		}
		return body
	}
}

// endless answers runs that are always new, of which there are always more.
func endless() func(string, map[string]any) any {
	n := 0
	return func(_ string, body map[string]any) any {
		var items []any
		for range 1000 {
			n++
			items = append(items, map[string]any{
				"id": n, "head_sha": thePush.Revision, "repository": map[string]any{"full_name": repo},
			})
		}
		items = append(items, items[0])
		body["workflow_runs"], body["total_count"] = items, 1_000_000
		if n > 10_000 {
			body["workflow_runs"] = items[:1]
		}
		return body
	}
}

func TestErrorsOfTheService(t *testing.T) {
	ci := serve(t, history())
	for name, p := range map[string]job.Push{
		"another repository": {Repo: "x/y", Revision: thePush.Revision},
		"short":              {Repo: repo, Revision: "b00000000000"},
	} {
		if _, err := ci.Jobs(t.Context(), p); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	elsewhere := job.Push{Repo: "x/y", Revision: thePush.Revision}
	if _, err := New(ci.base, "x/y", nil).Jobs(t.Context(), elsewhere); !errors.Is(err, job.ErrNotFound) {
		t.Error(err)
	}
	if _, err := New("http://127.0.0.1:1", repo, nil).Jobs(t.Context(), thePush); !errors.Is(err, job.ErrUnavailable) {
		t.Error(err)
	}
}

// Of two runs one is taken, and the error says so; and where enough are there by now, no
// more are made.
func TestHowManyRuns(t *testing.T) {
	s := history()
	s.refuse = 2
	ci := serve(t, s)
	req := job.Request{Key: "k", Label: "test / linux", Push: thePush, Count: 2}
	var part *job.PartialError
	if _, err := ci.Trigger(t.Context(), req); !errors.As(err, &part) || part.Taken != 1 ||
		!errors.Is(err, job.ErrUnavailable) {
		t.Error(err)
	}
	for times, want := range map[int]int{3: 0, 4: 1} {
		req.Times = times
		before := s.posts
		r, err := ci.Trigger(t.Context(), req)
		if err != nil || s.posts-before != want || (r.State == job.ReceiptAlreadyAsked) != (want == 0) {
			t.Errorf("a total of %d where 3 are: %d more, %+v, %v; expected %d", times, s.posts-before, r, err, want)
		}
		if want > 0 {
			break
		}
	}
}
