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

// ProjectOptions configure a Project; nil means zero options.
type ProjectOptions struct {
	// TrustDomain and Name are the first and the third word of the project's index
	// routes; Name is the project's name in Taskcluster. The defaults follow the
	// configuration of Firefox's CI: autoland is gecko.v2.autoland, nss is nss.v2.nss,
	// and Treeherder's enterprise-main is enterprise.v2.enterprise-firefox. A repository
	// that is not in that configuration is looked for by revision under every trust
	// domain.
	TrustDomain, Name string
	// Want tells DecodePulse which messages to decode. It decides before any request is
	// made, by the kind of message and the task's tags, such as label and project. It must
	// be safe for concurrent use. Default: all messages.
	Want func(*Message) bool
	// Logger gets a record of each action that was fired and of what it made. Default: the
	// client's logger.
	Logger *slog.Logger
}

// Project is the CI of one repository: a job.Scheduler with all the abilities listed below.
// Client.Project makes one. It is safe for concurrent use. It remembers unchanging facts
// about a bounded number of pushes and labels, those used last, and a listing of a push's
// runs for 5 seconds. It keeps no record of what it triggered, but looks at the CI each time.
type Project struct {
	c     *Client
	name  string // the repository's, as the caller knows it
	place place  // in the index
	sure  bool   // the place is known, not guessed
	opts  ProjectOptions
	log   *slog.Logger

	known *known // shared with the projects whose pushes merges brought; see of
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

// Project returns the CI of a repository, given by its short name, such as autoland. It makes
// no request. Only a repository that is not part of Firefox's CI needs opts to name its place
// in the index.
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

// of returns the project that a push belongs to: p itself, or another one for a push that a
// merge brought from another repository. That one shares p's memory.
func (p *Project) of(push job.Push) *Project {
	if push.Repo == "" || push.Repo == p.name {
		return p
	}
	opts := ProjectOptions{Logger: p.opts.Logger}
	if _, sure := placeOf(push.Repo); !sure {
		opts.TrustDomain = p.opts.TrustDomain // the best guess: a merge mostly joins repositories of one domain
	}
	other := p.c.Project(push.Repo, &opts)
	other.known = p.known // so that the bounds hold for all repositories together
	return other
}

// key names a push in known. The place is part of it, since two repositories may have the
// same revision with different tasks. For example "gecko.v2.autoland 190123 [a1c0…]".
func (p *Project) key(push job.Push) string {
	return fmt.Sprint(p.place, " ", push.ID, push.Hashes())
}

// label names a label of this repository in known.
func (p *Project) label(name string) labelOf { return labelOf{p.name, name} }

// split takes a job's ID apart: "fN1SbArXTPSVFNUvaOlinQ/1" is run 1, the second, of that task.
// An ID of another form is job.ErrNotFound.
func split(id string) (taskID string, runID int, err error) {
	taskID, run, ok := strings.Cut(id, "/")
	runID, err = strconv.Atoi(run)
	if !ok || err != nil || runID < 0 || checkTask(taskID) != nil {
		return "", 0, fmt.Errorf("%w: no run can have the ID %q: expected <task id>/<run number>",
			job.ErrNotFound, clip.Marked(id, shown))
	}
	return taskID, runID, nil
}

// Cancel implements job.Canceler. The queue can only cancel a whole task, which ends its latest
// run. So when the run is not the latest, it has ended before, and Cancel does nothing.
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

// cancel cancels the task of a run, if the run is the one that would end:
//
//	runs of the task          run 0         run 1
//	none                      cancelled     job.ErrNotFound
//	running                   cancelled     job.ErrNotFound
//	exception, pending        left alone    cancelled
//	exception, completed      left alone    left alone
func (p *Project) cancel(ctx context.Context, taskID string, runID int) error {
	s, err := p.c.Status(ctx, taskID)
	if err != nil {
		return err
	}
	switch {
	case runID > max(0, len(s.Runs)-1):
		return fmt.Errorf("%w: the task has no run %d; it has %d, counted from 0", job.ErrNotFound, runID, len(s.Runs))
	case s.resolved() || runID < len(s.Runs)-1:
		return nil
	}
	if err := allowed(ctx, cancelNeeds(s)); err != nil {
		return err
	}
	_, err = p.c.cancelTask(ctx, taskID)
	p.known.listings.forgetTask(taskID)
	var answered *Error
	if errors.As(err, &answered) && answered.Code == "RequestConflict" { // it has just ended, or is past its deadline
		if s, again := p.c.Status(ctx, taskID); again == nil && (s.resolved() || time.Now().After(s.Deadline)) {
			return nil
		}
	}
	return err
}

// QueueDepth implements job.QueueMeter for the label's queue. That is known once Jobs or
// Catalog has seen a task of the label; before that the error is errors.ErrUnsupported. It is
// the same when the deployment lacks the call or denies it to the caller.
func (p *Project) QueueDepth(ctx context.Context, label string) (job.QueueDepth, error) {
	const op = "taskcluster.load"
	queue, ok := p.known.queues.Get(p.label(label))
	if !ok {
		return job.QueueDepth{}, job.Wrap(op, label,
			fmt.Errorf("mozci has not seen a task of it yet, so it does not know its queue: %w", errors.ErrUnsupported))
	}
	return within(ctx, p.c, op, label, func(ctx context.Context) (job.QueueDepth, error) {
		n, err := p.c.taskQueueCounts(ctx, queue)
		if errors.Is(err, job.ErrDenied) || lacks(err) {
			err = fmt.Errorf("the deployment does not tell how many tasks wait in %s: %w: %w",
				queue, errors.ErrUnsupported, err)
		}
		return job.QueueDepth{Pending: n.Pending, Running: n.Claimed}, job.Wrap(op, label, err)
	})
}
