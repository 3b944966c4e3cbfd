// Package tctest is a Taskcluster deployment for tests: an http.Handler that
// keeps tasks, an index, artifacts, scopes and the hooks of in-tree actions,
// and answers as the recorded one does. A hook's action task makes its tasks
// only when Settle says so, as a real one needs minutes.
//
// Replay serves recorded exchanges instead.
package tctest

import (
	"net/http"
	"sync"
)

// Object is a JSON object.
type Object = map[string]any

// Label is something that can run on a push.
type Label struct {
	Name      string
	Build     string // the label of the build that it needs; empty for a build
	Manifests []string
	Planned   bool // the decision task scheduled it
}

// Server is the deployment. Its fields are set before it serves.
type Server struct {
	// Clients are the access tokens of the clients that it knows.
	Clients map[string]string
	// Scopes are what every client may do beyond reading: nil for everything.
	Scopes []string
	// ClientScopes are what one client may do, instead of Scopes.
	ClientScopes map[string][]string
	// Roles are what is in a role, without "assume:".
	Roles map[string][]string
	// Gone says that the hooks were removed, as those of old pushes are.
	Gone bool
	// NoTasks says that hooks accept and make no task.
	NoTasks bool
	// Lose says that a hook's answer is lost after its task was made.
	Lose bool
	// Fault says how the next fire of a hook goes wrong; nil for never.
	Fault func() Fault
	// Act says how an action task goes that Settle carries out; nil for well.
	Act func(action string) Ending
	// NoFires says that listing the latest fires of a hook is denied.
	NoFires bool
	// Old says that the deployment has neither batch calls nor artifact-content.
	Old bool
	// Page is how many elements a page of any listing has. Default 1000, as the
	// services have it.
	Page int
	// Before sees each request; it may answer itself, and then returns true.
	Before func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	tasks    map[string]*Task
	order    []string
	index    map[string]string
	files    map[string][]byte // by task id, run and name
	expired  map[string]bool   // of files
	graphs   map[string][]Label
	pushes   map[string]string // by decision task: its place in the index, up to the revision
	routes   map[string]string // by decision task: what its tasks are to Treeherder
	fires    map[string][]Object
	requests []string
	serial   int
}

// New returns a deployment without tasks, whose one client is "me" with the
// token "secret".
func New() *Server {
	return &Server{
		Clients: map[string]string{"me": "secret"}, Page: 1000, tasks: map[string]*Task{}, index: map[string]string{},
		files: map[string][]byte{}, graphs: map[string][]Label{}, Roles: map[string][]string{},
		pushes: map[string]string{}, routes: map[string]string{}, fires: map[string][]Object{},
		expired: map[string]bool{},
	}
}

// Clear drops all tasks and what belongs to them, as if they had expired. Ids go
// on from where they were.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order, s.requests = nil, nil
	clear(s.tasks)
	clear(s.index)
	clear(s.files)
	clear(s.expired)
	clear(s.graphs)
	clear(s.pushes)
	clear(s.routes)
	clear(s.fires)
}

// Requests returns the methods and paths of the requests so far, and forgets them.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

// Index names a task.
func (s *Server) Index(path, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index[path] = id
}

// Indexed is the task at a path of the index; empty for none.
func (s *Server) Indexed(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index[path]
}
