// Package hgtest is an hg server with Mozilla's pushlog, as far as json-pushes
// goes, for tests: the bounds and their quirks are the real server's.
package hgtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// Push is one push as json-pushes has it with full=1.
type Push struct {
	Changesets []Changeset `json:"changesets"`
	Date       int64       `json:"date"`
	User       string      `json:"user"`
}

// Changeset is one changeset as json-pushes has it with full=1.
type Changeset struct {
	Node    string   `json:"node"`
	Git     string   `json:"git_node,omitempty"` // where it is also in git
	Author  string   `json:"author"`
	Desc    string   `json:"desc"`
	Branch  string   `json:"branch"`
	Parents []string `json:"parents"`
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

// Reset empties a repository, as when it is made anew.
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
	if name := r.URL.Query().Get("branch"); name != "" {
		repo = repoOf(repo).onBranch(name)
	}
	ids, err := repoOf(repo).query(r.URL.Query())
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(err.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.text})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(repoOf(repo).answer(ids, r.URL.Query()))
}

// Client is an HTTP client that calls h in memory: no network, and so fit for
// a testing/synctest bubble.
func Client(h http.Handler) *http.Client {
	return &http.Client{Transport: testenv.InMemory{Handler: h}}
}

type failure struct {
	status int
	text   string
}

type repoOf map[int64]Push

// onBranch has the changesets of a named branch, and the pushes that have any.
func (r repoOf) onBranch(name string) repoOf {
	out := repoOf{}
	for id, p := range r {
		p.Changesets = slices.DeleteFunc(slices.Clone(p.Changesets), func(c Changeset) bool { return c.Branch != name })
		if len(p.Changesets) > 0 {
			out[id] = p
		}
	}
	return out
}

// query returns the ids of the pushes that the parameters select.
func (r repoOf) query(q map[string][]string) ([]int64, *failure) {
	get := func(name string) (string, bool) {
		v, ok := q[name]
		return strings.Join(v, ""), ok
	}
	keep := func(int64) bool { return true }
	and := func(f func(int64) bool) {
		before := keep
		keep = func(id int64) bool { return before(id) && f(id) }
	}
	lower, upper := false, false
	for _, bound := range []struct {
		names [3]string // in order of precedence: date, changeset, id
		seen  *bool
		date  func(date, v int64) bool
		id    func(id, v int64) bool
	}{
		{[3]string{"startdate", "fromchange", "startID"}, &lower, func(d, v int64) bool { return d > v }, func(id, v int64) bool { return id > v }},
		{[3]string{"enddate", "tochange", "endID"}, &upper, func(d, v int64) bool { return d < v }, func(id, v int64) bool { return id <= v }},
	} {
		if v, ok := get(bound.names[0]); ok {
			at := seconds(v)
			and(func(id int64) bool { return bound.date(r[id].Date, at) })
			*bound.seen = true
		} else if v, ok := get(bound.names[1]); ok {
			at, err := r.find(v)
			if err != nil {
				return nil, err
			}
			and(func(id int64) bool { return bound.id(id, at) })
			*bound.seen = true
		} else if v, ok := get(bound.names[2]); ok {
			at, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return nil, &failure{500, "Internal Server Error"}
			}
			and(func(id int64) bool { return bound.id(id, at) })
			*bound.seen = true
		}
	}
	revs, filtered := q["changeset"]
	if filtered {
		wanted := map[int64]bool{}
		for _, rev := range revs {
			id, err := r.find(rev)
			if err != nil {
				return nil, err
			}
			wanted[id] = true
		}
		and(func(id int64) bool { return wanted[id] })
	}
	all := slices.Sorted(maps.Keys(r))
	if !lower && !filtered { // the upper bound is ignored
		return all[max(0, len(all)-10):], nil
	}
	return slices.DeleteFunc(all, func(id int64) bool { return !keep(id) }), nil
}

// seconds reads the one format that is reliable; anything else is now.
func seconds(v string) int64 {
	t, err := time.Parse("2006-01-02 15:04:05", v)
	if err != nil {
		return time.Now().Unix()
	}
	return t.Unix()
}

func (r repoOf) find(rev string) (int64, *failure) {
	ids := slices.Sorted(maps.Keys(r))
	if rev == "tip" {
		for _, id := range slices.Backward(ids) {
			if len(r[id].Changesets) > 0 {
				return id, nil
			}
		}
	}
	for _, id := range slices.Backward(ids) { // a branch's name is its tip
		for _, c := range slices.Backward(r[id].Changesets) {
			if rev != "" && c.Branch == rev {
				return id, nil
			}
		}
	}
	for _, id := range ids {
		for _, c := range r[id].Changesets {
			if rev != "" && strings.HasPrefix(c.Node, rev) {
				return id, nil
			}
		}
	}
	return 0, &failure{404, fmt.Sprintf("unknown revision '%s'", rev)}
}

// answer encodes the pushes: Go sorts the ids as strings, as hg does.
func (r repoOf) answer(ids []int64, q map[string][]string) any {
	_, full := q["full"]
	pushes := map[string]any{}
	for _, id := range ids {
		p := r[id]
		if full {
			pushes[strconv.FormatInt(id, 10)] = p
			continue
		}
		nodes, gits := []string{}, []any{}
		for _, c := range p.Changesets {
			nodes = append(nodes, c.Node)
			if gits = append(gits, c.Git); c.Git == "" {
				gits[len(gits)-1] = nil
			}
		}
		pushes[strconv.FormatInt(id, 10)] = map[string]any{"changesets": nodes, "git_changesets": gits, "date": p.Date, "user": p.User}
	}
	if strings.Join(q["version"], "") != "2" {
		return pushes
	}
	last := int64(0)
	for id := range r {
		last = max(last, id)
	}
	return map[string]any{"lastpushid": last, "pushes": pushes}
}
