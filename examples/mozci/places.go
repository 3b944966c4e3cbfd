package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/cassette"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger/ledger"
)

// places are where pushes and jobs are read, and where runs are asked for.
type places struct {
	repo  job.Repository
	read  job.Scheduler
	act   job.Scheduler
	judge analysis.Judge
	// repositories opens other repositories, where merges lead; nil when there
	// are none to open.
	repositories func(name string) (job.Repository, error)
}

// CIs that exist. A name that is not here is wrong usage.
var cis = []string{"taskcluster", "buildbot", "selfserve", "treeherder"}

// places opens what the flags name. Nothing is asked of a service yet.
func (a *app) places() (*places, error) {
	if a.opened != nil {
		return a.opened, nil
	}
	open := a.services
	if a.world != "" {
		open = a.inMemory
	}
	p, err := open()
	a.opened = p
	return p, err
}

// acting opens what a command that asks for runs needs: the places, and the
// ledger.
func (a *app) acting(ctx context.Context) (*places, ledger.Ledger, error) {
	p, err := a.places()
	if err != nil {
		return nil, nil, err
	}
	l, err := a.ledger(ctx)
	return p, l, err
}

// inMemory is a world. A run that did not contain the test is no verdict there.
func (a *app) inMemory() (*places, error) {
	w, err := a.inWorld()
	if err != nil {
		return nil, err
	}
	return worldPlaces(w.ci, a.worldRepo(w))
}

// worldRepo is the repository of a world that is meant: --repo, or the world's own.
func (a *app) worldRepo(w interface{ Repositories() []string }) string {
	if has := w.Repositories(); !a.flags.Changed("repo") && !slices.Contains(has, a.repo) {
		return has[0]
	}
	return a.repo
}

// worldPlaces are those of a repository of a world.
func worldPlaces(ci *jobtest.CI, name string) (*places, error) {
	repo, err := ci.Repository(name)
	if err != nil {
		return nil, err
	}
	return &places{
		repo: repo, read: ci, act: ci, judge: jobtest.TestJudge(analysis.ByStatus, analysis.NoTest),
		repositories: ci.Repository,
	}, nil
}

// memory is a world, and its CI.
type memory struct {
	*jobtest.World
	ci *jobtest.CI
}

// inWorld is the world of --world, which is read once.
func (a *app) inWorld() (*memory, error) {
	if a.memory == nil {
		w, err := a.readWorld()
		if err != nil {
			return nil, err
		}
		a.memory = &memory{w, jobtest.NewCI(w, nil)}
	}
	return a.memory, nil
}

// readWorld reads the file of --world.
func (a *app) readWorld() (*jobtest.World, error) {
	f, err := os.Open(a.world)
	if err != nil {
		return nil, usage("--world: %v", err)
	}
	defer func() { _ = f.Close() }()
	return jobtest.ParseWorld(a.world, f)
}

func (a *app) services() (*places, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	return a.servicesBy(client)
}

// servicesBy opens what the flags name, over one HTTP client.
func (a *app) servicesBy(client *http.Client) (p *places, err error) {
	p = &places{}
	if p.repo, p.read, err = a.service(a.ci, client); err != nil {
		return nil, err
	}
	p.act = p.read
	if a.triggerCI != "" && a.triggerCI != a.ci {
		if _, p.act, err = a.service(a.triggerCI, client); err != nil {
			return nil, err
		}
	}
	if a.throughTreeherder() {
		if p.act, err = a.readThere(client, p.act); err != nil {
			return nil, err
		}
		p.read = p.act
	}
	if a.ci == "treeherder" && p.repo != nil && a.triggerCI == "taskcluster" {
		// Taskcluster indexes by hashes of hg, and Treeherder may list by git's.
		twins, err := a.twins(client)
		if err != nil {
			return nil, err
		}
		if twins != nil {
			p.repo = pushlog.ByHg(p.repo, twins)
		}
	}
	if p.repo == nil && a.ci == "taskcluster" && a.onGit() {
		if p.repo, _, err = a.service("treeherder", client); err != nil {
			return nil, err
		}
	}
	if p.repo == nil || a.flags.Changed("hg-url") {
		var l *pushlog.Log
		if l, err = a.pushlog(client); err == nil {
			p.repo, p.repositories = l, func(name string) (job.Repository, error) { return l.Sibling(name), nil }
		}
	}
	return p, err
}

// onGit reports whether the pushes of a Taskcluster project are Treeherder's to
// tell: it is on git, or another than Firefox's, and Treeherder was named.
func (a *app) onGit() bool {
	set := a.flags.Changed
	return !set("hg-url") && (taskcluster.OnGit(pushlog.ShortName(a.repo)) ||
		set("treeherder-url") && (set("project") || set("trust-domain")))
}

// service opens a CI, and the pushes that it brings; nil for one that has none.
func (a *app) service(name string, client *http.Client) (job.Repository, job.Scheduler, error) {
	switch name {
	case "taskcluster":
		p, err := a.taskcluster(client)
		return nil, p, err
	case "buildbot":
		p, err := a.buildbot(client)
		return p, p, err
	case "selfserve":
		p, err := a.selfserve(client)
		return nil, p, err
	}
	if !strings.Contains(a.thURL, "://") {
		return a.snapshot()
	}
	s, err := a.treeherder(client)
	if err != nil {
		return nil, nil, err
	}
	project := s.Project(pushlog.ShortName(a.repo)).OnBranch(a.branch)
	return project, project, nil
}

// treeherder is the Treeherder that --treeherder-url names.
func (a *app) treeherder(client *http.Client) (*treeherder.Server, error) {
	twins, err := a.twins(client)
	if err != nil {
		return nil, err
	}
	return share(a.clients, func(c *clients) **treeherder.Server { return &c.treeherder },
		func() (*treeherder.Server, error) {
			return treeherder.New(a.thURL, &treeherder.Options{HTTP: client, Logger: a.log, Twins: twins})
		})
}

// taskcluster opens a deployment, with the credentials of the environment.
func (a *app) taskcluster(client *http.Client) (*taskcluster.Project, error) {
	root, opts, err := a.deployment(client)
	if err != nil {
		return nil, err
	}
	c, err := share(a.clients, func(c *clients) **taskcluster.Client { return &c.taskcluster },
		func() (*taskcluster.Client, error) { return taskcluster.New(root, &opts) })
	if err != nil {
		return nil, err
	}
	return a.taskclusterProject(c), nil
}

// deployment is what a client of the deployment is made of, as the flags and the
// environment have it. Half of the credentials is an error, beside what there is.
func (a *app) deployment(client *http.Client) (root string, opts taskcluster.Options, err error) {
	root, opts, err = taskcluster.FromEnvironment(os.Getenv)
	if named := a.taskclusterRoot(root); named != root {
		root, opts.ProxyURL = named, "" // the proxy is of the environment's deployment
	}
	opts.HTTP, opts.Logger, opts.CacheDir = client, a.log, a.cacheDir
	return root, opts, err
}

func (a *app) taskclusterProject(c *taskcluster.Client) *taskcluster.Project {
	return c.Project(pushlog.ShortName(a.repo),
		&taskcluster.ProjectOptions{
			TrustDomain: a.trustDomain, Name: a.project, Logger: a.log,
			Want: func(m *taskcluster.Message) bool { return a.heard == nil || a.heard(m) },
		})
}

// taskclusterRoot is the deployment's URL, where the environment says this one.
func (a *app) taskclusterRoot(environment string) string {
	if a.flags.Changed("root-url") {
		return a.rootURL
	}
	return environment
}

// buildbot opens a master, with the credentials of the environment.
func (a *app) buildbot(client *http.Client) (*buildbot.Project, error) {
	c, err := a.master(client)
	if err != nil {
		return nil, err
	}
	return a.buildbotProject(c), nil
}

// master is the client of a master.
func (a *app) master(client *http.Client) (*buildbot.Client, error) {
	if a.buildbotURL == "" {
		return nil, usage("--ci buildbot needs --buildbot-url, such as http://127.0.0.1:8010")
	}
	opts := buildbot.FromEnvironment(os.Getenv)
	opts.HTTP, opts.Logger = client, a.log
	c, err := share(a.clients, func(c *clients) **buildbot.Client { return &c.buildbot },
		func() (*buildbot.Client, error) { return buildbot.New(a.buildbotURL, &opts) })
	if err != nil {
		return nil, usage("--buildbot-url: %v", err)
	}
	return c, nil
}

func (a *app) buildbotProject(c *buildbot.Client) *buildbot.Project {
	return c.Project(pushlog.ShortName(a.repo),
		&buildbot.ProjectOptions{Branch: a.branch, Codebase: a.codebase, FailOnWarnings: a.warnings})
}

// selfserve opens BuildAPI, with the user and password of the environment.
func (a *app) selfserve(client *http.Client) (*selfserve.Project, error) {
	opts := &selfserve.Options{
		HTTP: client, User: os.Getenv("SELFSERVE_USER"), Password: os.Getenv("SELFSERVE_PASSWORD"),
		BuildDataURL: a.buildDataURL, CacheDir: a.cacheDir, Logger: a.log,
	}
	var err error
	if opts.Builders, err = a.builders(); err != nil {
		return nil, err
	}
	c, err := share(a.clients, func(c *clients) **selfserve.Client { return &c.selfserve },
		func() (*selfserve.Client, error) { return selfserve.New(a.selfserveURL, opts) })
	if err != nil {
		return nil, usage("--selfserve-url, --builddata-url: %v", err)
	}
	return c.Project(pushlog.ShortName(a.repo)), nil
}

// builders reads --allthethings, once; nil without it.
func (a *app) builders() (*selfserve.AllTheThings, error) {
	if a.allTheThings == "" || a.things != nil {
		return a.things, nil
	}
	f, err := a.open(a.allTheThings)
	if err != nil {
		return nil, usage("--allthethings: %v", err)
	}
	defer func() { _ = f.Close() }()
	if a.things, err = selfserve.ReadAllTheThings(f); err != nil {
		return nil, ofFile(a.allTheThings, err)
	}
	return a.things, nil
}

// snapshot reads a saved resultset of 2013 or 2014.
func (a *app) snapshot() (job.Repository, job.Scheduler, error) {
	if a.branch != "" {
		return nil, nil, usage("--branch %s: a saved resultset has no branches", a.branch)
	}
	f, err := os.Open(a.thURL)
	if err != nil {
		return nil, nil, usage("--treeherder-url: expected a URL or a file: %v", err)
	}
	defer func() { _ = f.Close() }()
	s, err := treeherder.ReadSnapshot(f, a.repo)
	if err != nil {
		return nil, nil, err
	}
	if a.flags.Changed("repo") && s.Name() != a.repo {
		return nil, nil, usage("--repo %s: the saved resultset is of %s", a.repo, s.Name())
	}
	return s, s, nil
}

// pushlog is hg's own record of the pushes.
func (a *app) pushlog(client *http.Client) (*pushlog.Log, error) {
	s, err := a.hg(client)
	if err != nil {
		return nil, err
	}
	return s.Repository(a.repo).OnBranch(a.branch), nil
}

// hg is the hg server. Lando's default is of Mozilla's: another hg server has
// other hashes.
func (a *app) hg(client *http.Client) (*pushlog.Server, error) {
	lando := a.lando()
	return share(a.clients, func(c *clients) **pushlog.Server { return &c.hg }, func() (*pushlog.Server, error) {
		return pushlog.New(a.hgURL,
			&pushlog.Options{HTTP: client, CacheDir: a.cacheDir, LandoURL: lando, Logger: a.log})
	})
}

// lando is the URL of the Lando of the hg server; empty for none.
func (a *app) lando() string {
	if a.flags.Changed("hg-url") && !a.flags.Changed("lando-url") {
		return ""
	}
	return a.landoURL
}

// twins says what a hash of hg is in git, and the reverse: as hg and Lando know
// it, or Lando alone where hg is not the one that Treeherder is about; nil where
// neither is.
func (a *app) twins(
	client *http.Client,
) (func(ctx context.Context, repo, rev string) (hg, git string, err error), error) {
	s, err := a.hg(client)
	switch {
	case err != nil:
		return nil, err
	case a.flags.Changed("hg-url") || !a.flags.Changed("treeherder-url"):
		return s.Twins, nil
	case a.flags.Changed("lando-url"):
		return s.LandoTwins, nil
	}
	return nil, nil
}

// pushRepository is where the pushes command looks: hg's pushlog, unless a CI
// was named that brings its own.
func (a *app) pushRepository() (job.Repository, error) {
	if a.world != "" || a.flags.Changed("ci") {
		p, err := a.places()
		if err != nil {
			return nil, err
		}
		return p.repo, nil
	}
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	return a.pushlog(client)
}

// tapeName is the cassette's file in the folder of --record and --replay.
const tapeName = "mozci.yaml"

// client is the HTTP client of all services: nil is the library's own.
func (a *app) client() (*http.Client, error) {
	var err error
	switch {
	case a.witness != nil:
		return a.witness, nil
	case a.tape != nil:
		return a.tape.Client(), nil
	case a.record != "":
		a.tape, err = cassette.Record(filepath.Join(a.record, tapeName), nil)
	case a.replay != "":
		a.tape, err = cassette.Replay(filepath.Join(a.replay, tapeName))
		if errors.Is(err, os.ErrNotExist) {
			err = usage("--replay: %v", err)
		}
	default:
		return a.busy.client(), nil
	}
	if err != nil {
		return nil, err
	}
	return a.tape.Client(), nil
}

// close ends the recording, and lets go of the ledger.
func (a *app) close() error {
	a.busy.stop()
	var err error
	if a.db != nil {
		err = a.db.Close()
	}
	if a.tape != nil {
		err = errors.Join(err, a.tape.Close())
	}
	return err
}
