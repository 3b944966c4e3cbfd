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

// pushesAside is how many pushes are read from the CI at the same time, when it cannot read
// several at once. A push can have tens of thousands of runs in memory.
const pushesAside = 10

// errUnscheduled says that a run waits for others according to Treeherder. Only the CI knows
// whether it can still run.
var errUnscheduled = errors.New("runs wait for others")

// refresh asks the CI for the present status of waiting runs. Treeherder is late, and does not
// know which of them can never run. When the CI does not answer, Treeherder's word counts,
// except for unscheduled runs, whose pushes are then read from the CI.
//
//	Treeherder     the CI              result
//	running        success             success, with the CI's times
//	pending        running             as the CI says
//	pending        does not have it    the push is read from the CI
//	pending        does not answer     pending
//	unscheduled    does not answer     the push is read from the CI
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
		a.log.Info("cannot ask the CI how far runs are, using Treeherder's status", "runs", len(ids), "err", err)
	}
	for i := range rows {
		for n, j := range rows[i].Jobs {
			s, ok := statuses[j.ID()]
			switch {
			case why[i] != nil || !j.Status().Waiting() || !a.isOwn(j):
			case ok && s != j.Status():
				rows[i].Jobs[n] = a.now(ctx, j, s)
			case !ok && (err == nil || j.Status() == job.StatusUnscheduled): // gone from the CI, or it cannot tell
				why[i] = errUnscheduled
			}
		}
	}
}

// isOwn reports whether a job of this package has the CI's ID.
func (a *Acting) isOwn(j job.Job) bool {
	r, ok := j.Raw().(Record)
	return ok && a.o.Run(r) == j.ID()
}

// now returns a job with its present status. For one that has ended, the CI also tells when.
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

// fall reads from the CI the pushes that Treeherder could not tell about, and reports it. The
// error is only that of the context. places[n] is the index in rows of pushes[n]: with why only
// at 1 and 4, places is 1, 4.
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

// notable reports whether people should know why the CI was asked. They need not when runs are
// just a little late, or wait for others, or when nothing has run on the push.
func notable(why error, jobs []job.Job) bool {
	switch {
	case errors.Is(why, errUnscheduled), errors.Is(why, errLate):
		return false
	case errors.Is(why, errNoRuns):
		return len(jobs) > 0
	}
	return true
}

// aside reads the runs from the CI itself, with its History if it has one.
func (a *Acting) aside(ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
	if len(labels) > 0 {
		list, err := job.History(ctx, a.ci, pushes, labels...)
		if !errors.Is(err, errors.ErrUnsupported) {
			return list, err
		}
	}
	out := make([]job.PushRuns, len(pushes))
	places := make(chan struct{}, pushesAside)
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

// say reports why a push is read from the CI: to the logger each time, and to Fell once for
// each kind of reason.
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
	a.log.Info("reading runs from the CI itself", "push", p.String(), "why", why)
	a.mu.Lock()
	first := !a.told[cause]
	a.told[cause] = true
	a.mu.Unlock()
	if first && a.o.Fell != nil {
		a.o.Fell(why)
	}
}

// Accepted implements job.AcceptedLister: it returns what the CI has accepted, and the runs that
// the CI shows and Treeherder does not show yet. It reads Treeherder first, then what the CI has
// accepted, then the CI's runs. In this order a run that moves on in the meantime may be counted
// twice, which costs nothing, but is never missed, which would trigger it again.
func (a *Acting) Accepted(ctx context.Context, p job.Push, label string) ([]job.Request, error) {
	const op = "treeherder.accepted"
	if err := ctx.Err(); err != nil || !p.Testable() {
		return nil, job.Wrap(op, p.String(), err)
	}
	rows, err := a.read(ctx, []job.Push{p}, []string{label}, false)
	if err != nil {
		return nil, job.Wrap(op, p.String(), err)
	}
	out, err := job.Accepted(ctx, a.ci, p, label)
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

// Classification implements job.Classifier through Treeherder, where people classify runs.
func (a *Acting) Classification(ctx context.Context, j job.Job) (job.Classification, error) {
	if r, ok := j.Raw().(Record); ok {
		j = job.New(job.Fields{ID: number(r.ID), Name: j.Name(), Push: j.Push(), Raw: r})
	}
	return a.th.Classification(ctx, j)
}

// OpenLog implements job.LogOpener through the CI.
func (a *Acting) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	return with(ctx, a, j, func(j job.Job) (io.ReadCloser, error) { return job.OpenLog(ctx, a.ci, j, which) })
}

// WasAdded implements job.AddedChecker through the CI.
func (a *Acting) WasAdded(ctx context.Context, j job.Job) (bool, error) {
	return with(ctx, a, j, func(j job.Job) (bool, error) { return job.WasAdded(ctx, a.ci, j) })
}

// Requester implements job.RequesterFinder through the CI.
func (a *Acting) Requester(ctx context.Context, j job.Job) (string, error) {
	return with(ctx, a, j, func(j job.Job) (string, error) { return job.RequesterOf(ctx, a.ci, j) })
}

// ArtifactsExist implements job.ArtifactChecker through the CI.
func (a *Acting) ArtifactsExist(ctx context.Context, j job.Job) (bool, error) {
	return with(ctx, a, j, func(j job.Job) (bool, error) { return job.ArtifactsExist(ctx, a.ci, j) })
}

// with asks the CI about a job that was read from Treeherder. When the CI does not accept it
// (job.ErrInvalid), since it needs a record of its own in Raw, with fetches the job from the CI
// and asks again.
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
