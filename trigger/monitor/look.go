package monitor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// options are those with which the expectation is read and triggered.
func (m *Monitor) options(e Expectation) *trigger.Options {
	o := &trigger.Options{Ledger: m.opts.Ledger, Budgets: m.opts.Budgets, Exceptions: new(-1)}
	if m.opts.Judge != nil {
		o.Judge = m.opts.Judge(e)
	}
	if e.Files {
		o.Judge = m.usable(o.Judge)
	}
	return o
}

// usable judges runs that are wanted for their files: one whose files are gone says
// nothing, such as the build in whose place another one was triggered.
func (m *Monitor) usable(judge analysis.Judge) analysis.Judge {
	if judge == nil {
		judge = analysis.ByStatus
	}
	return func(ctx context.Context, j job.Job) (analysis.Verdict, error) {
		v, err := judge(ctx, j)
		if err != nil || v != analysis.Good {
			return v, err
		}
		there, err := job.ArtifactsExist(ctx, m.ci, j)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return v, nil
		case err != nil:
			return analysis.Unclear, err
		case !there:
			return analysis.Unclear, nil
		}
		return v, nil
	}
}

// look reads what is known of an expectation. Nothing ends, and nothing is triggered, by
// what was seen before: where that would be, the CI is read. told is how far the runs are
// that were under way; nil where nobody knows.
func (m *Monitor) look(ctx context.Context, c *Claimed, told map[string]job.Status) (Facts, error) {
	f, reused, err := m.see(ctx, c, told)
	if err != nil || !reused {
		return f, err
	}
	if d := Decide(c.Expectation, f, m.opts.Policy); d.Outcome == "" && d.Want == 0 {
		return f, nil
	}
	f, _, err = m.see(ctx, c, nil)
	return f, err
}

// see is what is known of an expectation, and whether that was seen before.
func (m *Monitor) see(
	ctx context.Context, c *Claimed, told map[string]job.Status,
) (f Facts, reused bool, err error) {
	e := &c.Expectation
	now, err := m.store.Now(ctx)
	if err != nil {
		return Facts{}, false, err
	}
	f = Facts{Now: now, Quiet: m.quiet}
	f.Facts, reused, err = m.facts(ctx, c, now, told)
	var unknown *job.UnknownLabelError
	if errors.As(err, &unknown) { // it may still be added to the push
		err = nil
	}
	if err != nil {
		return f, reused, err
	}
	if e.UntilHit && e.Progress.Base == nil {
		e.Progress.Base = &Counts{Failures: f.Runs.Bad, Runs: f.Runs.Good + f.Runs.Bad}
	}
	e.Progress.Results = Counts{Failures: f.Runs.Bad, Runs: f.Runs.Good + f.Runs.Bad}
	if b := e.Progress.Base; b != nil {
		e.Progress.Results.Failures -= b.Failures
		e.Progress.Results.Runs -= b.Runs
	}
	if err := m.history(ctx, e, &f); err != nil {
		return f, reused, err
	}
	return f, reused, m.queue(ctx, *e, &f)
}

// history asks how often the label failed before, once, when it has failed.
func (m *Monitor) history(ctx context.Context, e *Expectation, f *Facts) error {
	if f.Runs.Bad > 0 && f.Runs.Good == 0 && e.Progress.History == nil && m.opts.History != nil && !e.UntilHit &&
		!e.FailFast {
		failures, runs, err := m.opts.History(ctx, *e)
		if err != nil {
			return err
		}
		e.Progress.History = &Counts{Failures: failures, Runs: runs}
	}
	if e.Progress.History != nil {
		f.History = *e.Progress.History
	}
	return nil
}

// queue asks how deep the queue is in which a run waits for long.
func (m *Monitor) queue(ctx context.Context, e Expectation, f *Facts) error {
	d := decider{e: e, f: *f, p: m.opts.Policy}
	j, since := d.hung()
	if j == nil || d.p.Pending < 0 || d.since(since) < d.p.Pending {
		return nil
	}
	depth, err := job.QueueDepthOf(ctx, m.ci, e.Label)
	switch {
	case err == nil:
		f.Queue = &depth
	case !errors.Is(err, errors.ErrUnsupported):
		return err
	}
	return nil
}

// moot looks whether another push has made the question pointless: one that backed the
// push out or, where the policy says so, a newer one on which a label passed that fails here.
func (m *Monitor) moot(ctx context.Context, e *Expectation, f Facts) (by *job.Push, why string, err error) {
	if m.repos == nil {
		return nil, "", nil
	}
	repo, err := m.repos(e.Push.Repo)
	if err != nil || repo == nil {
		return nil, "", err
	}
	e.Progress.MootAt = f.Now
	undone, err := job.Backouts(ctx, repo, e.Push)
	switch {
	case err == nil && len(undone) > 0:
		return &undone[0], "push " + undone[0].String() + " backed it out", nil
	case err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, job.ErrNotFound):
		return nil, "", err
	}
	if !m.opts.Policy.NewerGreen || f.Runs.Bad == 0 {
		return nil, "", nil
	}
	return m.newerGreen(ctx, repo, *e)
}

// newerGreen is a newer push on which the label passed.
func (m *Monitor) newerGreen(ctx context.Context, repo job.Repository, e Expectation) (*job.Push, string, error) {
	err := job.Line(ctx, repo)
	if errors.Is(err, job.ErrNoLine) { // there is no newer push
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	newer, err := repo.Pushes(ctx, job.Around(e.Push.Revision, 0, m.opts.Policy.NewerPushes))
	if err != nil {
		return nil, "", err
	}
	newer = slices.DeleteFunc(newer, func(p job.Push) bool { return p.Compare(e.Push) <= 0 })
	history := analysis.NewHistory(m.ci, newer)
	for _, p := range newer {
		jobs, err := history.Jobs(ctx, p, e.Label)
		if err != nil {
			return nil, "", err
		}
		runs, err := analysis.OfRuns(ctx, analysis.OfLabel(jobs, e.Label), m.options(e).Judge)
		if err != nil {
			return nil, "", err
		}
		if runs.Verdict() == analysis.Good {
			return &p, "it passed on the newer push " + p.String(), nil
		}
	}
	return nil, "", nil
}

// stale reports whether it is time to look again whether the question is moot: after a
// while, and when a new push was heard of since.
func (m *Monitor) stale(e Expectation, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.Sub(e.Progress.MootAt) >= m.opts.Policy.Safety || m.pushes[e.Push.Repo].After(e.Progress.MootAt)
}
