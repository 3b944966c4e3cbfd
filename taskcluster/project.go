package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// ProjectOptions configure a Project; nil is zero options.
type ProjectOptions struct {
	// TrustDomain is the first word of the project's index routes, and Name the
	// third, what Taskcluster calls the project. Defaults follow the
	// configuration of Firefox's CI: autoland is gecko.v2.autoland, nss is
	// nss.v2.nss, Treeherder's enterprise-main is enterprise.v2.enterprise-firefox.
	// A repository that the configuration does not name is looked for under
	// every trust domain, by its revision.
	TrustDomain, Name string
	// Want says which messages DecodePulse is to decode, before anything is asked about
	// them: by their tags, such as label and project, or by what happened. It must be
	// safe for concurrent use. Default: all.
	Want func(*Message) bool
	// Logger gets which action was fired and what it made. Default: the client's.
	Logger *slog.Logger
}

// Project is the CI of one repository: a job.Scheduler and more. It is safe for
// concurrent use; Client.Project makes one. It keeps what does not change of the
// pushes and labels that were wanted last, a bounded number, and a listing of a
// push's runs for 5 seconds; what was triggered it reads from the CI each time.
type Project struct {
	c     *Client
	name  string // of the repository
	place place  // in the index
	sure  bool   // the place is known, not guessed
	opts  ProjectOptions
	log   *slog.Logger

	known *known // shared with the projects of what merges brought
}

var (
	_ job.Scheduler       = (*Project)(nil)
	_ job.TestLister      = (*Project)(nil)
	_ job.Cataloger       = (*Project)(nil)
	_ job.Canceler        = (*Project)(nil)
	_ job.LogOpener       = (*Project)(nil)
	_ job.AcceptedLister  = (*Project)(nil)
	_ job.ArtifactChecker = (*Project)(nil)
	_ job.QueueMeter      = (*Project)(nil)
	_ job.AddedChecker    = (*Project)(nil)
	_ job.OutcomeFinder   = (*Project)(nil)
	_ job.TriggerScoper   = (*Project)(nil)
	_ job.CancelScoper    = (*Project)(nil)
	_ job.RunFinder       = (*Project)(nil)
	_ job.HistoryReader   = (*Project)(nil)
	_ job.StatusReader    = (*Project)(nil)
)

// Project is the CI of a repository, by its short name, such as autoland. It asks
// nothing yet. What a table of places lacks, opts name; nil is zero options.
func (c *Client) Project(name string, opts *ProjectOptions) *Project {
	p := &Project{c: c, name: name, log: c.log, known: newKnown(mostDecisions, mostPushes, mostLabels)}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.Logger != nil {
		p.log = p.opts.Logger
	}
	p.place, p.sure = placeOf(name)
	if p.opts.TrustDomain != "" {
		p.place.domain, p.sure = p.opts.TrustDomain, true
	}
	if p.opts.Name != "" {
		p.place.project = p.opts.Name
	}
	return p
}

// of is the project that a push belongs to: what a merge brought is another's.
func (p *Project) of(push job.Push) *Project {
	if push.Repo == "" || push.Repo == p.name {
		return p
	}
	opts := ProjectOptions{Logger: p.opts.Logger}
	if _, sure := placeOf(push.Repo); !sure {
		opts.TrustDomain = p.opts.TrustDomain // a sibling's, as far as anybody knows
	}
	other := p.c.Project(push.Repo, &opts)
	other.known = p.known // so that its bounds hold for all repositories together
	return other
}

// key names a push in what is known: two repositories may have the same revision.
func (p *Project) key(push job.Push) string {
	return fmt.Sprint(p.place, " ", push.ID, push.Hashes())
}

// label names a label of the repository in what is known.
func (p *Project) label(name string) labelOf { return labelOf{p.name, name} }

// split is the task and the run that a job's ID names.
func split(id string) (taskID string, runID int, err error) {
	taskID, run, ok := strings.Cut(id, "/")
	runID, err = strconv.Atoi(run)
	if !ok || err != nil || runID < 0 || checkTask(taskID) != nil {
		return "", 0, fmt.Errorf("%w: no run has the id %q: expected <task id>/<run number>",
			job.ErrNotFound, clip.Marked(id, shown))
	}
	return taskID, runID, nil
}

// Cancel implements job.Canceler. A run that another one followed has ended, and
// its task is left alone.
func (p *Project) Cancel(ctx context.Context, id string) error {
	const op = "taskcluster.cancel"
	taskID, runID, err := split(id)
	if err != nil {
		return job.Wrap(op, id, err)
	}
	_, err = within(ctx, p.c, op, id, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, job.Wrap(op, id, p.cancel(ctx, taskID, runID))
	})
	return err
}

func (p *Project) cancel(ctx context.Context, taskID string, runID int) error {
	s, err := p.c.Status(ctx, taskID)
	if err != nil {
		return err
	}
	switch {
	case runID > max(0, len(s.Runs)-1):
		return fmt.Errorf("%w: the task has %d runs", job.ErrNotFound, len(s.Runs))
	case s.resolved() || runID < len(s.Runs)-1:
		return nil
	}
	if err := allowed(ctx, cancelNeeds(s)); err != nil {
		return err
	}
	_, err = p.c.cancelTask(ctx, taskID)
	p.known.listings.forgetTask(taskID)
	var answered *Error
	if errors.As(err, &answered) && answered.Code == "RequestConflict" { // it ended meanwhile, or with its deadline
		if s, again := p.c.Status(ctx, taskID); again == nil && (s.resolved() || time.Now().After(s.Deadline)) {
			return nil
		}
	}
	return err
}

// QueueDepth implements job.QueueMeter: the queue of the label, which is known once Jobs
// or Catalog has seen the label; before that it is errors.ErrUnsupported, as
// it is where the deployment does not tell the caller.
func (p *Project) QueueDepth(ctx context.Context, label string) (job.QueueDepth, error) {
	const op = "taskcluster.load"
	queue, ok := p.known.queues.Get(p.label(label))
	if !ok {
		return job.QueueDepth{}, job.Wrap(op, label,
			fmt.Errorf("no task of it was seen, so its queue is not known: %w", errors.ErrUnsupported))
	}
	return within(ctx, p.c, op, label, func(ctx context.Context) (job.QueueDepth, error) {
		n, err := p.c.taskQueueCounts(ctx, queue)
		if errors.Is(err, job.ErrDenied) || lacks(err) {
			err = fmt.Errorf("the deployment does not say how deep %s is: %w: %w", queue, errors.ErrUnsupported, err)
		}
		return job.QueueDepth{Pending: n.Pending, Running: n.Claimed}, job.Wrap(op, label, err)
	})
}
