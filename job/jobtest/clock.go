package jobtest

import (
	"context"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// Now is the CI's time.
func (c *CI) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the CI's time forward, and with it every run.
func (c *CI) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := c.now.Add(d)
	for c.step(until) {
	}
	c.now = until
}

// Wait moves the CI's time to the next moment at which something changes, or by d where
// none comes sooner. It reports whether there was a change, and whether there can be more. Package
// trigger/monitor waits so: on a CI in memory nothing really waits.
func (c *CI) Wait(ctx context.Context, d time.Duration) (changed, more bool, err error) {
	if err := c.reach(ctx); err != nil {
		return false, false, job.Wrap("world.wait", "", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	until := c.now.Add(max(d, 0))
	if changed = c.step(until); !changed {
		c.now = until
	}
	for changed && c.step(c.now) { // all that happens at the same moment
		continue
	}
	return changed, slices.ContainsFunc(c.runs, func(n *run) bool { return !n.due().IsZero() }), nil
}

// step moves time to the next change that is not after until, and makes it.
// It reports whether there was one. A zero until is no limit.
func (c *CI) step(until time.Time) bool {
	var first *run
	for _, n := range c.runs {
		if t := n.due(); !t.IsZero() && (first == nil || t.Before(first.due())) {
			first = n
		}
	}
	if first == nil || (!until.IsZero() && first.due().After(until)) {
		return false
	}
	if t := first.due(); t.After(c.now) {
		c.now = t
	}
	c.change(first)
	return true
}

// due is when the run next changes for somebody who watches.
func (n *run) due() time.Time {
	if !n.announced {
		return n.visible
	}
	return n.next
}

func (c *CI) change(n *run) {
	if !n.announced {
		n.announced = true
		c.tell(n)
		return
	}
	switch n.status {
	case job.StatusPending:
		n.status, n.times.Started = job.StatusRunning, c.now
		n.next = c.now.Add(n.repo.duration(n.label))
	default: // running, unknown
		n.status, n.times.Finished, n.next = n.ends, c.now, time.Time{}
		if n.status == job.StatusSuccess && n.repo.kind(n.label) == job.KindBuild {
			c.release(n)
		}
	}
	c.tell(n)
}

// release lets the runs go that waited for this build.
func (c *CI) release(build *run) {
	for _, n := range c.runs {
		if n.status == job.StatusUnscheduled && n.push == build.push &&
			slices.Contains(n.repo.needs[n.label], build.label) && c.ready(n.repo, n.push, n.label) {
			n.status, n.next = job.StatusPending, c.now.Add(c.opts.Queue)
			c.tell(n)
		}
	}
}

// ready reports whether every build that the label needs has its files.
func (c *CI) ready(r *repo, p *push, label string) bool {
	for _, b := range r.needs[label] {
		ok := slices.ContainsFunc(c.runs, func(n *run) bool {
			return n.push == p && n.label == b && n.files()
		})
		if !ok {
			return false
		}
	}
	return true
}

// files reports whether the files of the run can be fetched.
func (n *run) files() bool { return n.status == job.StatusSuccess && !n.expired }

func (c *CI) tell(n *run) {
	c.events = append(c.events, job.Event{Time: c.now, CI: "world", Job: n.snapshot()})
}
