package taskcluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/internal/scope"
	"github.com/mozci/mozci/job"
)

// TriggerNeeds implements job.TriggerScoper. It returns the scope for the hook that Trigger
// would fire first, or the scopes for creating the task of an action of kind task. When
// others have already made all the runs of the request, it needs no scopes.
//
// It cannot know that a hook is gone, since that shows only when it is fired. Trigger then
// copies the task, which needs the scopes of createTask; it checks those just before.
func (p *Project) TriggerNeeds(ctx context.Context, req job.Request) ([][]string, error) {
	const op = "taskcluster.needs"
	key := req.Push.String() + " " + req.Label
	return within(ctx, p.c, op, key, func(ctx context.Context) ([][]string, error) {
		need, err := p.of(req.Push).triggerNeeds(ctx, req)
		return need, job.Wrap(op, key, err)
	})
}

func (p *Project) triggerNeeds(ctx context.Context, req job.Request) ([][]string, error) {
	s, _, err := p.aim(ctx, req)
	if err != nil || s == nil {
		return nil, err
	}
	ways, err := s.ways(ctx)
	if err != nil {
		return nil, err
	}
	first := ways[0]
	if first.action.Kind != "task" {
		if err := s.mayFire(ctx, first); err != nil {
			return nil, err
		}
		return fireNeeds(first), nil
	}
	definition, err := s.rendered(ctx, first)
	if err != nil {
		return nil, err
	}
	return createNeeds(definition)
}

// CancelNeeds implements job.CancelScoper. A run that has ended needs no scopes, since Cancel
// leaves it alone.
func (p *Project) CancelNeeds(ctx context.Context, id string) ([][]string, error) {
	const op = "taskcluster.needs"
	taskID, runID, err := split(id)
	if err != nil {
		return nil, job.Wrap(op, id, err)
	}
	return within(ctx, p.c, op, id, func(ctx context.Context) ([][]string, error) {
		s, err := p.c.Status(ctx, taskID)
		if err != nil {
			return nil, job.Wrap(op, id, err)
		}
		if s.resolved() || runID < len(s.Runs)-1 {
			return nil, nil
		}
		return cancelNeeds(s), nil
	})
}

// What the scopes that a hook takes begin with: those of the caller that fires it, and
// those of the decision task whose actions.json names it.
const (
	fireScope    = "hooks:trigger-hook:"
	mayFireScope = "in-tree:hook-action:"
)

// fireNeeds are the scopes for firing a way's hook. As everywhere in this file, the outer list
// means "and", an inner one "or": [[a, b], [c]] is satisfied by a and c, or by b and c.
func fireNeeds(w way) [][]string { return [][]string{{fireScope + w.hook()}} }

// cancelNeeds are the scopes for cancelling a task: one that names the task or, since 2021,
// one for all tasks of its project.
func cancelNeeds(s *TaskStatus) [][]string {
	group := []string{fmt.Sprintf("queue:cancel-task:%s/%s/%s", s.SchedulerID, s.TaskGroupID, s.TaskID)}
	if s.ProjectID != "" {
		group = append(group, "queue:cancel-task-in-project:"+s.ProjectID)
	}
	return [][]string{group}
}

// priorities are the priorities of tasks, the highest first. The right to create tasks of one
// priority includes the lower ones.
var priorities = []string{"highest", "very-high", "high", "medium", "low", "very-low", "lowest"}

// createNeeds are the scopes for creating a task with this definition, by the reference of the
// queue's createTask: one for its queue and priority or any higher one, one for its
// scheduler, one for its project, one for each route, and each scope of the task itself.
// Members that the definition lacks have the queue's defaults.
//
// A definition with the priority low, the queue p/w, the scheduler gecko-level-3, one route r
// and no scopes needs:
//
//	queue:create-task:low:p/w, or the same with medium, high, very-high or highest
//	queue:scheduler-id:gecko-level-3
//	queue:create-task:project:none
//	queue:route:r
func createNeeds(definition any) ([][]string, error) {
	var d struct {
		ProjectID     string   `json:"projectId"`
		SchedulerID   string   `json:"schedulerId"`
		Priority      string   `json:"priority"`
		TaskQueueID   string   `json:"taskQueueId"`
		ProvisionerID string   `json:"provisionerId"`
		WorkerType    string   `json:"workerType"`
		Routes        []string `json:"routes"`
		Scopes        []string `json:"scopes"`
	}
	text, err := plainJSON(definition)
	if err == nil {
		err = v2.Unmarshal(text, &d)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the definition of a task: %w", job.ErrMalformed, err)
	}
	if d.Priority == "normal" { // the name of lowest until 2017
		d.Priority = "lowest"
	}
	at := slices.Index(priorities, cmp.Or(d.Priority, "lowest"))
	if at < 0 {
		return nil, fmt.Errorf("%w: the definition of a task: %w", job.ErrMalformed,
			job.UnknownWord(source, "priority", d.Priority))
	}
	queue := cmp.Or(d.TaskQueueID, d.ProvisionerID+"/"+d.WorkerType)
	var create []string
	for _, p := range slices.Backward(priorities[:at+1]) { // its own first, which errors then name
		create = append(create, "queue:create-task:"+p+":"+queue)
	}
	need := [][]string{
		create,
		{"queue:scheduler-id:" + cmp.Or(d.SchedulerID, "-")},
		{"queue:create-task:project:" + cmp.Or(d.ProjectID, "none")},
	}
	for _, r := range d.Routes {
		need = append(need, []string{"queue:route:" + r})
	}
	for _, s := range d.Scopes {
		need = append(need, []string{s})
	}
	return need, nil
}

// allowed checks an act that is about to be done. When the context is limited to scopes
// (job.WithScopes), these are the caller's, and the caller must have the needed ones; the
// scopes of the client's own credentials do not help.
func allowed(ctx context.Context, need [][]string) error {
	scopes, limited := job.Scopes(ctx)
	if !limited {
		return nil
	}
	if lacks := scope.Missing(scopes, need); len(lacks) > 0 {
		return fmt.Errorf("%w: the caller lacks the scopes %s", job.ErrDenied, strings.Join(lacks, ", "))
	}
	return nil
}
