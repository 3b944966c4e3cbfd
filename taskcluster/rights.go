package taskcluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/internal/scope"
	"github.com/mozci/mozci/job"
)

// Rights are what acting on the pushes of a project takes, as the newest decision task
// that was found tells.
type Rights struct {
	Place    string // of the project in the index, such as gecko.v2.autoland
	Decision string // the decision task's id
	Rights   []Right
}

// Right is one way to act, and the scopes that it takes.
type Right struct {
	Kind RightKind
	// Actions are the names of the in-tree actions whose hook it is; none for what no
	// action does.
	Actions []string
	// Needs has groups of scopes, of each of which one suffices, the usual one first.
	Needs [][]string
	// Barred is why nobody can act so, whatever their scopes, or why what it takes is
	// not known; nil otherwise.
	Barred error
}

// RightKind is a sort of way to act.
type RightKind string

// The ways to act, each there at most once but RightAction.
const (
	RightTrigger RightKind = "trigger" // runs of labels, by the usual in-tree actions
	RightCopy    RightKind = "copy"    // a task of a push whose hooks are gone, of which one is looked at
	RightCancel  RightKind = "cancel"  // runs
	RightAction  RightKind = "action"  // other in-tree actions, named by the caller
)

// Missing are the scopes that somebody who has these lacks, in the order of Needs: of
// a group of which none is there, the first.
func (r Right) Missing(have []string) []string { return scope.Missing(have, r.Needs) }

// Rights finds the decision task of one of the pushes, given oldest first, or else the
// project's latest one, and tells what acting on it takes: its actions.json names the
// hooks. Nothing is fired, created or stopped. Pushes without a decision task are passed
// over; where no decision task is found the error is job.ErrNotScheduled, and says where
// that of the newest push was looked for.
func (p *Project) Rights(ctx context.Context, pushes ...job.Push) (*Rights, error) {
	const op = "taskcluster.rights"
	return within(ctx, p.c, op, p.name, func(ctx context.Context) (*Rights, error) {
		out, err := p.rights(ctx, pushes)
		return out, job.Wrap(op, p.name, err)
	})
}

func (p *Project) rights(ctx context.Context, pushes []job.Push) (*Rights, error) {
	decision, err := p.anyDecision(ctx, pushes)
	if err != nil {
		return nil, err
	}
	out := &Rights{Place: p.place.String(), Decision: decision}
	offers, err := p.offers(ctx, decision)
	if err != nil {
		return nil, err
	}
	trigger, rest := p.triggering(ctx, decision, offers)
	out.Rights = append(out.Rights, trigger, p.copying(ctx, decision))
	status, err := p.c.Status(ctx, decision)
	if err != nil {
		return nil, err
	}
	out.Rights = append(out.Rights, Right{Kind: RightCancel, Needs: cancelAny(status)})
	out.Rights = append(out.Rights, rest...)
	return out, ctx.Err()
}

// anyDecision is the decision task of the newest push that has one, or else the
// project's latest.
func (p *Project) anyDecision(ctx context.Context, pushes []job.Push) (string, error) {
	var paths []string
	for _, push := range slices.Backward(pushes) {
		paths = append(paths, revisionPaths(p.place, push)...)
	}
	paths = append(paths, p.place.String()+".latest.taskgraph.decision")
	found, err := p.c.findTasksAtIndex(ctx, paths...)
	if err != nil {
		return "", err
	}
	if id := firstOf(found, paths); id != "" {
		return id, nil
	}
	looked := paths[len(paths)-1:]
	if n := len(pushes); n > 0 {
		looked = append(revisionPaths(p.place, pushes[n-1]), looked...)
		id, err := p.elsewhere(ctx, pushes[n-1], &looked)
		if id != "" || err != nil {
			return id, err
		}
	}
	return "", p.explain(ctx, &noDecision{looked: looked})
}

// usualActions are those by which Trigger runs a label.
var usualActions = []string{"retrigger-multiple", "retrigger", "add-new-jobs"}

// triggering is the right to run labels, and those to fire the other hooks, a right each.
// An action of kind task needs what its task does, which depends on the input: it is left
// out.
func (p *Project) triggering(ctx context.Context, decision string, offers *actions) (usual Right, rest []Right) {
	usual = Right{Kind: RightTrigger}
	for _, a := range offers.list {
		w := way{action: &a}
		if w.hook() == "" {
			continue
		}
		if slices.Contains(usualActions, a.Name) {
			usual.add(w)
			continue
		}
		i := slices.IndexFunc(rest, func(r Right) bool { return r.Needs[0][0] == fireScope+w.hook() })
		if i < 0 {
			rest = append(rest, Right{Kind: RightAction})
			i = len(rest) - 1
		}
		rest[i].add(w)
	}
	usual.Barred = p.barred(ctx, decision, usual)
	return usual, rest
}

// add adds a way to a right: several actions may have one name, or one hook.
func (r *Right) add(w way) {
	if !slices.Contains(r.Actions, w.action.Name) {
		r.Actions = append(r.Actions, w.action.Name)
	}
	for _, need := range fireNeeds(w) {
		if !slices.ContainsFunc(r.Needs, func(g []string) bool { return slices.Equal(g, need) }) {
			r.Needs = append(r.Needs, need)
		}
	}
}

// barred is why mozci would not fire the usual hooks: see mayFire.
func (p *Project) barred(ctx context.Context, decision string, usual Right) error {
	if len(usual.Needs) == 0 {
		return fmt.Errorf("%w: the decision task %s offers none of the actions %s", job.ErrRefused, decision,
			strings.Join(usualActions, ", "))
	}
	_, may, err := p.may(ctx, decision)
	if err != nil {
		return err
	}
	for _, g := range usual.Needs {
		hook := strings.TrimPrefix(g[0], fireScope)
		if want := mayFireScope + hook; !scope.Satisfies(may, want) {
			return fmt.Errorf("%w: the decision task %s may not fire the hook %s: it lacks %s",
				job.ErrDenied, decision, hook, want)
		}
	}
	return nil
}

// copying is what the copy of a task takes, of the first test found among some that the
// decision task made, or else of any.
func (p *Project) copying(ctx context.Context, decision string) Right {
	out := Right{Kind: RightCopy}
	made, err := p.planOf(ctx, decision)
	if err != nil {
		out.Barred = err
		return out
	}
	var sample []byte
	for _, id := range made.witnesses() {
		d, raw, err := p.c.definition(ctx, id)
		if err != nil || d.TaskGroupID != decision {
			continue // expired, or another push's
		}
		if isTest := d.Tags["kind"] == "test"; sample == nil || isTest {
			sample = raw
			if isTest {
				break
			}
		}
	}
	if sample == nil {
		out.Barred = fmt.Errorf("%w: the decision task %s made no task that could be looked at", job.ErrNotFound,
			decision)
		return out
	}
	out.Needs, out.Barred = copyNeeds(sample)
	return out
}

// copyNeeds is what whoever copies a task must have; a copy is not indexed.
func copyNeeds(raw []byte) ([][]string, error) {
	var definition map[string]any
	if err := v2.Unmarshal(raw, &definition); err != nil {
		return nil, fmt.Errorf("%w: the definition of a task: %w", job.ErrMalformed, err)
	}
	if routes, ok := definition["routes"].([]any); ok {
		definition["routes"] = slices.DeleteFunc(routes, func(r any) bool {
			text, _ := r.(string)
			return strings.HasPrefix(text, "index.")
		})
	}
	return createNeeds(definition)
}

// cancelAny is what whoever cancels any task of a task's scheduler must have.
func cancelAny(s *TaskStatus) [][]string {
	group := []string{"queue:cancel-task:" + s.SchedulerID + "/*"}
	if s.ProjectID != "" {
		group = append(group, "queue:cancel-task-in-project:"+s.ProjectID)
	}
	return [][]string{group}
}
