package tctest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// indexed is what the index has at a path.
func (s *Server) indexed(path string) Object {
	return Object{"namespace": path, "taskId": s.index[path], "rank": 1, "data": Object{}, "expires": now()}
}

// find answers the task at a path.
func (s *Server) find(c *call) {
	if s.index[c.parts[1]] == "" {
		refuse(c.w, http.StatusNotFound, "ResourceNotFound", "Indexed task not found")
		return
	}
	answer(c.w, http.StatusOK, s.indexed(c.parts[1]))
}

// findAll answers the tasks at several paths; those that are not there are left
// out.
func (s *Server) findAll(c *call) {
	var in struct{ Indexes []string }
	if !c.decode(&in) {
		return
	}
	out := []any{}
	for _, path := range in.Indexes {
		if s.index[path] != "" {
			out = append(out, s.indexed(path))
		}
	}
	s.page(c, "tasks", out, Object{})
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
		tasks = append(tasks, s.indexed(path))
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
