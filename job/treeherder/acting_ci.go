package treeherder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// pushesAside is how many pushes the CI is asked about at a time, where it cannot tell of
// many in one go.
const pushesAside = 10

// errUnscheduled is a run that waits for others, by Treeherder's word: whether it can
// still come the CI alone knows.
var errUnscheduled = errors.New("runs wait for others")

// refresh asks the CI how far the runs are that wait, as Treeherder is late, and does not
// know which of them can never run.
func (a *Acting) refresh(ctx context.Context, rows []row, why []error) {
	var ids []string
	for i := range rows {
		for _, j := range rows[i].Jobs {
			if why[i] == nil && j.Status().Waiting() && a.isOwn(j) {
				ids = append(ids, j.ID())
			}
		}
	}
	if len(ids) == 0 {
		return
	}
	statuses, err := job.StatusesOf(ctx, a.ci, ids...)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		a.log.Info("how far runs are is as Treeherder says it", "runs", len(ids), "err", err)
	}
	for i := range rows {
		for n, j := range rows[i].Jobs {
			s, ok := statuses[j.ID()]
			switch {
			case why[i] != nil || !j.Status().Waiting() || !a.isOwn(j):
			case ok && s != j.Status():
				rows[i].Jobs[n] = a.now(ctx, j, s)
			case !ok && (err == nil || j.Status() == job.StatusUnscheduled): // the CI has it no more, or does not tell
				why[i] = errUnscheduled
			}
		}
	}
}

// isOwn reports whether a job, as this package has it, has the CI's ID.
func (a *Acting) isOwn(j job.Job) bool {
	r, ok := j.Raw().(Record)
	return ok && a.o.Run(r) == j.ID()
}

// now is a job with the status that it has now. When it ended the CI says too.
func (a *Acting) now(ctx context.Context, j job.Job, s job.Status) job.Job {
	f := job.Fields{
		ID: j.ID(), Name: j.Name(), Push: j.Push(), Kind: j.Kind(), Status: s, Times: j.Times(), Raw: j.Raw(),
	}
	if !s.Waiting() {
		if now, err := job.FindRun(ctx, a.ci, j.ID()); err == nil {
			f.Status, f.Times = now.Status(), now.Times()
		}
	}
	return job.New(f)
}

// fall reads the pushes from the CI that Treeherder cannot tell of, and says so. The
// error is the context's.
func (a *Acting) fall(ctx context.Context, rows []row, why []error, labels []string, shows bool) error {
	var pushes []job.Push
	var places []int
	for i := range rows {
		if why[i] != nil {
			pushes, places = append(pushes, rows[i].Push), append(places, i)
		}
	}
	if len(places) == 0 {
		return nil
	}
	list, err := a.aside(ctx, pushes, labels)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for n, i := range places {
		rows[i] = row{job.PushRuns{Push: pushes[n], Err: err}, true, rows[i].th}
		if err == nil {
			rows[i].PushRuns = list[n]
			a.late(rows[i].Push, rows[i].Jobs, time.Time{}, shows)
		}
		if notable(why[i], rows[i].Jobs) {
			a.say(rows[i].Push, why[i])
		}
	}
	return nil
}

// notable reports whether people should know why the CI was asked: not where the runs were
// just made, nor where nothing ran at all.
func notable(why error, jobs []job.Job) bool {
	switch {
	case errors.Is(why, errUnscheduled), errors.Is(why, errLate):
		return false
	case errors.Is(why, errNoRuns):
		return len(jobs) > 0
	}
	return true
}

// aside are the runs as the CI itself has them.
func (a *Acting) aside(ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
	if len(labels) > 0 {
		list, err := job.History(ctx, a.ci, pushes, labels...)
		if !errors.Is(err, errors.ErrUnsupported) {
			return list, err
		}
	}
	out := make([]job.PushRuns, len(pushes))
	places := make(chan struct{}, pushesAside) // a push can have tens of thousands of runs
	var wg sync.WaitGroup
	for i, p := range pushes {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			out[i].Push = p
			out[i].Jobs, out[i].Err = a.ci.Jobs(ctx, p, labels...)
		})
	}
	wg.Wait()
	return out, nil
}

// say tells why a push is read from the CI, once for each cause.
func (a *Acting) say(p job.Push, why error) {
	cause, text := "failed", "Treeherder's answer about push %s cannot be used, so its runs come from the CI itself: %w"
	switch {
	case errors.Is(why, job.ErrNotFound):
		cause, text = "push", "Treeherder does not have push %s (not yet, or not any more), so its runs come "+
			"from the CI itself: %w"
	case errors.Is(why, errNoRuns), errors.Is(why, errBehind):
		cause, text = "runs", "the runs of push %s, and of others like it, come from the CI itself: %w"
	case errors.Is(why, job.ErrUnavailable):
		cause, text = "down", "Treeherder does not answer, so the runs of push %s and others come from the CI "+
			"itself: %w"
	}
	why = fmt.Errorf(text, p, why)
	a.log.Info("runs are read from the CI itself", "push", p.String(), "why", why)
	a.mu.Lock()
	first := !a.told[cause]
	a.told[cause] = true
	a.mu.Unlock()
	if first && a.o.Fell != nil {
		a.o.Fell(why)
	}
}

// Accepted implements job.AcceptedLister: what the CI has accepted, and what it shows and
// Treeherder does not show yet. Of the two Treeherder is asked first, so that a run that
// it hears of meanwhile counts.
func (a *Acting) Accepted(ctx context.Context, p job.Push, label string) ([]job.Request, error) {
	const op = "treeherder.accepted"
	if err := ctx.Err(); err != nil || !p.Testable() {
		return nil, job.Wrap(op, p.String(), err)
	}
	rows, err := a.read(ctx, []job.Push{p}, []string{label}, false)
	if err != nil {
		return nil, job.Wrap(op, p.String(), err)
	}
	out, err := job.Accepted(ctx, a.ci, p, label) // before the runs: one that is made meanwhile counts
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	own, err := rows[0].Jobs, rows[0].Err
	if !rows[0].byCI {
		own, err = a.ci.Jobs(ctx, p, label)
	}
	if err != nil {
		return nil, err
	}
	var late []job.Job
	var ids []string
	for _, j := range own {
		if slices.ContainsFunc(rows[0].th, func(k job.Job) bool { return k.ID() == j.ID() }) {
			continue
		}
		if j.Status().Counts() && !a.wasShown(p, j.ID()) {
			late, ids = append(late, j), append(ids, j.ID())
		}
	}
	if len(late) > 0 {
		a.late(p, late, time.Now().Add(settling), false)
		out = append(out, job.Request{
			Label: label, Push: p, Count: len(late), Why: "not shown by Treeherder yet: " + strings.Join(ids, ", "),
		})
	}
	return out, nil
}

// Classification implements job.Classifier: people classify runs on Treeherder.
func (a *Acting) Classification(ctx context.Context, j job.Job) (job.Classification, error) {
	if r, ok := j.Raw().(Record); ok {
		j = job.New(job.Fields{ID: number(r.ID), Name: j.Name(), Push: j.Push(), Raw: r})
	}
	return a.th.Classification(ctx, j)
}

// OpenLog implements job.LogOpener.
func (a *Acting) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	return with(ctx, a, j, func(j job.Job) (io.ReadCloser, error) { return job.OpenLog(ctx, a.ci, j, which) })
}

// WasAdded implements job.AddedChecker.
func (a *Acting) WasAdded(ctx context.Context, j job.Job) (bool, error) {
	return with(ctx, a, j, func(j job.Job) (bool, error) { return job.WasAdded(ctx, a.ci, j) })
}

// Requester implements job.RequesterFinder.
func (a *Acting) Requester(ctx context.Context, j job.Job) (string, error) {
	return with(ctx, a, j, func(j job.Job) (string, error) { return job.RequesterOf(ctx, a.ci, j) })
}

// ArtifactsExist implements job.ArtifactChecker.
func (a *Acting) ArtifactsExist(ctx context.Context, j job.Job) (bool, error) {
	return with(ctx, a, j, func(j job.Job) (bool, error) { return job.ArtifactsExist(ctx, a.ci, j) })
}

// with asks the CI about a job of Treeherder's: by its ID and, where the CI needs its own
// record of it, with that.
func with[T any](ctx context.Context, a *Acting, j job.Job, ask func(job.Job) (T, error)) (T, error) {
	out, err := ask(j)
	if !errors.Is(err, job.ErrInvalid) || !a.isOwn(j) {
		return out, err
	}
	own, err := job.FindRun(ctx, a.ci, j.ID())
	if err != nil {
		return out, err
	}
	return ask(own)
}
