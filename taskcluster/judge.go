package taskcluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// judge builds each push's groups from what the survey has read, with the tasks of the
// labels in question only. Whenever something does not fit together it notes what is
// lacking, and the groups of that push are listed instead.
func (s *survey) judge(_ context.Context, all []*reading) {
	for _, r := range all {
		r.g = &graphs{at: time.Now(), byID: map[string]*listedTask{}, none: r.none, some: true}
		s.judgeGroups(r)
		s.judgeActions(r)
		for id, made := range r.plans {
			s.judgePlan(r, id, made)
		}
		for id := range r.note.loose {
			s.take(r, id)
		}
	}
}

// judgeGroups checks the decision tasks, the push's own and those of cron jobs. Each must
// have completed in its first run, must not be ancient, and its plan must be known. A cron
// job that failed made nothing that counts, and is skipped.
func (s *survey) judgeGroups(r *reading) {
	for _, id := range r.groups() {
		status := s.statuses[id]
		switch {
		case status == nil:
			r.lack("the decision task %s has expired", id)
		case id != r.decision && status.resolved() && !slices.ContainsFunc(status.Runs, completedRun):
			delete(r.plans, id)
			continue
		case !once(status):
			r.lack("the decision task %s did not complete in its first run", id)
		case time.Since(status.Runs[0].Scheduled) > ancient:
			r.lack("its decision task %s is old, from %s", id, status.Runs[0].Scheduled)
		case status.TaskGroupID != id:
			r.lack("the decision task %s is in the group %s", id, status.TaskGroupID)
		case r.plans[id] == nil:
			r.lack("the tasks that %s made are not known", id)
		}
		if r.lacking != "" {
			return
		}
		r.g.list = append(r.g.list, &graph{decision: id, cron: id != r.decision})
		s.take(r, id)
	}
}

func completedRun(r TaskRun) bool { return r.State == "completed" }

// judgeActions checks the action tasks. Everything an action made is known in three cases:
// it completed in its first run and left a plan, it has not started, or an earlier listing of
// the groups saw it when it was over. An action of another group is not this push's, and is
// dropped.
//
//	completed, in one run, with its plan        taken
//	never begun by a worker                     taken: it has made nothing yet
//	running                                     the groups are listed
//	completed, in two runs                      the groups are listed, unless closed has the number 2
func (s *survey) judgeActions(r *reading) {
	states := map[string]string{}
	defer func() { s.known.listings.compare(r.key, states) }()
	for _, id := range r.actions {
		status, t := s.statuses[id], s.tasks[id]
		if status == nil || t == nil {
			r.lack("the action task %s has expired", id)
			return
		}
		if r.g.in(status.TaskGroupID) == nil {
			delete(r.plans, id)
			continue
		}
		states[id] = status.State
		made := r.plans[id]
		closed := status.resolved() && r.note.closed[id] == len(status.Runs)
		switch {
		case closed, idle(status):
		case !once(status):
			r.lack("the action task %s is %s", id, status.State)
		case made == nil:
			r.lack("the tasks that %s made are not known", id)
		case made.none && (t.Extra.Action == nil || !slices.Contains(graphless, t.Extra.Action.Name)):
			r.lack("the action task %s left no task-graph.json", id)
		}
		s.take(r, id)
	}
}

// judgePlan takes the tasks of the labels from the plan of the task by. A plan counts only
// when at least one of its tasks is in by's own group; otherwise the file could be another
// push's. The plan of an action may be empty, which needs no such proof.
func (s *survey) judgePlan(r *reading, by string, made *plan) {
	if r.lacking != "" {
		return
	}
	group := s.statuses[by].TaskGroupID
	if _, ok := s.known.proven.Get(by); !ok && (len(made.rows) > 0 || group == by) {
		own := slices.ContainsFunc(made.witnesses(), func(id string) bool {
			status := s.statuses[id]
			return status != nil && status.TaskGroupID == group
		})
		if !own {
			r.lack("none of the tasks that %s made could be found in its group", by)
			return
		}
		s.known.proven.Put(by, true)
	}
	for _, l := range s.labels {
		for _, id := range made.of(l) {
			status, t := s.statuses[id], s.tasks[id]
			switch {
			case status == nil || t == nil:
				r.lack("the task %s of %s has expired", id, l)
			case status.TaskGroupID != group:
				r.lack("the task %s of %s is in another group", id, l)
			case t.Metadata.Name != l:
				r.lack("the task %s is %q, not %q", id, t.Metadata.Name, l)
			}
			s.take(r, id)
		}
	}
}

// take puts a task into the push's groups. One of another group is left out; one that cannot
// be read lets the groups be listed.
func (s *survey) take(r *reading, id string) {
	status, t := s.statuses[id], s.tasks[id]
	if r.lacking != "" || r.err != nil || r.g.byID[id] != nil {
		return
	}
	if status == nil || t == nil {
		r.lack("the task %s has expired", id)
		return
	}
	listed := &listedTask{Task: *t, Status: *status}
	if err := listed.Prove(); err != nil {
		r.err = wrap("queue.tasks", id, by(definedTasks, err))
		return
	}
	g := r.g.in(status.TaskGroupID)
	if g == nil {
		return
	}
	r.g.byID[id] = listed
	g.tasks = append(g.tasks, listed)
	r.p.known.queues.Put(r.p.label(listed.label()), t.queue())
}

// in returns the push's group with this id; nil when the push has none.
func (g *graphs) in(group string) *graph {
	for _, one := range g.list {
		if one.decision == group {
			return one
		}
	}
	return nil
}

// farthestTask is the length of the longest chain of tasks, each waiting for the next, that
// is followed.
const farthestTask = 20

// complete adds the tasks that the labels' tasks wait for, as far as they are in the push's
// groups, so that never can tell which will never run. Each round of requests goes one step
// further along all chains at once. Dependencies outside the groups are left to never, as
// after a listing. For a test that waits for a signing task that waits for a build, one round
// reads the signing task and the next the build.
func (s *survey) complete(ctx context.Context, all []*reading) {
	for n := 0; ; n++ {
		var open []string
		for _, r := range all {
			for _, id := range s.missing(r) {
				if !s.asked[id] {
					open = append(open, id)
				}
			}
		}
		if len(open) == 0 {
			break
		}
		if err := s.askBoth(ctx, open, open); err != nil {
			s.batchFails(all, err)
			return
		}
		if n == farthestTask {
			s.batchFails(all, errTooFar)
			return
		}
	}
	for _, r := range all {
		for _, one := range r.g.list {
			one.sort()
		}
	}
}

// errTooFar makes the survey list the groups, because a chain is longer than farthestTask.
var errTooFar = fmt.Errorf("%w: its tasks wait for a chain of more than %d others", job.ErrNotFound, farthestTask)

// missing returns the tasks that the labels' tasks wait for and that have not been read yet.
// It first takes those that have been read into the groups. That may bring further
// dependencies into view, so it repeats until the groups stop growing.
func (s *survey) missing(r *reading) []string {
	for {
		var out, left []string
		d := &doomed{g: r.g, asked: map[string]bool{}}
		seen := map[string]bool{}
		for t := range r.g.tasks() {
			if slices.Contains(s.labels, t.label()) {
				d.outside(t, seen, &out)
			}
		}
		before := len(r.g.byID)
		for _, id := range sortedSet(out) {
			if s.statuses[id] == nil || s.tasks[id] == nil {
				left = append(left, id)
				continue
			}
			s.take(r, id)
		}
		if len(r.g.byID) == before {
			for _, t := range r.g.byID {
				if t.waits() {
					s.known.waited.Put(t.Status.TaskID, true)
				}
			}
			return left
		}
	}
}
