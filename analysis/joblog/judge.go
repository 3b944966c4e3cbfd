package joblog

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
)

// JudgeOptions change how TestJudge tells; nil is zero options.
type JudgeOptions struct {
	// Group is the test's manifest, where it is known.
	Group string
	// Most is how many jobs' verdicts are kept, those that were wanted last; what is
	// over is read again. Default 10,000.
	Most int
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
	j := &judge{ci: ci, test: test}
	if opts != nil {
		j.opts = *opts
	}
	if j.opts.Most <= 0 {
		j.opts.Most = 10_000
	}
	j.readings = flight.New[string, reading](j.opts.Most)
	return j.judge
}

type judge struct {
	ci       job.Scheduler
	test     string
	opts     JudgeOptions
	readings *flight.Cache[string, reading] // by run
}

// reading is what the logs of a run said.
type reading struct {
	v        analysis.Verdict
	panicked any // what an opener panicked with, for those who asked and not for a goroutine of nobody's
}

func (j *judge) judge(ctx context.Context, run job.Job) (analysis.Verdict, error) {
	v, err := analysis.ByStatus(ctx, run)
	if err != nil || v != analysis.Good && v != analysis.Bad {
		return v, err
	}
	r, err := j.readings.Do(ctx, run.ID(), func(ctx context.Context) (r reading, keep bool, err error) {
		defer func() {
			if r.panicked = recover(); r.panicked != nil {
				keep = false
			}
		}()
		r.v, err = j.read(ctx, run)
		return r, true, err
	})
	switch {
	case err != nil:
		return analysis.Unclear, err
	case r.panicked != nil:
		panic(r.panicked)
	}
	return r.v, nil
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
