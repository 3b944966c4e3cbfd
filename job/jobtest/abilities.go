package jobtest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

var (
	_ job.Scheduler       = (*CI)(nil)
	_ job.Cataloger       = (*CI)(nil)
	_ job.TestLister      = (*CI)(nil)
	_ job.Canceler        = (*CI)(nil)
	_ job.LogOpener       = (*CI)(nil)
	_ job.Watcher         = (*CI)(nil)
	_ job.AcceptedLister  = (*CI)(nil)
	_ job.KeyCarrier      = (*CI)(nil)
	_ job.RunFinder       = (*CI)(nil)
	_ job.AddedChecker    = (*CI)(nil)
	_ job.RequesterFinder = (*CI)(nil)
	_ job.Classifier      = (*CI)(nil)
	_ job.ArtifactChecker = (*CI)(nil)
	_ job.QueueMeter      = (*CI)(nil)
)

// Catalog implements job.Cataloger: every label of the push's repository.
func (c *CI) Catalog(ctx context.Context, p job.Push, labels ...string) ([]job.Runnable, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.catalog", p.String(), err)
	}
	c.lock()
	r, at, err := c.find(p)
	c.unlock()
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
			Manifests: r.manifests(l, at.ID), Parts: partsOf(l, r.kind(l)),
		})
	}
	job.FillPlatforms(out)
	return job.OfLabels(out, labels...), nil
}

// TestsByManifest implements job.TestLister, by the world's directive lists.
func (c *CI) TestsByManifest(ctx context.Context, p job.Push) (map[string][]string, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.tests", p.String(), err)
	}
	c.lock()
	r, _, err := c.find(p)
	c.unlock()
	if err == nil && len(r.lists) == 0 {
		err = fmt.Errorf("%w: the world lists no tests", job.ErrNotFound)
	}
	if err != nil {
		return nil, job.Wrap("world.tests", p.String(), err)
	}
	out := make(map[string][]string, len(r.lists))
	for m, tests := range r.lists {
		out[m] = slices.Clone(tests)
	}
	return out, nil
}

// Cancel implements job.Canceler. A run that has ended stays as it is, and that is no error. In a
// world that plays, the later runs of the same cell no longer come.
func (c *CI) Cancel(ctx context.Context, id string) error {
	if err := c.reach(ctx); err != nil {
		return job.Wrap("world.cancel", id, err)
	}
	c.lock()
	defer c.unlock()
	n, err := c.byID(id)
	if err != nil {
		return job.Wrap("world.cancel", id, err)
	}
	if n.status.Waiting() {
		c.set(n, job.StatusCancelled)
		n.times.Finished, n.next = c.now, time.Time{}
		c.tell(n)
		c.schedule(n)
	}
	return nil
}

// Watch implements job.Watcher. When there is no event left, it moves the CI's time to the next one;
// it ends when nothing more can happen.
//
// In a world that plays, it waits for the next event instead, and ends with ctx. It yields new
// pushes too.
func (c *CI) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		c.lock()
		seen := c.last // only what happens from now on is told
		c.unlock()
		for {
			err := c.reach(ctx)
			if err == nil && c.opts.Play {
				err = c.listen(ctx, seen)
			}
			if err != nil {
				yield(job.Event{}, job.Wrap("world.watch", "", err))
				return
			}
			if seen = c.nextEvent(seen); seen == nil || !yield(seen.event, nil) {
				return
			}
		}
	}
}

// nextEvent is the event after one; nil when there can be none. Without an event yet it moves the
// time on until there is one.
func (c *CI) nextEvent(seen *told) *told {
	c.lock()
	defer c.unlock()
	for seen.next == nil {
		if !c.step(time.Time{}) {
			return nil
		}
	}
	return seen.next
}

// listen waits until there is an event after one. It takes the bell under the same lock under which
// it looked, so that no event comes unheard between the two.
func (c *CI) listen(ctx context.Context, seen *told) error {
	for {
		c.lock()
		there, bell := seen.next != nil, c.ringing()
		c.unlock()
		if there {
			return nil
		}
		select {
		case <-bell:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Accepted implements job.AcceptedLister: the requests whose runs are not visible yet. Runs of one
// key follow each other, so they become one request with their number.
func (c *CI) Accepted(ctx context.Context, p job.Push, label string) ([]job.Request, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.inflight", label, err)
	}
	c.lock()
	defer c.unlock()
	_, at, err := c.find(p)
	if err != nil {
		return nil, job.Wrap("world.inflight", label, err)
	}
	var out []job.Request
	for _, n := range c.places[at].runs {
		if n.status == 0 || n.label != label || !n.visible.After(c.now) {
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

// Carried implements job.KeyCarrier. An empty key has made nothing. At most req.Count runs are
// named, also when more have the key.
func (c *CI) Carried(ctx context.Context, req job.Request) ([]string, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.carried", req.Key, err)
	}
	c.lock()
	defer c.unlock()
	_, at, err := c.find(req.Push)
	if err != nil {
		return nil, job.Wrap("world.carried", req.Key, err)
	}
	var out []string
	for _, n := range c.places[at].runs {
		if n.label == req.Label && n.key == req.Key && req.Key != "" && len(out) < req.Count {
			out = append(out, n.id)
		}
	}
	return out, nil
}

// FindRun implements job.RunFinder. A run that is not visible yet is not found.
func (c *CI) FindRun(ctx context.Context, id string) (job.Job, error) {
	const op = "world.run"
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap(op, id, err)
	}
	c.lock()
	defer c.unlock()
	n, err := c.byID(id)
	if err != nil {
		return nil, job.Wrap(op, id, err)
	}
	return n.snapshot(), nil
}

// ArtifactsExist implements job.ArtifactChecker.
func (c *CI) ArtifactsExist(ctx context.Context, j job.Job) (bool, error) {
	if err := c.reach(ctx); err != nil {
		return false, job.Wrap("world.artifacts", j.ID(), err)
	}
	c.lock()
	defer c.unlock()
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
	c.lock()
	defer c.unlock()
	if d := c.depths[label]; d != nil {
		return *d, nil
	}
	return job.QueueDepth{}, nil
}

// partsOf takes labels apart that have the usual form of Worlds, linux64/opt/xpcshell-1, or the form
// of Taskcluster.
func partsOf(label string, kind job.Kind) job.Parts {
	words := strings.Split(label, "/")
	if len(words) != 3 {
		return job.PartsOfLabel(label)
	}
	p := job.Parts{BuildType: words[1]}
	if kind == job.KindTest || kind == job.KindPerf {
		p.TestPlatform = words[0]
		p.Suite, p.Chunk = job.SplitChunk(words[2])
		return p
	}
	if p.Platform = words[0]; words[2] != "build" {
		p.Suite, p.Chunk = job.SplitChunk(words[2])
	}
	return p
}
