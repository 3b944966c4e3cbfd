package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
)

// Locate implements server.Places: a run by its id in the CI, a job of Treeherder by its
// number there, and then in the CI that it is of, or what a link says. Nothing is fetched
// from an address that a caller gave: a link has told which of our own services it is of.
// A link that names no job gives the push alone.
func (s *servedPlaces) Locate(ctx context.Context, n server.Named) (server.Located, error) {
	found, err := s.locate(ctx, n)
	if err != nil {
		return server.Located{}, job.Wrap("serve.locate", "", err)
	}
	if named := pushlog.ShortName(n.Project); n.Project != "" && named != found.Project {
		return server.Located{}, &server.InputError{
			Field: "project", Message: fmt.Sprintf("%q, and the job is of %q", named, found.Project),
		}
	}
	_, err = s.open(found.Project) // it must be served
	return found, job.Wrap("serve.locate", "", err)
}

func (s *servedPlaces) locate(ctx context.Context, n server.Named) (server.Located, error) {
	switch l := n.Link; {
	case l != nil:
		return s.byLink(ctx, n.Project, *l)
	case n.JobID != nil && s.ci != nil:
		return s.byRun(ctx, n.Project, fmt.Sprintf("run-%d", *n.JobID))
	case n.JobID != nil && (s.a.ci == "buildbot" || s.a.ci == "selfserve"):
		return s.byRun(ctx, n.Project, strconv.FormatInt(*n.JobID, 10))
	case n.JobID != nil:
		return s.byTreeherder(ctx, n.Project, strconv.FormatInt(*n.JobID, 10))
	}
	return s.byRun(ctx, n.Project, n.TaskID)
}

// byLink is what a link names: the job where it names one, or else the push.
func (s *servedPlaces) byLink(ctx context.Context, project string, l link.Link) (server.Located, error) {
	project = cmp.Or(l.Repo, project)
	task := l.Task
	if task != "" && l.Run != nil {
		task = fmt.Sprintf("%s/%d", task, *l.Run)
	}
	asks := s.a.ci
	switch {
	case task != "" && (l.Source == link.Treeherder && asks == "treeherder" || asks == "taskcluster"):
		return s.byRun(ctx, project, task)
	case l.JobID != nil && (asks == "treeherder" || asks == "taskcluster"):
		return s.byTreeherder(ctx, project, strconv.FormatInt(*l.JobID, 10))
	case l.Group != "" && asks == "taskcluster": // of one group is its decision task, which has its id
		found, err := s.byRun(ctx, project, l.Group)
		return server.Located{Project: found.Project, Revision: found.Revision, Page: found.Page}, err
	case l.BuildRequest != nil && asks == "buildbot":
		return s.byRun(ctx, project, strconv.FormatInt(*l.BuildRequest, 10))
	case l.Build != nil && asks == "buildbot":
		at := fmt.Sprintf("%s/#/builders/%s/builds/%d", l.Root, url.PathEscape(l.Builder), *l.Build)
		return s.byRun(ctx, project, at)
	case task != "" || l.JobID != nil || l.Group != "" || l.BuildRequest != nil || l.Build != nil:
		return server.Located{}, &server.Refusal{
			Reason:  server.NotFound,
			Message: fmt.Sprintf("The link is of %s, and this service asks %s.", l.Source, asks),
		}
	}
	return server.Located{Project: s.name(project), Revision: l.Revision}, nil
}

// name is the project that is meant.
func (s *servedPlaces) name(project string) string { return cmp.Or(pushlog.ShortName(project), s.home) }

// byRun is a run by its id in the CI.
func (s *servedPlaces) byRun(ctx context.Context, project, id string) (server.Located, error) {
	p, err := s.open(project)
	if err != nil {
		return server.Located{}, err
	}
	j, err := job.FindRun(ctx, p.CI, id)
	if err != nil {
		return server.Located{}, s.unknown(id, err)
	}
	return s.located(p, j), nil
}

func (s *servedPlaces) located(p *openedPlace, j job.Job) server.Located {
	push := j.Push()
	found := server.Located{
		Project: s.name(push.Repo), Label: j.Name(), Revision: push.Revision, Run: j.ID(), Page: job.PageOf(p.CI, j),
	}
	if at := s.treeherder(); at != "" && found.Page == "" {
		q := url.Values{"repo": {push.Repo}, "revision": {push.Revision}}
		switch task, run, _ := strings.Cut(j.ID(), "/"); s.a.ci {
		case "taskcluster":
			q.Set("selectedTaskRun", task+"."+run)
		case "treeherder":
			q.Set("selectedJob", j.ID())
		}
		found.Page = page(at, q)
	}
	return found
}

// byTreeherder is a job by Treeherder's number, and then the run in its own CI.
func (s *servedPlaces) byTreeherder(ctx context.Context, project, id string) (server.Located, error) {
	p, err := s.open(project)
	if err != nil {
		return server.Located{}, err
	}
	_, th, err := p.app.service("--treeherder-url", "treeherder", s.http)
	if err != nil {
		return server.Located{}, err
	}
	j, err := job.FindRun(ctx, th, id)
	if err != nil {
		return server.Located{}, s.unknown("job "+id+" of "+p.Project, err)
	}
	if s.a.ci == "treeherder" {
		return s.located(p, j), nil
	}
	ci, run := "", ""
	if r, ok := j.Raw().(treeherder.Record); ok {
		ci, run = r.Run()
	}
	if ci != s.a.ci || run == "" {
		return server.Located{}, &server.Refusal{
			Reason:  server.NotFound,
			Message: fmt.Sprintf("The job %s is of the CI %q, and this service asks %s.", id, ci, s.a.ci),
		}
	}
	own, err := job.FindRun(ctx, p.CI, run)
	if errors.Is(err, job.ErrNotFound) {
		return server.Located{}, &server.Refusal{
			Reason: server.Expired, Err: err,
			Message: fmt.Sprintf("Treeherder still shows the job %s, and its task %s has expired, or is of another "+
				"deployment of Taskcluster.", id, run),
		}
	}
	if err != nil {
		return server.Located{}, err
	}
	is := func(h string) bool { return job.SameRevision(h, own.Push().Revision) }
	if own.Name() != j.Name() || !slices.ContainsFunc(j.Push().Hashes(), is) {
		return server.Located{}, fmt.Errorf(
			"%w: by Treeherder the job %s is %q on %.12s, and its task %s is %q on %.12s", job.ErrMalformed, id,
			j.Name(), j.Push().Revision, run, own.Name(), own.Push().Revision)
	}
	return s.located(p, own), nil
}

// ids are what a CI may have given once. Others it never gave.
var ids = regexp.MustCompile(`^([A-Za-z0-9_-]{22}(/\d+)?|(job )?\d+(/\d+)?( of .*)?)$`)

// unknown refuses what a CI does not know, and says whether it may have been once.
func (s *servedPlaces) unknown(id string, err error) error {
	if !errors.Is(err, job.ErrNotFound) {
		return err
	}
	text := err.Error()
	var e *job.Error
	if errors.As(err, &e) && e.Err != nil {
		text = e.Err.Error()
	}
	text = strings.TrimPrefix(text, job.ErrNotFound.Error()+": ")
	r := &server.Refusal{
		Reason: server.NotFound, Message: fmt.Sprintf("No job is known by %q: %s.", id, text), Err: err,
	}
	if s.ci == nil && !errors.Is(err, job.ErrNoPush) && ids.MatchString(id) {
		r.Reason = server.Expired
		r.Message = fmt.Sprintf("The job %s has expired, or never was: %s.", strings.TrimPrefix(id, "job "), text)
	}
	return r
}
