// Package thtest is a Treeherder for tests, as far as the push, jobs, note
// and repository endpoints go: a default of ten, parameters that it does not know
// ignored, pushes newest first by time and of one second in any order, at most
// 20 revisions of a push, jobs as rows. Start with a [Server].
package thtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Object is a push or a job as JSON has it.
type Object = map[string]any

// Server serves one project; it is an http.Handler.
type Server struct {
	Project string
	// Repositories is the table of repositories; each needs a name. Without a table the
	// server answers 404: most tests do not need it.
	Repositories []Object
	// Ignores are names of parameters that the server does not know: it ignores them
	// silently, as the real one does with those that an old or a new version lacks.
	Ignores []string

	mu       sync.Mutex
	pushes   []Object
	jobs     []Object
	notes    []Object
	requests []string
}

// Load adds the pushes of a recorded answer of the push endpoint.
func (s *Server) Load(body []byte) error {
	var list struct{ Results []Object }
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for _, p := range list.Results {
		s.AddPush(p)
	}
	return nil
}

// LoadJobs adds the jobs of a recorded answer with rows. What it lacks of a job is
// filled in.
func (s *Server) LoadJobs(body []byte) error {
	var list struct {
		Results [][]any
		Names   []string `json:"job_property_names"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for _, row := range list.Results {
		j := Object{}
		for i, n := range list.Names {
			j[n] = row[i]
		}
		s.AddJob(j)
	}
	return nil
}

// AddPush adds a push: id, revision, author, push_timestamp and revisions. What
// the real server says besides is filled in.
func (s *Server) AddPush(p Object) {
	p = wholePush(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	// Newest first; of one second the smallest id: the real server promises no
	// order there, and a client must not rely on one.
	i, _ := slices.BinarySearchFunc(s.pushes, p, func(a, b Object) int {
		byTime := cmp.Compare(number(b["push_timestamp"]), number(a["push_timestamp"]))
		return cmp.Or(byTime, cmp.Compare(number(a["id"]), number(b["id"])))
	})
	s.pushes = slices.Insert(s.pushes, i, p)
}

// AddJob adds a job: id, push_id, job_type_name, state, result and whatever. What
// the real server says besides is filled in.
func (s *Server) AddJob(j Object) {
	j = wholeJob(j)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = append(s.jobs, j)
}

// PutJob changes the job with this id, or adds it: the server hears of a job each time
// that something happens to it.
func (s *Server) PutJob(j Object) {
	j = wholeJob(j)
	s.mu.Lock()
	defer s.mu.Unlock()
	same := func(k Object) bool { return number(k["id"]) == number(j["id"]) }
	if i := slices.IndexFunc(s.jobs, same); i >= 0 {
		s.jobs[i] = j
		return
	}
	s.jobs = append(s.jobs, j)
}

// AddNote adds what somebody wrote of a job: job_id, failure_classification_id, who and
// created. The real server promises no order of notes, and here the newest is first.
func (s *Server) AddNote(n Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	note := Object{"id": len(s.notes) + 1, "text": ""}
	for name, v := range n {
		note[name] = v
	}
	s.notes = slices.Insert(s.notes, 0, note)
}

// Classify gives a job another classification, as a person's note does, or a program.
func (s *Server) Classify(id, classification int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if number(j["id"]) == id {
			j["failure_classification_id"] = classification
		}
	}
}

// Requests are the paths and parameters of the requests.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func number(v any) int {
	switch n := v.(type) {
	case int:
		return n
	case int64:
		return int(n)
	case float64:
		return int(n)
	case string:
		i, _ := strconv.Atoi(n)
		return i
	}
	return 0
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.URL.RequestURI())
	project, what, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/project/"), "/")
	q := r.URL.Query()
	for _, name := range s.Ignores {
		q.Del(name)
	}
	var status int
	var answer any
	switch {
	case r.URL.Path == "/api/repository/" && s.Repositories != nil:
		status, answer = http.StatusOK, wholeRepositories(s.Repositories)
	case ok && project == s.Project && what == "push/":
		status, answer = s.pushList(q)
	case ok && project == s.Project && what == "jobs/":
		status, answer = s.jobList(q)
	case ok && project == s.Project && what == "note/":
		status, answer = s.noteList(q)
	default:
		status, answer = http.StatusNotFound, Object{"detail": "No project with name " + project}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// counted is how many the caller wants, or what the server says to more than the
// most that it gives.
func counted(q url.Values, most int, refusal string) (int, Object) {
	switch n := number(q.Get("count")); {
	case n > most:
		return 0, Object{"detail": fmt.Sprintf(refusal, most)}
	case n > 0:
		return n, nil
	}
	return 10, nil
}

func text(v any) string { t, _ := v.(string); return t }
