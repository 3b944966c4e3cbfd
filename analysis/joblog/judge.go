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
	// Most is how many jobs' verdicts are kept, those that were wanted last; what is
	// over is read again. Default 10,000.
	Most int
	// Status says what a run means without its logs: those that it calls good or bad are
	// read. Default analysis.ByStatus.
	Status analysis.Judge

	// Loose makes SignatureJudge take for a sought failure also one of the same test with
	// another message, and a crash with the same function at the top of its stack in
	// another test. Names such as Shutdown, which many failures bear, are not enough.
	Loose bool
	// OnRead is told by SignatureJudge of each failed run that it read, by several
	// goroutines at a time: once, or again when an answer was not to be had.
	OnRead func(Judged)
}

// TestJudge returns an analysis.Judge for one test: a run is good if the test is
// known to have run in it and passed, bad if it failed, whatever became of the
// job. A run that does not tell is unclear, and one that did not run the test has no
// test: a green job in which the test was not is no evidence. Runs that did not end are
// what their status says. Each run's logs are read once, however many ask at the
// same time: each waits with its own context, and reading goes on while one of them
// waits. It is safe for concurrent use, and fails with errors.ErrUnsupported for a CI
// that has no logs.
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

type judge struct {
	ci       job.Scheduler
	test     string
	opts     JudgeOptions
	readings readings[analysis.Verdict]
}

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

// readings are what the logs of runs said: each is read once, however many ask.
type readings[T any] struct {
	kept *flight.Cache[string, reading[T]] // by run
}

// reading is what the logs of a run said.
type reading[T any] struct {
	said     T
	panicked any // what an opener panicked with, for those who asked and not for a goroutine of nobody's
}

func newReadings[T any](most int) readings[T] {
	return readings[T]{flight.New[string, reading[T]](most)}
}

// of is what a run's logs said, which read finds out; keep says that it stays so.
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
