package thtest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// pushList answers a request for pushes, newest first.
func (s *Server) pushList(q url.Values) (int, any) {
	count, refused := counted(q, 1000, "Specified count exceeds api limit: %d")
	if refused != nil {
		return http.StatusBadRequest, refused
	}
	out, filters := []Object{}, Object{}
	for _, p := range s.pushes {
		if len(out) < count && selects(q, p) {
			out = append(out, p)
		}
	}
	for name := range q {
		filters[name] = q.Get(name)
	}
	meta := Object{"count": len(out), "repository": s.Project, "filter_params": filters}
	return http.StatusOK, Object{"meta": meta, "results": out}
}

// selects reports whether the parameters select a push; those that it does not
// know select all.
func selects(q url.Values, p Object) bool {
	compare := map[string]func(a, b int) bool{
		"lt": func(a, b int) bool { return a < b }, "lte": func(a, b int) bool { return a <= b },
		"gt": func(a, b int) bool { return a > b }, "gte": func(a, b int) bool { return a >= b },
	}
	for _, field := range []string{"id", "push_timestamp"} {
		for op, ok := range compare {
			if v := q.Get(field + "__" + op); v != "" && !ok(number(p[field]), number(v)) {
				return false
			}
		}
	}
	if v := q.Get("revision"); v != "" && !strings.HasPrefix(text(p["revision"]), v) {
		return false
	}
	if v := q.Get("commit_revision"); v != "" {
		return slices.ContainsFunc(revisions(p), func(rev string) bool { return strings.HasPrefix(rev, v) })
	}
	return true
}

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
