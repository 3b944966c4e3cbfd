package joblog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

// JudgeOptions change how Judge tells; nil is zero options.
type JudgeOptions struct {
	// Group is the test's manifest, where it is known.
	Group string
	// Most is how many jobs' verdicts are kept; what is over is read again.
	// Default 10,000.
	Most int
}

// Judge returns an analysis.Judge for one test: a run is good if the test is
// known to have run in it and passed, bad if it failed, whatever became of the
// job. A run that does not tell, or that did not run the test, is unknown: a
// green job in which the test was not is no evidence. Runs that did not end are
// what their status says. Each run's logs are read once. It is safe for
// concurrent use, and fails with errors.ErrUnsupported for a CI that has no
// logs.
func Judge(ci job.Scheduler, test string, opts *JudgeOptions) analysis.Judge {
	j := &judge{ci: ci, test: test, known: map[string]analysis.Verdict{}}
	if opts != nil {
		j.opts = *opts
	}
	if j.opts.Most <= 0 {
		j.opts.Most = 10_000
	}
	return j.judge
}

type judge struct {
	ci   job.Scheduler
	test string
	opts JudgeOptions

	mu    sync.Mutex
	known map[string]analysis.Verdict
}

func (j *judge) judge(ctx context.Context, run job.Job) (analysis.Verdict, error) {
	v, err := analysis.ByStatus(ctx, run)
	if err != nil || v != analysis.Good && v != analysis.Bad {
		return v, err
	}
	j.mu.Lock()
	known, ok := j.known[run.ID()]
	j.mu.Unlock()
	if ok {
		return known, nil
	}
	opener, ok := j.ci.(job.LogOpener)
	if !ok {
		return analysis.Unknown, job.Wrap("joblog.judge", run.ID(), fmt.Errorf("the CI has no logs, so that %s cannot be told from its job: %w", j.test, errors.ErrUnsupported))
	}
	r, err := Failures(ctx, opener, run, &Options{Tests: []string{j.test}})
	switch {
	case errors.Is(err, job.ErrNotFound), errors.Is(err, errNotALog):
		v = analysis.Unknown // it left nothing behind that is a log, or that has expired
	case err != nil:
		return analysis.Unknown, err
	default:
		v = meaning(r.Verdict(j.test, j.opts.Group))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.known) < j.opts.Most {
		j.known[run.ID()] = v
	}
	return v, nil
}

func meaning(v Verdict) analysis.Verdict {
	switch v {
	case Passed:
		return analysis.Good
	case Failed:
		return analysis.Bad
	}
	return analysis.Unknown
}
