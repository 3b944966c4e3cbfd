// Package hgtest is an hg server with Mozilla's pushlog, as far as json-pushes
// goes, for tests: the bounds and their quirks are the real server's. Start with
// [New]; [Plant] makes histories with real Mercurial and serves their pushlog.
package hgtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// Push is one push as json-pushes has it with full=1.
type Push struct {
	Changesets []Changeset `json:"changesets"`
	Date       int64       `json:"date"`
	User       string      `json:"user"`
}

// Changeset is one changeset as json-pushes has it with full=1. The server
// answers null for a hash of git that is empty, as the real one does.
type Changeset struct {
	Node       string    `json:"node"`
	Git        string    `json:"git_node"` // where it is also in git
	GitParents []*string `json:"git_parents"`
	Author     string    `json:"author"`
	Desc       string    `json:"desc"`
	Branch     string    `json:"branch"`
	Parents    []string  `json:"parents"`
	Files      []string  `json:"files"`
	Tags       []string  `json:"tags"`
}

// Server serves repositories by path; it is an http.Handler.
type Server struct {
	mu       sync.Mutex
	repos    map[string]map[int64]Push
	requests []string
}

// New returns a server without repositories.
func New() *Server { return &Server{repos: map[string]map[int64]Push{}} }

// Load adds the pushes of a json-pushes answer, of version 1 or 2, to the
// repository at path.
func (s *Server) Load(path string, body []byte) error {
	var v2 struct{ Pushes map[string]Push }
	if err := json.Unmarshal(body, &v2); err != nil {
		return err
	}
	if v2.Pushes == nil {
		if err := json.Unmarshal(body, &v2.Pushes); err != nil {
			return err
		}
	}
	for id, p := range v2.Pushes {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return err
		}
		s.Add(path, n, p)
	}
	return nil
}

// Add adds one push; a repository is there from its first push on.
func (s *Server) Add(path string, id int64, p Push) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repos[path] == nil {
		s.repos[path] = map[int64]Push{}
	}
	s.repos[path][id] = p
}

// Reset empties a repository, as if it were deleted and made again.
func (s *Server) Reset(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repos[path] = map[int64]Push{}
}

// Requests are the queries so far: path and parameters.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.URL.RequestURI())
	path, ok := strings.CutSuffix(strings.Trim(r.URL.Path, "/"), "/json-pushes")
	repo, known := s.repos[path]
	if !ok || !known {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, "<!DOCTYPE html><title>Mercurial repository not found</title>")
		return
	}
	seen, err := repoOf(repo).onBranch(r.URL.Query().Get("branch"))
	var ids []int64
	if err == nil {
		ids, err = seen.query(r.URL.Query())
	}
	switch {
	case err != nil && err.status == http.StatusInternalServerError: // all that is left of a traceback
		w.Header()["Content-Type"] = nil
		w.WriteHeader(err.status)
		_, _ = fmt.Fprint(w, err.text)
	case err != nil:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(err.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.text})
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(seen.answer(ids, r.URL.Query()))
	}
}

// Client is an HTTP client that calls h in memory: no network, and so fit for
// a testing/synctest bubble.
func Client(h http.Handler) *http.Client {
	return &http.Client{Transport: testenv.InMemory{Handler: h}}
}
