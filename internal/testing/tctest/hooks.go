package tctest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/slug"
)

// asked is the payload of a hook of in-tree actions.
type asked struct {
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
	var in asked
	if !c.decode(&in) {
		return
	}
	if in.User.TaskGroupID == "" || in.Decision.Action.Name == "" {
		refuse(c.w, http.StatusBadRequest, "InputError", "trigger payload does not match the schema")
		return
	}
	fault := s.fault()
	if fault == TooMany {
		c.w.Header().Set("Retry-After", "2")
		refuse(c.w, http.StatusTooManyRequests, "TooManyRequests", "slow down")
		return
	}
	s.serial++
	id := slug.Of(fmt.Sprint("task ", s.serial))
	if fault != Gateway { // hooks never heard of that one
		s.fires[hook] = append(s.fires[hook], fired(c.parts[1], c.parts[2], id, fault))
	}
	if fault.Makes() {
		s.act(id, in)
	}
	fault.answer(c.w, id)
}

// fault is how this fire goes wrong.
func (s *Server) fault() Fault {
	fault := Well
	if s.Fault != nil {
		fault = s.Fault()
	}
	if s.NoTasks {
		fault = Empty
	}
	if s.Lose {
		s.Lose, fault = false, Lost
	}
	return fault
}

// fired is a fire as hooks list it.
func fired(group, hook, id string, fault Fault) Object {
	fire := Object{
		"hookGroupId": group, "hookId": hook, "firedBy": "triggerHook", "taskId": id,
		"taskCreateTime": now(), "result": "success", "error": "",
	}
	if fault != Well && fault != Lost && fault != Empty {
		fire["result"], fire["error"] = "error", "Unknown Server Error"
	}
	return fire
}

// act makes an action task.
func (s *Server) act(id string, in asked) {
	var input any
	_ = json.Unmarshal(in.User.Input, &input)
	var taskID any
	if in.User.TaskID != nil {
		taskID = *in.User.TaskID
	}
	name, group := in.Decision.Action.Name, in.User.TaskGroupID
	s.add(id, group, Object{
		"metadata": Object{"name": "Action: " + name}, "tags": Object{"kind": "action-callback"},
		"extra": Object{"parent": group, "action": Object{
			"name": name, "context": Object{"input": input, "taskId": taskID, "taskGroupId": group},
		}},
	}, true)
}

// lastFires lists the latest fires of a hook, newest first. The queue says how
// far each one's task is.
func (s *Server) lastFires(c *call) {
	hook := c.parts[1] + "/" + c.parts[2]
	if s.NoFires {
		refuse(c.w, http.StatusForbidden, "InsufficientScopes",
			"Client ID %s is missing the following scopes:\n\n```\nhooks:list-last-fires:%s\n```", c.who, hook)
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
	if len(out) == 0 && !strings.HasPrefix(hook, "project-gecko/in-tree-action-3-") {
		refuse(c.w, http.StatusNotFound, "ResourceNotFound", "No such hook or never fired")
		return
	}
	s.page(c, "lastFires", out, Object{})
}
