package taskcluster

import (
	"context"
	"fmt"
	"slices"

	"github.com/mozci/mozci/internal/clip"
)

// never says of tasks that wait for others which of them will never run, and
// why, by task id. The queue leaves such a task unscheduled until its deadline,
// and tells nobody: a dependency has ended without success, or will never run
// itself. Dependencies outside the push's groups are asked for, in one request,
// and where those wait themselves, what they wait for in two more at a time.
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
	for before := -1; before < len(d.why); { // once more where a circle hid something
		before, d.known = len(d.why), map[string]bool{}
		for _, t := range tasks {
			d.look(t)
		}
	}
	return d.why, d.unclear
}

// farthest is how many groups a chain of dependencies is followed through.
const farthest = 5

// ask asks how far tasks outside the push's groups are, and what those of them
// wait for that wait.
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
			return broken(definedTasks, "tasks", "without the task %s, which has a status", id)
		case t.TaskGroupID != s.TaskGroupID:
			return broken(definedTasks, "tasks", "the task %s is of the group %s, and by its status of %s",
				id, t.TaskGroupID, s.TaskGroupID)
		}
		d.others[id] = &listedTask{Task: *t, Status: *s}
	}
	return nil
}

// of is a task whose dependencies are known.
func (d *doomed) of(id string) *listedTask {
	if t := d.g.byID[id]; t != nil {
		return t
	}
	return d.others[id]
}

// doomed finds tasks that will never run.
type doomed struct {
	g         *graphs
	elsewhere map[string]*TaskStatus // of dependencies outside the groups
	others    map[string]*listedTask // of them, those that wait themselves
	asked     map[string]bool        // looked up outside the groups
	why       map[string]string
	known     map[string]bool // looked at, or being looked at
	unclear   error           // what a task requires is in no vocabulary
}

// waits reports whether the task runs only once its dependencies have succeeded.
func (t *listedTask) waits() bool {
	return t.Status.State == "unscheduled" && t.Task.Requires != "all-resolved"
}

// outside collects the dependencies that no group has.
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

// look says why a task will never run; empty where it still can.
func (d *doomed) look(t *listedTask) string {
	id := t.Status.TaskID
	if d.known[id] || d.why[id] != "" || !t.waits() {
		return d.why[id]
	}
	d.known[id] = true // a circle of dependencies ends here
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
		return fmt.Sprintf("the task %s that it needs has expired", id)
	}
	return ended("the task "+id, s)
}

// ended says how a task ended that others needed to succeed; empty where it
// succeeded, or has not ended.
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
