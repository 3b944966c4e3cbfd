// Package thtest is a Treeherder for tests, as far as the push, jobs and
// repository endpoints go: a default of ten, parameters that it does not know
// ignored, pushes newest first by time and of one second in any order, at most
// 20 revisions of a push, jobs as rows.
package thtest

import (
	"cmp"
	"encoding/json"
	"net/http"
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
	// Repositories is the table of repositories; without one the server answers
	// 404, as nobody asks it in most tests.
	Repositories []Object

	mu       sync.Mutex
	pushes   []Object
	jobs     []Object
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

// AddPush adds a push: id, revision, author, push_timestamp and revisions.
func (s *Server) AddPush(p Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Newest first; of one second the smallest id: the real server promises no
	// order there, and nobody may rely on one.
	i, _ := slices.BinarySearchFunc(s.pushes, p, func(a, b Object) int {
		return cmp.Or(cmp.Compare(number(b["push_timestamp"]), number(a["push_timestamp"])), cmp.Compare(number(a["id"]), number(b["id"])))
	})
	s.pushes = slices.Insert(s.pushes, i, p)
}

// AddJob adds a job: id, push_id, job_type_name, state, result and whatever.
func (s *Server) AddJob(j Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = append(s.jobs, j)
}

// Requests are the paths and parameters that were asked for.
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
	what, ok := strings.CutPrefix(r.URL.Path, "/api/project/"+s.Project+"/")
	var answer any
	switch {
	case ok && what == "push/":
		answer = s.push(r.URL.Query())
	case ok && what == "jobs/":
		answer = s.jobList(r.URL.Query())
	case r.URL.Path == "/api/repository/" && s.Repositories != nil:
		answer = s.Repositories
	default:
		w.WriteHeader(http.StatusNotFound)
		answer = Object{"detail": "No project with that name"}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Server) push(q map[string][]string) any {
	get := func(name string) string { return strings.Join(q[name], "") }
	compare := map[string]func(a, b int) bool{
		"lt": func(a, b int) bool { return a < b }, "lte": func(a, b int) bool { return a <= b },
		"gt": func(a, b int) bool { return a > b }, "gte": func(a, b int) bool { return a >= b },
	}
	keep := func(p Object) bool {
		for name, field := range map[string]string{"id": "id", "push_timestamp": "push_timestamp"} {
			for op, ok := range compare {
				if v := get(name + "__" + op); v != "" && !ok(number(p[field]), number(v)) {
					return false
				}
			}
		}
		if v := get("revision"); v != "" && !strings.HasPrefix(text(p["revision"]), v) {
			return false
		}
		if v := get("commit_revision"); v != "" {
			return slices.ContainsFunc(revisions(p), func(rev string) bool { return strings.HasPrefix(rev, v) })
		}
		return true
	}
	count := 10
	if n := number(get("count")); n > 0 {
		count = min(n, 1000)
	}
	out := []Object{}
	for _, p := range s.pushes {
		if len(out) < count && keep(p) {
			out = append(out, p)
		}
	}
	return Object{"meta": Object{"count": len(out), "repository": s.Project}, "results": out}
}

func text(v any) string { t, _ := v.(string); return t }

func revisions(p Object) []string {
	list, _ := p["revisions"].([]any)
	var out []string
	for _, r := range list {
		if o, ok := r.(Object); ok {
			out = append(out, text(o["revision"]))
		}
	}
	return out
}

func (s *Server) jobList(q map[string][]string) any {
	get := func(name string) string { return strings.Join(q[name], "") }
	count := 10
	if n := number(get("count")); n > 0 {
		count = min(n, 2000)
	}
	var found []Object
	for _, j := range s.jobs {
		if v := get("push_id"); v != "" && number(j["push_id"]) != number(v) {
			continue
		}
		if v := get("job_type_name"); v != "" && text(j["job_type_name"]) != v {
			continue
		}
		found = append(found, j)
	}
	offset := min(number(get("offset")), len(found))
	found = found[offset:min(len(found), offset+count)]
	if get("return_type") != "list" {
		return Object{"results": append([]Object{}, found...)}
	}
	names := []string{
		"id", "push_id", "state", "result", "job_type_name", "job_type_symbol", "platform", "platform_option", "build_system_type",
		"ref_data_name", "submit_timestamp", "start_timestamp", "end_timestamp", "tier",
	}
	rows := [][]any{}
	for _, j := range found {
		row := make([]any, len(names))
		for i, n := range names {
			row[i] = j[n]
		}
		rows = append(rows, row)
	}
	return Object{"results": rows, "job_property_names": names}
}
