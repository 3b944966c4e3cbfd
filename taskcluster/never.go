package taskcluster

import (
	"context"
	"fmt"
	"slices"
)

// never says of tasks that wait for others which of them will never run, and
// why, by task id. The queue leaves such a task unscheduled until its deadline,
// and tells nobody: a dependency has ended without success, or will never run
// itself. Dependencies outside the push's groups are asked for, in one request.
func (p *Project) never(ctx context.Context, g *graphs, tasks []*TaskAndStatus) (map[string]string, error) {
	d := &doomed{g: g, why: map[string]string{}, known: map[string]bool{}}
	var outside []string
	for _, t := range tasks {
		d.outside(t, map[string]bool{}, &outside)
	}
	if len(outside) > 0 {
		slices.Sort(outside)
		var err error
		if d.elsewhere, err = p.c.Statuses(ctx, slices.Compact(outside)...); err != nil {
			return nil, err
		}
	}
	for _, t := range tasks {
		d.look(t)
	}
	return d.why, nil
}

// doomed finds tasks that will never run.
type doomed struct {
	g         *graphs
	elsewhere map[string]*Status // of dependencies outside the groups
	why       map[string]string
	known     map[string]bool // looked at, or being looked at
}

// waits reports whether the task runs only once its dependencies have succeeded.
func (t *TaskAndStatus) waits() bool {
	return t.Status.State == "unscheduled" && len(t.Status.Runs) == 0 && t.Task.Requires != "all-resolved"
}

// outside collects the dependencies that no group has.
func (d *doomed) outside(t *TaskAndStatus, seen map[string]bool, into *[]string) {
	if seen[t.Status.TaskID] || !t.waits() {
		return
	}
	seen[t.Status.TaskID] = true
	for _, id := range t.Task.Dependencies {
		if dep := d.g.byID[id]; dep != nil {
			d.outside(dep, seen, into)
		} else if checkTask(id) == nil {
			*into = append(*into, id)
		}
	}
}

// look says why a task will never run; empty where it still can.
func (d *doomed) look(t *TaskAndStatus) string {
	id := t.Status.TaskID
	if d.known[id] || !t.waits() {
		return d.why[id]
	}
	d.known[id] = true // a circle of dependencies ends here
	for _, id := range t.Task.Dependencies {
		if why := d.dependency(id); why != "" {
			d.why[t.Status.TaskID] = why
			return why
		}
	}
	return ""
}

func (d *doomed) dependency(id string) string {
	if dep := d.g.byID[id]; dep != nil {
		if why := d.look(dep); why != "" {
			return why
		}
		return ended(dep.label(), &dep.Status)
	}
	if d.elsewhere == nil || checkTask(id) != nil {
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
func ended(what string, s *Status) string {
	switch {
	case s.State == "failed":
		return what + " failed"
	case s.State != "exception":
		return ""
	case len(s.Runs) == 0:
		return what + " ended without a run"
	}
	switch reason := s.Runs[len(s.Runs)-1].ReasonResolved; reason {
	case "canceled":
		return what + " was cancelled"
	case "deadline-exceeded":
		return what + " did not run before its deadline"
	default:
		return fmt.Sprintf("%s ended with %s", what, clip(reason))
	}
}

// cancelled reports whether somebody stopped the task.
func (t *TaskAndStatus) cancelled() bool {
	return t.Status.State == "exception" && ended("", &t.Status) == " was cancelled"
}
