package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// addActing adds the tools that act. Without --act no client learns that they exist.
func (s *service) addActing(out *mcp.Server) {
	adds, stops, outside := false, true, true
	add(out, tool{
		"trigger_plan", "Trigger a plan",
		fmt.Sprintf("Make the CI run what a plan says, once: a plan that was triggered before triggers nothing more. "+
			"At most %d runs in one call, and %d within 24 hours. Runs that wait for a build are not triggered: plan "+
			"again when the build is done.", s.runs, s.day),
		mcp.ToolAnnotations{DestructiveHint: &adds, IdempotentHint: true, OpenWorldHint: &outside},
	}, s.triggerPlan)
	add(out, tool{
		"cancel_plan", "Cancel a plan",
		"Stop the runs of a plan that this server triggered. Runs of others are left alone.",
		mcp.ToolAnnotations{DestructiveHint: &stops, IdempotentHint: true, OpenWorldHint: &outside},
	}, s.cancelPlan)
}

type planIn struct {
	ID   planID     `json:"plan_id,omitempty" jsonschema:"the plan_id of a plan that a tool of this server returned"`
	Plan *planShape `json:"plan,omitempty" jsonschema:"or the plan itself, as the tool returned it"`
}

// given is the plan that a call names and the place it is about. A plan that was passed may
// be edited: it must fit the repository and the CI.
func (s *service) given(ctx context.Context, in planIn) (*place, trigger.Plan, error) {
	if (in.ID == "") == (in.Plan == nil) {
		return nil, trigger.Plan{}, refusal("Give either plan_id or plan.")
	}
	if in.ID != "" {
		k, ok := s.plans.Get(string(in.ID))
		if !ok {
			return nil, trigger.Plan{}, refusal("No plan is known by this id: plan again, or pass the plan itself.")
		}
		p, err := s.place(k.repo)
		return p, k.plan, err
	}
	repo, plan, err := in.Plan.plan()
	if err != nil {
		return nil, plan, err
	}
	p, err := s.place(repo)
	if err != nil {
		return nil, plan, err
	}
	return p, plan, trigger.Verify(ctx, p.repo, p.ci, plan)
}

// turn waits until no other call acts, and keeps the others waiting until done is called.
func (s *service) turn(ctx context.Context) (done func(), err error) {
	select {
	case s.acting <- struct{}{}:
		return func() { <-s.acting }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type actedOut struct {
	Triggered int    `json:"triggered" jsonschema:"how many runs this call triggered"`
	Before    int    `json:"triggered_before" jsonschema:"how many runs of the plan had been triggered before"`
	Failed    int    `json:"failed" jsonschema:"how many runs were not triggered, or it is not known"`
	Waiting   int    `json:"waiting" jsonschema:"how many runs wait for builds: plan again when those are done"`
	Left      int    `json:"left_today" jsonschema:"how many runs the budget of 24 hours has left"`
	Steps     []done `json:"steps"`
	// Problems do not undo what was triggered, so that they stand beside it.
	Problems []untrusted `json:"problems,omitempty" jsonschema:"what went wrong besides; what was triggered stays"`
	counted
}

// done is what came of a step.
type done struct {
	Label string     `json:"label"`
	Push  pushName   `json:"push"`
	Count int        `json:"count"`
	State string     `json:"state" jsonschema:"created; accepted, when runs will be visible later; already_asked; or failed"`
	IDs   []string   `json:"ids,omitempty" jsonschema:"of the runs, where the CI names them at once"`
	Page  string     `json:"page,omitempty"`
	Note  *untrusted `json:"note,omitempty"`
	Error *untrusted `json:"error,omitempty"`
}

func (s *service) triggerPlan(ctx context.Context, in planIn) (actedOut, error) {
	p, plan, err := s.given(ctx, in)
	if err != nil {
		return actedOut{}, err
	}
	done, err := s.turn(ctx)
	if err != nil {
		return actedOut{}, err
	}
	defer done()
	now := plan.AtOnce()
	if err := s.afford(ctx, now); err != nil {
		return actedOut{}, err
	}
	ran, err := trigger.Run(ctx, p.ci, now, &trigger.RunOptions{Ledger: s.ledger, Who: s.who, Logger: s.log})
	out := actedOut{Waiting: plan.Total() - now.Total()}
	for _, step := range ran.Steps {
		out.count(step)
	}
	if err != nil && out.Triggered+out.Before == 0 {
		return actedOut{}, err
	}
	out.Steps, out.counted = bounded(ran.Steps, shownDone)
	if p.settle != nil && out.Triggered > 0 {
		err = errors.Join(err, p.settle(ctx))
	}
	spent, spentErr := s.spent(ctx)
	if spentErr == nil {
		out.Left = max(0, s.day-spent)
	}
	out.Problems = problems(errors.Join(err, spentErr))
	return out, nil
}

func (a *actedOut) count(s trigger.Step) {
	var some *job.PartialError
	switch {
	case errors.As(s.Err, &some):
		a.Triggered += some.Taken
		a.Failed += s.Count - some.Taken
	case s.Err != nil || s.Receipt == nil:
		a.Failed += s.Count
	case s.Receipt.State == job.ReceiptAlreadyAsked:
		a.Before += s.Count
	default:
		a.Triggered += s.Count
	}
}

func shownDone(s trigger.Step) done {
	out := done{Label: named(s.Label), Push: nameOf(s.Push), Count: s.Count, State: "failed"}
	if r := s.Receipt; r != nil {
		out.State, out.Page, out.Note = string(r.State), named(r.Link), quoted(r.Note)
		out.IDs, _ = bounded(r.IDs, named)
	}
	if s.Err != nil {
		out.State, out.Error = "failed", quoted(s.Err.Error())
	}
	return out
}

// afford refuses a plan of which more would be triggered than the budgets allow. What was
// triggered before costs nothing.
func (s *service) afford(ctx context.Context, plan trigger.Plan) error {
	cost := 0
	for _, step := range plan.Steps {
		known, err := s.known(ctx, plan, step)
		if err != nil {
			return err
		}
		if !known {
			cost += step.Count
		}
	}
	if cost > s.runs {
		return refusal(fmt.Sprintf("The plan would trigger %d runs, and one call may trigger %d (--budget-runs): "+
			"nothing was triggered. Plan fewer runs or pushes.", cost, s.runs))
	}
	spent, err := s.spent(ctx)
	if left := max(0, s.day-spent); err == nil && cost > left {
		return refusal(fmt.Sprintf("The plan would trigger %d runs, and of the %d within 24 hours (--budget-day) %d "+
			"are left: nothing was triggered.", cost, s.day, left))
	}
	return err
}

// known reports whether a step was triggered before and will not be again. A build that comes
// with another step's request is as known as that one.
func (s *service) known(ctx context.Context, plan trigger.Plan, step trigger.Step) (bool, error) {
	key := step.Key
	for _, o := range plan.Steps {
		if step.With != "" && o.Label == step.With && o.Push.Key() == step.Push.Key() {
			key = o.Key
		}
	}
	entries, err := s.ledger.Entries(ctx, ledger.Query{Key: key})
	return len(entries) > 0 && !entries[0].State.Again(), err
}

// spent is how many runs the ledger has seen triggered within 24 hours, whoever did.
func (s *service) spent(ctx context.Context) (n int, err error) {
	entries, err := s.ledger.Entries(ctx, ledger.Query{Within: 24 * time.Hour})
	for _, e := range entries {
		if e.State != ledger.Refused {
			n += e.Count
		}
	}
	return n, err
}

type cancelledOut struct {
	Cancelled []string  `json:"cancelled" jsonschema:"the ids of the runs that were stopped"`
	Left      []leftOut `json:"left_alone,omitempty" jsonschema:"steps whose runs were not stopped, and why"`
	// Problems are the steps that could not be asked about or stopped.
	Problems []untrusted `json:"problems,omitempty" jsonschema:"what could not be stopped, or not be found out"`
	counted
}

func (s *service) cancelPlan(ctx context.Context, in planIn) (cancelledOut, error) {
	p, plan, err := s.given(ctx, in)
	if err != nil {
		return cancelledOut{}, err
	}
	done, err := s.turn(ctx)
	if err != nil {
		return cancelledOut{}, err
	}
	defer done()
	var own trigger.Plan
	var left []trigger.LeftOut
	for _, step := range plan.Steps {
		known, err := s.ledger.Entries(ctx, ledger.Query{Key: step.Key, Who: s.who})
		switch {
		case err != nil:
			return cancelledOut{}, err
		case len(known) > 0:
			own.Steps = append(own.Steps, step)
		case step.Action != trigger.ActionNothing && step.With == "":
			left = append(left, trigger.LeftOut{
				Label: step.Label, Push: step.Push, Count: step.Count, Why: "this server has not triggered it",
			})
		}
	}
	ids, unknown, err := trigger.Cancel(ctx, p.ci, s.ledger, own)
	if err != nil && len(ids) == 0 {
		return cancelledOut{}, err
	}
	var out cancelledOut
	out.Cancelled, out.counted = bounded(ids, named)
	out.Left, _ = bounded(append(left, unknown...), func(l trigger.LeftOut) leftOut {
		return leftOut{named(l.Label), nameOf(l.Push), l.Count, quoted(l.Why)}
	})
	out.Problems = problems(err)
	return out, nil
}
