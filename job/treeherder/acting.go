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

// ActingOptions configure an Acting; nil means zero options.
type ActingOptions struct {
	// Run returns the ID that the acting CI has for a run, or "" for a run of another CI.
	// Default: the ID of a Taskcluster run, as [Record.Run] returns it.
	Run func(Record) string
	// Decision is the label of the job that schedules the runs of a push. When some pushes
	// have a run of it and one does not, Treeherder has not heard of that push yet, or has
	// deleted its jobs. Default "Gecko Decision Task", which is Firefox's.
	Decision string
	// Fell is called with the reason when runs are read from the acting CI instead, once
	// for each kind of reason. Default: no call.
	Fell func(why error)
	// Patience is how long Treeherder may take to answer before the acting CI is read
	// instead. Default 1 minute. After that Treeherder is left alone for the time Rest.
	// Default 5 minutes.
	Patience, Rest time.Duration
	// Logger gets what Fell gets, but each time. Nil discards it.
	Logger *slog.Logger
}

// Acting joins Treeherder with the CI that runs the jobs: it reads runs from Treeherder, where
// those of many pushes cost a request or two, and does everything else through the CI itself.
// [Project.ActingOn] makes one; [Acting.Unwrap] returns the CI. It is a job.Scheduler and is
// safe for concurrent use.
//
// Jobs have the CI's IDs, so they can be passed to the CI's own methods, such as Cancel,
// Statuses and Outcome. Raw of a job is a [Record]. A run of another CI, such as Buildbot before
// 2018, keeps Treeherder's ID.
//
// Treeherder hears of runs late. A run that the CI shows and Treeherder does not show yet is in
// Accepted (see job.AcceptedLister), so it counts and is not triggered twice. For a run that is
// waiting according to Treeherder, the CI is asked for its present status.
//
// When Treeherder does not know a push, has none of its runs, lacks a run that has ended, or
// does not answer, the runs are read from the CI, and Fell is called.
type Acting struct {
	th  *Project
	ci  job.Scheduler
	o   ActingOptions
	log *slog.Logger

	mu     sync.Mutex                      // guards the fields below; not held during requests
	told   map[string]bool                 // the kinds of reasons for which Fell was called
	until  time.Time                       // Treeherder is left alone until then
	behind *flight.Cache[string, lateRuns] // by name of the push; see late
}

// lateRuns are runs that the CI has shown and Treeherder has not, by ID. A run that a caller has
// seen once must not be missing the next time, or the caller would trigger another.
type lateRuns map[string]lateRun

// lateRun is one of them. For example, with settling of 3 seconds:
//
//	12:00:00   Accepted finds run X in the CI only: from 12:00:03, not shown
//	12:00:01   Jobs may answer without X, as Accepted has just counted it
//	12:00:03   lacks reports X, so Jobs reads the CI and shows X: shown from now on
//	12:00:40   Treeherder has X: lacks forgets it
type lateRun struct {
	label string    // the name of its job
	ended bool      // it had ended when the CI showed it
	from  time.Time // Jobs shows the run from then on
	shown bool      // Jobs or History has shown it
}

// settling is how long a run that Accepted has counted is not shown by Jobs. A caller that adds
// the two up must not count it twice.
const settling = 3 * time.Second

// mostBehind is for how many pushes late runs are remembered.
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

// ActingOn returns an Acting that reads runs from p and does the rest through ci. It makes no
// request; opts may be nil.
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

// Unwrap returns the acting CI, for job.As.
func (a *Acting) Unwrap() job.Scheduler { return a.ci }

// Trigger implements job.Scheduler through the CI. Runs that it makes at once are read from the
// CI until Treeherder has heard of them.
func (a *Acting) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	receipt, err := a.ci.Trigger(ctx, req)
	var made []job.Job
	for _, id := range receipt.IDs {
		made = append(made, job.New(job.Fields{ID: id, Name: req.Label, Status: job.StatusPending}))
	}
	a.late(req.Push, made, time.Time{}, false)
	return receipt, err
}

// Jobs implements job.Scheduler, from Treeherder or else from the CI; see [Acting].
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

// HistoryWidth implements job.HistoryWidth. It is Treeherder's, where most runs are read.
func (a *Acting) HistoryWidth() int { return pushesAtOnce }

// History implements job.HistoryReader. It costs the requests of [Project.History] with one more
// label, that of the decision tasks; one request to the CI when runs are waiting; and those of
// the CI's own History for pushes that cannot be read from Treeherder.
func (a *Acting) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "treeherder.acting"
	if len(labels) == 0 {
		return nil, job.Wrap(op, a.th.name, fmt.Errorf("%w: no label was given", job.ErrInvalid))
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

// row is the result for one push.
type row struct {
	job.PushRuns
	byCI bool      // PushRuns comes from the CI
	th   []job.Job // what Treeherder showed of it
}

// read reads the runs of the labels, or of all labels, on some pushes. shows says that the runs
// go to the caller of Jobs or History, and so count as shown. The error is only that of the
// context; errors of pushes are in their rows.
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

// shown fills the rows with what Treeherder tells. It returns for each push why that cannot be
// used; nil means that it can.
//
//	the push has a decision                                 used, even without runs of the labels
//	it has none, but another push in rows has one           errNoRuns
//	no push has one, and this one has runs                  used
//	no push has one, and this one has no runs               errNoRuns
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
		// When no push at all has a decision, it has another name in this repository, and its
		// absence means nothing: runs that are there can be used.
		if scheduled || len(r.Jobs) == 0 {
			why[i] = errNoRuns
		}
	}
	return why
}

// errNoRuns says that Treeherder knows a push but none of its runs.
var errNoRuns = errors.New("Treeherder has none, not yet or not any more") //nolint:staticcheck // ST1005: a name

// errLate says that Treeherder lacks runs that the CI shows, which is usual for a minute or so;
// errBehind, that it lacks a run that has already ended.
var (
	errLate   = errors.New("Treeherder is a little behind") //nolint:staticcheck // ST1005: a name
	errBehind = errors.New("Treeherder is behind")          //nolint:staticcheck // ST1005: a name
)

// name names a push by repository and revision, which are the same in every source; its ID is
// not.
func name(p job.Push) string { return p.Repo + " " + p.Short() }

// late notes runs that the CI shows and that Treeherder may lack. Jobs shows them from the time
// from on; shown says that it has shown them. What was noted about a run before is merged: once
// shown it stays shown, and the earlier from counts.
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

// lacks returns an error when Treeherder, which shows these runs of a push, lacks a late run of
// one of the labels. It forgets the late runs that Treeherder has by now.
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

// ask asks Treeherder, unless it is being left alone. When it does not answer at all, or every
// push fails as unavailable, it is left alone for the time Rest. A push that failed in another
// way, or any push that was answered, shows that Treeherder is up. When the caller gave up
// first, nothing is known about Treeherder.
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

// asked is ask without that rule. Without labels there is one push, which Jobs passes.
func (a *Acting) asked(ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
	if len(labels) > 0 {
		return a.th.History(ctx, pushes, append(slices.Clone(labels), a.o.Decision)...)
	}
	out := make([]job.PushRuns, len(pushes))
	for i, p := range pushes {
		out[i].Push = p
		out[i].Jobs, out[i].Err = a.th.Jobs(ctx, p)
	}
	return out, ctx.Err()
}

// own returns a job with the CI's ID instead of Treeherder's. A run of another CI stays as it
// is. For example Treeherder's 303550431 becomes "A5O76NnPRt--HRPWdpOVlA/0".
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

// once returns an error when two jobs are the same run.
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
