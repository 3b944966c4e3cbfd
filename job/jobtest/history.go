package jobtest

import (
	"time"

	"github.com/mozci/mozci/job"
)

// How the history of a world that plays happens: a push appears and requests its runs; what ends
// requests what stands after it in the cell. In "retry,pass*2" the item of the retry is requested
// first, and the item of two passes when the retry has ended.

// item are the runs of one word of a cell, such as fail*2, of a world that plays.
type item struct {
	runs     []*run
	before   int       // how many runs of the item before it have not ended
	earliest time.Time // when it is requested at the earliest
}

// toCome makes every push of the world a moment to come. One that merges others comes after them,
// and none before an older one. The sequence numbers are in the order in which the calls end, so
// that of pushes at the same time the merged ones come first.
func (c *CI) toCome() {
	at := map[*push]time.Time{}
	seq := 0
	var appears func(r *repo, i int) time.Time
	appears = func(r *repo, i int) time.Time {
		p := r.pushes[i]
		if t, ok := at[p]; ok {
			return t
		}
		t := p.Time
		at[p] = t // for merges that go round in a circle
		if i > 0 {
			t = later(t, appears(r, i-1))
		}
		for _, m := range p.merges {
			from := c.w.repo(m.repo)
			t = later(t, appears(from, from.index(m.last)))
		}
		at[p] = t
		seq++
		c.moments.set(&moment{kind: pushAppears, seq: seq, push: p}, t)
		return t
	}
	for _, r := range c.w.repos {
		for i := range r.pushes {
			appears(r, i)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// appear makes a push visible, and requests its runs.
func (c *CI) appear(p *push) {
	r := c.w.repo(p.Repo)
	c.seen[r]++
	delete(c.lists, r)
	told := clonePush(p.Push)
	c.event(job.Event{Push: &told})
	for _, label := range r.labels {
		var last *item
		for _, it := range c.items(r, p, label) {
			if last == nil {
				c.ask(it)
			} else {
				it.before = len(last.runs)
				for _, n := range last.runs {
					n.then = it
				}
			}
			last = it
		}
	}
}

// items makes the runs of a cell, by its words: cellRun.item counts them from 0. None is requested
// yet. One run with :by= makes its whole item late.
func (c *CI) items(r *repo, p *push, label string) (out []*item) {
	for _, cell := range p.cells[label] {
		if cell.item == len(out) {
			out = append(out, &item{earliest: c.now})
		}
		it := out[cell.item]
		if cell.by != "" {
			it.earliest = c.now.Add(c.w.every)
		}
		n := c.newRun(r, p, label)
		n.ofCell(cell)
		it.runs = append(it.runs, n)
	}
	return out
}

// ask requests the runs of an item, or has them requested when it is time.
func (c *CI) ask(it *item) {
	for _, n := range it.runs {
		if it.earliest.After(c.now) {
			n.next = it.earliest
		} else {
			c.request(n)
		}
		c.schedule(n)
	}
}

// request makes a run of the history visible, as pending or, while it waits for its builds, as
// unscheduled; release moves it on then.
func (c *CI) request(n *run) {
	n.times.Requested, n.visible, n.announced = c.now, c.now, true
	if c.waits(n) {
		c.set(n, job.StatusUnscheduled)
		n.next = time.Time{}
	} else {
		c.set(n, job.StatusPending)
		n.next = c.now.Add(c.opts.Queue)
	}
	c.tell(n)
}

// waits reports whether a run of the history waits for its builds: where it says so, or
// where the builds it needs succeed by and by.
func (c *CI) waits(n *run) bool {
	needs := n.repo.needs[n.label]
	switch {
	case n.cell.status == job.StatusUnscheduled:
		return len(needs) == 0 || !c.ready(n.repo, n.push, n.label)
	case len(needs) == 0 || neverStarts(n.cell.status) || c.ready(n.repo, n.push, n.label):
		return false
	}
	for _, b := range needs {
		if !n.push.builds(b) {
			return false
		}
	}
	return true
}

// builds reports whether the grid has a run of the build that gives files.
func (p *push) builds(label string) bool {
	for _, cell := range p.cells[label] {
		if cell.status == job.StatusSuccess && !cell.expired {
			return true
		}
	}
	return false
}

// follow requests what waits for the end of a run and of those beside it. The last of these to end
// requests it; each is counted once, because n.then is cleared.
func (c *CI) follow(n *run) {
	it := n.then
	if it == nil {
		return
	}
	n.then = nil
	if it.before--; it.before == 0 {
		c.ask(it)
	}
}
