package server

import (
	"context"
	"errors"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// From a choice to runs, in two requests. The first makes a plan and shows it (plan, planText). The
// second brings that plan back and carries it out (readPlan, act). In between anything can happen:
// the CI runs some of the jobs by itself, another person confirms the same plan, or this process
// dies. So act makes the plan anew and triggers only steps that are in both, and the ledger keeps
// each step from being triggered twice.

// plan finds out what is missing so that each label has times runs on the push. It triggers
// nothing. Labels that the push lacks are reported in the plan's LeftOut, not as an error.
func (c *chooser) plan(ctx context.Context, cat *catalogue, labels []string, times int) (trigger.Plan, error) {
	switch {
	case len(labels) == 0:
		return trigger.Plan{}, wrong("labels", "no job is chosen; choose at least one")
	case times < 1 || times > mostTimes:
		return trigger.Plan{}, wrong("times", "%d is out of range; expected 1 to %d", times, mostTimes)
	case len(labels)*times > mostAtOnce:
		return trigger.Plan{}, tooMany(len(labels), times)
	}
	ctx, stop := context.WithTimeout(ctx, c.reading)
	defer stop()
	plan, err := trigger.Make(ctx, cat.place.CI, []job.Push{cat.push}, labels, times, &trigger.Options{
		Ledger: c.ledger, Budgets: c.budgets, Logger: c.log,
	})
	var unknown *job.UnknownLabelError
	if errors.As(err, &unknown) {
		err = nil // LeftOut of the plan says it
	}
	return plan, err
}

// tooMany says that the choice has more runs than mozci triggers at once.
func tooMany(jobs, times int) error {
	what := count(jobs, "job")
	if times > 1 {
		what += ", " + count(times, "run") + " each"
	}
	return wrong("labels", "%s: mozci triggers at most %s at once. Narrow the filter.", what,
		count(mostAtOnce, "run"))
}

// acted is the result of carrying out a plan.
type acted struct {
	// Changed says that the push no longer is as it was when the plan was shown. Nothing was
	// triggered, and Now is the plan for the push as it is.
	Changed bool
	Done    trigger.Plan // with receipts and errors
	Now     trigger.Plan // what is still missing afterwards
	Err     error        // why Now could not be made
}

// act carries out the plan that a person saw and confirmed. Steps that were triggered before are
// not triggered again, so that the same form may be sent twice, and a second attempt finishes what
// a process that died had begun. If the remaining steps are no longer what mozci would plan now, it
// triggers nothing and shows the new plan.
func (c *chooser) act(
	ctx context.Context, by Caller, cat *catalogue, labels []string, times int, shown trigger.Plan,
) (acted, error) {
	now, err := c.plan(ctx, cat, labels, times)
	if err != nil {
		return acted{}, err
	}
	steps, err := c.still(ctx, cat, shown, now)
	if err != nil {
		return acted{}, err
	}
	if steps == nil {
		return acted{Changed: true, Now: now}, nil
	}
	plan := trigger.Plan{Steps: steps}
	if err := c.guard.CheckPlan(ctx, cat.place.CI, by, plan); err != nil {
		return acted{}, err
	}
	const grace = 20 * time.Second // another process may be carrying out the same plan now
	doing, stop := context.WithTimeout(ctx, c.reading)
	defer stop()
	out := acted{}
	out.Done, err = trigger.Run(doing, c.guard.Scheduler(cat.place.CI, by), plan, &trigger.RunOptions{
		Ledger: c.ledger, Who: "chooser " + by.Name, Purpose: "chooser", Grace: grace, Logger: c.log,
	})
	// When some steps have an answer, the screen shows these and each step's own error.
	if err != nil && !answered(out.Done) {
		return acted{}, err // the ledger failed, or no step was tried
	}
	// What was triggered has to be shown, also when the time of the request is over.
	out.Now, out.Err = c.plan(context.WithoutCancel(ctx), cat, labels, times)
	return out, nil
}

// answered reports whether any step has a receipt or an error of its own.
func answered(p trigger.Plan) bool {
	for _, s := range p.Steps {
		if s.Receipt != nil || s.Err != nil {
			return true
		}
	}
	return false
}

// still returns the steps of the plan that was shown, ready to be carried out. Each must be in the
// plan that mozci would make now, or have been triggered under its key before. It returns nil when
// one is neither: then the push has changed. An empty list that is not nil means that no step needs
// a request of its own any more.
func (c *chooser) still(ctx context.Context, cat *catalogue, shown, now trigger.Plan) ([]trigger.Step, error) {
	fresh := map[string]trigger.Step{}
	for _, s := range now.AtOnce().Steps {
		fresh[s.Key] = s
	}
	out := []trigger.Step{}
	for _, s := range shown.AtOnce().Steps {
		// A form can be edited: a step on another push is not part of this screen's plan.
		if s.Push.Repo != cat.push.Repo || s.Push.ID != cat.push.ID || s.Push.Revision != cat.push.Revision {
			return nil, nil
		}
		if f, ok := fresh[s.Key]; ok && f.Action == s.Action && f.With == s.With {
			out = append(out, f)
			continue
		}
		if s.With != "" {
			continue // another step's request makes this build, or it exists by now
		}
		known, err := c.ledger.Entries(ctx, ledger.Query{Key: s.Key})
		if err != nil {
			return nil, err
		}
		// No request under this key was taken by the CI, or may have been: the step is outdated.
		if len(known) == 0 || !known[0].State.Made() && !known[0].State.Open() {
			return nil, nil
		}
		// The text has only the push's repository, id and revision; cat.push has all of it.
		s.Push = cat.push
		out = append(out, s)
	}
	return out, nil
}

// planText packs a plan into the form, from the screen that shows it to the request that confirms
// it. The reasons are left out, since nothing reads them again.
func planText(p trigger.Plan) (string, error) {
	at := p.AtOnce()
	for i := range at.Steps {
		at.Steps[i].Why = ""
	}
	text, err := at.MarshalJSON()
	return string(text), err
}

// readPlan unpacks what planText made. The text went through a browser, so anybody may have changed
// it: still and the Guard check each of its steps.
func readPlan(text string) (trigger.Plan, error) {
	var p trigger.Plan
	if err := p.UnmarshalJSON([]byte(text)); err != nil {
		return p, wrong("plan", "%s", brief(reasonText(err), 400))
	}
	switch at := p.AtOnce(); {
	case len(at.Steps) == 0:
		return p, wrong("plan", "the plan triggers nothing")
	case p.Total() > 2*mostAtOnce: // a chosen run may need a build, which is one more
		return p, wrong("plan", "the plan has %s; the maximum is %s", count(p.Total(), "run"), number(2*mostAtOnce))
	}
	return p, nil
}

// failures counts the runs that were triggered now, and those whose request failed. A step that had
// been triggered before counts as neither.
func (a acted) failures() (asked, failed int) {
	for _, s := range a.Done.Steps {
		switch {
		case s.Err != nil && s.Receipt == nil:
			failed += s.Count
		case s.Receipt != nil && s.Receipt.State != job.ReceiptAlreadyAsked:
			asked += s.Count
		}
	}
	return asked, failed
}

// sentence says what was done, in words.
//
//	12 runs triggered, 3 before, 2 not triggered
//	12 runs triggered, 3 before
//	Nothing new: 3 runs were triggered before
//	Nothing was triggered: 3 runs could not be requested
func (a acted) sentence() string {
	asked, failed := a.failures()
	already := 0
	for _, s := range a.Done.Steps {
		if s.Receipt != nil && s.Receipt.State == job.ReceiptAlreadyAsked {
			already += s.Count
		}
	}
	switch {
	case failed > 0 && asked+already == 0:
		return "Nothing was triggered: " + count(failed, "run") + " could not be requested"
	case failed == 0 && asked == 0:
		return "Nothing new: " + count(already, "run") + " " + were(already) + " triggered before"
	}
	text := count(asked, "run") + " triggered"
	if already > 0 {
		text += ", " + number(already) + " before"
	}
	if failed > 0 {
		text += ", " + number(failed) + " not triggered"
	}
	return text
}
