package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// Locate implements server.Places: a run by its id in the CI, a job of Treeherder by its
// number there, and then in the CI that it is of, or what a link says. A link that names
// no job gives the push alone.
func (s *servedPlaces) Locate(ctx context.Context, n server.Named) (server.Located, error) {
	at, err := s.locate(ctx, n)
	if err != nil {
		return server.Located{}, job.Wrap("serve.locate", "", s.refused(err))
	}
	project := s.name(at.repo)
	if named := pushlog.ShortName(n.Project); n.Project != "" && named != project {
		return server.Located{}, &server.InputError{
			Field: "project", Message: fmt.Sprintf("%q, and the job is of %q", named, project),
		}
	}
	_, err = s.open(project) // it must be served
	return s.located(at), job.Wrap("serve.locate", "", err)
}

func (s *servedPlaces) locate(ctx context.Context, n server.Named) (found, error) {
	f := &finder{asks: s.a.ci, world: s.ci != nil, http: s.http, open: func(project string) (*app, error) {
		p, err := s.open(project)
		if err != nil {
			return nil, err
		}
		return p.app, nil
	}}
	switch {
	case n.Link != nil:
		return f.link(ctx, n.Project, *n.Link)
	case n.JobID != nil:
		return f.number(ctx, n.Project, *n.JobID)
	}
	return f.byRun(ctx, n.Project, n.TaskID)
}

// name is the project that is meant.
func (s *servedPlaces) name(project string) string { return cmp.Or(pushlog.ShortName(project), s.home) }

func (s *servedPlaces) located(at found) server.Located {
	out := server.Located{Project: s.name(at.repo), Revision: at.revision}
	if at.run == nil {
		return out
	}
	out.Label, out.Run, out.Page = at.run.Name(), at.run.ID(), job.PageOf(at.ci, at.run)
	if root := s.treeherder(); root != "" && out.Page == "" {
		q := url.Values{"repo": {at.run.Push().Repo}, "revision": {at.revision}}
		switch task, run, _ := strings.Cut(out.Run, "/"); s.a.ci {
		case "taskcluster":
			q.Set("selectedTaskRun", task+"."+run)
		case "treeherder":
			q.Set("selectedJob", out.Run)
		}
		out.Page = page(root, q)
	}
	return out
}

// ids are what a CI may have given once. Others it never gave.
var ids = regexp.MustCompile(`^([A-Za-z0-9_-]{22}(/\d+)?|(job )?\d+(/\d+)?( of .*)?)$`)

// refused is the refusal that an error of the finder means; the error itself where it
// means none.
func (s *servedPlaces) refused(err error) error {
	var unknown *unknownError
	var gone *goneError
	var stranger *strangerError
	var mixed *mixedError
	switch {
	case errors.As(err, &unknown):
		return s.unknown(unknown.id, unknown.err)
	case errors.As(err, &gone):
		return &server.Refusal{Reason: server.Expired, Message: gone.Error() + ".", Err: gone.err}
	case errors.As(err, &stranger):
		return &server.Refusal{Reason: server.NotFound, Message: fmt.Sprintf("%s is of %s, and this service asks %s.",
			strings.Replace(stranger.what, "the", "The", 1), stranger.of, stranger.asks)}
	case errors.As(err, &mixed):
		return &server.InputError{Field: "link", Message: mixed.Error()}
	}
	return err
}

// unknown refuses what a CI does not know, and says whether it may have been once.
func (s *servedPlaces) unknown(id string, err error) error {
	text := unprefixed(err)
	r := &server.Refusal{
		Reason: server.NotFound, Message: fmt.Sprintf("No job is known by %q: %s.", id, text), Err: err,
	}
	if s.ci == nil && !errors.Is(err, job.ErrNoPush) && ids.MatchString(id) {
		r.Reason = server.Expired
		r.Message = fmt.Sprintf("The job %s has expired, or never was: %s.", strings.TrimPrefix(id, "job "), text)
	}
	return r
}
