package jobtest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

var (
	_ job.Scheduler       = (*CI)(nil)
	_ job.Cataloger       = (*CI)(nil)
	_ job.Canceler        = (*CI)(nil)
	_ job.LogOpener       = (*CI)(nil)
	_ job.Watcher         = (*CI)(nil)
	_ job.AcceptedLister  = (*CI)(nil)
	_ job.KeyCarrier      = (*CI)(nil)
	_ job.ArtifactChecker = (*CI)(nil)
	_ job.QueueMeter      = (*CI)(nil)
)

// Catalog implements job.Cataloger: every label of the push's repository.
func (c *CI) Catalog(ctx context.Context, p job.Push, labels ...string) ([]job.Runnable, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.catalog", p.String(), err)
	}
	r, at, err := c.find(p)
	if err == nil && !at.scheduled {
		err = job.ErrNotScheduled
	}
	if err != nil {
		return nil, job.Wrap("world.catalog", p.String(), err)
	}
	var out []job.Runnable
	for _, l := range c.w.Labels(r.name) {
		out = append(out, job.Runnable{
			Label: l, Kind: r.kind(l), Upstreams: append([]string(nil), r.needs[l]...),
			Manifests: r.manifests(l, at.ID),
		})
	}
	return job.OfLabels(out, labels...), nil
}

// Cancel implements job.Canceler.
func (c *CI) Cancel(ctx context.Context, id string) error {
	if err := c.reach(ctx); err != nil {
		return job.Wrap("world.cancel", id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.byID(id)
	if err != nil {
		return job.Wrap("world.cancel", id, err)
	}
	if n.status.Waiting() {
		n.status, n.times.Finished, n.next = job.StatusCancelled, c.now, time.Time{}
		c.tell(n)
	}
	return nil
}

// OpenLog implements job.LogOpener: an errorsummary and a plain log of a run
// that has ended. The test of a world has no name, so it is called "test".
func (c *CI) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.log", j.ID(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.byID(j.ID())
	if err != nil {
		return nil, job.Wrap("world.log", j.ID(), err)
	}
	text, ok := n.log(which)
	if !ok {
		return nil, job.Wrap("world.log", j.ID(), fmt.Errorf("%w: the run has no %s log", job.ErrNotFound, which))
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (n *run) log(which job.LogKind) (string, bool) {
	ran := n.status == job.StatusSuccess || n.status == job.StatusTestFailed
	switch {
	case which == job.LogText && n.status == job.StatusTestFailed:
		return "TEST-UNEXPECTED-FAIL | test | expected PASS\n", true
	case which == job.LogText && n.status == job.StatusBusted:
		return "make: *** [all] Error 2\n", true
	case which == job.LogText && ran && !n.noTest:
		return "TEST-PASS | test\n", true
	case which == job.LogText && ran:
		return "nothing to run\n", true
	case which != job.LogErrorSummary || !ran || n.repo.kind(n.label) == job.KindBuild:
		return "", false
	case n.noTest:
		return `{"action":"test_groups","line":1,"groups":[]}` + "\n", true
	case n.status == job.StatusSuccess:
		return `{"action":"test_groups","line":1,"groups":["group"]}` + "\n" +
			`{"action":"group_result","line":2,"group":"group","status":"OK","duration":1000}` + "\n", true
	}
	return `{"action":"test_groups","line":1,"groups":["group"]}` + "\n" +
		`{"action":"test_result","line":2,"test":"test","group":"group","status":"FAIL","expected":"PASS","message":"expected PASS","known_intermittent":[]}` + "\n" +
		`{"action":"group_result","line":3,"group":"group","status":"ERROR","duration":1000}` + "\n", true
}

// Watch implements job.Watcher. When no event is left to tell, it moves the
// CI's time to the next one; it ends when nothing can happen any more.
func (c *CI) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		c.mu.Lock()
		seen := len(c.events)
		c.mu.Unlock()
		for {
			if err := c.reach(ctx); err != nil {
				yield(job.Event{}, job.Wrap("world.watch", "", err))
				return
			}
			e, ok := c.nextEvent(&seen)
			if !ok || !yield(e, nil) {
				return
			}
		}
	}
}

func (c *CI) nextEvent(seen *int) (job.Event, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for *seen >= len(c.events) {
		if !c.step(time.Time{}) {
			return job.Event{}, false
		}
	}
	*seen++
	return c.events[*seen-1], true
}

// Accepted implements job.AcceptedLister: what was asked for and is invisible.
func (c *CI) Accepted(ctx context.Context, p job.Push, label string) ([]job.Request, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.inflight", label, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, at, err := c.find(p)
	if err != nil {
		return nil, job.Wrap("world.inflight", label, err)
	}
	var out []job.Request
	for _, n := range c.runs {
		if n.push != at || n.label != label || !n.visible.After(c.now) {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].Key == n.key {
			out[last].Count++
			continue
		}
		out = append(out, job.Request{Key: n.key, Label: label, Push: clonePush(at.Push), Count: 1})
	}
	return out, nil
}

// Carried implements job.KeyCarrier.
func (c *CI) Carried(ctx context.Context, req job.Request) ([]string, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.carried", req.Key, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, at, err := c.find(req.Push)
	if err != nil {
		return nil, job.Wrap("world.carried", req.Key, err)
	}
	var out []string
	for _, n := range c.runs {
		if n.push == at && n.label == req.Label && n.key == req.Key && req.Key != "" && len(out) < req.Count {
			out = append(out, n.id)
		}
	}
	return out, nil
}

// ArtifactsExist implements job.ArtifactChecker.
func (c *CI) ArtifactsExist(ctx context.Context, j job.Job) (bool, error) {
	if err := c.reach(ctx); err != nil {
		return false, job.Wrap("world.artifacts", j.ID(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.byID(j.ID())
	if err != nil {
		return false, job.Wrap("world.artifacts", j.ID(), err)
	}
	return n.files(), nil
}

// QueueDepth implements job.QueueMeter: all runs of the label, on any push.
func (c *CI) QueueDepth(ctx context.Context, label string) (job.QueueDepth, error) {
	if err := c.reach(ctx); err != nil {
		return job.QueueDepth{}, job.Wrap("world.load", label, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var l job.QueueDepth
	for _, n := range c.runs {
		if n.label != label {
			continue
		}
		switch n.status {
		case job.StatusPending:
			l.Pending++
		case job.StatusRunning:
			l.Running++
		}
	}
	return l, nil
}
