package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/link"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
)

// mostOpen is how many projects are kept open: those that were wanted last.
const mostOpen = 64

// servePlaces are the projects that the service works for, by the program's flags: the
// ones named, or without names all that the source knows. The project that nobody names
// is that of --repo, or the first one named where --repo is none of them. A playing
// world's CI comes with the world, and is nil without --world.
//
// Projects share their clients, with what these keep; a project has --branch, --codebase
// and --project only where it is the one of --repo, and --trust-domain always. No service
// is asked yet. Flags that do not go together are wrong usage.
func (a *app) servePlaces(names []string, w *jobtest.World, ci *jobtest.CI) (server.Places, error) {
	s := &servedPlaces{a: a, ci: ci, home: pushlog.ShortName(a.repo)}
	for _, name := range names {
		if !projectName.MatchString(name) || strings.Contains(name, "..") {
			return nil, usage("--serve %q: expected the name of a repository, such as autoland", name)
		}
		s.names = append(s.names, pushlog.ShortName(name))
	}
	if ci != nil {
		has := w.Repositories()
		for _, name := range s.names {
			if !slices.Contains(has, name) {
				return nil, usage("--serve %s: the world has %s", name, oneOf(has))
			}
		}
		if len(s.names) == 0 {
			s.names = has
		}
	}
	if len(s.names) > 0 && !slices.Contains(s.names, s.home) {
		if a.flags.Changed("repo") {
			return nil, usage("--repo %s is not served: name it with --serve, too", s.home)
		}
		s.home = s.names[0]
	}
	if ci == nil {
		if err := s.connect(); err != nil {
			return nil, err
		}
	}
	var err error
	s.opened, err = lru.New[string, *openedPlace](mostOpen)
	return s, err
}

// connect checks the flags, and makes the clients that all projects share.
func (s *servedPlaces) connect() (err error) {
	a := s.a
	switch {
	case a.triggerCI != "" && a.triggerCI != a.ci:
		return usage("--trigger-ci %s: the service asks the CI for runs that it reads, --ci %s", a.triggerCI, a.ci)
	case !slices.Contains(cis, a.ci):
		return usage("--ci %q: expected %s", a.ci, oneOf(cis))
	}
	if a.clients == nil {
		a.clients = &clients{}
	}
	if s.http, err = a.client(); err != nil {
		return err
	}
	if _, err = a.builders(); err != nil { // once for all projects
		return err
	}
	_, err = a.forProject(s.home, s.home).servicesBy(s.http) // what is wrong with the flags is said now
	return err
}

// servedPlaces implements server.Places.
type servedPlaces struct {
	a     *app
	ci    *jobtest.CI // of the world; nil without one
	home  string      // the project that nobody names
	names []string    // those that are served; none for all
	http  *http.Client

	mu     sync.Mutex
	opened *lru.Cache[string, *openedPlace]
}

// openedPlace is a project, and the program as if it were started for that.
type openedPlace struct {
	server.Place
	app *app
}

// projectName is what a repository may be called: a name, or its path.
var projectName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$`)

// forProject is the program as if it were started with --repo NAME.
func (a *app) forProject(name, home string) *app {
	b := *a
	b.opened, b.repo = nil, name
	if name != home {
		b.branch, b.codebase, b.project = "", "", ""
	}
	return &b
}

// Open implements server.Places.
func (s *servedPlaces) Open(_ context.Context, project string) (server.Place, error) {
	p, err := s.open(project)
	if err != nil {
		return server.Place{}, job.Wrap("serve.open", project, err)
	}
	return p.Place, nil
}

func (s *servedPlaces) open(project string) (*openedPlace, error) {
	name := cmp.Or(project, s.home)
	if !projectName.MatchString(name) || strings.Contains(name, "..") {
		return nil, fmt.Errorf("%w: %.60q is no name of a repository", job.ErrNotFound, name)
	}
	if name = pushlog.ShortName(name); len(s.names) > 0 && !slices.Contains(s.names, name) {
		return nil, fmt.Errorf("%w: %s is not served here; there is %s", job.ErrNotFound, name, oneOf(s.names))
	}
	s.mu.Lock() // nothing is asked meanwhile
	defer s.mu.Unlock()
	if p, ok := s.opened.Get(name); ok {
		return p, nil
	}
	p, err := s.make(name)
	if err == nil {
		s.opened.Add(name, p)
	}
	return p, err
}

func (s *servedPlaces) make(name string) (*openedPlace, error) {
	b := s.a.forProject(name, s.home)
	var err error
	if s.ci != nil {
		b.opened, err = worldPlaces(s.ci, name)
	} else {
		b.opened, err = b.servicesBy(s.http)
	}
	if err != nil {
		return nil, err
	}
	of := b.opened
	p := &openedPlace{app: b, Place: server.Place{
		Project: name, Repo: of.repo, CI: of.act, Repositories: of.repositories,
		Judge: func(test string) analysis.Judge {
			if test == "" {
				return of.judge
			}
			return joblog.TestJudge(of.read, test, nil)
		},
	}}
	if at := s.treeherder(); at != "" {
		p.PushPage = func(push job.Push) string {
			return page(at, url.Values{"repo": {push.Repo}, "revision": {push.Revision}})
		}
		p.RangePage = func(from, to job.Push) string {
			return page(at, url.Values{"repo": {to.Repo}, "fromchange": {from.Revision}, "tochange": {to.Revision}})
		}
	}
	return p, nil
}

// treeherder is where people look at pushes: empty where no Treeherder is known that has
// those of the CI.
func (s *servedPlaces) treeherder() string {
	a := s.a
	root := cmp.Or(a.taskclusterRoot(os.Getenv("TASKCLUSTER_ROOT_URL")), taskcluster.FirefoxCI)
	ours := a.ci == "treeherder" || a.ci == "taskcluster" && root == taskcluster.FirefoxCI
	at, err := url.Parse(strings.TrimSuffix(a.thURL, "/"))
	if s.ci != nil || err != nil || at.Host == "" || !ours && !a.flags.Changed("treeherder-url") {
		return ""
	}
	at.User = nil // a page is passed on
	return at.String()
}

func page(treeherder string, q url.Values) string { return treeherder + "/jobs?" + q.Encode() }

// Deployments implements server.Places.
func (s *servedPlaces) Deployments() link.Deployments {
	if s.ci != nil { // nothing outside has the world's jobs
		return link.Deployments{Repository: pushlog.ShortName}
	}
	return s.a.deployments()
}
