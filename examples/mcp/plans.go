package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// planShape is a plan as tools return it and take it.
type planShape struct {
	ID    string    `json:"plan_id,omitempty" jsonschema:"names the plan while this server runs; left out where there is nothing to do"`
	Total int       `json:"total" jsonschema:"how many runs the plan triggers, builds included"`
	Steps []stepOut `json:"steps" jsonschema:"newest push first"`
	counted
	Left     []leftOut `json:"left_out" jsonschema:"what is missing and is not triggered, and why"`
	LeftRest counted   `json:"left_out_count"`
}

type stepOut struct {
	Key    string     `json:"key"`
	Label  string     `json:"label"`
	Push   pushName   `json:"push"`
	Action string     `json:"action" jsonschema:"trigger; build, for a build that another step waits for; wait, for builds first; or nothing"`
	Count  tally      `json:"count" jsonschema:"runs to trigger"`
	Times  tally      `json:"times" jsonschema:"runs that the push is to have in all"`
	Seen   tally      `json:"seen" jsonschema:"runs that were there when it was planned"`
	Builds []string   `json:"builds,omitempty"`
	With   string     `json:"with,omitempty" jsonschema:"the label whose request makes this build too"`
	Why    *untrusted `json:"why,omitempty"`
}

type leftOut struct {
	Label string     `json:"label"`
	Push  pushName   `json:"push"`
	Count int        `json:"count"`
	Why   *untrusted `json:"why,omitempty"`
}

// kept is a plan that the server made, and of which repository.
type kept struct {
	repo string
	plan trigger.Plan
}

// keep remembers a plan and returns it in its shape. The id is made of the steps, so that
// it never means another plan, in another server either.
func (s *service) keep(repo string, plan trigger.Plan) planShape {
	out := planShape{Total: plan.Total()}
	if out.Total > 0 {
		sum := sha256.New()
		for _, step := range plan.Steps {
			_, _ = fmt.Fprintf(sum, "%s %q\n", step.Action, step.Key) // a hash takes everything
		}
		out.ID = "plan-" + hex.EncodeToString(sum.Sum(nil)[:8])
		s.plans.Add(out.ID, kept{repo, plan})
	}
	out.Steps, out.counted = bounded(plan.Steps, shownStep)
	out.Left, out.LeftRest = bounded(plan.LeftOut, func(l trigger.LeftOut) leftOut {
		return leftOut{named(l.Label), nameOf(l.Push), l.Count, quoted(l.Why)}
	})
	return out
}

func shownStep(s trigger.Step) stepOut {
	builds, _ := bounded(s.Builds, named)
	return stepOut{
		Key: clipped(s.Key, 2*mostName), Label: named(s.Label), Push: nameOf(s.Push), Action: string(s.Action),
		Count: tally(s.Count), Times: tally(s.Times), Seen: tally(s.Seen), Builds: builds, With: named(s.With),
		Why: quoted(s.Why),
	}
}

// plan is what the shape says, all of it of one repository. The reasons are left out: they
// would go to the CI, and anybody could have written them.
func (p planShape) plan() (repo string, plan trigger.Plan, err error) {
	for _, s := range p.Steps {
		if repo = cmp.Or(repo, s.Push.Repo); s.Push.Repo != repo {
			return "", plan, refusal("The plan has pushes of several repositories: plan and trigger each alone.")
		}
		plan.Steps = append(plan.Steps, trigger.Step{
			Key: s.Key, Label: s.Label, Push: s.Push.push(), Action: trigger.Action(s.Action), Count: int(s.Count),
			Times: int(s.Times), Seen: int(s.Seen), Builds: s.Builds, With: s.With,
		})
	}
	if plan.Total() == 0 {
		return "", plan, refusal("The plan has nothing to trigger.")
	}
	return repo, plan, nil
}

type runsIn struct {
	about
	span
	Times    times `json:"times,omitempty" jsonschema:"how many runs each push is to have in all; those that are there count"`
	Existing bool  `json:"existing_only,omitempty" jsonschema:"plan no builds: only runs whose builds exist"`
}

func (s *service) planRuns(ctx context.Context, in runsIn) (planShape, error) {
	of, err := s.ofLabel(ctx, in.about)
	if err != nil {
		return planShape{}, err
	}
	pushes, err := in.pushes(ctx, of, false)
	if err != nil {
		return planShape{}, err
	}
	if len(pushes) > mostRows {
		return planShape{}, refusal(fmt.Sprintf("The range has %d pushes, more than %d: ask about fewer.", len(pushes),
			mostRows))
	}
	newest := make([]job.Push, 0, len(pushes))
	for i := range pushes {
		newest = append(newest, pushes[len(pushes)-1-i])
	}
	plan, err := trigger.Make(ctx, of.ci, newest, []string{of.label}, int(in.Times), &trigger.Options{
		Ledger: s.ledger, Budgets: s.budgets(), Judge: of.judge, ExistingOnly: in.Existing, Logger: s.log,
	})
	if err != nil {
		return planShape{}, err
	}
	return s.keep(of.repo.Name(), plan), nil
}
