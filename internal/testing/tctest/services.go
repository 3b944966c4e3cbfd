package tctest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/slug"
)

// serve answers a call, or returns false for a route that there is not.
func (s *Server) serve(c *call) bool {
	n := len(c.parts)
	switch {
	case c.route == "GET queue" && c.parts[0] == "task-group" && n == 3 && c.parts[2] == "list":
		s.list(c)
	case c.route == "GET queue" && c.parts[0] == "task-queues" && n == 3:
		answer(c.w, http.StatusOK, Object{"taskQueueId": c.parts[1], "pendingTasks": 3, "claimedTasks": 2})
	case strings.HasSuffix(c.route, " queue") && c.parts[0] == "task" && n > 1:
		return s.task(c)
	case c.route == "POST queue" && c.parts[0] == "tasks" && !s.Old:
		s.batch(c, n == 2)
	case c.route == "GET index" && c.parts[0] == "task" && n == 2:
		id, ok := s.index[c.parts[1]]
		if !ok {
			refuse(c.w, http.StatusNotFound, "ResourceNotFound", "Indexed task not found")
			return true
		}
		answer(c.w, http.StatusOK, Object{"namespace": c.parts[1], "taskId": id, "rank": 1})
	case c.route == "POST index" && c.parts[0] == "tasks" && !s.Old:
		var in struct{ Indexes []string }
		if !c.decode(&in) {
			return true
		}
		out := []any{}
		for _, path := range in.Indexes {
			if id, ok := s.index[path]; ok {
				out = append(out, Object{"namespace": path, "taskId": id, "rank": 1})
			}
		}
		s.page(c, "tasks", out, Object{})
	case c.route == "GET index" && (c.parts[0] == "tasks" || c.parts[0] == "namespaces") && n == 2:
		s.namespace(c)
	case c.route == "GET hooks" && n == 4 && c.parts[3] == "last-fires":
		s.lastFires(c)
	case c.route == "POST auth" && c.parts[0] == "scopes":
		s.expand(c)
	case c.route == "GET auth" && c.parts[0] == "scopes":
		answer(c.w, http.StatusOK, Object{"scopes": append([]string{}, s.Scopes...)})
	case c.route == "POST hooks" && n == 4 && c.parts[3] == "trigger":
		s.trigger(c)
	default:
		return false
	}
	return true
}

func (s *Server) status(t *Task) Object {
	d := t.Definition
	return Object{
		"taskId": t.ID, "taskGroupId": d["taskGroupId"], "schedulerId": d["schedulerId"], "projectId": d["projectId"], "taskQueueId": d["taskQueueId"],
		"provisionerId": d["provisionerId"], "workerType": d["workerType"], "deadline": d["deadline"], "expires": d["expires"],
		"retriesLeft": 5, "state": t.State, "runs": t.Runs,
	}
}

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
	if t := s.tasks[id]; t != nil {
		refuse(c.w, http.StatusConflict, "RequestConflict", "taskId `%s` already used by another task.", id)
		return
	}
	for _, name := range []string{"created", "deadline", "payload", "metadata"} {
		if d[name] == nil {
			refuse(c.w, http.StatusBadRequest, "InputValidationError", "data must have required property '%s'", name)
			return
		}
	}
	if at, err := time.Parse(time.RFC3339, d["created"].(string)); err != nil || time.Since(at).Abs() > 15*time.Minute {
		refuse(c.w, http.StatusBadRequest, "InputError", "Created timestamp cannot be in the past (max 15min drift)")
		return
	}
	group, _ := d["taskGroupId"].(string)
	answer(c.w, http.StatusOK, Object{"status": s.status(s.add(id, group, d, true))})
}

// expand adds what is in roles; a role that ends in * matches by prefix.
func (s *Server) expand(c *call) {
	var in struct{ Scopes []string }
	if !c.decode(&in) {
		return
	}
	out := append([]string{}, in.Scopes...)
	for i := 0; i < len(out); i++ {
		role, ok := strings.CutPrefix(out[i], "assume:")
		if !ok {
			continue
		}
		for name, has := range s.Roles {
			prefix, star := strings.CutSuffix(name, "*")
			if name != role && (!star || !strings.HasPrefix(role, prefix)) {
				continue
			}
			for _, h := range has {
				if !slices.Contains(out, h) {
					out = append(out, h)
				}
			}
		}
	}
	answer(c.w, http.StatusOK, Object{"scopes": out})
}

// trigger fires a hook of in-tree actions: it makes an action task.
func (s *Server) trigger(c *call) {
	hook := c.parts[1] + "/" + c.parts[2]
	if s.Gone || !strings.HasPrefix(hook, "project-gecko/in-tree-action-3-") {
		refuse(c.w, http.StatusNotFound, "ResourceNotFound", "No such hook")
		return
	}
	if !s.may(c, "hooks:trigger-hook:"+hook) {
		return
	}
	var in struct {
		Decision struct {
			Action struct {
				Name    string
				CBName  string `json:"cb_name"`
				TaskGID string `json:"taskGroupId"`
			}
		}
		User struct {
			Input       json.RawMessage
			TaskID      *string
			TaskGroupID string
		}
	}
	if !c.decode(&in) {
		return
	}
	if in.User.TaskGroupID == "" || in.Decision.Action.Name == "" {
		refuse(c.w, http.StatusBadRequest, "InputError", "trigger payload does not match the schema")
		return
	}
	fault := Well
	if s.Fault != nil {
		fault = s.Fault()
	}
	if s.Nothing {
		fault = Empty
	}
	if s.Lose {
		s.Lose, fault = false, Lost
	}
	if fault == TooMany {
		c.w.Header().Set("Retry-After", "2")
		refuse(c.w, http.StatusTooManyRequests, "TooManyRequests", "slow down")
		return
	}
	var input any
	_ = json.Unmarshal(in.User.Input, &input)
	var taskID any
	if in.User.TaskID != nil {
		taskID = *in.User.TaskID
	}
	s.serial++
	id := slug.Of(fmt.Sprint("task ", s.serial))
	fire := Object{
		"hookGroupId": c.parts[1], "hookId": c.parts[2], "firedBy": "triggerHook", "taskId": id,
		"taskCreateTime": now(), "result": "success", "error": "",
	}
	if fault != Well && fault != Lost && fault != Empty {
		fire["result"], fire["error"] = "error", "Unknown Server Error"
	}
	if fault != Gateway { // hooks never heard of that one
		s.fires[hook] = append(s.fires[hook], fire)
	}
	if fault.Makes() {
		s.add(id, in.User.TaskGroupID, Object{
			"metadata": Object{"name": "Action: " + in.Decision.Action.Name}, "tags": Object{"kind": "action-callback"},
			"extra": Object{"parent": in.User.TaskGroupID, "action": Object{
				"name": in.Decision.Action.Name, "context": Object{"input": input, "taskId": taskID, "taskGroupId": in.User.TaskGroupID},
			}},
		}, true)
	}
	fault.answer(c.w, id)
}
