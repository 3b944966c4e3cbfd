package trigger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// Options change how Make plans. Nil means the defaults.
type Options struct {
	// Ledger knows what was triggered and may not be visible yet. Default: nothing was.
	Ledger ledger.Ledger
	// Exceptions is how many runs infrastructure may end on a push before the label is
	// left alone there. Nil is DefaultExceptions, negative no limit.
	Exceptions *int
	// Budgets limit how many runs the plan may trigger.
	Budgets Budgets
	// Priority says whose runs are paid for first when a budget is too small: the highest
	// first, among equals the newest push. Optional.
	Priority func(job.Push) int
	// Choose chooses the labels of each push: among those given to Make, or among all
	// when none are given. Optional.
	Choose *Choice
	// ExistingOnly leaves out runs that would need a build first.
	ExistingOnly bool
	// Automatic means unattended: no person started this call. Labels that the ledger
	// knows to have been triggered before are then left alone, because a program that
	// acts on its own runs never ends.
	Automatic bool
	// Manifests are the test manifests that the labels are wanted for. Tests move between
	// chunks: where a push runs the manifests in another chunk of the same suite, the
	// plan has that chunk; a push that runs none of them is left out. Catalogs that do
	// not say what runs where change nothing.
	Manifests []string
	// Judge says what a run means. It affects the reasons of the steps, and which labels
	// Choose takes as failed. Default analysis.ByStatus.
	Judge analysis.Judge
	// Known returns the runs of the label and its builds on a push, if the caller has
	// already read them; they are not read again. Optional.
	Known func(job.Push) ([]job.Job, bool)
	// Why says why the caller wants the label on a push. It comes before the plan's own
	// reason. Optional.
	Why func(job.Push) string
	// Width is the maximum number of pushes that are read at a time. Default
	// analysis.DefaultWidth.
	Width int
	// Logger gets what was read, in the order of the pushes. Nil discards it.
	Logger *slog.Logger
}

// Make plans the runs that the pushes lack, so that each push has times runs of each
// label in all. times is 1 or more. Make only reads; it triggers nothing.
//
// A push that could not be read is left out with its error as the reason, and the error
// is returned along with the plan. A label that no push offers gives an
// *job.UnknownLabelError, if the CI has a catalog, along with a plan that leaves the
// label out.
func Make(
	ctx context.Context, ci job.Scheduler, pushes []job.Push, labels []string, times int, opts *Options,
) (Plan, error) {
	m := &maker{ci: ci, times: times, history: analysis.NewHistory(ci, pushes)}
	if analysis.EachCosts(ci) { // reading a push's catalog also reads its runs, so windows would only cost more
		m.history = analysis.NewHistory(ci, nil)
	}
	if opts != nil {
		m.opts = *opts
	}
	switch {
	case times < 1:
		return Plan{}, job.Wrap("trigger.plan", "times",
			fmt.Errorf("%w: %d, expected 1 or more", job.ErrInvalid, times))
	case len(labels) == 0 && m.opts.Choose == nil:
		return Plan{}, job.Wrap("trigger.plan", "labels", fmt.Errorf("%w: none given", job.ErrInvalid))
	case len(pushes) == 0:
		return Plan{}, job.Wrap("trigger.plan", "pushes", fmt.Errorf("%w: no pushes in the range", job.ErrInvalid))
	}
	if m.opts.Ledger != nil {
		if err := ledger.Ready(ctx, m.opts.Ledger); err != nil {
			return Plan{}, err
		}
	}
	m.exceptions = DefaultExceptions
	if m.opts.Exceptions != nil {
		m.exceptions = *m.opts.Exceptions
	}
	return m.plan(ctx, pushes, labels)
}

// maker is one call of Make or Look.
type maker struct {
	ci         job.Scheduler
	history    *analysis.History // of the pushes
	times      int
	opts       Options
	exceptions int
}

// plan reads the facts of all pushes, decides on each label and push, and then pays for
// the groups.
func (m *maker) plan(ctx context.Context, pushes []job.Push, labels []string) (Plan, error) {
	var plan Plan
	var groups []group
	var errs []error
	offered := map[string]bool{}
	var unknown error
	fetch := func(ctx context.Context, p job.Push, log *slog.Logger) ([]Facts, error) {
		return m.gather(ctx, p, labels, log)
	}
	for r := range analysis.Ordered(ctx, pushes, fetch,
		&analysis.OrderedOptions{Width: m.opts.Width, Logger: m.opts.Logger}) {
		var missing *job.UnknownLabelError
		if r.Err != nil && !errors.As(r.Err, &missing) {
			errs = append(errs, r.Err)
			for _, l := range labels {
				plan.LeftOut = append(plan.LeftOut, LeftOut{
					Label: l, Push: r.Push, Count: m.times, Why: fmt.Sprintf("could not be read: %v", r.Err),
					Reason: "could not be read",
				})
			}
			continue
		}
		if missing != nil && unknown == nil {
			unknown = r.Err
		}
		// A label that is also the build of another one comes first. The other one then
		// waits for it, and triggers no build of its own.
		slices.SortStableFunc(r.Value, func(a, b Facts) int { return cmp.Compare(len(a.Builds), len(b.Builds)) })
		for _, f := range r.Value {
			offered[f.asked()] = offered[f.asked()] || !f.noLabel()
			groups = append(groups, m.group(f))
		}
	}
	if err := m.budget(ctx, groups); err != nil {
		return Plan{}, err
	}
	asked := map[asking]bool{}
	for _, g := range groups {
		plan.add(g, m.opts.Why, asked)
	}
	for _, l := range labels {
		if !offered[l] && unknown != nil && len(errs) == 0 {
			return plan, job.Wrap("trigger.plan", l, near(ctx, m.ci, pushes[len(pushes)-1], unknown))
		}
	}
	return plan, errors.Join(errs...)
}

// group decides about one label on one push.
func (m *maker) group(f Facts) group {
	steps, left := Decide(f, m.times, m.exceptions)
	g := group{label: f.Label, push: f.Push, steps: steps}
	if m.opts.Priority != nil {
		g.priority = m.opts.Priority(f.Push)
	}
	if left != nil {
		g.left = append(g.left, *left)
	}
	return g
}

// add adds a group, with the caller's reason before the plan's own. A build that is
// already in the plan is not added again.
func (p *Plan) add(g group, why func(job.Push) string, asked map[asking]bool) {
	because := ""
	if why != nil {
		because = why(g.push) + "; "
	}
	for _, s := range g.steps {
		if s.Action == ActionBuild && asked[s.asking()] {
			continue
		}
		asked[s.asking()] = s.Action != ActionNothing
		if s.Action != ActionBuild {
			s.Why = because + s.Why
		}
		p.Steps = append(p.Steps, s)
	}
	for _, l := range g.left {
		l.Why = because + l.Why
		p.LeftOut = append(p.LeftOut, l)
	}
}

// asking identifies what a step triggers: one build is enough for a push, whoever needs
// it.
type asking struct {
	push  job.PushKey
	label string
}

func (s Step) asking() asking { return asking{s.Push.Key(), s.Label} }
