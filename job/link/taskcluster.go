package link

import (
	"regexp"
	"slices"
	"strconv"
)

// readTaskcluster reads the pages of a Taskcluster deployment, those of its older tools,
// and the addresses of the queue's API. T is a task's id, G a group's, N a run's number:
//
//	/tasks/T  /tasks/T/runs/N/logs/live/public/logs/live.log#L123  /task/T/run/N
//	/tasks/groups/G  /groups/G/tasks/T/runs/N  /task-group-inspector/#/G
//	/api/queue/v1/task/T/runs/N/artifacts/public/logs/live.log
func readTaskcluster(p page) (Link, error) {
	var l Link
	var err error
	switch parts := known(p); {
	case len(parts) < 2:
		return l, errNoPage
	case parts[0] == "group":
		if l.Group, err = taskID("task group", parts[1]); err != nil {
			return l, err
		}
		if len(parts) > 3 && parts[2] == "tasks" {
			err = l.task(parts[3:])
		}
	default:
		err = l.task(parts[1:])
	}
	l.Line = lineOf(p.fragment)
	return l, err
}

// known brings the address of a task or a group into one form: "task" or "group", then
// the id, then the rest. It returns nil for any other page.
//
//	/tasks/T/runs/1              task T runs 1
//	/tasks/groups/G              group G
//	/task-group-inspector/#/G/T  group G tasks T
func known(p page) []string {
	parts := p.path
	if len(parts) > 3 && slices.Equal(parts[:3], []string{"api", "queue", "v1"}) {
		parts = parts[3:]
	}
	if len(parts) == 0 {
		return nil
	}
	as := func(what string, rest []string) []string { return append([]string{what}, rest...) }
	switch first, rest := parts[0], parts[1:]; first {
	case "tasks":
		switch {
		case len(rest) > 0 && rest[0] == "groups":
			return as("group", rest[1:])
		case len(rest) > 0 && (rest[0] == "index" || rest[0] == "create"):
			return nil // pages of the web app that are about no task
		}
		return as("task", rest)
	case "task":
		return as("task", rest)
	case "groups", "task-group":
		return as("group", rest)
	case "task-inspector":
		return as("task", p.route)
	case "task-group-inspector", "push-inspector":
		if len(p.route) > 1 { // the second part is the task that the page shows
			return []string{"group", p.route[0], "tasks", p.route[1]}
		}
		return as("group", p.route)
	}
	return nil
}

// task reads T, T/runs/N/…, T/run/N/… and the inspector's T/N.
func (l *Link) task(parts []string) error {
	var err error
	if l.Task, err = taskID("task", parts[0]); err != nil {
		return err
	}
	switch {
	case len(parts) > 2 && (parts[1] == "runs" || parts[1] == "run"):
		l.Run, err = runNumber(parts[2])
	case len(parts) == 2 && parts[1] != "" && parts[1][0] >= '0' && parts[1][0] <= '9':
		l.Run, err = runNumber(parts[1])
	}
	return err
}

// logLine matches #L123 and #L10-20 or #L10-L20, and takes the first number: up to 15
// digits, which always fit into 64 bits.
var logLine = regexp.MustCompile(`^L([1-9][0-9]{0,14})(?:-L?[0-9]+)?$`)

// lineOf is the line in a fragment such as L123, the first one in L10-20; nil where the
// fragment names no line.
func lineOf(fragment string) *int64 {
	m := logLine.FindStringSubmatch(fragment)
	if m == nil {
		return nil
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return nil
	}
	return &n
}
