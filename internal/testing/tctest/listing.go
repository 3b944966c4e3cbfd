package tctest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

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
