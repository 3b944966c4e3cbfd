package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
)

// about is what a question is about: a link, a job, or a push by its revision.
type about struct {
	Link     address    `json:"link,omitempty" jsonschema:"the address of a job or push as copied from the browser (Treeherder, Taskcluster, hg, Buildbot), or the id of a task; instead of job and revision"`
	Job      runID      `json:"job,omitempty" jsonschema:"the id of a job, as list_jobs gives it; instead of link and revision"`
	Repo     repository `json:"repo,omitempty" jsonschema:"the repository, such as autoland; left out, it is the server's own"`
	Revision revision   `json:"revision,omitempty" jsonschema:"a hash of hg or of git with 12 to 40 digits, or tip for the newest push"`
	Label    label      `json:"label,omitempty" jsonschema:"the label: a task label or a builder's name, as list_jobs and list_labels give it"`
}

// subject is what a question turned out to be about. A push is not fetched yet.
type subject struct {
	*place
	revision string
	label    string
	run      job.Job // where a job was named, else nil
}

// of finds what a question is about.
func (s *service) of(ctx context.Context, a about) (subject, error) {
	ways := 0
	for _, given := range []bool{a.Link != "", a.Job != "", a.Revision != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return subject{}, refusal("Give one of link, job and revision.")
	}
	repo := cmp.Or(string(a.Repo), s.repo)
	var l link.Link
	var err error
	if a.Link != "" {
		if l, err = link.Parse(string(a.Link), s.deployments); err != nil {
			return subject{}, err
		}
	}
	if a.Repo != "" && l.Repo != "" && string(a.Repo) != l.Repo {
		return subject{}, refusal("The link and repo name different repositories: leave repo out.")
	}
	p, err := s.place(cmp.Or(l.Repo, repo))
	if err != nil {
		return subject{}, err
	}
	out := subject{place: p, revision: cmp.Or(string(a.Revision), l.Revision), label: string(a.Label)}
	find := p.linked(l)
	if a.Job != "" {
		find = func(ctx context.Context) (job.Job, error) { return job.FindRun(ctx, p.ci, string(a.Job)) }
	}
	if find == nil && out.revision == "" {
		return subject{}, refusal("The link names neither a job nor a push.")
	}
	if find == nil {
		return out, nil
	}
	j, err := find(ctx)
	if err != nil {
		return subject{}, err
	}
	return s.ofRun(ctx, out, j, l)
}

// ofRun is a subject with the job that was named.
func (s *service) ofRun(ctx context.Context, out subject, j job.Job, l link.Link) (subject, error) {
	var err error
	if out.revision = j.Push().Revision; out.revision == "" {
		return subject{}, job.Wrap("mcp.job", j.ID(), job.ErrNoPush)
	}
	if repo := j.Push().Repo; repo != "" && repo != out.repo.Name() {
		if l.Repo != "" {
			return subject{}, refusal("The link names a repository, and its job is of another one.")
		}
		if out.place, err = s.place(repo); err != nil {
			return subject{}, err
		}
	}
	if l.Revision != "" && l.From == "" { // of a range the job is of some push
		same, err := samePush(ctx, out.repo, j.Push(), l.Revision)
		if err != nil {
			return subject{}, err
		}
		if !same {
			return subject{}, refusal("The link names a push, and its job is of another one.")
		}
	}
	if l.Group != "" && l.Task == "" { // the decision task stands for its push
		return out, nil
	}
	if out.label == "" || out.label == j.Name() {
		out.label, out.run = j.Name(), j
	}
	return out, nil
}

// samePush reports whether a revision is of a push. The repository is asked where the push
// itself does not say so: the revision may be one of its changesets, or tip.
func samePush(ctx context.Context, repo job.Repository, of job.Push, rev string) (bool, error) {
	is := func(p job.Push, rev string) bool {
		return slices.ContainsFunc(p.Hashes(), func(h string) bool { return job.SameRevision(h, rev) })
	}
	if is(of, rev) {
		return true, nil
	}
	p, err := repo.Push(ctx, rev)
	if errors.Is(err, job.ErrNotFound) {
		return false, nil
	}
	return err == nil && is(p, of.Revision), err
}

// linked finds the job that a link names; nil for a link that names none.
func (p *place) linked(l link.Link) func(context.Context) (job.Job, error) {
	id := ""
	switch {
	case l.Task != "" && l.Run != nil:
		id = fmt.Sprintf("%s/%d", l.Task, *l.Run)
	case l.Task != "":
		id = l.Task
	case l.JobID != nil:
		return func(ctx context.Context) (job.Job, error) { return p.byNumber(ctx, *l.JobID) }
	case l.Group != "": // of one group is its decision task, which has its id
		id = l.Group
	case l.BuildRequest != nil:
		id = strconv.FormatInt(*l.BuildRequest, 10)
	case l.Build != nil:
		id = fmt.Sprintf("%s/#/builders/%s/builds/%d", l.Root, url.PathEscape(l.Builder), *l.Build)
	default:
		return nil
	}
	return func(ctx context.Context) (job.Job, error) { return job.FindRun(ctx, p.ci, id) }
}

// push fetches the push that a question is about.
func (s subject) push(ctx context.Context) (job.Push, error) { return s.repo.Push(ctx, s.revision) }

// needsLabel refuses a question about no label.
func (s subject) needsLabel() error {
	if s.label == "" {
		return refusal("Say which label: give label, or a link or id of a job.")
	}
	return nil
}

// ofLabel finds what a question is about, which must have one.
func (s *service) ofLabel(ctx context.Context, a about) (subject, error) {
	out, err := s.of(ctx, a)
	if err == nil {
		err = out.needsLabel()
	}
	return out, err
}

// failed is the job that was named or, of a label on a push, the newest run that failed.
func (s subject) failed(ctx context.Context) (job.Job, error) {
	if s.run != nil {
		return s.run, nil
	}
	p, err := s.push(ctx)
	if err != nil {
		return nil, err
	}
	jobs, err := s.ci.Jobs(ctx, p, s.label)
	if err != nil {
		return nil, err
	}
	jobs = slices.DeleteFunc(jobs, func(j job.Job) bool { return !j.Status().Failed() })
	if len(jobs) == 0 {
		return nil, job.Wrap("mcp.failures", s.label, fmt.Errorf("%w: no run of it failed on %s", job.ErrNotFound, p))
	}
	return slices.MaxFunc(jobs, func(a, b job.Job) int {
		return cmp.Or(a.Times().Finished.Compare(b.Times().Finished), cmp.Compare(a.ID(), b.ID()))
	}), nil
}
