package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// plan finds out what is missing of the labels on the push, so that each has so many runs
// there. Nothing is asked for. A push that lacks some of the labels gives a plan without
// them.
func (c *chooser) plan(ctx context.Context, cat *catalogue, labels []string, times int) (trigger.Plan, error) {
	switch {
	case len(labels) == 0:
		return trigger.Plan{}, wrong("labels", "no job is chosen")
	case times < 1 || times > mostTimes:
		return trigger.Plan{}, wrong("times", "%d: expected 1 to %d", times, mostTimes)
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
		err = nil // it stands in what is left out
	}
	return plan, err
}

// tooMany says that more was chosen than may be asked for at once.
func tooMany(jobs, times int) error {
	what := count(jobs, "job")
	if times > 1 {
		what += ", " + count(times, "run") + " each"
	}
	return wrong("labels", "%s: mozci triggers %s at most at once. Narrow the filter.", what, count(mostAtOnce, "run"))
}

// acted is what came of an act.
type acted struct {
	// Changed says that the push is not any more as the plan that was shown has it:
	// nothing was asked for, and Now is the plan that would be shown today.
	Changed bool
	Done    trigger.Plan // with receipts and errors
	Now     trigger.Plan // what is still missing
	Err     error        // why Now is not known
}

// act carries out a plan that was shown, as it was shown. What of it was asked for already
// is not asked for again, so that the same plan may be sent twice, and goes on after the
// death of whoever began it. Where the rest is no more what would be planned now, nothing
// is done at all.
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
	const grace = 20 * time.Second // for the same act, made by another process meanwhile
	doing, stop := context.WithTimeout(ctx, c.reading)
	defer stop()
	out := acted{}
	out.Done, err = trigger.Run(doing, c.guard.Scheduler(cat.place.CI, by), plan, &trigger.RunOptions{
		Ledger: c.ledger, Who: "chooser " + by.Name, Purpose: "chooser", Grace: grace, Logger: c.log,
	})
	if err != nil && !answered(out.Done) {
		return acted{}, err // the ledger's, or none of the steps was tried
	}
	out.Now, out.Err = c.plan(context.WithoutCancel(ctx), cat, labels, times)
	return out, nil
}

// answered reports whether any step has an answer, or an error of its own.
func answered(p trigger.Plan) bool {
	for _, s := range p.Steps {
		if s.Receipt != nil || s.Err != nil {
			return true
		}
	}
	return false
}

// still are the steps of a plan that was shown, as they are to be carried out: each is
// either in the plan that would be made now, or was asked for under its key. Nil says that
// one is neither.
func (c *chooser) still(ctx context.Context, cat *catalogue, shown, now trigger.Plan) ([]trigger.Step, error) {
	fresh := map[string]trigger.Step{}
	for _, s := range now.AtOnce().Steps {
		fresh[s.Key] = s
	}
	out := []trigger.Step{}
	for _, s := range shown.AtOnce().Steps {
		if s.Push.Repo != cat.push.Repo || s.Push.ID != cat.push.ID || s.Push.Revision != cat.push.Revision {
			return nil, nil
		}
		if f, ok := fresh[s.Key]; ok && f.Action == s.Action && f.With == s.With {
			out = append(out, f)
			continue
		}
		if s.With != "" {
			continue // it comes with what needs it, or is there by now: nothing is asked for it
		}
		known, err := c.ledger.Entries(ctx, ledger.Query{Key: s.Key})
		if err != nil {
			return nil, err
		}
		if len(known) == 0 || !known[0].State.Made() && !known[0].State.Open() {
			return nil, nil
		}
		s.Push = cat.push
		out = append(out, s)
	}
	return out, nil
}

// planText is a plan as the form carries it from the screen that shows it to the act.
func planText(p trigger.Plan) (string, error) {
	at := p.AtOnce()
	for i := range at.Steps {
		at.Steps[i].Why = ""
	}
	text, err := at.MarshalJSON()
	return string(text), err
}

// readPlan reads what planText wrote, and somebody may have changed.
func readPlan(text string) (trigger.Plan, error) {
	var p trigger.Plan
	if err := p.UnmarshalJSON([]byte(text)); err != nil {
		return p, wrong("plan", "%s", brief(reasonText(err), 400))
	}
	switch at := p.AtOnce(); {
	case len(at.Steps) == 0:
		return p, wrong("plan", "it triggers nothing")
	case p.Total() > 2*mostAtOnce: // with a build for each
		return p, wrong("plan", "%s, more than %s", count(p.Total(), "run"), number(2*mostAtOnce))
	}
	return p, nil
}

// failures counts the steps that have an error, and what was asked for.
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

// sentence is what an act did, in words.
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
		return fmt.Sprintf("Nothing was triggered: %s failed", count(failed, "request"))
	case failed > 0:
		return fmt.Sprintf("%s triggered, %s not", count(asked+already, "run"), number(failed))
	case asked == 0:
		return "Nothing new: " + count(already, "run") + " " + were(already) + " triggered before"
	case already > 0:
		return fmt.Sprintf("%s triggered, %s before", count(asked, "run"), number(already))
	}
	return count(asked, "run") + " triggered"
}
