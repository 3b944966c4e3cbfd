package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mozci/mozci/job"
)

// survey reads the runs of some labels on pushes without their groups: which tasks they
// have is in what the decision tasks and the actions left behind, and how far those are is
// asked in a few requests for all pushes. Of a push of which that does not tell all, the
// groups are to be listed.
type survey struct {
	known  *known
	c      *Client
	labels []string
	all    []*reading

	tasks    map[string]*Task
	statuses map[string]*TaskStatus
	asked    map[string]bool // what was asked about, whether there is such a task or not
}

// reading is one push of a survey. Where lacking says what is missing, or err is set, the
// rest means nothing.
type reading struct {
	p    *Project
	push job.Push
	key  string
	note *note

	none     error // why it has no decision task
	decision string
	crons    []string
	actions  []string
	plans    map[string]*plan // by who made it

	lacking string // why the groups are to be listed; empty where they need not be
	err     error
	listed  *graphs // its groups, where they were listed for a catalog just now
	g       *graphs // what was read
}

// ancient is how long after its decision task a push may have copies of tasks that no
// action made. A hook goes 60 days after it was fired last, and mozci copies tasks then;
// what other tools do of that kind they do late, too.
const ancient = 45 * 24 * time.Hour

// atATime is how many requests about single pushes are made at a time.
const atATime = 8

func (p *Project) survey(labels []string) *survey {
	return &survey{
		known: p.known, c: p.c, labels: labels, tasks: map[string]*Task{}, statuses: map[string]*TaskStatus{},
		asked: map[string]bool{},
	}
}

// add adds a push.
func (s *survey) add(p *Project, push job.Push) {
	p = p.of(push)
	r := &reading{p: p, push: push, key: p.key(push), plans: map[string]*plan{}}
	s.all = append(s.all, r)
	r.note = s.known.noted(r.key)
	if r.listed = s.known.listings.take(r.key); r.listed != nil {
		r.lack("they were listed just now")
	}
	switch {
	case s.known.noBatch.Load():
		r.lack("the deployment tells of one task at a time")
	case r.note.many:
		r.lack("many of its tasks are in no plan")
	case time.Now().Before(r.note.doubt):
		r.lack("a request's answer did not say what was made")
	}
}

// lack says why the groups are to be listed.
func (r *reading) lack(format string, args ...any) {
	if r.lacking == "" {
		r.lacking = fmt.Sprintf(format, args...)
	}
}

// fails keeps an error of a push. What is not there, or makes no sense, is a reason to list
// the groups, which say more.
func (r *reading) fails(err error) {
	switch {
	case errors.Is(err, job.ErrNotFound), lacks(err):
		r.lack("%v", err)
	case err != nil && r.err == nil:
		r.err = err
	}
}

// read reads as much as can be without the groups.
func (s *survey) read(ctx context.Context) {
	for _, step := range []func(context.Context, []*reading){
		s.find, s.index, s.settle, s.plan, s.ask, s.judge, s.complete,
	} {
		if rest := s.rest(); len(rest) > 0 {
			step(ctx, rest)
		}
	}
}

// rest are the pushes that can still be read so.
func (s *survey) rest() []*reading {
	return slices.DeleteFunc(slices.Clone(s.all), func(r *reading) bool { return r.lacking != "" || r.err != nil })
}

// each does something for each push, a few at a time.
func each(ctx context.Context, all []*reading, do func(context.Context, *reading)) {
	var g errgroup.Group
	g.SetLimit(atATime)
	for _, r := range all {
		g.Go(func() error {
			do(ctx, r)
			return nil
		})
	}
	_ = g.Wait() // each keeps its own
}

// batchFails has an error of a request for all of some pushes.
func (s *survey) batchFails(all []*reading, err error) {
	if lacks(err) {
		s.known.noBatch.Store(true)
	}
	for _, r := range all {
		r.fails(err)
	}
}

// find finds the decision tasks: all in one request, where they are known by their
// revisions.
func (s *survey) find(ctx context.Context, all []*reading) {
	var paths []string
	var open []*reading
	for _, r := range all {
		if id, ok := s.known.decisions.Get(r.key); ok {
			r.decision = id
			continue
		}
		open = append(open, r)
		byRevision, byID := r.p.decisionPaths(r.push)
		paths = append(paths, byRevision...)
		if byID != "" {
			paths = append(paths, byID)
		}
	}
	if len(open) == 0 {
		return
	}
	found, err := s.c.findTasksAtIndex(ctx, paths...)
	if err != nil {
		s.batchFails(open, err)
		return
	}
	each(ctx, open, func(ctx context.Context, r *reading) { r.find(ctx, found) })
}

// find finds the decision task of a push: among those that the index has at its paths, or
// where else it may be.
func (r *reading) find(ctx context.Context, found map[string]string) {
	byRevision, byID := r.p.decisionPaths(r.push)
	if id := firstOf(found, byRevision); id != "" {
		r.decision = id
		r.p.known.decisions.Put(r.key, id)
		return
	}
	if r.p.sure && len(byRevision) > 0 && found[byID] == "" {
		r.none = &noDecision{looked: looked(byRevision, byID)}
		return
	}
	r.decision, r.err = r.p.decisionOf(ctx, r.push)
	if errors.Is(r.err, job.ErrNotScheduled) {
		r.none, r.err = r.err, nil
	}
}

// index reads which cron jobs and which actions a push has had by now.
func (s *survey) index(ctx context.Context, all []*reading) {
	each(ctx, all, func(ctx context.Context, r *reading) {
		hashes, err := r.p.indexHashes(ctx, r.push)
		if err != nil {
			r.fails(err)
			return
		}
		var g errgroup.Group
		g.Go(func() (err error) {
			r.crons, err = r.p.crons(ctx, hashes)
			return err
		})
		if r.decision != "" || len(r.note.actions) > 0 {
			g.Go(func() (err error) {
				r.actions, err = r.p.namespaced(ctx, hashes, ".taskgraph.actions")
				return err
			})
		}
		if err := g.Wait(); err != nil {
			r.fails(err)
			return
		}
		r.crons = sortedSet(slices.DeleteFunc(r.crons, func(id string) bool { return id == r.decision }))
		r.actions = sortedSet(slices.AppendSeq(r.actions, maps.Keys(r.note.actions)))
	})
}

// sortedSet are the ids, each once, in a list of its own.
func sortedSet(ids []string) []string { return slices.Compact(slices.Sorted(slices.Values(ids))) }

// makers are the tasks that made the push's tasks: its decision task's first.
func (r *reading) makers() []string { return append(r.groups(), r.actions...) }

// groups are the groups of the push: its decision task's, and those of cron jobs.
func (r *reading) groups() []string {
	if r.decision == "" {
		return slices.Clone(r.crons)
	}
	return append([]string{r.decision}, r.crons...)
}

// settle asks how far the makers are whose plans are not known.
func (s *survey) settle(ctx context.Context, all []*reading) {
	var ids []string
	for _, r := range all {
		for _, id := range r.makers() {
			if _, ok := s.known.planned.Get(id); !ok {
				ids = append(ids, id)
			}
		}
	}
	if err := s.askStatuses(ctx, ids); err != nil {
		s.batchFails(all, err)
	}
}

func (s *survey) askStatuses(ctx context.Context, ids []string) error {
	if ids = sortedSet(ids); len(ids) == 0 {
		return nil
	}
	found, err := s.c.statusesAtOnce(ctx, ids...)
	maps.Copy(s.statuses, found)
	return err
}

// askTasks gets definitions, which do not change.
func (s *survey) askTasks(ctx context.Context, ids []string) error {
	var open []string
	for _, id := range sortedSet(ids) {
		if t, ok := s.known.defs.Get(id); ok {
			s.tasks[id] = t
		} else {
			open = append(open, id)
		}
	}
	if len(open) == 0 {
		return nil
	}
	found, err := s.c.tasksAtOnce(ctx, open...)
	for id, t := range found {
		s.tasks[id] = t
		s.known.defs.Put(id, t)
	}
	return err
}

// askBoth gets definitions and, at the same time, statuses.
func (s *survey) askBoth(ctx context.Context, tasks, statuses []string) error {
	for _, id := range tasks {
		s.asked[id] = true
	}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error { return s.askTasks(inner, tasks) })
	g.Go(func() error { return s.askStatuses(inner, statuses) })
	return g.Wait()
}

// plan reads the plans of a push.
func (s *survey) plan(ctx context.Context, all []*reading) {
	each(ctx, all, func(ctx context.Context, r *reading) {
		for i, id := range r.makers() {
			acts := i >= len(r.groups())
			if made, ok := s.known.planned.Get(id); ok {
				r.plans[id] = made
				continue
			}
			status := s.statuses[id]
			switch {
			case status == nil, !once(status):
				continue // judged later, as of then
			case acts && !slices.Contains(r.groups(), status.TaskGroupID):
				continue // it is of a group of its own, which is not the push's
			}
			read := r.p.planOf
			if acts {
				read = r.p.planOfAction
			} else {
				s.known.runs.Put(id, status.Runs[0].RunID)
			}
			made, err := read(ctx, id)
			switch {
			case ctx.Err() != nil:
				r.err = ctx.Err()
				return
			case err != nil:
				r.lack("what %s made: %v", id, err)
				return
			}
			r.plans[id] = made
		}
	})
}

// ask asks about everything that matters of the push, in one go for all of them.
func (s *survey) ask(ctx context.Context, all []*reading) {
	var tasks, statuses []string
	for _, r := range all {
		named := append(r.makers(), slices.Collect(maps.Keys(r.note.loose))...)
		for id, made := range r.plans {
			for _, l := range s.labels {
				named = append(named, made.of(l)...)
			}
			if _, ok := s.known.proven.Get(id); !ok {
				statuses = append(statuses, made.witnesses()...)
			}
		}
		named = r.p.withWaited(named)
		tasks, statuses = append(tasks, named...), append(statuses, named...)
	}
	if err := s.askBoth(ctx, tasks, statuses); err != nil {
		s.batchFails(all, err)
	}
}
