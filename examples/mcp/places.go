package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/link"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
)

// place is where the pushes and the jobs of one repository are.
type place struct {
	repo  job.Repository
	ci    job.Scheduler
	judge analysis.Judge
	// byNumber finds a job by the number that Treeherder's links have.
	byNumber func(ctx context.Context, n int64) (job.Job, error)
	// settle lets what was triggered end, where time is not real; nil elsewhere.
	settle func(ctx context.Context) error
}

// opener opens the place of a repository. It asks no service.
type opener func(repo string) (*place, error)

// cis are the words of --ci.
var cis = []string{"taskcluster", "treeherder", "buildbot"}

// inMemory opens the world of a file, and names its first repository.
func inMemory(file string) (opener, string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = f.Close() }()
	w, err := jobtest.ParseWorld(file, f)
	if err != nil {
		return nil, "", err
	}
	ci := jobtest.NewCI(w, nil)
	return func(name string) (*place, error) { return inWorld(ci, name) }, w.Repositories()[0], nil
}

// inWorld is a repository of a CI in memory. A run that did not contain the test is no
// verdict there. Its time goes on when something was triggered, until all of it has ended.
func inWorld(ci *jobtest.CI, name string) (*place, error) {
	repo, err := ci.Repository(name)
	if err != nil {
		return nil, err
	}
	return &place{
		repo: repo, ci: ci, judge: jobtest.TestJudge(analysis.ByStatus, analysis.NoTest),
		byNumber: func(ctx context.Context, n int64) (job.Job, error) {
			return job.FindRun(ctx, ci, fmt.Sprintf("run-%d", n))
		},
		settle: func(ctx context.Context) error {
			for {
				if _, more, err := ci.Wait(ctx, 24*time.Hour); err != nil || !more {
					return err
				}
			}
		},
	}, nil
}

// services are the clients of the services that the flags name.
type services struct {
	flags
	log         *slog.Logger
	hg          *pushlog.Server
	treeherder  *treeherder.Server
	taskcluster *taskcluster.Client
	root        string           // of taskcluster
	buildbot    *buildbot.Client // nil without --buildbot-url
}

// newServices makes the clients, with the credentials of the environment. It asks nothing.
func newServices(f flags, client *http.Client, log *slog.Logger) (*services, error) {
	s := &services{flags: f, log: log}
	lando := pushlog.DefaultLandoURL
	if f.hgURL != "" { // other hashes than Firefox's
		lando = ""
	}
	var err error
	s.hg, err = pushlog.New(cmp.Or(f.hgURL, pushlog.DefaultURL),
		&pushlog.Options{HTTP: client, LandoURL: lando, Logger: log})
	if err != nil {
		return nil, err
	}
	th := &treeherder.Options{HTTP: client, Logger: log}
	if f.hgURL != "" || f.treeherderURL == "" { // the hg that Treeherder is about
		th.Twins = s.hg.Twins
	}
	if s.treeherder, err = treeherder.New(cmp.Or(f.treeherderURL, treeherder.DefaultURL), th); err != nil {
		return nil, err
	}
	root, tc, err := taskcluster.FromEnvironment(os.Getenv)
	if err != nil {
		return nil, err
	}
	if f.rootURL != "" && f.rootURL != root {
		root, tc.ProxyURL = f.rootURL, "" // the proxy is of the environment's deployment
	}
	s.root, tc.HTTP, tc.Logger = strings.TrimSuffix(cmp.Or(root, taskcluster.FirefoxCI), "/"), client, log
	if s.taskcluster, err = taskcluster.New(s.root, &tc); err != nil {
		return nil, err
	}
	if f.buildbotURL != "" {
		bb := buildbot.FromEnvironment(os.Getenv)
		bb.HTTP, bb.Logger = client, log
		s.buildbot, err = buildbot.New(f.buildbotURL, &bb)
	}
	return s, err
}

// place opens a repository. On Firefox's CI, and wherever a Treeherder was named beside a
// deployment of Taskcluster, the runs are read from Treeherder, which tells those of many
// pushes at once, and Taskcluster acts.
func (s *services) place(repo string) (*place, error) {
	name := pushlog.ShortName(repo)
	th := s.treeherder.Project(name)
	p := &place{repo: s.hg.Repository(repo), judge: analysis.ByStatus}
	switch s.ci {
	case "buildbot":
		bb := s.buildbot.Project(name, nil)
		if p.ci = bb; s.hgURL == "" {
			p.repo = bb
		}
		p.byNumber = func(context.Context, int64) (job.Job, error) {
			return nil, job.Wrap("mcp.link", "", fmt.Errorf("links of Treeherder: %w", errors.ErrUnsupported))
		}
		return p, nil
	case "treeherder":
		p.repo, p.ci = th, th
	default:
		p.ci = s.taskcluster.Project(name, &taskcluster.ProjectOptions{Logger: s.log})
		if s.ci == "" && (s.root == taskcluster.FirefoxCI || s.treeherderURL != "") {
			p.ci = th.ActingOn(p.ci, &treeherder.ActingOptions{Logger: s.log})
		}
		if s.hgURL == "" && taskcluster.OnGit(name) {
			p.repo = th
		}
	}
	p.byNumber = func(ctx context.Context, n int64) (job.Job, error) { return s.byNumber(ctx, th, p.ci, n) }
	return p, nil
}

// byNumber is a job by Treeherder's number, and then the run as its own CI has it.
func (s *services) byNumber(
	ctx context.Context, th *treeherder.Project, ci job.Scheduler, n int64,
) (job.Job, error) {
	number := strconv.FormatInt(n, 10)
	j, err := job.FindRun(ctx, th, number)
	if err != nil || s.ci == "treeherder" {
		return j, err
	}
	r, ok := j.Raw().(treeherder.Record)
	if !ok {
		return j, nil
	}
	of, id := r.Run()
	if of != taskcluster.CI || id == "" {
		return nil, job.Wrap("mcp.link", number, fmt.Errorf("%w: the job is of %q", job.ErrNotFound, of))
	}
	own, err := job.FindRun(ctx, ci, id)
	if err != nil {
		return nil, err
	}
	is := func(hash string) bool { return job.SameRevision(hash, own.Push().Revision) }
	if own.Name() != j.Name() || !slices.ContainsFunc(j.Push().Hashes(), is) {
		return nil, job.Wrap("mcp.link", number, fmt.Errorf("%w: Treeherder shows another job than task %s",
			job.ErrMalformed, id))
	}
	return own, nil
}

// deployments are the services whose links are understood.
func deployments(f flags, root string) link.Deployments {
	d := link.Deployments{
		Treeherder:  []string{cmp.Or(f.treeherderURL, treeherder.DefaultURL)},
		Taskcluster: []string{cmp.Or(root, taskcluster.FirefoxCI)}, Hg: []string{cmp.Or(f.hgURL, pushlog.DefaultURL)},
		Repository: pushlog.ShortName,
	}
	if d.Hg[0] == pushlog.DefaultURL { // the mirror of that repository
		d.Git = []string{link.FirefoxGit}
	}
	if f.buildbotURL != "" {
		d.Buildbot = []string{f.buildbotURL}
	}
	return d
}
