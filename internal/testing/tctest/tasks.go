package tctest

import (
	"fmt"
	"maps"
	"time"

	"github.com/mozci/mozci/internal/slug"
)

// Task is a task of the deployment.
type Task struct {
	ID         string
	Definition Object
	State      string
	Runs       []Object

	given Object // the definition as a caller sent it; nil for one of a test's own
}

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
	t := &Task{ID: id, Definition: Defined(group, definition), State: "unscheduled", Runs: []Object{}}
	s.tasks[id] = t
	s.order = append(s.order, id)
	if scheduled {
		t.begin("scheduled")
	}
	return t
}

// Defined is the definition of a task of a group as a queue has it: what is given, and
// the queue's defaults. A task without a name is named "a task".
func Defined(group string, given Object) Object {
	d := Object{
		"taskGroupId": group, "schedulerId": "gecko-level-3", "projectId": "none", "taskQueueId": "gecko-t/linux",
		"provisionerId": "gecko-t", "workerType": "linux", "dependencies": []any{}, "requires": "all-completed",
		"routes": []any{}, "scopes": []any{}, "payload": Object{}, "extra": Object{}, "tags": Object{},
		"priority": "low", "retries": 5, "created": now(), "deadline": stamp(time.Now().Add(24 * time.Hour)),
		"expires": stamp(time.Now().Add(28 * 24 * time.Hour)),
	}
	maps.Copy(d, given)
	about := Object{
		"name": "a task", "owner": "nobody@example.com", "source": "https://hg.example.com/", "description": "",
	}
	if m, ok := d["metadata"].(Object); ok {
		maps.Copy(about, m)
	}
	d["metadata"] = about
	return d
}

// Completed is the status of a task whose one run is completed, as a queue has it.
func Completed(id, group string) Object {
	t := &Task{ID: id, Definition: Defined(group, nil)}
	t.resolve("completed", "completed")
	return (&Server{}).status(t)
}

func (t *Task) begin(reason string) {
	t.State = "pending"
	t.Runs = append(t.Runs, Object{
		"runId": len(t.Runs), "state": "pending", "reasonCreated": reason,
		"scheduled": now(),
	})
}

// Start claims the latest run.
func (s *Server) Start(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	r := t.Runs[len(t.Runs)-1]
	t.State, r["state"] = "running", "running"
	claim(r)
}

// claim gives a run to a worker.
func claim(r Object) {
	r["started"], r["takenUntil"] = now(), stamp(time.Now().Add(20*time.Minute))
	r["workerGroup"], r["workerId"] = "us-west-1", "i-0123456789"
}

// Resolve ends the latest run: with completed, failed, or exception and why.
// Some reasons are followed by another run.
func (s *Server) Resolve(id, state, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[id].resolve(state, reason)
	s.release()
}

// Rerun has a task that ended run once more.
func (s *Server) Rerun(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change(s.tasks[id], "rerun")
}

// Group are the ids of a group's tasks, in the order in which they were made.
func (s *Server) Group(group string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, id := range s.order {
		if s.tasks[id].Definition["taskGroupId"] == group {
			out = append(out, id)
		}
	}
	return out
}

// State is a task's state, in the queue's words.
func (s *Server) State(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tasks[id].State
}

// release makes runs for the tasks whose dependencies have all completed. Those
// of which one failed stay unscheduled, as in a real queue.
func (s *Server) release() {
	for _, id := range s.order {
		s.releaseOne(s.tasks[id])
	}
}

func (s *Server) releaseOne(t *Task) {
	if t.State == "unscheduled" && len(t.Runs) == 0 && !s.waits(t) {
		t.begin("scheduled")
	}
}

// waits reports whether a dependency of the task has not completed. A task that
// was added as it is, without dependencies, waits for somebody to schedule it.
func (s *Server) waits(t *Task) bool {
	needs, _ := t.Definition["dependencies"].([]any)
	for _, id := range needs {
		dep := s.tasks[id.(string)]
		ended := dep != nil && (dep.State == "completed" ||
			t.Definition["requires"] == "all-resolved" && (dep.State == "failed" || dep.State == "exception"))
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
		claim(r)
	}
	t.State, r["state"], r["reasonResolved"], r["resolved"] = state, state, reason, now()
	switch reason {
	case "claim-expired", "worker-shutdown":
		t.begin("retry")
	case "intermittent-task":
		t.begin("task-retry")
	}
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

// Definition is a task's definition.
func (s *Server) Definition(id string) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[id]; t != nil {
		return t.Definition
	}
	return nil
}

// Waiting reports whether a task is pending or running.
func (s *Server) Waiting(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	return t != nil && (t.State == "pending" || t.State == "running")
}

func nameOf(d Object) string {
	m, _ := d["metadata"].(Object)
	name, _ := m["name"].(string)
	return name
}

// now is the deployment's time. No test depends on it.
func now() string { return stamp(time.Now()) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
