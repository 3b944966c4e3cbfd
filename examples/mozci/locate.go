package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
)

// finder finds what people name: a run by its id in the CI, a job of Treeherder by its
// number there, or what a link says. The commands and the service use the same one.
// Nothing is fetched from an address that somebody gave: a link has told which of our own
// services it is of.
type finder struct {
	asks  string // the CI whose runs are meant, as --ci names it
	world bool   // that CI is a world's, whose run-5 has the number 5
	// open is the program as if it were started with --repo, its places open; the
	// repository that nobody names where the name is empty.
	open func(repo string) (*app, error)
	http *http.Client
}

// found is what was named: a run and its push, or a push alone.
type found struct {
	repo     string // as pushlog.ShortName has it; empty where nothing says it
	revision string
	run      job.Job // nil where none was named
	ci       job.Scheduler
}

// label is that of the run; empty where none was named.
func (f found) label() string {
	if f.run == nil {
		return ""
	}
	return f.run.Name()
}

// unknownError is job.ErrNotFound for what was named by an id.
type unknownError struct {
	id  string
	err error
}

func (e *unknownError) Error() string { return e.err.Error() }
func (e *unknownError) Unwrap() error { return e.err }

// goneError is job.ErrNotFound for a run that Treeherder still shows.
type goneError struct {
	job, task string
	err       error
}

func (e *goneError) Error() string {
	return fmt.Sprintf("Treeherder still shows the job %s, and its task %s has expired, or is of another "+
		"deployment of Taskcluster", e.job, e.task)
}

func (e *goneError) Unwrap() error { return e.err }

// strangerError: what was named is of another CI than the one that is asked.
type strangerError struct{ what, of, asks string }

func (e *strangerError) Error() string {
	return fmt.Sprintf("%s is of %s, and %s is asked", e.what, e.of, e.asks)
}

func (e *strangerError) Unwrap() error { return job.ErrNotFound }

// mixedError: a link says one thing of its job, and the job's own service another.
type mixedError struct{ says, is string }

func (e *mixedError) Error() string {
	return fmt.Sprintf("the link names %s, and its job is of %s", e.says, e.is)
}

func (e *mixedError) Unwrap() error { return job.ErrInvalid }

// link is what a link names: the run where it names one, or else the push. Repo is meant
// where the link says none.
func (f *finder) link(ctx context.Context, repo string, l link.Link) (found, error) {
	at, err := f.byLink(ctx, cmp.Or(l.Repo, repo), l)
	if err != nil || at.run == nil {
		return at, err
	}
	if l.Repo != "" && at.repo != l.Repo {
		return found{}, &mixedError{l.Repo, at.repo}
	}
	if l.Revision == "" || l.From != "" { // of a range the run is of some push
		return at, nil
	}
	same, err := f.same(ctx, at, l.Revision)
	if err == nil && !same {
		err = &mixedError{fmt.Sprintf("push %.12s", l.Revision), "push " + at.run.Push().Short()}
	}
	return at, err
}

func (f *finder) byLink(ctx context.Context, repo string, l link.Link) (found, error) {
	task := l.Task
	if task != "" && l.Run != nil {
		task = fmt.Sprintf("%s/%d", task, *l.Run)
	}
	switch {
	case l.JobID != nil && f.world:
		return f.number(ctx, repo, *l.JobID)
	case task != "" && onTreeherder(f.asks):
		return f.byRun(ctx, repo, task)
	case l.JobID != nil && onTreeherder(f.asks):
		return f.number(ctx, repo, *l.JobID)
	case l.Group != "" && onTreeherder(f.asks): // of one group is its decision task, which has its id
		return f.pushOf(ctx, repo, l.Group)
	case l.BuildRequest != nil && f.asks == "buildbot":
		return f.byRun(ctx, repo, strconv.FormatInt(*l.BuildRequest, 10))
	case l.Build != nil && f.asks == "buildbot":
		at := fmt.Sprintf("%s/#/builders/%s/builds/%d", l.Root, url.PathEscape(l.Builder), *l.Build)
		return f.byRun(ctx, repo, at)
	case task != "" || l.JobID != nil || l.Group != "" || l.BuildRequest != nil || l.Build != nil:
		return found{}, &strangerError{"the link", string(l.Source), f.asks}
	}
	return found{repo: pushlog.ShortName(repo), revision: l.Revision}, nil
}

// number is a run by its number in the CI, or in Treeherder.
func (f *finder) number(ctx context.Context, repo string, n int64) (found, error) {
	id := strconv.FormatInt(n, 10)
	switch {
	case f.world:
		return f.byRun(ctx, repo, "run-"+id)
	case f.asks == "buildbot" || f.asks == "selfserve":
		return f.byRun(ctx, repo, id)
	}
	return f.byTreeherder(ctx, repo, id)
}

// byRun is a run by its id in the CI.
func (f *finder) byRun(ctx context.Context, repo, id string) (found, error) {
	a, err := f.open(repo)
	if err != nil {
		return found{}, err
	}
	j, err := job.FindRun(ctx, a.opened.act, id)
	if err != nil {
		return found{}, named(id, err)
	}
	return foundRun(a.opened.act, j), nil
}

// pushOf is the push that a run is of.
func (f *finder) pushOf(ctx context.Context, repo, id string) (found, error) {
	at, err := f.byRun(ctx, repo, id)
	if err != nil {
		return found{}, err
	}
	return found{repo: at.repo, revision: at.revision}, nil
}

func foundRun(ci job.Scheduler, j job.Job) found {
	push := j.Push()
	return found{repo: pushlog.ShortName(push.Repo), revision: push.Revision, run: j, ci: ci}
}

// named says by which id something is not found.
func named(id string, err error) error {
	if errors.Is(err, job.ErrNotFound) {
		return &unknownError{id, err}
	}
	return err
}

// byTreeherder is a job by Treeherder's number, and then the run in its own CI where that
// is the one that is asked.
func (f *finder) byTreeherder(ctx context.Context, repo, id string) (found, error) {
	a, err := f.open(repo)
	if err != nil {
		return found{}, err
	}
	_, th, err := a.service("treeherder", f.http)
	if err != nil {
		return found{}, err
	}
	j, err := job.FindRun(ctx, th, id)
	if err != nil {
		return found{}, named("job "+id+" of "+a.repo, err)
	}
	if f.asks == "treeherder" {
		return foundRun(th, j), nil
	}
	ci, run := ownRun(j)
	if ci != f.asks || run == "" {
		return found{}, &strangerError{"the job " + id, fmt.Sprintf("the CI %q", ci), f.asks}
	}
	own, err := job.FindRun(ctx, a.opened.act, run)
	if errors.Is(err, job.ErrNotFound) {
		return found{}, &goneError{id, run, err}
	}
	if err != nil {
		return found{}, err
	}
	if own.Name() != j.Name() || !isOf(j.Push(), own.Push().Revision) {
		return found{}, fmt.Errorf(
			"%w: by Treeherder the job %s is %q on %.12s, and its task %s is %q on %.12s", job.ErrMalformed, id,
			j.Name(), j.Push().Revision, run, own.Name(), own.Push().Revision)
	}
	return foundRun(a.opened.act, own), nil
}

// ownRun is the CI that ran a job of Treeherder's, and the run's id there; empty for a
// job that is not Treeherder's.
func ownRun(j job.Job) (ci, id string) {
	if r, ok := j.Raw().(treeherder.Record); ok {
		return r.Run()
	}
	return "", ""
}

// isOf reports whether a revision is one of the push's own, as far as the push says.
func isOf(p job.Push, rev string) bool {
	is := func(h string) bool { return job.SameRevision(h, rev) }
	return slices.ContainsFunc(p.Hashes(), is) ||
		slices.ContainsFunc(p.Changesets, func(c job.Changeset) bool { return is(c.Node) })
}

// same reports whether a revision is of the push that was found. The repository is asked
// where the push itself does not say so: a revision may be one of its changesets, or "tip".
func (f *finder) same(ctx context.Context, at found, rev string) (bool, error) {
	of := job.Push{Revision: at.revision}
	if at.run != nil {
		of = at.run.Push()
	}
	if isOf(of, rev) {
		return true, nil
	}
	a, err := f.open(at.repo)
	if err != nil {
		return false, err
	}
	push, err := a.opened.repo.Push(ctx, rev)
	if errors.Is(err, job.ErrNotFound) {
		return false, nil
	}
	return err == nil && (isOf(push, of.Revision) || slices.ContainsFunc(of.Hashes(), func(h string) bool {
		return isOf(push, h)
	})), err
}

// searched is the label that a page of Treeherder is filtered by, where a run on the push
// is called so exactly, or can be; empty where it is none.
func (p *places) searched(ctx context.Context, rev, label string) (string, error) {
	push, err := p.repo.Push(ctx, rev)
	if err != nil {
		return "", err
	}
	jobs, err := p.read.Jobs(ctx, push, label)
	if err != nil && !errors.Is(err, job.ErrNotFound) && !errors.Is(err, job.ErrNotScheduled) {
		return "", err
	}
	if slices.ContainsFunc(jobs, func(j job.Job) bool { return j.Name() == label }) {
		return label, nil
	}
	some, err := job.Catalog(ctx, p.act, push, label)
	switch {
	case slices.ContainsFunc(some, func(r job.Runnable) bool { return r.Label == label }):
		return label, nil
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, job.ErrNotScheduled), errors.Is(err, job.ErrNotFound):
		return "", nil
	}
	return "", err
}

// unprefixed is what an error says beside its kind.
func unprefixed(err error) string {
	text := err.Error()
	var e *job.Error
	if errors.As(err, &e) && e.Err != nil {
		text = e.Err.Error()
	}
	return strings.TrimPrefix(text, job.ErrNotFound.Error()+": ")
}
