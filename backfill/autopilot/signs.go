package autopilot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// nameless is the signature of a run whose log does not say what failed. All such runs of a variant
// have the same signature, so a second one is not new.
const nameless = "the log does not say what failed"

// signsOf reads from a run's log the signatures of what failed (see joblog.Report.Signatures), and
// the test of each, empty when it names none. A run that only infrastructure ended has no
// signatures. The two lists have the same length. A log that does not exist, is damaged, or has a
// format that nobody knows gives the signature nameless; a log that cannot be fetched now is an
// error.
func (r *Robot) signsOf(ctx context.Context, j job.Job) (signs, tests []string, err error) {
	opener, ok := job.As[job.LogOpener](r.ci)
	if !ok {
		return []string{nameless}, []string{""}, nil
	}
	report, err := joblog.Failures(ctx, opener, j, nil)
	switch {
	case errors.Is(err, job.ErrNotFound), errors.Is(err, job.ErrMalformed), errors.Is(err, errors.ErrUnsupported):
		return []string{nameless}, []string{""}, nil
	case err != nil:
		return nil, nil, err
	}
	for _, s := range report.Signatures() {
		signs, tests = append(signs, s.Print), append(tests, s.Test)
	}
	if len(signs) == 0 && !report.OnlyInfra() {
		return []string{nameless}, []string{""}, nil
	}
	return signs, tests, nil
}

// log reads the failed run's log, unless an earlier look has, and what is known of its signatures.
// It records them in the store at once, so that the same failure on a newer push is not new.
func (l *looking) log(ctx context.Context) error {
	f := &l.f.Failure
	if !f.Read {
		signs, tests, err := l.r.signsOf(ctx, l.first)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			l.f.Unread = err
			return nil
		}
		f.Signatures, f.Tests = signs, tests
		if err := l.r.store.See(ctx, Seen{f.Push.Repo, variant(f.Label), signs, f.Push, f.Finished}); err != nil {
			return err
		}
		f.Read = true
	}
	since := f.Finished.AddDate(0, 0, -l.r.cfg.KnownDays)
	var err error
	l.f.LastSeen, err = l.r.store.LastSeen(ctx, f.Push.Repo, variant(f.Label), f.Signatures, f.Push, since)
	if err != nil {
		return err
	}
	f.New = fresh(f.Signatures, l.f.LastSeen)
	if len(f.New) == 0 {
		return l.knownCase(ctx)
	}
	return l.many(ctx)
}

// knownCase looks for the case about the failure on the push where a signature was seen last. Of
// several it is that of the oldest failure, since the store returns the newest first.
func (l *looking) knownCase(ctx context.Context) error {
	last := l.f.last()
	if last.Push.Repo == "" {
		return nil
	}
	on, err := l.r.store.Failures(ctx, FailureQuery{Repo: last.Repo, Push: &last.Push})
	for _, f := range on {
		if f.Case != "" && slices.ContainsFunc(l.f.Failure.Signatures, func(s string) bool {
			return slices.Contains(f.Signatures, s)
		}) {
			l.f.Case = f.Case
		}
	}
	return err
}

// many counts the new signatures on the push, of all labels.
func (l *looking) many(ctx context.Context) error {
	f := l.f.Failure
	on, err := l.r.store.Failures(ctx, FailureQuery{Repo: f.Push.Repo, Push: &f.Push})
	if err != nil {
		return err
	}
	all := map[string]bool{}
	for _, s := range f.New {
		all[s] = true
	}
	for _, o := range on {
		for _, s := range o.New {
			all[s] = true
		}
	}
	l.f.Many = len(all)
	return nil
}

// judge returns the judge for a failure. A run is bad when it failed in the same test or, when no
// test is named, with one of the same signatures. A run that failed in another way tells nothing
// about this failure. The new signatures go before all others.
func (r *Robot) judge(ctx context.Context, f Failure) (analysis.Judge, error) {
	signs, test := f.New, ""
	if len(signs) == 0 {
		signs = f.Signatures
	}
	if len(signs) > 0 {
		test = f.test(signs[0])
	}
	return r.judgeOf(ctx, signs, test)
}

// judgeOf returns the one judge for a test and signatures, so that what it has read of the logs by
// test is kept from one look to the next.
func (r *Robot) judgeOf(ctx context.Context, signs []string, test string) (analysis.Judge, error) {
	return r.judges.Do(ctx, test+"\x00"+strings.Join(signs, "\x00"), func(context.Context) (analysis.Judge, bool,
		error,
	) {
		return r.newJudge(signs, test), true, nil
	})
}

// newJudge returns a judge by the test or, without one or without logs, by the signatures. Without
// logs, or when a signature is nameless, the status alone decides.
func (r *Robot) newJudge(signs []string, test string) analysis.Judge {
	byTest := joblog.TestJudge(r.ci, test, nil)
	_, logs := job.As[job.LogOpener](r.ci)
	return func(ctx context.Context, j job.Job) (analysis.Verdict, error) {
		if test != "" && logs {
			return byTest(ctx, j)
		}
		v, err := analysis.ByStatus(ctx, j)
		if err != nil || v != analysis.Bad || slices.Contains(signs, nameless) {
			return v, err
		}
		found, _, err := r.signsOf(ctx, j)
		if err != nil {
			return analysis.Unclear, err
		}
		if slices.ContainsFunc(found, func(s string) bool { return slices.Contains(signs, s) }) {
			return analysis.Bad, nil
		}
		return analysis.Unclear, nil
	}
}
