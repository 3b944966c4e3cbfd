package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/internal/lease"
	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
)

// Waiter is a CI with its own clock, which moves when someone waits, such as jobtest.CI.
// Nothing really sleeps then.
type Waiter interface {
	// Wait moves time forward to the next change, by at most d. It reports whether there
	// was a change, and whether anything more can change.
	Wait(ctx context.Context, d time.Duration) (changed, more bool, err error)
}

// Run looks after the expectations of the store until ctx is done or, with
// Options.UntilDone, until none is open. Failures of the store or the CI are logged and
// tried again. Run returns the error of the context, or of a store that can never work,
// such as one with tables of a newer version.
func (m *Monitor) Run(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	w, virtual := job.As[Waiter](m.ci)
	if virtual {
		m.opts.Width = 1 // one at a time, so that each run of the program tells the same story
		if err := m.pass(ctx, w, 0); err != nil {
			return err
		}
	} else {
		all.Go(func() { m.listen(watching) })
	}
	for failed := 0; ; {
		after, some, err := m.round(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, job.ErrInvalid), errors.Is(err, database.ErrNewer):
			return err
		case err != nil:
			failed++
			wait := backoff(failed)
			m.log.WarnContext(ctx, "the store of expectations failed, trying again", "wait", wait, "err", err)
			if pause.For(ctx, wait) != nil {
				return ctx.Err()
			}
			continue
		case !some && m.opts.UntilDone:
			return nil
		}
		failed = 0
		if !some {
			// Nothing is open, but another process may add something.
			after = m.opts.Policy.Safety
		}
		if virtual {
			if err := m.pass(ctx, w, after); err != nil {
				return err
			}
			continue
		}
		m.sleep(ctx, after)
	}
}

// pass lets time pass in a CI with its own clock. All open expectations are looked at
// after each change, and once more when nothing further can happen.
func (m *Monitor) pass(ctx context.Context, w Waiter, d time.Duration) error {
	changed, more, err := w.Wait(ctx, d)
	if err == nil && (changed || !more && !m.quiet) {
		_, err = m.store.Wake(ctx, job.Push{}, "")
	}
	m.quiet = !more
	return err
}

// backoff returns how long to wait after a number of failures in a row, 1 or more: 1 s, 2
// s, 4 s, up to a minute. The exponent is capped so that the shift cannot overflow.
func backoff(failed int) time.Duration {
	const first, most = time.Second, time.Minute
	return min(first<<min(failed-1, 10), most)
}

// sleep waits until something is due, or the monitor is woken.
func (m *Monitor) sleep(ctx context.Context, d time.Duration) {
	// Another monitor may add or wake something in a shared store.
	t := time.NewTimer(min(d, m.opts.Policy.Poll))
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.woken:
	case <-ctx.Done():
	}
}

// listen makes due what events are about, as long as the CI has events.
func (m *Monitor) listen(ctx context.Context) {
	for failed := 0; ctx.Err() == nil; {
		var last error
		for e, err := range job.Watch(ctx, m.ci) {
			if err != nil {
				last = err
				break
			}
			failed = 0
			m.heard(ctx, e)
		}
		if errors.Is(last, errors.ErrUnsupported) || ctx.Err() != nil {
			return
		}
		failed++
		wait := backoff(failed)
		m.log.WarnContext(ctx, "no events, polling instead", "wait", wait, "err", last)
		if pause.For(ctx, wait) != nil {
			return
		}
		// What happened while there were no events was missed.
		m.heard(ctx, job.Event{Missed: true})
	}
}

// heard makes due what an event is about. A new push may be a backout, so the next look
// at each expectation in its repository checks whether it is moot. An event must not be
// lost to an error of the store, so heard tries until it succeeds.
func (m *Monitor) heard(ctx context.Context, e job.Event) {
	if e.Job == nil && !e.Missed {
		if e.Push != nil {
			m.pushed(ctx, e.Push.Repo)
		}
		return
	}
	for failed := 0; ctx.Err() == nil; {
		var n int
		var err error
		switch {
		case e.Missed:
			n, err = m.store.Wake(ctx, job.Push{}, "")
		case e.Job.Push().Revision == "":
			n, err = m.store.Wake(ctx, job.Push{Repo: e.Job.Push().Repo}, e.Job.Name())
		default:
			n, err = m.store.Wake(ctx, e.Job.Push(), concerned(e.Job))
		}
		if err == nil {
			if n > 0 {
				m.wake()
			}
			return
		}
		failed++
		if pause.For(ctx, backoff(failed)) != nil {
			return
		}
	}
}

// concerned returns the label that an event is about; empty for all labels of the push,
// when the run may be their build. A push has thousands of tests, and each look reads the
// CI, so a test wakes its own label only.
func concerned(j job.Job) string {
	if k := j.Kind(); k == job.KindTest || k == job.KindPerf {
		return j.Name()
	}
	return ""
}

// pushed records that a repository has a new push.
func (m *Monitor) pushed(ctx context.Context, repo string) {
	now, err := m.store.Now(ctx)
	if err != nil {
		return // backouts are checked before anything is triggered, and after Safety, in any case
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pushes[repo] = now
}

// round looks at all expectations that are due, and returns how long until the next one
// is; some is false when none is left.
func (m *Monitor) round(ctx context.Context) (after time.Duration, some bool, err error) {
	for {
		claimed, err := m.store.Claim(ctx, m.holder, m.opts.Lease, m.opts.Width, m.keys()...)
		if err != nil {
			return 0, false, err
		}
		if len(claimed) == 0 {
			break
		}
		told := m.ask(ctx, claimed)
		errs := make([]error, len(claimed))
		var all sync.WaitGroup
		for i, c := range claimed {
			all.Go(func() { errs[i] = m.one(ctx, c, told) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return 0, false, err
		}
	}
	return m.store.Next(ctx, m.keys()...)
}

// keys returns the keys that this monitor looks after: those of Options.Only, and of the
// builds added for them; none means all.
func (m *Monitor) keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.only)
}

// adopt adds expectations to those of Options.Only, if that is used.
func (m *Monitor) adopt(added []Expectation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.only) == 0 {
		return
	}
	for _, e := range added {
		m.only = append(m.only, e.Key)
	}
}

// one looks at one expectation, and renews its lease meanwhile. If another monitor has
// taken it over, what this one found is dropped.
func (m *Monitor) one(ctx context.Context, c Claimed, told map[string]job.Status) error {
	held, release := lease.Hold(ctx, m.opts.Lease, func(ctx context.Context) bool {
		return errors.Is(m.store.Renew(ctx, c, m.opts.Lease), ErrLost)
	})
	err := m.handle(held, c, told)
	lost := release()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return nil
	case errors.Is(err, ErrLost), lost:
		m.log.InfoContext(ctx, "another monitor took over", "key", c.Key)
		return nil
	}
	return err
}

// handle looks at an expectation, does what is needed, saves the result and reports it.
// It saves before it reports: after a crash in between, the next holder announces the
// end.
func (m *Monitor) handle(ctx context.Context, c Claimed, told map[string]job.Status) error {
	if !c.Open() {
		return m.announce(ctx, c)
	}
	e := &c.Expectation
	f, err := m.look(ctx, &c, told)
	var changes []Change
	var d Decision
	var done acted
	if err == nil {
		changes = m.changes(e, f)
		d, done, err = m.decide(ctx, e, f)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if f.Now.IsZero() {
			return err // an error of the store, since its clock was not read
		}
		// The CI's error: the expectation is saved with it, and looked at again later.
		d = m.unread(e, err, f.Now)
	} else {
		e.Progress.Unread, e.Progress.LastError = 0, ""
	}
	changes = append(changes, done.changes...)
	if d.Outcome != "" {
		e.Progress.Outcome, e.Progress.Note, e.Progress.Ended = d.Outcome, d.Why, f.Now
	}
	e.Progress.State = d.State
	m.adopt(done.added) // also where the answer to Save is lost
	late, stop := lastly(ctx)
	defer stop()
	if err := m.store.Save(late, c, m.again(d), done.added...); err != nil {
		return err
	}
	m.say(changes)
	if !c.Open() {
		m.forget(e.Key)
		return m.announce(ctx, c)
	}
	return nil
}

// decide decides, and triggers what the decision wants. An expectation that would stay
// open is checked for backouts before anything is triggered.
func (m *Monitor) decide(ctx context.Context, e *Expectation, f Facts) (Decision, acted, error) {
	d := Decide(*e, f, m.opts.Policy)
	if d.Outcome != "" {
		return d, acted{}, nil
	}
	if d.Want > 0 || m.stale(*e, f.Now) {
		by, why, err := m.moot(ctx, e, f)
		if err != nil {
			return d, acted{}, err
		}
		if by != nil {
			e.Progress.Moot = by
			return Decision{Outcome: Moot, Why: why}, acted{}, nil
		}
	}
	var done acted
	if d.Hung != nil && !e.Progress.Said[d.Hung.ID()] {
		if e.Progress.Said == nil {
			e.Progress.Said = map[string]bool{}
		}
		e.Progress.Said[d.Hung.ID()] = true
		c := m.change(*e, f.Now)
		c.ID, c.Count, c.Status, c.Why = d.Hung.ID(), 1, d.Hung.Status(), d.Why
		done.changes = append(done.changes, c)
	}
	if d.Want == 0 {
		return d, done, nil
	}
	m.forget(e.Key) // the next look must see what is triggered now
	// If this process dies during act, the ledger knows what was triggered; the next
	// holder does not repeat it.
	asked, err := m.act(ctx, e, d, f.Now)
	done.changes, done.added = append(done.changes, asked.changes...), asked.added
	if err == nil && asked.refused != "" && len(asked.changes) == 0 {
		d = Decision{Outcome: asked.outcome, Why: d.Why + "; " + asked.refused}
		if d.Outcome == NoRun && e.Progress.Results.Runs > 0 { // it did run before
			d.Outcome = Limit
		}
	}
	return d, done, err
}

// unread decides what to do when the CI could not be read or did not answer: try again
// after 10 s, 20 s, 40 s and so on up to Policy.Safety, and give up after Policy.Blind
// failures.
func (m *Monitor) unread(e *Expectation, err error, now time.Time) Decision {
	const first = 10 * time.Second
	e.Progress.LastError = err.Error()
	if at := e.Progress.UnreadAt; e.Progress.Unread == 0 || now.Sub(at) >= first { // events may come by the second
		e.Progress.Unread++
		e.Progress.UnreadAt = now
	}
	m.log.Warn("an expectation could not be looked at", "label", e.Label, "push", e.Push.ID, "times", e.Progress.Unread,
		"err", err)
	if m.opts.Policy.Blind >= 0 && e.Progress.Unread >= m.opts.Policy.Blind {
		return Decision{Outcome: CouldNotSee, Why: fmt.Sprintf("the CI could not be read %s in a row: %v",
			times(e.Progress.Unread), err)}
	}
	if left := e.Deadline - now.Sub(e.Progress.Added); left <= 0 {
		return Decision{Outcome: TimedOut, Why: fmt.Sprintf("not met within %s; the CI could not be read: %v",
			words(e.Deadline), err)}
	}
	return Decision{State: e.Progress.State, Again: min(first<<min(e.Progress.Unread-1, 10), m.opts.Policy.Safety)}
}

// again returns how long until the next look at an expectation without an event.
func (m *Monitor) again(d Decision) time.Duration {
	usual := m.opts.Policy.Poll
	if _, ok := job.As[job.Watcher](m.ci); ok {
		usual = m.opts.Policy.Safety
	}
	if d.Want > 0 { // triggered runs appear soon
		usual = m.opts.Policy.Poll
	}
	if d.Again > 0 {
		return min(d.Again, usual)
	}
	return usual
}

// say reports changes to OnChange, one call at a time.
func (m *Monitor) say(changes []Change) {
	if m.opts.OnChange == nil || len(changes) == 0 {
		return
	}
	m.tell <- struct{}{}
	defer func() { <-m.tell }()
	m.opts.OnChange(changes)
}

// announce reports that an expectation ended, and records that. When the Notifier fails,
// the expectation stays claimed, and the next holder announces it after the lease.
func (m *Monitor) announce(ctx context.Context, c Claimed) error {
	e := c.Expectation
	if m.opts.Notifier != nil {
		if err := m.opts.Notifier.Notify(ctx, e); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			m.log.WarnContext(ctx, "the end could not be announced, trying again when the lease is over", "key", e.Key,
				"err", err)
			return nil
		}
	}
	end := m.change(e, e.Progress.Ended)
	end.Outcome, end.Why, end.Ended = e.Progress.Outcome, e.Progress.Note, &e
	m.say([]Change{end})
	late, stop := lastly(ctx)
	defer stop()
	return m.store.Announced(late, c)
}

// lastly returns a context for what must be written even when ctx is done: what was
// triggered or announced must not be forgotten.
func lastly(ctx context.Context) (context.Context, context.CancelFunc) {
	const most = 10 * time.Second
	return context.WithTimeout(context.WithoutCancel(ctx), most)
}
