package joblog

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
)

// JudgeOptions change how TestJudge and SignatureJudge tell; nil is zero options.
type JudgeOptions struct {
	// Group is the test's manifest, where it is known.
	Group string
	// Most is the number of runs whose results are kept, the ones used last. The logs of
	// other runs are read again when they are needed. Default 10,000.
	Most int
	// Status judges a run without its logs. Only the logs of runs that it calls good or
	// bad are read. Default analysis.ByStatus.
	Status analysis.Judge

	// Loose makes SignatureJudge accept more failures as the sought one: a failure of the
	// same test with another message, and a crash in another test with the same function
	// at the top of its stack. Names that many failures have, such as Shutdown, are not
	// enough.
	Loose bool
	// OnRead is called by SignatureJudge for each failed run that it has read: once, or
	// again when the logs could not be fetched the first time. Several goroutines may call
	// it at the same time.
	OnRead func(Judged)
}

// TestJudge returns an analysis.Judge for one test. A run is good if its log shows that the
// test ran and passed, and bad if it shows that the test failed, whatever the result of the
// job. A run whose log does not tell is unclear. A run without the test has no verdict on it:
// a green job that did not run the test is no evidence. Runs that have not ended are judged by
// their status.
//
// The judge is safe for concurrent use. Each run's logs are read once, however many callers
// need them; each caller waits with its own context, and reading goes on as long as one of
// them waits. For a CI without logs it fails with errors.ErrUnsupported.
func TestJudge(ci job.Scheduler, test string, opts *JudgeOptions) analysis.Judge {
	o := opts.defaults()
	j := &judge{ci, test, o, newReadings[analysis.Verdict](o.Most)}
	return j.judge
}

func (o *JudgeOptions) defaults() JudgeOptions {
	var out JudgeOptions
	if o != nil {
		out = *o
	}
	if out.Most <= 0 {
		out.Most = 10_000
	}
	if out.Status == nil {
		out.Status = analysis.ByStatus
	}
	return out
}

// judge is the state of a TestJudge.
type judge struct {
	ci       job.Scheduler
	test     string       // in any spelling; see CanonicalTest
	opts     JudgeOptions // with defaults
	readings readings[analysis.Verdict]
}

// judge judges a run. The logs of a run that its status calls neither good nor bad, such as one that still runs
// or was cancelled, are not read.
func (j *judge) judge(ctx context.Context, run job.Job) (analysis.Verdict, error) {
	v, err := j.opts.Status(ctx, run)
	if err != nil || v != analysis.Good && v != analysis.Bad {
		return v, err
	}
	v, err = j.readings.of(ctx, run, func(ctx context.Context) (analysis.Verdict, bool, error) {
		v, err := j.read(ctx, run)
		return v, true, err
	})
	if err != nil {
		return analysis.Unclear, err
	}
	return v, nil
}

// read judges a run by its logs:
//
//	the log says that the test passed, or failed     good, or bad
//	that the test, or its group, was skipped         unclear: the test exists, and did not run
//	that other tests ran, and not this one           no test
//	the log does not say                             unclear
//	no log is left, or what is left is none          unclear
func (j *judge) read(ctx context.Context, run job.Job) (analysis.Verdict, error) {
	opener, ok := job.As[job.LogOpener](j.ci)
	if !ok {
		return analysis.Unclear, job.Wrap("joblog.judge", run.ID(),
			fmt.Errorf("the CI has no logs, so that %s cannot be told from its job: %w", j.test, errors.ErrUnsupported))
	}
	r, err := Failures(ctx, opener, run, &Options{Tests: []string{j.test}})
	switch {
	case errors.Is(err, job.ErrNotFound), errors.Is(err, errNotALog):
		return analysis.Unclear, nil // it left nothing behind that is a log, or that has expired
	case err != nil:
		return analysis.Unclear, err
	}
	if v := r.Verdict(j.test, j.opts.Group); v != TestNotRun || !r.skips(j.test, j.opts.Group) {
		return meaning(v), nil
	}
	return analysis.Unclear, nil // it exists, and did not run
}

// meaning is what a run with a verdict on the test is worth in a search for the push that broke it.
func meaning(v TestVerdict) analysis.Verdict {
	switch v {
	case TestPassed:
		return analysis.Good
	case TestFailed:
		return analysis.Bad
	case TestNotRun:
		return analysis.NoTest
	}
	return analysis.Unclear
}

// readings keeps the results of reading runs' logs. Each log is read once, however many
// callers need it.
type readings[T any] struct {
	kept *flight.Cache[string, reading[T]] // by the run's ID
}

// reading is the result of reading a run's logs.
type reading[T any] struct {
	said     T
	panicked any // what an opener panicked with; nil for none
}

// newReadings returns readings that keep the results of the last most runs that were needed.
func newReadings[T any](most int) readings[T] {
	return readings[T]{flight.New[string, reading[T]](most)}
}

// of is what a run's logs said, which read finds out; keep says that it stays so.
//
// The cache calls read on a goroutine of its own, where nobody could recover from a panic of an opener. So
// the panic is kept as a result, and raised again for each caller that waits. A later caller reads anew.
func (c readings[T]) of(
	ctx context.Context, run job.Job, read func(context.Context) (said T, keep bool, err error),
) (T, error) {
	r, err := c.kept.Do(ctx, run.ID(), func(ctx context.Context) (r reading[T], keep bool, err error) {
		defer func() {
			if r.panicked = recover(); r.panicked != nil {
				keep = false
			}
		}()
		r.said, keep, err = read(ctx)
		return r, keep, err
	})
	if err == nil && r.panicked != nil {
		panic(r.panicked)
	}
	return r.said, err
}
