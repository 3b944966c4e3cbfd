package taskcluster

import (
	"context"
	"fmt"
	"slices"

	"github.com/mozci/mozci/internal/clip"
)

// never finds out which of the waiting tasks will never run, and why, by task id. That is so
// when a dependency ended without success, or will never run itself. The queue does not say
// it: such a task just stays unscheduled until its deadline.
//
// Dependencies outside the push's groups cost 1 request for all of them, and 2 more for each
// further step when those wait for others themselves.
//
//	test waits for build, which failed                         "build-linux64/opt failed"
//	test waits for signing, which waits for the failed build   the same, for both
//	test waits for build, which runs                           ""
//	a waits for b and b for a                                  ""
func (p *Project) never(ctx context.Context, g *graphs, tasks []*listedTask) (map[string]string, error) {
	d := &doomed{
		g: g, elsewhere: map[string]*TaskStatus{}, others: map[string]*listedTask{},
		asked: map[string]bool{}, why: map[string]string{},
	}
	for range farthest {
		var outside []string
		seen := map[string]bool{}
		for _, t := range tasks {
			d.outside(t, seen, &outside)
		}
		if len(outside) == 0 {
			break
		}
		if err := d.ask(ctx, p.c, outside); err != nil {
			return nil, err
		}
	}
	for before := -1; before < len(d.why); { // again, as long as it finds more: a circle may have hidden some
		before, d.known = len(d.why), map[string]bool{}
		for _, t := range tasks {
			d.look(t)
		}
	}
	return d.why, d.unclear
}

// farthest is the number of steps that a chain of dependencies is followed outside the push's
// groups. A longer chain counts as one that may still run.
const farthest = 5

// ask reads the statuses of tasks outside the push's groups, and the definitions of those
// that wait themselves.
func (d *doomed) ask(ctx context.Context, c *Client, ids []string) error {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	statuses, err := c.statuses(ctx, ids...)
	if err != nil {
		return err
	}
	var waiting []string
	for _, id := range ids {
		d.asked[id] = true
		if s := statuses[id]; s != nil {
			d.elsewhere[id] = s
			if s.State == "unscheduled" && len(s.Runs) == 0 {
				waiting = append(waiting, id)
			}
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	tasks, err := c.tasks(ctx, waiting...)
	if err != nil {
		return err
	}
	for _, id := range waiting {
		t, s := tasks[id], d.elsewhere[id]
		switch {
		case t == nil:
			return broken(definedTasks, "tasks", "the task %s is missing, although it has a status", id)
		case t.TaskGroupID != s.TaskGroupID:
			return broken(definedTasks, "tasks", "the task %s is in the group %s, but by its status in %s",
				id, t.TaskGroupID, s.TaskGroupID)
		}
		d.others[id] = &listedTask{Task: *t, Status: *s}
	}
	return nil
}

// of returns a task whose dependencies are known; nil for any other.
func (d *doomed) of(id string) *listedTask {
	if t := d.g.byID[id]; t != nil {
		return t
	}
	return d.others[id]
}

// doomed finds tasks that will never run. All its maps are by task id.
type doomed struct {
	g         *graphs
	elsewhere map[string]*TaskStatus // dependencies outside the groups
	others    map[string]*listedTask // those of them that wait themselves
	asked     map[string]bool        // was looked up outside the groups, found or not
	why       map[string]string      // the reasons found so far
	known     map[string]bool        // looked at in this round, or being looked at
	unclear   error                  // a task's "requires" is an undocumented word
}

// waits reports whether the task runs only once its dependencies have succeeded.
func (t *listedTask) waits() bool {
	return t.Status.State == "unscheduled" && t.Task.Requires != "all-resolved"
}

// outside collects the dependencies, direct and further, that no group has and that were not
// looked up yet. seen stops it at tasks that it has visited.
func (d *doomed) outside(t *listedTask, seen map[string]bool, into *[]string) {
	if seen[t.Status.TaskID] || !t.waits() {
		return
	}
	seen[t.Status.TaskID] = true
	for _, id := range t.Task.Dependencies {
		if dep := d.of(id); dep != nil {
			d.outside(dep, seen, into)
		} else if checkTask(id) == nil && !d.asked[id] {
			*into = append(*into, id)
		}
	}
}

// look says why a task will never run; "" when it still can.
func (d *doomed) look(t *listedTask) string {
	id := t.Status.TaskID
	if d.known[id] || d.why[id] != "" || !t.waits() {
		return d.why[id]
	}
	d.known[id] = true // stops at a circle of dependencies; never looks again for what that hides
	if t.Task.Requires != "all-completed" {
		d.unclear = fmt.Errorf("task %s (%s): %w", id, t.label(), unknownWord("requires", t.Task.Requires))
	}
	for _, id := range t.Task.Dependencies {
		if why := d.dependency(id); why != "" {
			d.why[t.Status.TaskID] = why
			return why
		}
	}
	return ""
}

func (d *doomed) dependency(id string) string {
	if dep := d.of(id); dep != nil {
		if why := d.look(dep); why != "" {
			return why
		}
		return ended(dep.label(), &dep.Status)
	}
	if !d.asked[id] {
		return ""
	}
	s := d.elsewhere[id]
	if s == nil {
		return fmt.Sprintf("it needs the task %s, which has expired", id)
	}
	return ended("the task "+id, s)
}

// ended says how a task ended that others need; "" when it succeeded or has not ended.
func ended(what string, s *TaskStatus) string {
	switch {
	case s.State == "failed":
		return what + " failed"
	case s.State != "exception":
		return ""
	}
	switch reason := s.reason(); reason {
	case "canceled":
		return what + " " + cancelledWord
	case "deadline-exceeded":
		return what + " did not run before its deadline"
	default:
		return fmt.Sprintf("%s ended with %s", what, clip.Marked(reason, shown))
	}
}
