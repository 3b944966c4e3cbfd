package trigger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// Budgets limit how many runs a plan may trigger. Nil means the default, 0 means none, a
// negative value means no limit. Runs that do not fit are left out of the plan, which
// says which budget is spent.
type Budgets struct {
	// Call limits all runs of one plan, with builds. Default 200: thirty pushes filled
	// six times.
	Call *int
	// Push limits the runs of one plan on one push, with builds. Default 100: a new test,
	// twenty times on each of five platforms.
	Push *int
	// LabelDay limits the runs of one label in one repository within 24 hours: those in
	// the ledger and those of this plan. Default 200.
	LabelDay *int
	// Queue is the maximum number of runs that may already wait in the queue of the
	// label's runs, before the plan triggers none there. It applies to CIs that are a
	// job.QueueMeter. Default 100, the limit of Mozilla's performance sheriff bot.
	Queue *int
}

// The defaults of Budgets.
const (
	DefaultCall     = 200 // runs in one plan
	DefaultPush     = 100 // runs of one plan on one push
	DefaultLabelDay = 200 // runs of one label in one repository within 24 hours
	DefaultQueue    = 100 // runs that wait in the label's queue
)

// group holds the steps of one label on one push: its builds, then the label itself as
// the last one.
type group struct {
	label    string
	push     job.Push
	steps    []Step
	left     []LeftOut
	priority int
}

// purse holds what is left of the budgets, in runs, while groups are paid for.
type purse struct {
	call    int
	push    map[job.PushKey]int
	label   map[string]int
	barred  map[string]string // labels whose queue is full, and why
	built   map[asking]bool   // builds and labels that are paid for
	perPush int
	perDay  int
}

// unlimited is the largest int, all bits but the sign: a budget without a limit. Nothing
// is subtracted from it.
const unlimited = int(^uint(0) >> 1)

// limit returns the number that a budget stands for.
func limit(p *int, def int) int {
	switch {
	case p == nil:
		return def
	case *p < 0:
		return unlimited
	}
	return *p
}

// purse reads what earlier runs and full queues leave of the budgets.
func (m *maker) purse(ctx context.Context, groups []group) (*purse, error) {
	b := m.opts.Budgets
	p := &purse{
		call: limit(b.Call, DefaultCall), push: map[job.PushKey]int{}, label: map[string]int{},
		barred: map[string]string{}, built: map[asking]bool{},
		perPush: limit(b.Push, DefaultPush), perDay: limit(b.LabelDay, DefaultLabelDay),
	}
	for _, g := range groups {
		p.push[g.push.Key()] = p.perPush
		if _, known := p.label[g.label]; known || len(g.steps) == 0 || g.steps[0].Action == ActionNothing {
			continue
		}
		p.label[g.label] = p.perDay
		if err := m.spent(ctx, p, g); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// spent subtracts what was triggered within the last 24 hours, and looks at the queue.
// Refused requests cost nothing.
func (m *maker) spent(ctx context.Context, p *purse, g group) error {
	if m.opts.Ledger != nil && p.perDay != unlimited {
		entries, err := m.opts.Ledger.Entries(ctx,
			ledger.Query{Labels: []string{g.label}, Repo: g.push.Repo, Within: 24 * time.Hour})
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.State != ledger.Refused {
				p.label[g.label] -= e.Count
			}
		}
	}
	most := limit(m.opts.Budgets.Queue, DefaultQueue)
	load, err := job.QueueDepthOf(ctx, m.ci, g.label)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return err
	case load.Pending > most:
		p.barred[g.label] = fmt.Sprintf("%d runs wait in its queue, more than %d", load.Pending, most)
	}
	return nil
}

// budget pays for the groups: those of the highest priority first, and among equals the
// newest push. What it cannot pay for is left out.
func (m *maker) budget(ctx context.Context, groups []group) error {
	p, err := m.purse(ctx, groups)
	if err != nil {
		return err
	}
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(groups[b].priority, groups[a].priority) })
	for _, i := range order {
		p.pay(&groups[i])
	}
	return nil
}

// pay keeps as many runs of the group's label as the budgets allow, together with the
// builds that they need. Without any run, no build is needed either. A build that another
// group on the push has paid for costs nothing.
func (p *purse) pay(g *group) {
	n := len(g.steps)
	if n == 0 || g.steps[n-1].Action == ActionNothing {
		return
	}
	last, builds := g.steps[n-1], 0
	for _, s := range g.steps[:n-1] {
		if !p.built[s.asking()] {
			builds++
		}
	}
	// The tightest of the budgets decides. The builds come first out of the budgets for
	// runs.
	allowed, why, reason := last.Count, "", ""
	for _, b := range []struct {
		left int
		name string
		word string // for a table
	}{
		{p.call - builds, "the budget of this call", "budget"},
		{p.push[g.push.Key()] - builds, fmt.Sprintf("the budget of %d on one push", p.perPush), "push budget"},
		{p.label[g.label], fmt.Sprintf("the budget of %d in a day", p.perDay), "day budget"},
	} {
		if b.left < allowed {
			allowed, why, reason = max(b.left, 0), b.name+" is spent", b.word+" spent"
		}
	}
	if bar, ok := p.barred[g.label]; ok {
		allowed, why, reason = 0, bar, "queue full"
	}
	if rest := last.Count - allowed; rest > 0 {
		g.left = append(g.left, LeftOut{
			Label: g.label, Push: g.push, Count: rest, Why: why, Reason: reason, Budget: true,
		})
	}
	if allowed == 0 {
		g.steps = nil
		return
	}
	for _, s := range g.steps {
		p.built[s.asking()] = true
	}
	if allowed < last.Count {
		// Fewer runs are other work, so the step gets another key.
		last.Count = allowed
		last.Key = key(last.Push, last.Label, last.Seen, allowed)
		g.steps[n-1] = last
	}
	if p.call != unlimited {
		p.call -= allowed + builds
	}
	if p.perPush != unlimited {
		p.push[g.push.Key()] -= allowed + builds
	}
	if p.perDay != unlimited {
		p.label[g.label] -= allowed
	}
}
