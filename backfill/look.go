package backfill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// looking holds the options that say how to look at a push.
type looking struct {
	judge     analysis.Judge // nil: by status
	test      string         // the test that is looked for; empty for the job as a whole
	manifests []string       // of the test; found in the catalog when there is a test and none are given
	width     int            // how many pushes are read at once; 0 for the default
	log       *slog.Logger   // may be nil
}

// looker sees what ran of the label on a push and what a judge makes of it. Where tests
// move between chunks, it looks at the chunk that runs them there.
type looker struct {
	looking
	ci    job.Scheduler
	label string

	start  job.Push
	names  []string // the label, and the builds that it needs
	absent error    // the catalog of the start lacks the label, or there is no catalog
	lean   bool     // the catalog was not read; see begin
	meter  *meter   // reads values; nil where none are wanted

	history *analysis.History // of the range that is being read
}

// looked is what one look at a push told.
type looked struct {
	label   string // empty for the label that is searched for
	jobs    []job.Job
	runs    analysis.Runs
	verdict analysis.Verdict
	values  map[string]reading // of the runs that succeeded, by ID
	absent  bool               // the label, or the test it should run, did not exist there
	err     error              // the push could not be read
}

// newLooker checks the options. It sends no request; see begin.
func newLooker(ci job.Scheduler, label string, how looking) (*looker, error) {
	switch {
	case label == "":
		return nil, job.Wrap("backfill.find", "label", fmt.Errorf("%w: none given", job.ErrInvalid))
	case how.width < 0:
		return nil, job.Wrap("backfill.find", "width",
			fmt.Errorf("%w: %d, expected 1 or more", job.ErrInvalid, how.width))
	}
	if how.width == 0 {
		how.width = analysis.DefaultWidth
	}
	if how.test != "" && how.judge == nil {
		how.judge = joblog.TestJudge(ci, how.test, nil)
	}
	return &looker{looking: how, ci: ci, label: label, history: analysis.NewHistory(ci, nil)}, nil
}

// begin reads from the catalog of the start which builds the label needs, so that these
// are read together with the label's runs, in one request for each push. Where reading a
// push has its own cost, as on Taskcluster, so has reading its catalog: begin then leaves
// it for later, when something is planned or the label is not seen.
func (l *looker) begin(ctx context.Context, start job.Push) error {
	l.start, l.names, l.absent = start, []string{l.label}, nil
	if l.lean = analysis.EachCosts(l.ci) && l.test == "" && len(l.manifests) == 0; l.lean {
		return nil
	}
	builds, err := l.lookUp(ctx, start)
	l.names = append(l.names, builds...)
	return err
}

// lookUp looks up the label in the catalog of the start, and returns the builds that it
// needs. A catalog without the label is no error here; it is kept in l.absent.
func (l *looker) lookUp(ctx context.Context, start job.Push) (builds []string, err error) {
	var labels []string // all labels when the manifests of the test must be found
	if l.test == "" || len(l.manifests) > 0 {
		labels = []string{l.label}
	}
	entries, err := job.Catalog(ctx, l.ci, start, labels...)
	switch {
	case errors.Is(err, job.ErrNotScheduled):
		l.absent = err
		return nil, nil
	case errors.Is(err, errors.ErrUnsupported):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if l.test != "" && len(l.manifests) == 0 {
		l.manifests = joblog.Manifests(entries, l.test)
	}
	e, err := job.Lookup(entries, l.label)
	l.absent = err
	return e.Upstreams, nil
}

// ordered returns the options for looking at several pushes at once.
func (l *looker) ordered() *analysis.OrderedOptions {
	return &analysis.OrderedOptions{Width: l.width, Logger: l.log}
}

// inOrder fetches the pushes of a range, newest first, and reads their history as it goes.
func (l *looker) inOrder(
	ctx context.Context, pushes []job.Push, fetch analysis.Fetch[looked],
) iter.Seq[analysis.Fetched[looked]] {
	l.history = analysis.NewHistory(l.ci, pushes)
	return analysis.OrderedWindows(ctx, l.history, fetch, l.ordered())
}

// look reads what ran on a push. A push without a chunk for the manifests is untestable;
// runs that could be read are returned along with an error.
func (l *looker) look(ctx context.Context, p job.Push, log *slog.Logger) (looked, error) {
	if !p.Testable() {
		return looked{verdict: analysis.Untestable}, nil
	}
	label, names, err := l.chunk(ctx, p)
	if errors.Is(err, errNoChunk) {
		return looked{verdict: analysis.Untestable, absent: true}, nil
	}
	if err != nil || label == "" {
		return looked{verdict: analysis.Untestable}, err
	}
	jobs, err := l.history.Jobs(ctx, p, names...)
	if err != nil {
		return looked{label: label, jobs: jobs}, err
	}
	runs, err := analysis.OfRuns(ctx, analysis.OfLabel(jobs, label), l.judge)
	log.Info("looked at push", "push", p.ID, "revision", p.Short(), "verdict", runs.Verdict().String(), "runs",
		runs.String())
	values, unread := l.meter.read(ctx, analysis.OfLabel(jobs, label))
	if err == nil {
		err = unread
	}
	return looked{label: label, jobs: jobs, runs: runs, verdict: runs.Verdict(), values: values}, err
}

// sighting turns a look into what callers get. A push that could not be read is unclear,
// never good or bad.
func (l *looker) sighting(r analysis.Fetched[looked]) Sighting {
	label := l.labelOf(r.Value)
	s := Sighting{
		Push: r.Push, Label: label, Verdict: r.Value.verdict, Runs: r.Value.runs,
		Jobs: analysis.OfLabel(r.Value.jobs, label), Err: r.Err, Absent: r.Value.absent,
	}
	if s.Err != nil {
		s.Verdict = analysis.Unclear
	}
	return s
}

// labelOf returns the label that a look was at.
func (l *looker) labelOf(at looked) string { return cmp.Or(at.label, l.label) }

// errNoChunk says that no chunk of a push runs the manifests.
var errNoChunk = errors.New("no chunk runs it")

// chunk returns the label that runs the wanted manifests on a push, and the labels to
// read: with its builds. label is empty on a push where nothing was scheduled; where no
// chunk runs the manifests, the error is errNoChunk.
func (l *looker) chunk(ctx context.Context, p job.Push) (label string, names []string, err error) {
	if len(l.manifests) == 0 {
		return l.label, l.names, nil
	}
	entries, err := job.Catalog(ctx, l.ci, p)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return l.label, l.names, nil
	case errors.Is(err, job.ErrNotScheduled):
		return "", nil, nil
	case err != nil:
		return "", nil, err
	}
	label = l.label
	if chunks, known := analysis.Counterparts(entries, l.label, l.manifests); known {
		if len(chunks) == 0 {
			return "", nil, errNoChunk
		}
		// the chunk with most of the manifests
		label = chunks[0].Label
	}
	names = append([]string{label}, l.names...)
	if e, err := job.Lookup(entries, label); err == nil {
		names = append(names, e.Upstreams...)
	}
	// Sorted, so that pushes with the same labels share one answer of the history.
	slices.Sort(names)
	return label, slices.Compact(names), nil
}

// failedOn checks that the label is known, and failed on the start; runs is what ran
// there.
func (l *looker) failedOn(ctx context.Context, runs analysis.Runs) error {
	if runs.Seen == 0 {
		if err := l.unknownLabel(ctx); err != nil {
			return err
		}
	}
	if runs.Bad > 0 {
		return nil
	}
	what := l.label
	if l.test != "" {
		what = fmt.Sprintf("%s in %s", l.test, l.label)
	}
	return &plainError{fmt.Sprintf("%s did not fail on push %d (%s)", what, l.start.ID, runs), ErrNotBad}
}

// plainError says in one sentence what a sentinel says in general.
type plainError struct {
	text     string
	sentinel error
}

func (e *plainError) Error() string { return e.text }

func (e *plainError) Unwrap() error { return e.sentinel }

// unknownLabel returns the error for a label that does not exist, or nil if it does.
// Without a catalog, it compares the label with what ran on the start.
func (l *looker) unknownLabel(ctx context.Context) error {
	if l.lean && l.start.Testable() {
		if _, err := l.lookUp(ctx, l.start); err != nil {
			return err
		}
	}
	var missing *job.UnknownLabelError
	if errors.As(l.absent, &missing) && len(missing.Near) == 0 { // read alone: look for close ones
		if all, err := job.Catalog(ctx, l.ci, l.start); err == nil {
			_, l.absent = job.Lookup(all, l.label)
		}
	}
	if l.absent != nil {
		return job.Wrap("backfill.find", l.label, l.absent)
	}
	if _, ok := job.As[job.Cataloger](l.ci); ok || !l.start.Testable() {
		return nil
	}
	jobs, err := l.ci.Jobs(ctx, l.start)
	if err != nil {
		return err
	}
	return job.Wrap("backfill.find", l.label, job.LookupRan(jobs, l.label))
}

// planOptions returns the options for a plan of what the looker looks at, with one reason
// for every push.
func (l *looker) planOptions(why string) *trigger.Options {
	opts := &trigger.Options{
		Manifests: l.manifests, Width: l.width, Logger: l.log, Why: func(job.Push) string { return why },
	}
	if l.test != "" {
		opts.Judge = l.judge
	}
	return opts
}
