package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// Statuses implements job.StatusReader. An ID is <task id>/<run number>, or <task id> alone
// for the task's newest run. A task that waits for others is Skipped when it will never run,
// as in Jobs. IDs of another form, and tasks that have expired, are missing from the result. A
// run with an undocumented word is job.ErrUnknownWord; the others come with the error.
//
// Requests: 1 for each 1000 tasks, which also covers the tasks that they are known to wait
// for. The first time, 1 more for the tasks' definitions, and 2 for each step along a chain
// of tasks that wait.
func (p *Project) Statuses(ctx context.Context, ids ...string) (map[string]job.Status, error) {
	const op = "taskcluster.statuses"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, "", err)
	}
	key := fmt.Sprint(len(ids), " runs")
	runs := map[string]runOf{}
	for _, id := range ids {
		if taskID, runID, err := split(id); err == nil {
			runs[id] = runOf{taskID, runID}
		} else if slug.Valid(id) {
			runs[id] = runOf{id, newest}
		}
	}
	return within(ctx, p.c, op, key, func(ctx context.Context) (map[string]job.Status, error) {
		out, err := p.statusesOf(ctx, runs)
		return out, job.Wrap(op, key, err)
	})
}

// runOf is a run of a task; run may be newest.
type runOf struct {
	task string
	run  int
}

func (p *Project) statusesOf(ctx context.Context, runs map[string]runOf) (map[string]job.Status, error) {
	g, err := p.tasksWaitedFor(ctx, runs)
	if err != nil {
		return nil, err
	}
	var waiting []*listedTask
	for _, r := range runs {
		if t := g.byID[r.task]; t != nil && t.waits() && !slices.Contains(waiting, t) {
			waiting = append(waiting, t)
		}
	}
	never, unclear := p.never(ctx, g, waiting)
	if unclear != nil && !errors.Is(unclear, job.ErrUnknownWord) {
		return nil, unclear
	}
	out := map[string]job.Status{}
	errs := []error{unclear}
	for _, id := range slices.Sorted(maps.Keys(runs)) {
		t := g.byID[runs[id].task]
		if t == nil {
			continue
		}
		n := runs[id].run
		if n == newest {
			n = max(0, len(t.Status.Runs)-1)
		}
		status, found, err := t.statusOf(n, never[t.Status.TaskID])
		if err == nil && found {
			out[id] = status
		}
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// statusOf is the status of run n of a task, the same as its job has in Jobs. found is false
// when there is no such run.
func (t *listedTask) statusOf(n int, never string) (s job.Status, found bool, err error) {
	switch {
	case len(t.Status.Runs) == 0 && n == 0:
		return t.unscheduled(never), true, nil
	case n >= len(t.Status.Runs):
		return 0, false, nil
	}
	s, err = t.Status.Runs[n].status(t.kind(), n+1 < len(t.Status.Runs))
	if err != nil {
		err = fmt.Errorf("task %s (%s), run %d: %w", t.Status.TaskID, t.label(), n, err)
	}
	return s, true, err
}

// unscheduled is the status of a task without a run. never says why it will have none, and is
// "" when it still may.
func (t *listedTask) unscheduled(never string) job.Status {
	if never != "" {
		return job.StatusSkipped
	}
	return job.StatusUnscheduled
}

// tasksWaitedFor reads the tasks of the runs, the tasks that those wait for, and so on, up to
// farthestTask steps. The first request already covers every dependency that is known from
// earlier calls, so mostly there is no second.
func (p *Project) tasksWaitedFor(ctx context.Context, runs map[string]runOf) (*graphs, error) {
	s := p.survey(nil)
	g := &graphs{byID: map[string]*listedTask{}, some: true}
	var next []string
	for _, r := range runs {
		next = append(next, r.task)
	}
	next = p.withWaited(sortedSet(next))
	asked := map[string]bool{}
	for range farthestTask {
		if len(next) == 0 {
			break
		}
		if err := s.askEither(ctx, next); err != nil {
			return nil, err
		}
		for _, id := range next {
			asked[id] = true
			if err := s.hold(g, id); err != nil {
				return nil, err
			}
		}
		next = nil
		for _, t := range g.byID {
			if !t.waits() {
				continue
			}
			p.known.waited.Put(t.Status.TaskID, true)
			for _, id := range t.Task.Dependencies {
				if !asked[id] {
					next = append(next, id)
				}
			}
		}
		next = sortedSet(next)
	}
	return g, nil
}

// withWaited adds to the tasks the dependencies of those that waited when they were last
// read, and so on. For a test that waited for a build the last time, it is the test and the
// build, so that one request reads both.
func (p *Project) withWaited(ids []string) []string {
	seen := map[string]bool{}
	var out []string
	for len(ids) > 0 {
		id := ids[0]
		ids = ids[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		out = append(out, id)
		t, ok := p.known.defs.Get(id)
		if _, waited := p.known.waited.Get(id); ok && waited {
			ids = append(ids, t.Dependencies...)
		}
	}
	return out
}

// askEither reads definitions and statuses: of all tasks at once, or one at a time on
// deployments that cannot do so.
func (s *survey) askEither(ctx context.Context, ids []string) error {
	err := errUnbatched
	if !s.known.noBatch.Load() {
		err = s.askBoth(ctx, ids, ids)
	}
	if !errors.Is(err, errUnbatched) && !lacks(err) {
		return err
	}
	s.known.noBatch.Store(true)
	found, err := oneByOne(ctx, ids, s.c.Status)
	maps.Copy(s.statuses, found)
	if err != nil {
		return err
	}
	open := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		t, known := s.known.defs.Get(id)
		if known {
			s.tasks[id] = t
		}
		return known
	})
	defined, err := oneByOne(ctx, open, s.c.Task)
	for id, t := range defined {
		s.tasks[id] = t
		s.known.defs.Put(id, t)
	}
	return err
}

var errUnbatched = errors.New("the deployment cannot tell of several tasks in one request")

// hold puts a task into g. A task that has expired is left out.
func (s *survey) hold(g *graphs, id string) error {
	t, status := s.tasks[id], s.statuses[id]
	switch {
	case status == nil || g.byID[id] != nil:
		return nil
	case t == nil:
		return wrap("queue.tasks", id,
			broken(definedTasks, "tasks", "the task %s is missing, although it has a status", id))
	}
	listed := &listedTask{Task: *t, Status: *status}
	if err := listed.Prove(); err != nil {
		return wrap("queue.tasks", id, by(definedTasks, err))
	}
	g.byID[id] = listed
	return nil
}
