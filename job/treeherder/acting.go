package treeherder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// ActingOptions configure an Acting; nil is zero options.
type ActingOptions struct {
	// Run is the ID that the acting CI has for a run; empty for one that is not its own.
	// Default: that of a task of Taskcluster, as [Record.Run] has it.
	Run func(Record) string
	// Decision is the label of what schedules the runs of a push. A push without a run of
	// it, while others have one, was not told of to Treeherder, or is older than what it
	// keeps. Default "Gecko Decision Task", Firefox's.
	Decision string
	// Fell is told why runs are read from the acting CI, once for each cause. Default: nobody is.
	Fell func(why error)
	// Patience is how long Treeherder may take before the acting CI is read, and Rest how
	// long it is then left alone. Defaults: a minute, and five.
	Patience, Rest time.Duration
	// Logger gets what Fell is told, each time. Nil discards.
	Logger *slog.Logger
}

// Acting is a CI whose runs are read from Treeherder, those of many pushes in a request
// or two, and that acts by itself: everything but the reading of runs is the CI's, and
// [Acting.Unwrap] leads to it. [Project.ActingOn] makes one. It is a job.Scheduler and
// safe for concurrent use.
//
// Jobs have the IDs that the CI has for its runs, so that what it answers of them,
// Cancel, Statuses and Outcome for example, is of the same ones. Their Raw is a [Record].
// A run of another CI, as of Buildbot before 2018, keeps Treeherder's ID.
//
// Treeherder hears of runs late. A run that the CI shows and Treeherder does not show yet
// is accepted, in the sense of job.AcceptedLister: it counts, and is not asked for twice.
// Of a run that waits by Treeherder's word the CI tells how far it is.
//
// Where Treeherder does not know a push, has no run of it, lacks one that has ended, or
// does not answer, the CI is read in its place, and Fell is told.
type Acting struct {
	th  *Project
	ci  job.Scheduler
	o   ActingOptions
	log *slog.Logger

	mu     sync.Mutex
	told   map[string]bool                 // the causes that Fell was told
	until  time.Time                       // Treeherder is left alone
	behind *flight.Cache[string, lateRuns] // see late
}

// lateRuns are runs that the CI has shown and Treeherder not, by ID. What was seen once
// must not be gone the next time, as another would be asked for in its place.
type lateRuns map[string]lateRun

type lateRun struct {
	label string
	ended bool
	from  time.Time // when Jobs shows it
	shown bool      // Jobs or History has
}

// settling is how long after Accepted a run that it counts is not shown by Jobs: whoever
// asks for both must not count it twice.
const settling = 3 * time.Second

// mostBehind is on how many pushes it is kept what Treeherder lacks.
const mostBehind = 10_000

var (
	_ job.Scheduler       = (*Acting)(nil)
	_ job.HistoryReader   = (*Acting)(nil)
	_ job.HistoryWidth    = (*Acting)(nil)
	_ job.AcceptedLister  = (*Acting)(nil)
	_ job.Classifier      = (*Acting)(nil)
	_ job.LogOpener       = (*Acting)(nil)
	_ job.AddedChecker    = (*Acting)(nil)
	_ job.RequesterFinder = (*Acting)(nil)
	_ job.ArtifactChecker = (*Acting)(nil)
)

// ActingOn returns the CI with its runs read from the project. It does no I/O.
func (p *Project) ActingOn(ci job.Scheduler, opts *ActingOptions) *Acting {
	a := &Acting{th: p, ci: ci, told: map[string]bool{}, behind: flight.New[string, lateRuns](mostBehind)}
	if opts != nil {
		a.o = *opts
	}
	if a.o.Run == nil {
		a.o.Run = func(r Record) string {
			_, id := r.Run()
			return id
		}
	}
	if a.o.Decision == "" {
		a.o.Decision = "Gecko Decision Task"
	}
	if a.o.Patience == 0 {
		a.o.Patience = time.Minute
	}
	if a.o.Rest == 0 {
		a.o.Rest = 5 * time.Minute
	}
	if a.log = a.o.Logger; a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	return a
}

// Unwrap returns the CI that acts, for job.As.
func (a *Acting) Unwrap() job.Scheduler { return a.ci }

// Trigger implements job.Scheduler: the CI does it. Runs that it makes at once are shown
// as the CI has them, until Treeherder has heard of them.
func (a *Acting) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	receipt, err := a.ci.Trigger(ctx, req)
	var made []job.Job
	for _, id := range receipt.IDs {
		made = append(made, job.New(job.Fields{ID: id, Name: req.Label, Status: job.StatusPending}))
	}
	a.late(req.Push, made, time.Time{}, false)
	return receipt, err
}

// Jobs implements job.Scheduler.
func (a *Acting) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap("treeherder.acting", push.String(), err)
	}
	rows, err := a.read(ctx, []job.Push{push}, names, true)
	if err != nil {
		return nil, job.Wrap("treeherder.acting", push.String(), err)
	}
	return rows[0].Jobs, rows[0].Err
}

// HistoryWidth implements job.HistoryWidth: that of Treeherder, as it is the one that tells.
func (a *Acting) HistoryWidth() int { return pushesAtOnce }

// History implements job.HistoryReader. Requests: Treeherder's, see [Project.History],
// with the decision tasks as another label; one for the runs that wait; and the CI's for
// pushes that Treeherder cannot tell of.
func (a *Acting) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "treeherder.acting"
	if len(labels) == 0 {
		return nil, job.Wrap(op, a.th.name, fmt.Errorf("%w: no label is named", job.ErrInvalid))
	}
	rows, err := a.read(ctx, pushes, labels, true)
	if err != nil {
		return nil, job.Wrap(op, fmt.Sprint(labels), err)
	}
	list := make([]job.PushRuns, len(rows))
	for i, r := range rows {
		list[i] = r.PushRuns
	}
	return list, nil
}

// row is what is known of a push, and whether the CI itself said so; th is what Treeherder
// showed of it.
type row struct {
	job.PushRuns
	byCI bool
	th   []job.Job
}

// read are the runs of the labels, or of all, on pushes, and shows says that the caller is
// given them as what there is; the error is the context's.
func (a *Acting) read(ctx context.Context, pushes []job.Push, labels []string, shows bool) ([]row, error) {
	rows := make([]row, len(pushes))
	why := a.shown(ctx, rows, pushes, labels)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.refresh(ctx, rows, why)
	if err := a.fall(ctx, rows, why, labels, shows); err != nil {
		return nil, err
	}
	return rows, ctx.Err()
}

// shown fills in what Treeherder tells, and returns why it cannot tell of pushes; nil
// where it can.
func (a *Acting) shown(ctx context.Context, rows []row, pushes []job.Push, labels []string) []error {
	why := make([]error, len(rows))
	list, err := a.ask(ctx, pushes, labels)
	scheduled, seen := false, make([]bool, len(rows)) // whether a push has a decision
	for i := range rows {
		rows[i].Push = pushes[i]
		if why[i] = err; err != nil {
			continue
		}
		if why[i] = list[i].Err; why[i] != nil {
			continue
		}
		for _, j := range list[i].Jobs {
			seen[i] = seen[i] || j.Name() == a.o.Decision
			if len(labels) == 0 || slices.Contains(labels, j.Name()) {
				rows[i].Jobs = append(rows[i].Jobs, a.own(j))
			}
		}
		scheduled, rows[i].th = scheduled || seen[i], rows[i].Jobs
		if why[i] = once(rows[i].Jobs); why[i] == nil {
			why[i] = a.lacks(pushes[i], rows[i].Jobs, labels)
		}
	}
	for i, r := range rows {
		if why[i] != nil || seen[i] || !r.Push.Testable() {
			continue
		}
		// Where no push has a decision, it is called otherwise here: runs are then to be believed.
		if scheduled || len(r.Jobs) == 0 {
			why[i] = errNoRuns
		}
	}
	return why
}

// errNoRuns is a push that Treeherder knows, and no run of it.
var errNoRuns = errors.New("Treeherder has none, not yet or not any more") //nolint:staticcheck // ST1005: a name

// What keeps Treeherder from telling of a push: it lacks runs that the CI shows, or one
// that has even ended.
var (
	errLate   = errors.New("Treeherder is a little behind") //nolint:staticcheck // ST1005: a name
	errBehind = errors.New("Treeherder is behind")          //nolint:staticcheck // ST1005: a name
)

// name is that of a push in whatever source: the ID is of one.
func name(p job.Push) string { return p.Repo + " " + p.Short() }

// late notes runs that the CI shows, of which Treeherder does not have all. Jobs shows
// them from a time on; shown says that it has.
func (a *Acting) late(p job.Push, jobs []job.Job, from time.Time, shown bool) {
	if len(jobs) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old, _ := a.behind.Get(name(p))
	known := lateRuns{}
	maps.Copy(known, old)
	for _, j := range jobs {
		run := lateRun{j.Name(), !j.Status().Waiting(), from, shown}
		if was, ok := old[j.ID()]; ok {
			run.shown = run.shown || was.shown
			if was.from.Before(from) {
				run.from = was.from
			}
		}
		known[j.ID()] = run
	}
	a.behind.Put(name(p), known)
}

// wasShown reports whether Jobs or History has shown a run that Treeherder lacks.
func (a *Acting) wasShown(p job.Push, id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, _ := a.behind.Get(name(p))
	return known[id].shown
}

// lacks says that Treeherder, which shows these runs of a push, lacks one of the labels;
// nil where it does not.
func (a *Acting) lacks(p job.Push, shown []job.Job, labels []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.behind.Get(name(p))
	if !ok {
		return nil
	}
	left := maps.Clone(known)
	for _, j := range shown {
		delete(left, j.ID())
	}
	if a.behind.Put(name(p), left); len(left) == 0 {
		a.behind.Forget(name(p))
	}
	var why error
	for _, run := range left {
		if len(labels) > 0 && !slices.Contains(labels, run.label) || time.Now().Before(run.from) {
			continue
		}
		if run.ended {
			return errBehind
		}
		why = errLate
	}
	return why
}

// ask asks Treeherder, unless it is left alone; what is down is left alone for a while.
func (a *Acting) ask(ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
	a.mu.Lock()
	rests := time.Until(a.until) > 0
	a.mu.Unlock()
	if rests {
		return nil, fmt.Errorf("%w: Treeherder did not answer a moment ago", job.ErrUnavailable)
	}
	patience, stop := context.WithTimeout(ctx, a.o.Patience)
	defer stop()
	list, err := a.asked(patience, pushes, labels)
	down := err != nil || len(list) > 0
	for _, row := range list {
		down = down && errors.Is(row.Err, job.ErrUnavailable)
	}
	if down && ctx.Err() == nil {
		a.mu.Lock()
		a.until = time.Now().Add(a.o.Rest)
		a.mu.Unlock()
		if patience.Err() != nil {
			err = fmt.Errorf("%w: Treeherder did not answer within %s", job.ErrUnavailable, a.o.Patience)
		}
	}
	return list, err
}

func (a *Acting) asked(ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
	if len(labels) > 0 {
		return a.th.History(ctx, pushes, append(slices.Clone(labels), a.o.Decision)...)
	}
	out := make([]job.PushRuns, len(pushes)) // of one push alone
	for i, p := range pushes {
		out[i].Push = p
		out[i].Jobs, out[i].Err = a.th.Jobs(ctx, p)
	}
	return out, ctx.Err()
}

// own is a job with the ID that the CI has for it.
func (a *Acting) own(j job.Job) job.Job {
	r, ok := j.Raw().(Record)
	if !ok {
		return j
	}
	id := a.o.Run(r)
	if id == "" {
		return j
	}
	return job.New(job.Fields{
		ID: id, Name: j.Name(), Push: j.Push(), Kind: j.Kind(), Status: j.Status(), Times: j.Times(), Raw: r,
	})
}

// once is an error where two jobs are the same run.
func once(jobs []job.Job) error {
	seen := map[string]bool{}
	for _, j := range jobs {
		if seen[j.ID()] {
			return &contract.Error{Source: jobsEndpoint.Title(), Finding: contract.Finding{
				Path: "results", Kind: contract.KindIdentity, Detail: "two jobs are the run " + j.ID(),
			}}
		}
		seen[j.ID()] = true
	}
	return nil
}
