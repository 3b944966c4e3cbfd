package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mozci/mozci/job"
)

// graph is one task group of a push: the decision task's own, or one that a cron job made.
type graph struct {
	decision string // the decision task's id, which is also the group's
	cron     bool
	tasks    []*listedTask // sorted by id: the queue's order means nothing
}

// graphs are the task groups of a push, the decision task's own first, and their tasks by id.
type graphs struct {
	at   time.Time // when the listing began: later changes may be missing
	list []*graph
	byID map[string]*listedTask
	none error // why the push has no group of its own, an ErrNotScheduled; nil when it has one
	some bool  // only part of the groups' tasks is here, but every task of the labels in question

	// Guarded by the mutex of listings:
	catalog   bool // read for a catalog, and not for jobs yet
	forgotten bool // a marker: the push was changed at that time, and nothing was listed
}

// list lists the task groups of a push now, the own group and those of cron jobs at the same
// time. A push without a decision task, or whose decision task failed, has only the groups of
// its cron jobs.
func (p *Project) list(ctx context.Context, push job.Push) (*graphs, error) {
	began := time.Now()
	var own *graph
	var none error
	var crons []*graph
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		id, err := p.decisionOf(inner, push)
		if err == nil {
			own, err = p.group(inner, id)
		}
		if errors.Is(err, job.ErrNotScheduled) {
			none, err = err, nil
		}
		return err
	})
	g.Go(func() (err error) {
		crons, err = p.cronGroups(inner, push)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := &graphs{at: began, byID: map[string]*listedTask{}, none: none}
	if own != nil {
		out.list = append(out.list, own)
	}
	for _, c := range crons {
		if own == nil || c.decision != own.decision {
			out.list = append(out.list, c)
		}
	}
	for t := range out.tasks() {
		if out.byID[t.Status.TaskID] == nil {
			out.byID[t.Status.TaskID] = t
		}
		p.known.queues.Put(p.label(t.label()), t.Task.queue())
	}
	p.listed(p.key(push), out)
	p.known.listings.keep(p.key(push), out)
	return out, nil
}

// group lists the tasks of a decision task's group. The decision task must be among them: a
// listing without it is not whole, and is job.ErrMalformed. A decision task that failed gives
// job.ErrNotScheduled.
func (p *Project) group(ctx context.Context, decision string) (*graph, error) {
	out := &graph{decision: decision}
	whole := false
	for t, err := range p.c.taskGroup(ctx, decision) {
		if err != nil {
			return nil, err
		}
		if t.Status.TaskID == decision {
			whole = true
			switch run, err := settled(&t.Status); {
			case err == nil:
				p.known.runs.Put(decision, run)
			case !errors.Is(err, job.ErrUnavailable): // unavailable: it is still running, list what is there
				return nil, err
			}
		}
		out.tasks = append(out.tasks, t)
	}
	if !whole {
		err := broken(groupTasks, "tasks", "the decision task itself is missing")
		return nil, wrap("queue.listTaskGroup", decision, err)
	}
	out.sort()
	return out, nil
}

// sort puts the tasks in the order of their ids.
func (g *graph) sort() {
	slices.SortFunc(g.tasks, func(a, b *listedTask) int { return strings.Compare(a.Status.TaskID, b.Status.TaskID) })
}

// cronGroups lists the groups that cron jobs made for a push, sorted by id. It skips a group
// that has expired or whose decision task failed.
func (p *Project) cronGroups(ctx context.Context, push job.Push) ([]*graph, error) {
	hashes, err := p.indexHashes(ctx, push)
	if err != nil {
		return nil, err
	}
	ids, err := p.crons(ctx, hashes)
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	found := make([]*graph, len(ids))
	g, inner := errgroup.WithContext(ctx)
	for i, id := range ids {
		g.Go(func() error {
			one, err := p.group(inner, id)
			switch {
			case errors.Is(err, job.ErrNotScheduled), errors.Is(err, job.ErrNotFound):
				return nil
			case err != nil:
				return fmt.Errorf("the cron job's group %s: %w", id, err)
			}
			one.cron = true
			found[i] = one
			return nil
		})
	}
	err = g.Wait()
	return slices.DeleteFunc(found, func(g *graph) bool { return g == nil }), err
}

// own is the push's own group, that of its decision task. A push without one gives the error
// that says why.
func (g *graphs) own() (*graph, error) {
	if len(g.list) > 0 && !g.list[0].cron {
		return g.list[0], nil
	}
	if g.none == nil {
		return nil, job.ErrNotScheduled
	}
	return nil, g.none
}

// tasks are the tasks of every group, the push's own group first.
func (g *graphs) tasks() iter.Seq[*listedTask] {
	return func(yield func(*listedTask) bool) {
		for _, one := range g.list {
			for _, t := range one.tasks {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// of is the group in which a label ran; nil for none. The push's own group comes before those
// of cron jobs.
func (g *graphs) of(label string) *graph {
	for _, one := range g.list {
		if slices.ContainsFunc(one.tasks, func(t *listedTask) bool { return t.label() == label }) {
			return one
		}
	}
	return nil
}

// ran are the tasks of a label, in every group.
func (g *graphs) ran(label string) []*listedTask {
	var out []*listedTask
	for t := range g.tasks() {
		if t.label() == label {
			out = append(out, t)
		}
	}
	return out
}
