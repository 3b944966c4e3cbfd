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

// graph is a task group of a push: the decision task's, or one that a cron job
// made.
type graph struct {
	decision string
	cron     bool
	tasks    []*listedTask // sorted by id: the queue's order means nothing
}

// graphs are the task groups of a push, the decision task's first, and what
// they hold by task id.
type graphs struct {
	at   time.Time
	list []*graph
	byID map[string]*listedTask
	none error // why there is no group of the push's own; ErrNotScheduled
	some bool  // the tasks are not all that the groups have, but all of what was asked for

	// By the mutex of listings:
	catalog   bool // read for a catalog, and not for jobs yet
	forgotten bool // something was done on the push at that time, and nothing listed
}

// list lists the task groups of a push now. A push without a decision task, or
// with one that failed, has the groups of its cron jobs alone.
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

// group lists the tasks of a decision task's group, which has the decision task
// itself. One that failed gives ErrNotScheduled.
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
			case !errors.Is(err, job.ErrUnavailable): // of one that is not done, nothing is known yet
				return nil, err
			}
		}
		out.tasks = append(out.tasks, t)
	}
	if !whole {
		err := broken(groupTasks, "tasks", "without the decision task itself")
		return nil, wrap("queue.listTaskGroup", decision, err)
	}
	out.sort()
	return out, nil
}

// sort puts the tasks in the order of their ids.
func (g *graph) sort() {
	slices.SortFunc(g.tasks, func(a, b *listedTask) int { return strings.Compare(a.Status.TaskID, b.Status.TaskID) })
}

// cronGroups lists the groups that cron jobs made for a push. One that is gone,
// or whose decision task failed, holds nothing.
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

// own is the group of the decision task itself; an error of a push without one.
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

// of is the group in which a label ran: the push's own before those of cron
// jobs. It is nil where the label ran in none.
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
