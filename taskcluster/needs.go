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

// TriggerNeeds implements job.TriggerScoper: the scope of the hook that Trigger would fire
// first, or what the queue asks of whoever creates the task of an action of kind task. A
// request that needs nothing more, as others have made it, needs no scopes. That a hook is
// gone is not known before it is fired: the copy of a task that Trigger then makes needs
// what createTask does, and is checked just before.
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

// CancelNeeds implements job.CancelScoper.
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

// What the scopes that a hook takes begin with: whoever fires it, and the decision task
// whose actions.json names it.
const (
	fireScope    = "hooks:trigger-hook:"
	mayFireScope = "in-tree:hook-action:"
)

// fireNeeds is what whoever fires a way's hook must have.
func fireNeeds(w way) [][]string { return [][]string{{fireScope + w.hook()}} }

// cancelNeeds is what whoever cancels a task must have. That of its project is of 2021,
// and as good.
func cancelNeeds(s *TaskStatus) [][]string {
	group := []string{fmt.Sprintf("queue:cancel-task:%s/%s/%s", s.SchedulerID, s.TaskGroupID, s.TaskID)}
	if s.ProjectID != "" {
		group = append(group, "queue:cancel-task-in-project:"+s.ProjectID)
	}
	return [][]string{group}
}

// priorities are those of tasks, the highest first: who may create tasks of one may
// create those of lower ones.
var priorities = []string{"highest", "very-high", "high", "medium", "low", "very-low", "lowest"}

// createNeeds is what whoever creates a task of a definition must have: see the queue's
// createTask, whose defaults are filled in.
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
	if d.Priority == "normal" { // its name until 2017
		d.Priority = "lowest"
	}
	at := slices.Index(priorities, cmp.Or(d.Priority, "lowest"))
	if at < 0 {
		return nil, fmt.Errorf("%w: the definition of a task: %w", job.ErrMalformed,
			job.UnknownWord(source, "priority", d.Priority))
	}
	queue := cmp.Or(d.TaskQueueID, d.ProvisionerID+"/"+d.WorkerType)
	var create []string
	for _, p := range slices.Backward(priorities[:at+1]) { // its own first
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

// allowed checks what is about to be done against the scopes that the context is kept to,
// where it is: it is whoever asks who must have them, whatever the client's own
// credentials may.
func allowed(ctx context.Context, need [][]string) error {
	scopes, limited := job.Scopes(ctx)
	if !limited {
		return nil
	}
	if lacks := scope.Missing(scopes, need); len(lacks) > 0 {
		return fmt.Errorf("%w: whoever asks lacks %s", job.ErrDenied, strings.Join(lacks, ", "))
	}
	return nil
}
