package tctest

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

func (s *Server) task(c *call) bool {
	id, rest := c.parts[1], c.parts[2:]
	t := s.tasks[id]
	if c.r.Method == http.MethodPut && len(rest) == 0 {
		s.create(c, id)
		return true
	}
	if t == nil {
		refuse(c.w, http.StatusNotFound, "ResourceNotFound", "`%s` does not correspond to a task that exists.", id)
		return true
	}
	what := ""
	if len(rest) > 0 {
		what = rest[0]
	}
	run := len(t.Runs) - 1
	if what == "runs" && len(rest) > 2 {
		run, _ = strconv.Atoi(rest[1])
		what, rest = rest[2], rest[2:]
	}
	switch c.r.Method + " " + what {
	case "GET ":
		answer(c.w, http.StatusOK, t.Definition)
	case "GET status":
		answer(c.w, http.StatusOK, Object{"status": s.status(t)})
	case "POST rerun", "POST cancel":
		if s.may(c, "queue:"+what+"-task:gecko-level-3/"+t.Definition["taskGroupId"].(string)+"/"+id) {
			s.change(t, what)
			answer(c.w, http.StatusOK, Object{"status": s.status(t)})
		}
	case "GET artifacts", "GET artifact-content":
		if what == "artifact-content" && s.Old {
			return false
		}
		s.artifact(c, t, run, what, strings.Join(rest[1:], "/"))
	default:
		return false
	}
	return true
}

func (s *Server) status(t *Task) Object {
	d := t.Definition
	return Object{
		"taskId": t.ID, "taskGroupId": d["taskGroupId"], "schedulerId": d["schedulerId"], "projectId": d["projectId"],
		"taskQueueId": d["taskQueueId"], "provisionerId": d["provisionerId"], "workerType": d["workerType"],
		"priority": d["priority"], "deadline": d["deadline"], "expires": d["expires"],
		"retriesLeft": 5, "state": t.State, "runs": t.Runs,
	}
}

// list answers a page of a group.
func (s *Server) list(c *call) {
	var all []any
	for _, id := range s.order {
		if t := s.tasks[id]; t.Definition["taskGroupId"] == c.parts[1] {
			all = append(all, Object{"task": t.Definition, "status": s.status(t)})
		}
	}
	if len(all) == 0 {
		refuse(c.w, http.StatusNotFound, "ResourceNotFound", "No task-group with taskGroupId %s", c.parts[1])
		return
	}
	s.page(c, "tasks", all, Object{"taskGroupId": c.parts[1], "schedulerId": "gecko-level-3", "expires": now()})
}

// batch answers several tasks, or their statuses; those it does not have are
// left out.
func (s *Server) batch(c *call, statuses bool) {
	var in struct{ TaskIDs []string }
	if !c.decode(&in) {
		return
	}
	out := []any{}
	for _, id := range in.TaskIDs {
		switch t := s.tasks[id]; {
		case t == nil:
		case statuses:
			out = append(out, Object{"taskId": id, "status": s.status(t)})
		default:
			out = append(out, Object{"taskId": id, "task": t.Definition})
		}
	}
	s.page(c, map[bool]string{true: "statuses", false: "tasks"}[statuses], out, Object{})
}

func (s *Server) change(t *Task, what string) {
	switch {
	case what == "rerun" && t.State != "pending" && t.State != "running":
		t.begin("rerun")
	case what == "cancel" && (t.State == "pending" || t.State == "running" || t.State == "unscheduled"):
		t.resolve("exception", "canceled")
	}
}

func (s *Server) create(c *call, id string) {
	var d Object
	if !c.decode(&d) || !s.may(c, "queue:create-task:low:gecko-t/linux") {
		return
	}
	if t := s.tasks[id]; t != nil && reflect.DeepEqual(t.given, d) { // the same request again
		answer(c.w, http.StatusOK, Object{"status": s.status(t)})
		return
	} else if t != nil {
		refuse(c.w, http.StatusConflict, "RequestConflict", "taskId `%s` already used by another task.", id)
		return
	}
	for _, name := range []string{"created", "deadline", "payload", "metadata"} {
		if d[name] == nil {
			refuse(c.w, http.StatusBadRequest, "InputValidationError", "data must have required property '%s'", name)
			return
		}
	}
	if why := s.impossible(d); why != "" {
		refuse(c.w, http.StatusBadRequest, "InputError", "%s", why)
		return
	}
	group, _ := d["taskGroupId"].(string)
	t := s.add(id, group, d, true)
	t.given = d
	answer(c.w, http.StatusOK, Object{"status": s.status(t)})
}

// impossible says what is wrong with the times or the dependencies of a
// definition; empty for nothing.
func (s *Server) impossible(d Object) string {
	created, err := time.Parse(time.RFC3339, d["created"].(string))
	if err != nil || time.Since(created).Abs() > 15*time.Minute {
		return "Created timestamp cannot be in the past (max 15min drift)"
	}
	if deadline, err := time.Parse(time.RFC3339, d["deadline"].(string)); err != nil || deadline.Before(created) {
		return "`deadline` cannot be later than `created`" // so it says
	}
	needs, _ := d["dependencies"].([]any)
	for _, id := range needs {
		if s.tasks[id.(string)] == nil {
			return fmt.Sprintf("`task.dependencies` references non-existing tasks: \n * %s", id)
		}
	}
	return ""
}

// counts answers how full a task queue is.
func (s *Server) counts(c *call) {
	provisioner, workerType, _ := strings.Cut(c.parts[1], "/")
	answer(c.w, http.StatusOK, Object{
		"taskQueueId": c.parts[1], "provisionerId": provisioner, "workerType": workerType,
		"pendingTasks": 3, "claimedTasks": 2,
	})
}
