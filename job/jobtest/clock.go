package jobtest

import (
	"context"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// The CI's time: what moves it, and what happens on the way. step makes the next thing happen that
// is due; all else is built on it.

// lock takes the CI for a call, at the time that it is by then.
func (c *CI) lock() {
	c.mu.Lock()
	c.passes()
}

// unlock ends a call, and wakes those for whom it changed something. A listener takes the bell with
// ringing while it holds the CI, gives the CI back, and waits for the bell to close.
func (c *CI) unlock() {
	if c.rings && c.bell != nil {
		close(c.bell)
		c.bell = nil
	}
	c.rings = false
	c.player.look(c.moments.first())
	c.mu.Unlock()
}

// ringing is closed when something changes or a wait is over. It is called with the lock held.
// After it has closed, the next wait needs a new one.
func (c *CI) ringing() <-chan struct{} {
	if c.bell == nil {
		c.bell = make(chan struct{})
	}
	return c.bell
}

// Now is the CI's time.
func (c *CI) Now() time.Time {
	c.lock()
	defer c.unlock()
	return c.now
}

// Advance moves the CI's time forward, and with it every run.
func (c *CI) Advance(d time.Duration) {
	c.lock()
	defer c.unlock()
	c.player.again()
	c.to(c.now.Add(d))
}

// to moves time to a moment, and makes all that happens until then, also at that moment itself.
func (c *CI) to(until time.Time) {
	for c.step(until) {
	}
	c.now = until
}

// Wait moves the CI's time to the next moment at which something changes, or by d where
// none comes sooner. It reports whether there was a change, and whether there can be more. Package
// trigger/monitor waits so: on a CI in memory nothing really waits.
//
// Where the world plays, Wait waits until something changes or d has passed by the CI's
// clock, and there can always be more. What changed since a Wait last returned counts.
func (c *CI) Wait(ctx context.Context, d time.Duration) (changed, more bool, err error) {
	if err := c.reach(ctx); err != nil {
		return false, false, job.Wrap("world.wait", "", err)
	}
	if c.opts.Play {
		changed, err = c.await(ctx, max(d, 0))
		return changed, true, job.Wrap("world.wait", "", err)
	}
	c.lock()
	defer c.unlock()
	until := c.now.Add(max(d, 0))
	if changed = c.step(until); !changed {
		c.now = until
	}
	for changed && c.step(c.now) { // all that happens at the same moment
		continue
	}
	return changed, len(c.moments) > 0, nil
}

// step moves time to the next change that is not after until, and makes it.
// It reports whether there was one. A zero until is no limit.
func (c *CI) step(until time.Time) bool {
	at := c.moments.first()
	if at.IsZero() || (!until.IsZero() && at.After(until)) {
		return false
	}
	if at.After(c.now) {
		c.now = at
	}
	// Each case sets the moment anew or removes it, or step would meet it for ever.
	switch m := c.moments[0]; m.kind {
	case pushAppears:
		c.moments.set(m, time.Time{})
		c.appear(m.push)
	case runChanges:
		c.change(m.run)
		c.schedule(m.run)
	case runClassified:
		c.moments.set(m, time.Time{})
		c.changed()
	case waitEnds:
		c.moments.set(m, time.Time{})
		c.rings = true
	}
	return true
}

// schedule puts the run where it is due, or removes it when it never is.
func (c *CI) schedule(n *run) { c.moments.set(&n.moment, n.due()) }

// due is when the run next changes for somebody who watches.
func (n *run) due() time.Time {
	if n.status != 0 && !n.announced {
		return n.visible
	}
	return n.next
}

// change makes what is due for a run happen. A run goes from nothing to unscheduled or pending,
// then to running, perhaps unknown, and to its end; each change is told. One that never starts goes
// from pending to its end. A triggered run that was not visible is told first, without a change of
// its status.
func (c *CI) change(n *run) {
	switch {
	case n.status == 0:
		c.request(n)
		return
	case !n.announced:
		n.announced = true
	case n.status == job.StatusPending && !neverStarts(n.ends):
		c.set(n, job.StatusRunning)
		n.times.Started, n.next = c.now, c.now.Add(n.repo.duration(n.label))
		// The grid says that it runs, so it still does when the history is over.
		if last := c.end.Add(n.repo.duration(n.label)); n.cell.status == job.StatusRunning && last.After(n.next) {
			n.next = last
		}
	case n.cell.status == job.StatusUnknown && n.status == job.StatusRunning:
		c.set(n, job.StatusUnknown)
		n.next = c.now.Add(c.opts.Queue)
	default: // running, unknown
		c.finish(n)
		c.tell(n)
		c.follow(n)
		return
	}
	c.tell(n)
}

// finish ends a run. A build that succeeds lets the runs go that wait for it.
func (c *CI) finish(n *run) {
	c.set(n, n.ends)
	n.times.Finished, n.next = c.now, time.Time{}
	if n.status == job.StatusSuccess && n.repo.kind(n.label) == job.KindBuild {
		c.release(n)
	}
	if n.cell.class != "" && c.opts.Play { // otherwise nobody waits for it
		c.moments.set(&moment{kind: runClassified, seq: n.moment.seq}, c.now.Add(classified))
	}
}

// set gives the run a status, and counts how busy its queue is. No other code writes the status.
func (c *CI) set(n *run, s job.Status) {
	d := c.depths[n.label]
	if d == nil {
		d = &job.QueueDepth{}
		c.depths[n.label] = d
	}
	for _, change := range []struct {
		status job.Status
		by     int
	}{{n.status, -1}, {s, 1}} {
		switch change.status {
		case job.StatusPending:
			d.Pending += change.by
		case job.StatusRunning:
			d.Running += change.by
		}
	}
	n.status = s
}

// release lets the runs go that waited for this build, once all builds that they need have their
// files.
func (c *CI) release(build *run) {
	for _, n := range c.places[build.push].runs {
		if n.status == job.StatusUnscheduled && slices.Contains(n.repo.needs[n.label], build.label) &&
			c.ready(n.repo, n.push, n.label) {
			c.set(n, job.StatusPending)
			n.next = c.now.Add(c.opts.Queue)
			c.tell(n)
			c.schedule(n)
		}
	}
}

// ready reports whether every build that the label needs has its files.
func (c *CI) ready(r *repo, p *push, label string) bool {
	for _, b := range r.needs[label] {
		ok := slices.ContainsFunc(c.places[p].runs, func(n *run) bool { return n.label == b && n.files() })
		if !ok {
			return false
		}
	}
	return true
}

// files reports whether the files of the run can be fetched.
func (n *run) files() bool { return n.status == job.StatusSuccess && !n.cell.expired }

// told is an event, once there is one, and the way to those after it. Who watches holds
// the last that it has seen, so that events are kept no longer than somebody wants them.
type told struct {
	event job.Event
	next  *told
}

// tell makes an event of a run as it is now.
func (c *CI) tell(n *run) { c.event(job.Event{Job: n.snapshot()}) }

// event appends an event. The one that was the newest points to it, so who holds that one finds it.
func (c *CI) event(e job.Event) {
	e.Time, e.CI = c.now, "world"
	c.last.next = &told{event: e}
	c.last = c.last.next
	c.changed()
}

// changed counts a change, and has the bell rung at the end of the call.
func (c *CI) changed() {
	c.changes++
	c.rings = true
}
