package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

type watchFlags struct {
	actFlags
	labels             []string
	rev, test, plan    string
	times, batch, most int
	untilHit, failFast bool
	notify             bool
	deadline           time.Duration
}

func (a *app) watchCommand() *cobra.Command {
	var w watchFlags
	cmd := &cobra.Command{
		Use:   "watch [LINK]",
		Short: "Follow runs until it is clear how they end",
		Long: `Follow the runs of a job on a push until it is clear how they end, and print what
changes. mozci waits for runs that have not begun.

With --yes, and on a world, mozci also triggers: a run again that was coalesced or
that infrastructure ended, a failure until it is clear whether it is permanent,
and a test whose build is done. With --until-hit it triggers runs, --batch at a
time, until one fails.

The last line says how it ended: met, permanent, intermittent, blocked (its build
failed), cancelled, moot (another push made the question pointless), no_run,
infra, hit, limit, timed_out or could_not_see. Exit status: 0 for met and hit, 1 for
could_not_see, 3 otherwise. Ctrl+C stops watching; the runs go on.`,
		Example: `  mozci watch --world testdata/worlds/coalesced.txt --label linux64/opt/xpcshell-1 --rev b2d1
  mozci watch --label L --rev R --until-hit --batch 5 --max 50 --yes
  mozci backfill --label L --rev R --json --yes > plan.json; mozci watch --plan plan.json --yes`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.watch(cmd, w) }),
	}
	f := cmd.Flags()
	f.StringArrayVar(&w.labels, "label", nil, "the `label` of a job to follow; can be repeated")
	f.StringVar(&w.rev, "rev", "", "the push, by a `revision`: 12 to 40 digits of hg or git, or tip")
	f.StringVar(&w.test, "test", "", "go by this `test` in the logs: a run that failed only in other tests has passed")
	f.StringVar(&w.plan, "plan", "", "follow what the plan in this `file` triggered, which --json printed")
	f.IntVar(&w.times, "times", 1, "the `number` of runs that should have a result")
	f.BoolVar(&w.untilHit, "until-hit", false, "trigger runs until one fails")
	f.IntVar(&w.batch, "batch", monitor.DefaultBatch, "the `number` of runs that --until-hit triggers at a time")
	f.IntVar(&w.most, "max", monitor.DefaultMax, "maximum `number` of runs that --until-hit triggers")
	f.BoolVar(&w.failFast, "fail-fast", false, "stop watching at the first failure; the other runs go on")
	f.DurationVar(&w.deadline, "deadline", monitor.DefaultDeadline, "stop watching after this `time`")
	f.BoolVar(&w.notify, "notify", false, "show a notice on the desktop at the end")
	w.add(cmd)
	w.addBudgets(cmd)
	return cmd
}

func (w watchFlags) checkAll(changed func(string) bool) error {
	switch {
	case w.plan != "" && (len(w.labels) > 0 || w.rev != "" || w.untilHit || changed("times")):
		return usage("--plan says what to watch: it goes with no --label, --rev, --times or --until-hit")
	case w.plan == "" && (len(w.labels) == 0 || w.rev == ""):
		return usage("watch needs --label and --rev, or --plan")
	case w.times < 1:
		return usage("--times %d: expected 1 or more", w.times)
	case (changed("batch") || changed("max")) && !w.untilHit:
		return usage("--batch and --max go with --until-hit")
	case w.untilHit && changed("times"):
		return usage("--times goes without --until-hit, which counts up to --max")
	case w.untilHit && w.failFast:
		return usage("--fail-fast goes without --until-hit, which stops at the first failure anyway")
	case w.batch < 1:
		return usage("--batch %d: expected 1 or more", w.batch)
	case w.most < 1:
		return usage("--max %d: expected 1 or more", w.most)
	case w.deadline <= 0:
		return usage("--deadline %s: expected a time such as 90m or 24h", w.deadline)
	}
	return w.check()
}

func (a *app) watch(cmd *cobra.Command, w watchFlags) error {
	if err := w.checkAll(cmd.Flags().Changed); err != nil {
		return err
	}
	ctx := cmd.Context()
	p, book, err := a.acting(ctx)
	if err != nil {
		return err
	}
	wanted, err := a.expectations(ctx, p, book, w)
	if err != nil {
		return err
	}
	if len(wanted) == 0 {
		return usage("--plan %s: it has no steps to watch", w.plan)
	}
	shown := a.showing(wanted)
	store := monitor.NewMemory(nil)
	if w, ok := job.As[interface{ Now() time.Time }](p.read); ok { // a world's clock
		store = monitor.NewMemory(w.Now)
	}
	opts := &monitor.Options{
		Act: p.act, Ledger: book, Budgets: w.budgets(cmd.Flags()), OnChange: shown.changes, UntilDone: true,
		Who: who(), Logger: a.log, Width: a.parallel,
		Judge: func(e monitor.Expectation) analysis.Judge { return a.judge(p, e.Test) },
		History: func(ctx context.Context, e monitor.Expectation) (int, int, error) {
			return a.failedBefore(ctx, p, e)
		},
	}
	var revisions []string
	for _, e := range wanted {
		revisions = append(revisions, e.Push.Revision)
	}
	ci, stop, err := a.listening(ctx, p.read, revisions...)
	if err != nil {
		return err
	}
	defer stop()
	m := monitor.New(ci, a.repositories(p), store, opts)
	for i := range wanted {
		if _, err := m.Expect(ctx, wanted[i]); err != nil {
			return err
		}
	}
	shown.begin()
	watching, enough := context.WithCancel(ctx)
	defer enough()
	if w.failFast {
		shown.failed = enough
	}
	if err := m.Run(watching); err != nil && (watching.Err() == nil || ctx.Err() != nil) {
		shown.clear()
		if errors.Is(err, context.Canceled) {
			a.warnf("Stopped watching; the runs go on.\n")
			return errTold
		}
		return err
	}
	return a.watched(ctx, shown, store, w.notify)
}

// repositories opens the repositories that what is watched is of.
func (a *app) repositories(p *places) func(name string) (job.Repository, error) {
	return func(name string) (job.Repository, error) {
		if name == p.repo.Name() || p.repositories == nil {
			return p.repo, nil
		}
		return p.repositories(name)
	}
}

// expectations are what to watch. A plan on a world is carried out first: nothing
// outlives the program there.
func (a *app) expectations(
	ctx context.Context, p *places, book ledger.Ledger, w watchFlags,
) ([]monitor.Expectation, error) {
	var out []monitor.Expectation
	if w.plan != "" {
		plan, err := readPlan(w.plan)
		if err != nil {
			return nil, err
		}
		if err := trigger.Verify(ctx, p.repo, p.act, plan); err != nil {
			return nil, err
		}
		if a.world != "" {
			if err := a.actPlan(ctx, p, book, plan); err != nil {
				return nil, err
			}
		}
		out = monitor.OfPlan(plan)
	} else {
		push, err := p.repo.Push(ctx, w.rev)
		if err != nil {
			return nil, err
		}
		if err := known(ctx, p.act, push, w.labels); err != nil {
			return nil, err
		}
		for _, l := range w.labels {
			out = append(out, monitor.Expectation{Push: push, Label: l, Count: w.times})
		}
	}
	watchOnly := !a.mayTrigger(ctx, w, len(out))
	for i := range out {
		e := &out[i]
		e.Test, e.Deadline, e.FailFast = w.test, w.deadline, e.FailFast || w.failFast
		e.WatchOnly = watchOnly
		if w.untilHit {
			e.UntilHit, e.Batch, e.Max = true, w.batch, w.most
		}
	}
	if w.untilHit && watchOnly {
		return nil, a.notTriggered(w, out[0])
	}
	return out, nil
}

// known tells a label that cannot run on the push, where the CI knows what can, from one
// that has not begun yet: nobody should wait a day for a typing error.
func known(ctx context.Context, ci job.Scheduler, push job.Push, labels []string) error {
	some, err := job.Catalog(ctx, ci, push, labels...)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, job.ErrNotScheduled) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, l := range labels {
		if _, err := job.Lookup(some, l); err == nil {
			continue
		}
		all, err := job.Catalog(ctx, ci, push)
		if err != nil {
			return err
		}
		if _, err := job.Lookup(all, l); err != nil {
			return job.Wrap("watch", push.String(), err)
		}
	}
	return nil
}

// notTriggered says what --until-hit would do.
func (a *app) notTriggered(w watchFlags, e monitor.Expectation) error {
	why := fmt.Sprintf("mozci would trigger up to %s, %d at a time, until one fails; nothing was triggered",
		runs(w.most), w.batch)
	e.Progress.Outcome, e.Progress.Note, e.WatchOnly = monitor.Limit, why, true
	last := a.endOf(e)
	next := "To trigger them, add --yes."
	if w.dryRun {
		next = "To trigger them, leave out --dry-run and add --yes."
	}
	last.Next = orNull(next)
	if err := a.printEnd(last); err != nil {
		return err
	}
	return errNotEnough
}

// actPlan triggers the steps of a plan that wait for nothing.
func (a *app) actPlan(ctx context.Context, p *places, book ledger.Ledger, plan trigger.Plan) error {
	now := plan.AtOnce()
	if len(now.Steps) == 0 {
		return nil
	}
	_, err := trigger.Run(ctx, p.act, now, &trigger.RunOptions{Ledger: book, Who: who(), Logger: a.log})
	return err
}

// mayTrigger asks whether runs may be triggered while it watches.
func (a *app) mayTrigger(ctx context.Context, w watchFlags, n int) bool {
	if a.world != "" && !w.dryRun {
		return true // it has nothing to lose
	}
	if w.untilHit {
		return a.wantedTo(ctx, w.actFlags, fmt.Sprintf("Trigger up to %s, %d at a time, until one fails?",
			runs(w.most*n), w.batch))
	}
	return a.wantedTo(ctx, w.actFlags, "Trigger runs again that were coalesced, lost or failed?")
}

// backHistory is how many pushes before a failure say how often it failed before.
const backHistory = 20

// failedBefore counts the failures of a label on the pushes before one. Those of pushes
// right before it on which the label never passed are left out: whatever broke it there broke
// it here, which says nothing about how often it fails by chance. Where pushes do not
// follow each other there is no before.
func (a *app) failedBefore(ctx context.Context, p *places, e monitor.Expectation) (failures, runs int, err error) {
	repo, err := a.repositories(p)(e.Push.Repo)
	if err != nil {
		return 0, 0, err
	}
	if err := job.Line(ctx, repo); err != nil {
		return 0, 0, nil //nolint:nilerr // nothing is known then
	}
	pushes, err := repo.Pushes(ctx, job.Around(e.Push.Revision, backHistory, 0))
	if err != nil {
		return 0, 0, err
	}
	judge := a.judge(p, e.Test)
	history := analysis.NewHistory(p.read, pushes)
	fetch := func(ctx context.Context, push job.Push, _ *slog.Logger) (analysis.Runs, error) {
		if !push.Testable() || push.Compare(e.Push) >= 0 {
			return analysis.Runs{}, nil
		}
		jobs, err := history.Jobs(ctx, push, e.Label)
		if err != nil {
			return analysis.Runs{}, err
		}
		return analysis.OfRuns(ctx, analysis.OfLabel(jobs, e.Label), judge)
	}
	var errs []error
	slices.Reverse(pushes)
	passed := false
	for r := range analysis.Ordered(ctx, pushes, fetch, &analysis.OrderedOptions{Width: a.parallel, Logger: a.log}) {
		errs = append(errs, r.Err)
		if passed = passed || r.Value.Good > 0; !passed {
			continue
		}
		failures += r.Value.Bad
		runs += r.Value.Bad + r.Value.Good
	}
	return failures, runs, errors.Join(errs...)
}
