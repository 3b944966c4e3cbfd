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

// Rights tell what scopes it takes to act on the pushes of a project. They come from the newest
// decision task that was found.
type Rights struct {
	Place    string // of the project in the index, such as gecko.v2.autoland
	Decision string // the decision task's id
	Rights   []Right
}

// Right is one way to act, and the scopes that it takes.
type Right struct {
	Kind RightKind
	// Actions are the names of the in-tree actions that fire the hook; none for ways without an
	// action.
	Actions []string
	// Needs are groups of scopes: one scope of each group is needed. The usual one comes first
	// in its group.
	Needs [][]string
	// Barred says why nobody can act in this way, whatever their scopes, or why the needed
	// scopes are not known; nil otherwise.
	Barred error
}

// RightKind is a kind of way to act.
type RightKind string

// The ways to act. Only RightAction may come several times.
const (
	RightTrigger RightKind = "trigger" // runs of labels, by the usual in-tree actions
	RightCopy    RightKind = "copy"    // a task of a push whose hooks are gone; see copying
	RightCancel  RightKind = "cancel"  // runs
	RightAction  RightKind = "action"  // other in-tree actions, named by the caller
)

// Missing returns the scopes that somebody with the scopes have lacks, in the order of Needs:
// for each group of which they have none, its first scope.
func (r Right) Missing(have []string) []string { return scope.Missing(have, r.Needs) }

// Rights finds the decision task of one of the pushes, which are given oldest first, or else the
// project's latest one. It tells which scopes it takes to act on it, by the hooks that its
// actions.json names. Nothing is fired, created or cancelled. Pushes without a decision task are
// skipped. When no decision task is found, the error is job.ErrNotScheduled and says where mozci
// looked for that of the newest push.
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

// anyDecision is the decision task of the newest push that has one, or else the project's
// latest. All places are looked up in one request, in this order:
//
//	gecko.v2.autoland.revision.<newest push>.taskgraph.decision
//	gecko.v2.autoland.revision.<the push before it>.taskgraph.decision, and so on
//	gecko.v2.autoland.latest.taskgraph.decision
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

// usualActions are the actions with which Trigger runs a label.
var usualActions = []string{"retrigger-multiple", "retrigger", "add-new-jobs"}

// triggering returns the right to run labels, and a right for each other hook. An action of kind
// task is left out: what it needs is what its task needs, which depends on the input.
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

// barred says why mozci would not fire the usual hooks; see mayFire.
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

// copying is the right to copy a task. It looks at a few of the tasks that the decision task
// made, and takes the first test among them, or else any of them, as the example.
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

// copyNeeds are the scopes for copying a task with this definition. A copy is not put into the
// index, so it needs no scopes for the routes of the index.
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

// cancelAny are the scopes for cancelling any task of a task's scheduler, such as
// queue:cancel-task:gecko-level-3/*.
func cancelAny(s *TaskStatus) [][]string {
	group := []string{"queue:cancel-task:" + s.SchedulerID + "/*"}
	if s.ProjectID != "" {
		group = append(group, "queue:cancel-task-in-project:"+s.ProjectID)
	}
	return [][]string{group}
}
