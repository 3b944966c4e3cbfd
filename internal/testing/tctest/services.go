package tctest

import (
	"encoding/json"
	"fmt"
	"maps"
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
	s.page(c, "tasks", all, Object{"taskGroupId": c.parts[1], "expires": now()})
}

// page answers a page of a listing, with a continuationToken where another one
// follows. A token that it did not give is ignored.
func (s *Server) page(c *call, member string, all []any, out Object) {
	from := 0
	if token, ok := strings.CutPrefix(c.r.URL.Query().Get("continuationToken"), "page at "); ok {
		from, _ = strconv.Atoi(token)
	}
	to := min(from+s.Page, len(all))
	out[member] = append([]any{}, all[min(from, to):to]...)
	if to < len(all) {
		out["continuationToken"] = fmt.Sprint("page at ", to)
	}
	answer(c.w, http.StatusOK, out)
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

// namespace lists the tasks, or the namespaces, directly in one of the index.
func (s *Server) namespace(c *call) {
	prefix := c.parts[1] + "."
	tasks, names := []any{}, map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(s.index)) {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(rest, ".")
		if deeper {
			names[name] = true
			continue
		}
		tasks = append(tasks, Object{"namespace": path, "taskId": s.index[path], "rank": 0, "data": Object{}, "expires": now()})
	}
	if c.parts[0] == "tasks" {
		s.page(c, "tasks", tasks, Object{})
		return
	}
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, Object{"namespace": prefix + name, "name": name, "expires": now()})
	}
	s.page(c, "namespaces", out, Object{})
}

// lastFires lists the latest fires of a hook, newest first. The queue says how
// far each one's task is.
func (s *Server) lastFires(c *call) {
	hook := c.parts[1] + "/" + c.parts[2]
	if s.NoFires {
		refuse(c.w, http.StatusForbidden, "InsufficientScopes", "Client ID %s is missing the following scopes:\n\n```\nhooks:list-last-fires:%s\n```", c.who, hook)
		return
	}
	out := []any{}
	for _, f := range slices.Backward(s.fires[hook]) {
		f := maps.Clone(f)
		f["taskState"] = "unknown"
		if t := s.tasks[f["taskId"].(string)]; t != nil {
			f["taskState"] = t.State
		}
		out = append(out, f)
	}
	s.page(c, "lastFires", out, Object{})
}

func (s *Server) change(t *Task, what string) {
	switch {
	case what == "rerun" && t.State != "pending" && t.State != "running":
		t.begin("rerun")
	case what == "cancel" && (t.State == "pending" || t.State == "running" || t.State == "unscheduled"):
		t.resolve("exception", "canceled")
	}
}

// artifact lists artifacts, or says where one is.
func (s *Server) artifact(c *call, t *Task, run int, what, name string) {
	prefix := fmt.Sprintf("%s/%d/", t.ID, run)
	if name == "" {
		if run < 0 || run >= len(t.Runs) {
			refuse(c.w, http.StatusNotFound, "ResourceNotFound", "Task `%s` run %d not found", t.ID, run)
			return
		}
		out := []any{}
		for path := range s.files {
			if n, ok := strings.CutPrefix(path, prefix); ok {
				ends := time.Now().Add(time.Hour)
				if s.expired[path] {
					ends = time.Now().Add(-time.Second)
				}
				out = append(out, Object{"name": n, "storageType": "s3", "contentType": "text/plain", "expires": stamp(ends)})
			}
		}
		slices.SortFunc(out, func(a, b any) int { return strings.Compare(a.(Object)["name"].(string), b.(Object)["name"].(string)) })
		s.page(c, "artifacts", out, Object{})
		return
	}
	if _, ok := s.files[prefix+name]; !ok || s.expired[prefix+name] {
		refuse(c.w, http.StatusNotFound, "ResourceNotFound", "Artifact not found")
		return
	}
	at := "http://" + c.r.Host + "/bucket/" + prefix + name
	if what == "artifacts" {
		c.w.Header().Set("Location", at)
		answer(c.w, http.StatusSeeOther, Object{"storageType": "s3", "url": at})
		return
	}
	answer(c.w, http.StatusOK, Object{"storageType": "s3", "url": at})
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
