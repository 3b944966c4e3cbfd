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

// options returns the options with which trigger reads an expectation and triggers its
// runs. Exceptions is -1, no limit, because Policy.Exceptions limits them.
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

// usable judges runs that are wanted for their files. A run whose files are gone says
// nothing: another one may have been triggered to replace it.
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

// look reads the facts about an expectation. It may reuse the last ones if told, the
// statuses of the runs under way, shows no change; told is nil where they are not known.
// Facts that would end the expectation or trigger something are always read afresh.
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

// see returns the facts about an expectation, and whether they are reused.
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
	if errors.As(err, &unknown) { // the label may still be added to the push
		err = nil
	}
	if err != nil {
		return f, reused, err
	}
	// At the first look, everything that exists was there before.
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

// history looks up how often the label failed before, once, at the first failure.
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

// queue reads the depth of the queue in which a run has waited for long.
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

// moot checks whether another push has settled the question: one that backed the push out
// or, if the policy says so, a newer one on which the label passed that fails here.
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

// newerGreen returns a newer push on which the label passed, with the reason in words;
// nil if there is none.
func (m *Monitor) newerGreen(ctx context.Context, repo job.Repository, e Expectation) (*job.Push, string, error) {
	err := job.Line(ctx, repo)
	if errors.Is(err, job.ErrNoLine) { // pushes here do not follow each other
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	newer, err := repo.Pushes(ctx, job.Around(e.Push.Revision, 0, m.opts.Policy.NewerPushes))
	if err != nil {
		return nil, "", err
	}
	// Around includes the push itself.
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

// stale reports whether to check again if the question is moot: after Policy.Safety, and
// when the repository has a new push since the last check.
func (m *Monitor) stale(e Expectation, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.Sub(e.Progress.MootAt) >= m.opts.Policy.Safety || m.pushes[e.Push.Repo].After(e.Progress.MootAt)
}
