// Package landotest is a Lando for tests, as far as the pairs of hashes of hg and
// of git go: 40 digits or 404, as the real one answered until it took shorter
// hashes of git. Start with a [Server].
package landotest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Pair is a changeset's hash of hg and of git.
type Pair struct{ Hg, Git string }

// Server answers /api/git2hg/firefox/ and /api/hg2git/firefox/; it is an
// http.Handler. Its fields are not to be changed while it serves.
type Server struct {
	Pairs []Pair

	mu       sync.Mutex
	requests []string
}

// Requests are the paths of the requests.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.URL.Path)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	of := func(Pair) string { return "" }
	hash, ok := strings.CutPrefix(r.URL.Path, "/api/git2hg/firefox/")
	if ok {
		of = func(p Pair) string { return p.Git }
	} else if hash, ok = strings.CutPrefix(r.URL.Path, "/api/hg2git/firefox/"); ok {
		of = func(p Pair) string { return p.Hg }
	}
	i := slices.IndexFunc(s.Pairs, func(p Pair) bool { return len(hash) == 40 && of(p) == hash })
	if i < 0 {
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "No commits found"})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"git_hash": s.Pairs[i].Git, "hg_hash": s.Pairs[i].Hg})
}
