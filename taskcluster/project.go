package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	// Logger gets which action was fired and what it made. Nil discards.
	Logger *slog.Logger
}

// Project is the CI of one repository: a job.Scheduler and more. It is safe for
// concurrent use; Client.Project makes one.
type Project struct {
	c     *Client
	name  string // of the repository
	place place  // in the index
	sure  bool   // the place is known, not guessed
	opts  ProjectOptions
	log   *slog.Logger

	decisions sync.Map // push key to decision task id
	runs      sync.Map // decision task id to the run that completed
	details   sync.Map // decision task id to *decision
	queues    sync.Map // label to task queue id
	needs     sync.Map // label to the labels of the builds it needs, as []string
	others    sync.Map // repository to *Project

	mu       sync.Mutex
	listings map[string]*graphs // by push key
}

var (
	_ job.Scheduler       = (*Project)(nil)
	_ job.Cataloger       = (*Project)(nil)
	_ job.Canceler        = (*Project)(nil)
	_ job.LogOpener       = (*Project)(nil)
	_ job.AcceptedLister  = (*Project)(nil)
	_ job.ArtifactChecker = (*Project)(nil)
	_ job.QueueMeter      = (*Project)(nil)
	_ job.AddedChecker    = (*Project)(nil)
	_ job.OutcomeFinder   = (*Project)(nil)
)

// Project is the CI of a repository, by its short name, such as autoland.
func (c *Client) Project(name string, opts *ProjectOptions) *Project {
	p := &Project{c: c, name: name, log: c.log, listings: map[string]*graphs{}}
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
	other, _ := p.others.LoadOrStore(push.Repo, p.c.Project(push.Repo, &opts))
	return other.(*Project)
}

// Record is a run as the queue has it; job.Job.Raw of this package's jobs. Run
// is nil for a task that waits for others and has no run yet.
type Record struct {
	Task   *Task
	Status *TaskStatus
	Run    *TaskRun
	// Never says why a task without a run will never get one; empty where it
	// still can.
	Never string
}

func (t *listedTask) label() string { return t.Task.Metadata.Name }

// Jobs implements job.Scheduler: every run of the push's task groups, the
// decision task's and the actions' own among them: that of its decision task, and
// those of cron jobs on it. A run of a status word that is not documented is
// job.ErrUnknownWord. A task that will never run, since what it needs has ended
// without success, is Skipped, and its Record says why.
//
// Requests: two for the decision tasks, or one when the push's own is known
// already; one for each 1000 tasks; and one for all dependencies outside the
// groups of tasks that wait.
func (p *Project) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	const op = "taskcluster.jobs"
	if err := ctx.Err(); err != nil || !push.Testable() {
		return nil, job.Wrap(op, push.String(), err)
	}
	p = p.of(push)
	g, err := p.forJobs(ctx, push)
	if err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	jobs, err := p.jobsOf(ctx, push, g, names...)
	return jobs, job.Wrap(op, push.String(), err)
}

// jobsOf are the runs in the groups of a push, of the named labels or of all.
func (p *Project) jobsOf(ctx context.Context, push job.Push, g *graphs, names ...string) ([]job.Job, error) {
	var tasks, waiting []*listedTask
	for _, one := range g.list {
		for _, t := range one.tasks {
			if g.byID[t.Status.TaskID] != t || len(names) > 0 && !slices.Contains(names, t.label()) {
				continue
			}
			tasks = append(tasks, t)
			if t.waits() {
				waiting = append(waiting, t)
			}
		}
	}
	never, err := p.never(ctx, g, waiting)
	if err != nil {
		return nil, err
	}
	for _, l := range names {
		p.learn(g, l)
	}
	var out []job.Job
	var errs []error
	for _, t := range tasks {
		jobs, err := runsOf(push, t, never[t.Status.TaskID])
		out = append(out, jobs...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return out, errors.Join(errs...)
}

// runsOf are the runs of a task, or the one that it will have; never says why it
// will have none.
func runsOf(push job.Push, t *listedTask, never string) ([]job.Job, error) {
	kind := t.kind()
	runs := t.Status.Runs
	if len(runs) == 0 {
		if t.Status.State != "unscheduled" {
			return nil, fmt.Errorf("%w: task %s is %s and has no run", job.ErrMalformed, t.Status.TaskID, clip.Marked(t.Status.State, shown))
		}
		status := job.StatusUnscheduled
		if never != "" {
			status = job.StatusSkipped
		}
		return []job.Job{job.New(job.Fields{
			ID: t.Status.TaskID + "/0", Name: t.label(), Push: push, Kind: kind, Status: status,
			Times: job.Times{Requested: t.Task.Created}, Raw: Record{Task: &t.Task, Status: &t.Status, Never: never},
		})}, nil
	}
	var out []job.Job
	var errs []error
	for i := range runs {
		r := &runs[i]
		status, err := r.status(kind, i+1 < len(runs))
		if err != nil {
			errs = append(errs, fmt.Errorf("task %s (%s), run %d: %w", t.Status.TaskID, t.label(), r.RunID, err))
			continue
		}
		out = append(out, job.New(job.Fields{
			ID: fmt.Sprintf("%s/%d", t.Status.TaskID, r.RunID), Name: t.label(), Push: push, Kind: kind, Status: status,
			Times: job.Times{Requested: r.Scheduled.UTC(), Started: r.Started.UTC(), Finished: r.Resolved.UTC()},
			Raw:   Record{Task: &t.Task, Status: &t.Status, Run: r},
		}))
	}
	return out, errors.Join(errs...)
}

func (t *listedTask) kind() job.Kind {
	return kindOf(t.label(), t.Task.Extra.Treeherder.JobKind, t.Task.Tags["kind"])
}

// status maps a run's words; see the package comment. later says that another
// run came after it.
func (r *TaskRun) status(kind job.Kind, later bool) (job.Status, error) {
	switch r.State {
	case "pending":
		return job.StatusPending, nil
	case "running":
		return job.StatusRunning, nil
	case "completed":
		return job.StatusSuccess, nil
	case "failed":
		if kind == job.KindTest || kind == job.KindPerf {
			return job.StatusTestFailed, nil
		}
		return job.StatusBusted, nil
	case "exception":
		return r.exception(later)
	}
	return 0, job.UnknownWord("taskcluster", "run state", clip.Marked(r.State, shown))
}

func (r *TaskRun) exception(later bool) (job.Status, error) {
	switch r.ReasonResolved {
	case "malformed-payload", "resource-unavailable", "internal-error":
		return job.StatusException, nil
	case "claim-expired", "worker-shutdown", "intermittent-task":
		if later {
			return job.StatusRetry, nil
		}
		return job.StatusException, nil
	case "deadline-exceeded":
		if r.Started.IsZero() {
			return job.StatusSkipped, nil // what it waits for did not come
		}
		return job.StatusException, nil
	case "canceled":
		return job.StatusCancelled, nil
	case "superseded":
		return job.StatusCoalesced, nil
	}
	return 0, job.UnknownWord("taskcluster", "reasonResolved", clip.Marked(r.ReasonResolved, shown))
}

// kindOf is what sort of work a task does, by what taskgraph notes of it for
// Treeherder, by its kind there, and by its label.
func kindOf(label, jobKind, tagKind string) job.Kind {
	is := func(word string) bool {
		return jobKind == word || jobKind == "" && tagKind == word || strings.HasPrefix(label, word+"-")
	}
	switch {
	case is("build"):
		return job.KindBuild
	case job.NamesPerf(label) && jobKind != "other":
		return job.KindPerf
	case is("test"):
		return job.KindTest
	}
	return job.KindOther
}

// split is the task and the run that a job's ID names.
func split(id string) (taskID string, runID int, err error) {
	taskID, run, ok := strings.Cut(id, "/")
	runID, err = strconv.Atoi(run)
	if !ok || err != nil || runID < 0 || checkTask(taskID) != nil {
		return "", 0, fmt.Errorf("%w: no run has the id %q: expected <task id>/<run number>", job.ErrNotFound, clip.Marked(id, shown))
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
	s, err := p.c.Status(ctx, taskID)
	if err != nil {
		return job.Wrap(op, id, err)
	}
	switch {
	case runID > max(0, len(s.Runs)-1):
		return job.Wrap(op, id, fmt.Errorf("%w: the task has %d runs", job.ErrNotFound, len(s.Runs)))
	case s.resolved() || runID < len(s.Runs)-1:
		return nil
	}
	_, err = p.c.cancelTask(ctx, taskID)
	var answered *Error
	if errors.As(err, &answered) && answered.Code == "RequestConflict" { // it ended meanwhile, or with its deadline
		if s, again := p.c.Status(ctx, taskID); again == nil && (s.resolved() || time.Now().After(s.Deadline)) {
			return nil
		}
	}
	return job.Wrap(op, id, err)
}

// QueueDepth implements job.QueueMeter: the queue of the label, which is known once Jobs
// or Catalog has seen the label; before that it is errors.ErrUnsupported, as
// it is where the deployment does not tell the caller.
func (p *Project) QueueDepth(ctx context.Context, label string) (job.QueueDepth, error) {
	const op = "taskcluster.load"
	queue, ok := p.queues.Load(label)
	if !ok {
		return job.QueueDepth{}, job.Wrap(op, label, fmt.Errorf("no task of it was seen, so its queue is not known: %w", errors.ErrUnsupported))
	}
	n, err := p.c.taskQueueCounts(ctx, queue.(string))
	if errors.Is(err, job.ErrDenied) || lacks(err) {
		err = fmt.Errorf("the deployment does not say how deep %s is: %w: %w", queue, errors.ErrUnsupported, err)
	}
	return job.QueueDepth{Pending: n.Pending, Running: n.Claimed}, job.Wrap(op, label, err)
}
