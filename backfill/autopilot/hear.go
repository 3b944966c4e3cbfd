package autopilot

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
)

// Failures reach the robot in two ways: events tell of them at once, and sweep reads the recent
// pushes, because events get lost. Both end in hear, which stores a failure under a key of its
// label and push, so that the same failure is stored once however often it is told of.

// listen stores the failures that events tell of, and wakes the cases that an event concerns. It
// returns when ctx is done, or when the CI has no events; then only sweep finds failures. After
// each break it sweeps first, as for events that were missed.
func (r *Robot) listen(ctx context.Context) {
	for failed := 0; ctx.Err() == nil; { // failed: how many times in a row the events broke off
		var last error
		for e, err := range job.Watch(ctx, r.ci) {
			if err != nil {
				last = err
				break
			}
			failed = 0
			r.heard(ctx, e)
		}
		if errors.Is(last, errors.ErrUnsupported) || ctx.Err() != nil {
			return
		}
		failed++
		wait := backoff(failed)
		r.log.WarnContext(ctx, "no events arrive, reading the CI at intervals instead", "wait", wait, "err", last)
		if pause.For(ctx, wait) != nil {
			return
		}
		r.heard(ctx, job.Event{Missed: true})
	}
}

// heard stores what an event tells before it takes the next one. While the store does not answer,
// events wait at their source.
func (r *Robot) heard(ctx context.Context, e job.Event) {
	for failed := 1; ctx.Err() == nil; failed++ {
		err := r.note(ctx, e)
		if err == nil {
			return
		}
		wait := backoff(failed)
		r.log.WarnContext(ctx, "an event could not be stored, trying again", "wait", wait, "err", err)
		if pause.For(ctx, wait) != nil {
			return
		}
	}
}

// note stores one event: it sweeps after missed ones, wakes what waits, and hears a failed run.
func (r *Robot) note(ctx context.Context, e job.Event) error {
	switch {
	case e.Missed:
		now, err := r.store.Now(ctx)
		if err == nil {
			err = r.sweep(ctx, now)
		}
		if err != nil {
			return err
		}
		_, err = r.store.Wake(ctx, "", "")
		r.wake()
		return err
	case e.Job == nil && e.Push != nil: // the push may back something out
		_, err := r.store.Wake(ctx, e.Push.Repo, "")
		r.wake()
		return err
	case e.Job == nil, e.Job.Status().Waiting(): // only a run that has ended decides something
		return nil
	}
	repo := e.Job.Push().Repo
	if e.Job.Status().Failed() {
		if err := r.hear(ctx, e.Job); err != nil {
			return err
		}
	}
	label := e.Job.Name()
	switch {
	case e.Job.Kind() == job.KindBuild:
		label = "" // a case may wait for this build
	case len(r.cfg.Labels) > 0 && !matches(r.cfg.Labels, label):
		return nil
	}
	// Searches in a repository that a merge came from concern cases of another repository, so wake
	// the label in all of them.
	for _, repo := range []string{repo, ""} {
		n, err := r.store.Wake(ctx, repo, label)
		if err != nil {
			return err
		}
		if n > 0 {
			break
		}
		if label == "" {
			break
		}
	}
	r.wake()
	return nil
}

// failureKey identifies a label on a push. Other runs of the label on the push have the same key,
// and so are the same failure.
func failureKey(p job.Push, label string) string {
	return "f-" + keyOf(p.Repo, strconv.FormatInt(p.ID, 10), p.Revision, label)
}

// hear stores a run that failed. When the file does not cover a repository or label, that is
// recorded once a day and not for each run.
func (r *Robot) hear(ctx context.Context, j job.Job) error {
	p := j.Push()
	f := Failure{
		Key: failureKey(p,
			j.Name()), Run: j.ID(), Label: j.Name(), Push: p, Kind: j.Kind(), Finished: j.Times().Finished,
	}
	f.Push.Changesets = nil
	if no := unnamed(Facts{Config: r.cfg, Failure: f}); no != nil {
		now, err := r.store.Now(ctx)
		if err != nil {
			return err
		}
		// One key a day and repository: in a burst, 20,000 failures of labels that nobody named are
		// one row.
		f.Key = "f-" + keyOf("unnamed", p.Repo, now.Format(time.DateOnly))
		f.Rule, f.Why, f.Decided = no.Rule, no.Why, true
	}
	if f.Finished.IsZero() {
		f.Finished = p.Time
	}
	fresh, err := r.store.Hear(ctx, f, 0)
	if fresh && !f.Decided {
		r.log.DebugContext(ctx, "heard of a failure", "repo", p.Repo, "push", p.ID, "label", j.Name(), "run", j.ID())
		r.wake()
	}
	return err
}

// mostSwept is the maximum number of a repository's newest pushes that sweep reads. Of these it
// reads the jobs of those that are younger than Config.MaxAge.
const mostSwept = 100

// sweep reads the recent pushes of each repository. It finds failures that no event told of, and
// what people did about earlier cases. One repository that does not answer does not keep it from
// the others, but when the store does not answer, sweep fails. At the end it prunes the store; a
// signature is kept one day longer than it counts as known.
func (r *Robot) sweep(ctx context.Context, now time.Time) error {
	for _, name := range r.places.Repositories {
		if err := r.through(ctx, name, now.Add(-r.cfg.MaxAge)); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.log.WarnContext(ctx, "the recent pushes of a repository could not be read", "repo", name, "err", err)
		}
	}
	if err := r.review(ctx, now); err != nil {
		return err
	}
	_, err := r.store.Prune(ctx, keptFor, time.Duration(r.cfg.KnownDays+1)*day)
	return err
}

// keptFor is how long cases, decisions and spends are kept.
const keptFor = 90 * day

// through stores the failures on a repository's pushes since a time. A push whose jobs cannot be
// read does not keep it from the others; the errors come back joined. Words of statuses that mozci
// does not know are no such error: the other jobs still count.
func (r *Robot) through(ctx context.Context, name string, since time.Time) error {
	repo, err := r.places.Repository(name)
	if err != nil {
		return err
	}
	if lineErr, err := r.line(ctx, repo); lineErr != nil || err != nil {
		return err
	}
	recent, err := repo.Pushes(ctx, job.Around("tip", mostSwept-1, 0))
	if errors.Is(err, job.ErrNotFound) {
		return nil // the repository has no push yet
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range recent {
		if p.Time.Before(since) || !p.Testable() {
			continue
		}
		jobs, err := r.ci.Jobs(ctx, p)
		if err != nil && !errors.Is(err, job.ErrUnknownWord) {
			errs = append(errs, err)
			continue
		}
		for _, j := range jobs {
			if j.Status().Failed() {
				if err := r.hear(ctx, j); err != nil {
					return err
				}
			}
		}
	}
	return errors.Join(errs...)
}
