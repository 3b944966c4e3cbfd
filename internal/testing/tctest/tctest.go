// Package tctest is a Taskcluster deployment for tests: an http.Handler that
// keeps tasks, an index, artifacts, scopes and the hooks of in-tree actions,
// and answers as the recorded one does. A hook's action task makes its tasks
// only when Settle says so, as a real one needs minutes.
//
// Replay serves recorded exchanges instead.
package tctest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/slug"
)

// Object is a JSON object.
type Object = map[string]any

// Label is something that can run on a push.
type Label struct {
	Name      string
	Build     string // the label of the build that it needs; empty for a build
	Manifests []string
	Planned   bool // the decision task scheduled it
}

// Server is the deployment. Its fields are set before it serves.
type Server struct {
	// Clients are the access tokens of the clients that it knows.
	Clients map[string]string
	// Scopes are what every client may do beyond reading: nil for everything.
	Scopes []string
	// Roles are what is in a role, without "assume:".
	Roles map[string][]string
	// Gone says that the hooks were removed, as those of old pushes are.
	Gone bool
	// Nothing says that hooks accept and make no task.
	Nothing bool
	// Lose says that a hook's answer is lost after its task was made.
	Lose bool
	// Fault says how the next fire of a hook goes wrong; nil for never.
	Fault func() Fault
	// Act says how an action task goes that Settle carries out; nil for well.
	Act func(action string) Ending
	// NoFires says that nobody may list the latest fires of a hook.
	NoFires bool
	// Old says that the deployment has neither batch calls nor artifact-content.
	Old bool
	// Page is how many elements a page of any listing has. Default 1000, as the
	// services have it.
	Page int
	// Before sees each request; it may answer itself, and then returns true.
	Before func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	tasks    map[string]*Task
	order    []string
	index    map[string]string
	files    map[string][]byte // by task id, run and name
	expired  map[string]bool   // of files
	graphs   map[string][]Label
	pushes   map[string]string // by decision task: its place in the index, up to the revision
	fires    map[string][]Object
	requests []string
	serial   int
}

// Task is a task of the deployment.
type Task struct {
	ID         string
	Definition Object
	State      string
	Runs       []Object
}

// New returns a deployment without tasks, whose one client is "me" with the
// token "secret".
func New() *Server {
	return &Server{
		Clients: map[string]string{"me": "secret"}, Page: 1000, tasks: map[string]*Task{}, index: map[string]string{},
		files: map[string][]byte{}, graphs: map[string][]Label{}, Roles: map[string][]string{}, pushes: map[string]string{}, fires: map[string][]Object{},
		expired: map[string]bool{},
	}
}

// Clear drops all tasks and what belongs to them, as if they had expired. Ids go
// on from where they were.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order, s.requests = nil, nil
	clear(s.tasks)
	clear(s.index)
	clear(s.files)
	clear(s.expired)
	clear(s.graphs)
	clear(s.pushes)
	clear(s.fires)
}

// Requests are the methods and paths that were asked for, and forgets them.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

// now is the deployment's time: nobody's tests depend on it.
func now() string { return stamp(time.Now()) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Add makes a task with one pending run, or an unscheduled one. Its id comes
// from a count.
func (s *Server) Add(group string, definition Object, scheduled bool) *Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add("", group, definition, scheduled)
}

func (s *Server) add(id, group string, definition Object, scheduled bool) *Task {
	if id == "" {
		s.serial++
		id = slug.Of(fmt.Sprint("task ", s.serial))
	}
	if group == "" {
		group = id
	}
	d := Object{
		"taskGroupId": group, "schedulerId": "gecko-level-3", "projectId": "none", "taskQueueId": "gecko-t/linux", "provisionerId": "gecko-t",
		"workerType": "linux", "dependencies": []any{}, "routes": []any{}, "scopes": []any{}, "payload": Object{}, "extra": Object{}, "tags": Object{},
		"priority": "low", "retries": 5, "created": now(), "deadline": stamp(time.Now().Add(24 * time.Hour)), "expires": stamp(time.Now().Add(28 * 24 * time.Hour)),
	}
	for k, v := range definition {
		d[k] = v
	}
	t := &Task{ID: id, Definition: d, State: "unscheduled", Runs: []Object{}}
	s.tasks[id] = t
	s.order = append(s.order, id)
	if scheduled {
		t.begin("scheduled")
	}
	return t
}

func (t *Task) begin(reason string) {
	t.State = "pending"
	t.Runs = append(t.Runs, Object{"runId": len(t.Runs), "state": "pending", "reasonCreated": reason, "scheduled": now()})
}

// Start claims the latest run.
func (s *Server) Start(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	r := t.Runs[len(t.Runs)-1]
	t.State, r["state"], r["started"] = "running", "running", now()
}

// Resolve ends the latest run: with completed, failed, or exception and why.
// Some reasons are followed by another run.
func (s *Server) Resolve(id, state, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[id].resolve(state, reason)
	s.release()
}

// release makes runs for the tasks whose dependencies have all completed. Those
// of which one failed stay unscheduled, as in a real queue.
func (s *Server) release() {
	for _, id := range s.order {
		t := s.tasks[id]
		if t.State != "unscheduled" || len(t.Runs) > 0 || s.waits(t) {
			continue
		}
		t.begin("scheduled")
	}
}

// waits reports whether a dependency of the task has not completed. A task that
// was added as it is, without dependencies, waits for somebody to schedule it.
func (s *Server) waits(t *Task) bool {
	needs, _ := t.Definition["dependencies"].([]any)
	for _, id := range needs {
		dep := s.tasks[id.(string)]
		ended := dep != nil && (dep.State == "completed" || t.Definition["requires"] == "all-resolved" && (dep.State == "failed" || dep.State == "exception"))
		if !ended {
			return true
		}
	}
	return len(needs) == 0
}

func (t *Task) resolve(state, reason string) {
	if len(t.Runs) == 0 {
		t.begin("exception")
	}
	r := t.Runs[len(t.Runs)-1]
	if r["started"] == nil && reason != "deadline-exceeded" && reason != "canceled" {
		r["started"] = now()
	}
	t.State, r["state"], r["reasonResolved"], r["resolved"] = state, state, reason, now()
	switch reason {
	case "claim-expired", "worker-shutdown":
		t.begin("retry")
	case "intermittent-task":
		t.begin("task-retry")
	}
}

// Index names a task.
func (s *Server) Index(path, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index[path] = id
}

// Tasks are the ids of a group's tasks with this name, in the order in which
// they were made.
func (s *Server) Tasks(group, name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.named(group, name)
}

func (s *Server) named(group, name string) []string {
	var out []string
	for _, id := range s.order {
		if d := s.tasks[id].Definition; d["taskGroupId"] == group && nameOf(d) == name {
			out = append(out, id)
		}
	}
	return out
}

func nameOf(d Object) string {
	m, _ := d["metadata"].(Object)
	name, _ := m["name"].(string)
	return name
}

// Definition is a task's definition.
func (s *Server) Definition(id string) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[id]; t != nil {
		return t.Definition
	}
	return nil
}

// refuse answers an error as the services do.
func refuse(w http.ResponseWriter, status int, code, format string, args ...any) {
	method := fmt.Sprintf("\n\n---\n\n* errorCode:  %s\n* statusCode: %d\n* time:       %s", code, status, now())
	answer(w, status, Object{"code": code, "message": fmt.Sprintf(format, args...) + method, "requestInfo": Object{"method": "x", "params": Object{}, "payload": Object{}, "time": now()}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	s.mu.Unlock()
	if s.Before != nil && s.Before(w, r) {
		return
	}
	if file, ok := strings.CutPrefix(r.URL.Path, "/bucket/"); ok {
		s.bucket(w, r, file)
		return
	}
	var parts []string
	for _, p := range strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/api/"), "/") {
		p, err := url.PathUnescape(p)
		if err != nil {
			answer(w, http.StatusNotFound, Object{"error": "Not found"})
			return
		}
		parts = append(parts, p)
	}
	who, ok := s.authenticate(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{w: w, r: r, who: who, body: body, route: r.Method + " " + parts[0], parts: parts[2:]}
	if len(parts) < 3 || parts[1] != "v1" || !s.serve(c) {
		answer(w, http.StatusNotFound, Object{"error": "Not found"})
	}
}

// call is one request to a service.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	who   string // empty for nobody
	body  []byte
	route string
	parts []string // of the path, after the version
}

// decode reads the request's body, or answers that it cannot.
func (c *call) decode(into any) bool {
	if err := json.Unmarshal(c.body, into); err != nil {
		refuse(c.w, http.StatusBadRequest, "MalformedPayload", "Failed to parse body: %v", err)
		return false
	}
	return true
}

// authenticate checks the signature, where there is one.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) (who string, ok bool) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", true
	}
	sign, err := hawk.Parse(header)
	if err == nil {
		u := *r.URL
		u.Scheme, u.Host = "http", r.Host
		key := hawk.Key{ID: sign.ID, Secret: s.Clients[sign.ID]}
		err = key.Check(sign, r.Method, &u, time.Now(), 15*time.Minute)
		if s.Clients[sign.ID] == "" {
			err = fmt.Errorf("no client %q", sign.ID)
		}
	}
	if err != nil {
		refuse(w, http.StatusUnauthorized, "AuthenticationFailed", "Unauthorized: %v", err)
		return "", false
	}
	if text, err := base64.StdEncoding.DecodeString(sign.Ext); err == nil && len(text) > 0 {
		r.Header.Set("X-Ext", string(text))
	}
	return sign.ID, true
}

// may checks a scope, or answers that it is missing.
func (s *Server) may(c *call, scope string) bool {
	ok := c.who != ""
	if s.Scopes != nil {
		ok = ok && slices.ContainsFunc(s.Scopes, func(has string) bool {
			prefix, star := strings.CutSuffix(has, "*")
			return has == scope || star && strings.HasPrefix(scope, prefix)
		})
	}
	if !ok {
		refuse(c.w, http.StatusForbidden, "InsufficientScopes",
			"Client ID %s does not have sufficient scopes and is missing the following scopes:\n\n```\n%s\n```\n\nThis request requires more.", c.who, scope)
	}
	return ok
}

// Waiting reports whether a task is pending or running.
func (s *Server) Waiting(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	return t != nil && (t.State == "pending" || t.State == "running")
}

// Indexed is the task at a path of the index; empty for none.
func (s *Server) Indexed(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index[path]
}
