package tctest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// serve answers a call, or returns false for a route that there is not.
func (s *Server) serve(c *call) bool {
	n := len(c.parts)
	switch {
	case c.route == "GET queue" && c.parts[0] == "task-group" && n == 3 && c.parts[2] == "list":
		s.list(c)
	case c.route == "GET queue" && c.parts[0] == "task-queues" && n == 3:
		s.counts(c)
	case strings.HasSuffix(c.route, " queue") && c.parts[0] == "task" && n > 1:
		return s.task(c)
	case c.route == "POST queue" && c.parts[0] == "tasks" && !s.Old:
		s.batch(c, n == 2)
	case c.route == "GET index" && c.parts[0] == "task" && n == 2:
		s.find(c)
	case c.route == "POST index" && c.parts[0] == "tasks" && !s.Old:
		s.findAll(c)
	case c.route == "GET index" && (c.parts[0] == "tasks" || c.parts[0] == "namespaces") && n == 2:
		s.namespace(c)
	case c.route == "GET hooks" && n == 4 && c.parts[3] == "last-fires":
		s.lastFires(c)
	case c.route == "POST auth" && c.parts[0] == "authenticate-hawk":
		s.authenticateHawk(c)
	case c.route == "POST auth" && c.parts[0] == "scopes":
		s.expand(c)
	case c.route == "GET auth" && c.parts[0] == "scopes":
		s.current(c)
	case c.route == "POST hooks" && n == 4 && c.parts[3] == "trigger":
		s.trigger(c)
	default:
		return false
	}
	return true
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
	c, ok := s.authenticate(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(parts) > 2 {
		c.body, c.route, c.parts = body, r.Method+" "+parts[0], parts[2:]
	}
	if len(parts) < 3 || parts[1] != "v1" || !s.serve(c) {
		answer(w, http.StatusNotFound, Object{"error": "Not found"})
	}
}

// call is one request to a service.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	who   string   // empty for nobody
	may   []string // scopes; nil for everything
	body  []byte
	route string
	parts []string // of the path, after the version
}

// decode reads the request's body, or answers that it cannot: that it is no JSON,
// or none of this form.
func (c *call) decode(into any) bool {
	err := json.Unmarshal(c.body, into)
	switch {
	case err == nil:
		return true
	case json.Valid(c.body):
		refuse(c.w, http.StatusBadRequest, "InputValidationError", "Schema Validation Failed!\n%v", err)
	default:
		refuse(c.w, http.StatusBadRequest, "MalformedPayload", "Failed to parse JSON: %v", err)
	}
	return false
}

// refuse answers an error as the services do.
func refuse(w http.ResponseWriter, status int, code, format string, args ...any) {
	method := fmt.Sprintf("\n\n---\n\n* errorCode:  %s\n* statusCode: %d\n* time:       %s", code, status, now())
	answer(w, status, Object{
		"code": code, "message": fmt.Sprintf(format, args...) + method,
		"requestInfo": Object{"method": "x", "params": Object{}, "payload": Object{}, "time": now()},
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
