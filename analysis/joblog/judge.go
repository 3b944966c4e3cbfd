package joblog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

// JudgeOptions change how TestJudge tells; nil is zero options.
type JudgeOptions struct {
	// Group is the test's manifest, where it is known.
	Group string
	// Most is how many jobs' verdicts are kept; what is over is read again.
	// Default 10,000.
	Most int
}

// TestJudge returns an analysis.Judge for one test: a run is good if the test is
// known to have run in it and passed, bad if it failed, whatever became of the
// job. A run that does not tell, or that did not run the test, is unclear: a
// green job in which the test was not is no evidence. Runs that did not end are
// what their status says. Each run's logs are read once, however many ask at the
// same time. It is safe for concurrent use, and fails with errors.ErrUnsupported
// for a CI that has no logs.
func TestJudge(ci job.Scheduler, test string, opts *JudgeOptions) analysis.Judge {
	j := &judge{ci: ci, test: test, known: map[string]analysis.Verdict{}, reading: map[string]*reading{}}
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

	mu      sync.Mutex
	known   map[string]analysis.Verdict
	reading map[string]*reading
}

// reading is that of the logs of one run, which whoever else asks waits for.
type reading struct {
	done chan struct{} // closed when the verdict is there
	v    analysis.Verdict
	err  error
}

func (j *judge) judge(ctx context.Context, run job.Job) (analysis.Verdict, error) {
	v, err := analysis.ByStatus(ctx, run)
	if err != nil || v != analysis.Good && v != analysis.Bad {
		return v, err
	}
	id := run.ID()
	for {
		j.mu.Lock()
		if v, ok := j.known[id]; ok {
			j.mu.Unlock()
			return v, nil
		}
		r, underWay := j.reading[id]
		if !underWay {
			r = &reading{done: make(chan struct{}), v: analysis.Unclear}
			j.reading[id] = r
		}
		j.mu.Unlock()
		if !underWay {
			return j.lead(ctx, run, r)
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return analysis.Unclear, ctx.Err()
		}
		if !errors.Is(r.err, context.Canceled) && !errors.Is(r.err, context.DeadlineExceeded) {
			return r.v, r.err
		}
		// who read gave up, which says nothing about the logs
	}
}

// lead reads the logs of a run for all who wait for it. They are released also
// when an opener panics.
func (j *judge) lead(ctx context.Context, run job.Job, r *reading) (analysis.Verdict, error) {
	r.err = context.Canceled
	defer func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if r.err == nil && len(j.known) < j.opts.Most {
			j.known[run.ID()] = r.v
		}
		delete(j.reading, run.ID())
		close(r.done)
	}()
	r.v, r.err = j.read(ctx, run)
	return r.v, r.err
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
	return meaning(r.Verdict(j.test, j.opts.Group)), nil
}

func meaning(v TestVerdict) analysis.Verdict {
	switch v {
	case TestPassed:
		return analysis.Good
	case TestFailed:
		return analysis.Bad
	}
	return analysis.Unclear
}
