package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// service is the workflow service, for one repository: workflows of one job each.
type service struct {
	mu   sync.Mutex
	jobs []record // in the order in which they were made
	hung chan struct{}
	// answer changes an answer before it is sent; nil for none.
	answer func(path string, body map[string]any) any
	posts  int
	refuse int // the number of the POST that is refused; 0 for none
}

// record is a job as the service has it, and the run that it is of.
type record struct {
	run                      int64
	commit, name, conclusion string
	created, started, ended  time.Time
}

const repo = "acme/app"

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// add makes a job, which waits where it has no conclusion.
func (s *service) add(run int64, commit, name, conclusion string) {
	j := record{run: run, commit: commit, name: name, conclusion: conclusion, created: noon}
	if conclusion != "" {
		j.started, j.ended = noon.Add(time.Minute), noon.Add(time.Hour)
	}
	s.jobs = append(s.jobs, j)
}

// finish ends what waits, with success.
func (s *service) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.jobs {
		if s.jobs[i].conclusion == "" {
			s.jobs[i].conclusion = "success"
			s.jobs[i].started, s.jobs[i].ended = noon.Add(2*time.Hour), noon.Add(3*time.Hour)
		}
	}
}

func (s *service) hang() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hung := make(chan struct{})
	s.hung = hung
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hung = nil
		close(hung)
	})
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	hung := s.hung
	s.mu.Unlock()
	if hung != nil {
		select {
		case <-hung:
		case <-r.Context().Done():
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/repos/"+repo+"/actions/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	var run, id int64
	switch {
	case r.Method == http.MethodPost && scan(path, "jobs/%d/rerun", &id) && s.latest(id):
		if s.posts++; s.posts == s.refuse {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		old := s.jobs[id-1]
		s.add(old.run, old.commit, old.name, "")
		w.WriteHeader(http.StatusCreated)
	case path == "runs":
		s.list(w, r, path, "workflow_runs", s.runsOf(r.FormValue("head_sha")))
	case scan(path, "runs/%d/jobs", &run):
		s.list(w, r, path, "jobs", s.jobsOf(run, r.FormValue("filter") == "all"))
	default:
		http.NotFound(w, r)
	}
}

func scan(path, form string, number *int64) bool {
	_, err := fmt.Sscanf(path, form, number)
	return err == nil && fmt.Sprintf(form, *number) == path
}

func (s *service) runsOf(commit string) []any {
	var out []any
	seen := map[int64]bool{}
	for _, j := range s.jobs {
		if j.commit == commit && !seen[j.run] {
			seen[j.run] = true
			out = append(out, map[string]any{
				"id": j.run, "head_sha": commit, "repository": map[string]any{"full_name": repo}, "status": "completed",
			})
		}
	}
	return out
}

// latest reports whether a job is the newest attempt of it: older ones cannot be run again.
func (s *service) latest(id int64) bool {
	if id < 1 || id > int64(len(s.jobs)) {
		return false
	}
	is := s.jobs[id-1]
	return !slices.ContainsFunc(s.jobs[id:], func(j record) bool {
		return j.run == is.run && j.name == is.name && is.ended != (time.Time{}) && j.ended != (time.Time{})
	})
}

// jobsOf are the jobs of a run, all attempts or the newest of each.
func (s *service) jobsOf(run int64, all bool) []any {
	var out []any
	for i, j := range s.jobs {
		if j.run != run || !all && !s.latest(int64(i+1)) {
			continue
		}
		one := map[string]any{
			"id": i + 1, "run_id": run, "head_sha": j.commit, "name": j.name, "status": "queued", "conclusion": nil,
			"created_at": j.created, "started_at": nil, "completed_at": nil,
		}
		if j.conclusion != "" {
			one["status"], one["conclusion"] = "completed", j.conclusion
			one["started_at"], one["completed_at"] = j.started, j.ended
		}
		out = append(out, one)
	}
	return out
}

// list answers a page of at most two, whatever the client would like.
func (s *service) list(w http.ResponseWriter, r *http.Request, path, field string, all []any) {
	page, err := strconv.Atoi(r.FormValue("page"))
	if err != nil || page < 1 {
		http.Error(w, "page", http.StatusUnprocessableEntity)
		return
	}
	from := min(2*(page-1), len(all))
	shown := all[from:min(from+2, len(all))]
	var body any = map[string]any{"total_count": len(all), field: append([]any{}, shown...)}
	if s.answer != nil {
		body = s.answer(path, body.(map[string]any))
	}
	_ = json.NewEncoder(w).Encode(body) // the client went away
}

// serve starts the service on the loopback interface.
func serve(t testing.TB, s *service) *CI {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return New(server.URL, repo, server.Client())
}
