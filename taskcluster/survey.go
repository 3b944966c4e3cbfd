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

// survey reads the runs of some labels on several pushes without listing their groups. Its steps
// are find, index, settle, plan, ask, judge and complete; read takes the pushes through them. The
// files that decision and action tasks left behind tell which tasks the labels have; a few
// requests for all pushes tell how those tasks stand. When that does not tell everything
// about a push, the survey notes why, and the push's groups are to be listed.
type survey struct {
	known  *known
	c      *Client
	labels []string
	all    []*reading

	tasks    map[string]*Task       // by task id
	statuses map[string]*TaskStatus // by task id
	asked    map[string]bool        // tasks that were requested, whether they exist or not
}

// reading is one push of a survey. Once lacking or err is set, the rest means nothing.
type reading struct {
	p    *Project // of the push's repository
	push job.Push
	key  string // Project.key of the push
	note *note  // as it was when the survey began; never nil

	none     error            // why it has no decision task
	decision string           // the id of its decision task; "" for none
	crons    []string         // the decision tasks of cron jobs
	actions  []string         // the action tasks
	plans    map[string]*plan // by the decision or action task

	lacking string // why the groups must be listed; "" when they need not be
	err     error
	listed  *graphs // its groups, when they have just been listed for a catalog
	g       *graphs // the result
}

// ancient is the age of the decision task from which a push may have copies of tasks that no
// action made. A hook is deleted 60 days after it was last fired, and then mozci copies
// tasks; other tools do such things late as well. 45 days leaves a margin.
const ancient = 45 * 24 * time.Hour

// atATime is how many pushes are read at the same time. The client as a whole makes at most 10
// requests at a time to a host.
const atATime = 8

func (p *Project) survey(labels []string) *survey {
	return &survey{
		known: p.known, c: p.c, labels: labels, tasks: map[string]*Task{}, statuses: map[string]*TaskStatus{},
		asked: map[string]bool{},
	}
}

// add adds a push, and notes at once when its groups must be listed.
func (s *survey) add(p *Project, push job.Push) {
	p = p.of(push)
	r := &reading{p: p, push: push, key: p.key(push), plans: map[string]*plan{}}
	s.all = append(s.all, r)
	r.note = s.known.noted(r.key)
	if r.listed = s.known.listings.take(r.key); r.listed != nil {
		r.lack("they were listed a moment ago")
	}
	switch {
	case s.known.noBatch.Load():
		r.lack("the deployment cannot tell of several tasks in one request")
	case r.note.many:
		r.lack("many of its tasks are in no plan")
	case time.Now().Before(r.note.doubt):
		r.lack("a recent request may have made tasks, but its answer did not say")
	}
}

// lack notes why the groups must be listed. The first reason stays.
func (r *reading) lack(format string, args ...any) {
	if r.lacking == "" {
		r.lacking = fmt.Sprintf(format, args...)
	}
}

// fails notes an error of a push. When something is missing, the groups are listed, since
// they tell more; any other error is the push's result.
func (r *reading) fails(err error) {
	switch {
	case errors.Is(err, job.ErrNotFound), lacks(err):
		r.lack("%v", err)
	case err != nil && r.err == nil:
		r.err = err
	}
}

// read takes the pushes through the steps of the survey. Each step handles all pushes that
// the steps before it have left without a lack or an error.
func (s *survey) read(ctx context.Context) {
	for _, step := range []func(context.Context, []*reading){
		s.find, s.index, s.settle, s.plan, s.ask, s.judge, s.complete,
	} {
		if rest := s.rest(); len(rest) > 0 {
			step(ctx, rest)
		}
	}
}

// rest returns the pushes that have neither a lack nor an error so far.
func (s *survey) rest() []*reading {
	return slices.DeleteFunc(slices.Clone(s.all), func(r *reading) bool { return r.lacking != "" || r.err != nil })
}

// each calls do for each push, atATime of them at a time. do keeps errors in its reading.
func each(ctx context.Context, all []*reading, do func(context.Context, *reading)) {
	var g errgroup.Group
	g.SetLimit(atATime)
	for _, r := range all {
		g.Go(func() error {
			do(ctx, r)
			return nil
		})
	}
	_ = g.Wait() // always nil
}

// batchFails gives the error of a shared request to every push that took part.
func (s *survey) batchFails(all []*reading, err error) {
	if lacks(err) {
		s.known.noBatch.Store(true)
	}
	for _, r := range all {
		r.fails(err)
	}
}

// find is the first step: it finds the decision tasks. One request looks for all of them by
// revision and by id.
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

// find finds the decision task of one push: in the answer of the shared request, or with
// requests of its own when the place is a guess or only the id was found, which takes proof.
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

// index is the second step: it reads which cron jobs and which completed actions of a push
// are in the index by now, and adds the actions of the push's note.
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

// sortedSet returns the ids sorted, each once, in a slice of its own.
func sortedSet(ids []string) []string { return slices.Compact(slices.Sorted(slices.Values(ids))) }

// makers are the tasks that made the push's tasks: its decision task, those of cron jobs, and
// the actions, in this order.
func (r *reading) makers() []string { return append(r.groups(), r.actions...) }

// groups are the ids of the push's groups: its decision task's, then those of cron jobs.
func (r *reading) groups() []string {
	if r.decision == "" {
		return slices.Clone(r.crons)
	}
	return append([]string{r.decision}, r.crons...)
}

// settle is the third step: it reads the statuses of makers whose plans are not known.
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

// askStatuses reads statuses into s.statuses. Statuses change, so none is remembered.
func (s *survey) askStatuses(ctx context.Context, ids []string) error {
	if ids = sortedSet(ids); len(ids) == 0 {
		return nil
	}
	found, err := s.c.statusesAtOnce(ctx, ids...)
	maps.Copy(s.statuses, found)
	return err
}

// askTasks reads definitions into s.tasks. They never change, so known ones are not read again.
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

// askBoth reads definitions and statuses at the same time.
func (s *survey) askBoth(ctx context.Context, tasks, statuses []string) error {
	for _, id := range tasks {
		s.asked[id] = true
	}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error { return s.askTasks(inner, tasks) })
	g.Go(func() error { return s.askStatuses(inner, statuses) })
	return g.Wait()
}

// plan is the fourth step: it reads the plans of the makers that completed in their first
// run. The others are left to judge. makers has the groups' tasks first, so those from
// len(r.groups()) on are actions: of a push with one cron job and two actions, 0 and 1 decide,
// and 2 and 3 act.
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
				continue // judge decides, by a later status
			case acts && !slices.Contains(r.groups(), status.TaskGroupID):
				continue // an action in another group is not this push's
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
				r.lack("the tasks that %s made: %v", id, err)
				return
			}
			r.plans[id] = made
		}
	})
}

// ask is the fifth step: it reads definitions and statuses of all tasks that matter, for all
// pushes at once: the makers, the labels' tasks, the loose ones, everything those are known
// to wait for, and the witnesses of plans that are not proven.
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
