package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

type triggerFlags struct {
	actFlags
	choosing
	labels                     []string
	choice                     trigger.Choice
	existing                   bool
	rev, fromRev               string
	delta, backRevisions       int
	backfill                   bool
	maxRevisions, skips, times int
	plan, action, input, test  string
}

func (a *app) triggerCommand() *cobra.Command {
	var t triggerFlags
	cmd := &cobra.Command{
		Use:   "trigger [LINK]",
		Short: "So many runs of labels on each push of a range",
		Long: `So many runs of labels on each push of a range. --times is a total: what ran,
runs or will run there counts. A build that is missing is asked for first, and
the test when it is done.

Which labels: those of --label; or, on each push, those that --includes,
--excludes, --query, --try-syntax, --coalesced, --fill-revision and --failed-jobs
choose, all of which must hold. Which pushes: --rev alone, or with one of
--from-rev, --delta, --back-revisions and --backfill. Or a plan that was saved:
--plan. Or an action that the CI itself offers: --action, once within an hour for
the same input.`,
		Example: `  mozci trigger --label linux64/opt/xpcshell-1 --rev a062f26a3ad8 --times 5
  mozci trigger --buildername L --rev R --from-rev F --times 2
  mozci trigger --buildername L --rev R --backfill --max-revisions 30 --times 2
  mozci trigger --rev R --failed-jobs
  mozci trigger --rev R --fill-revision --includes linux64,opt --excludes talos
  mozci trigger --rev R --query 'xpcshell !debug linux' --times 3
  mozci trigger --repo try --rev R --try-syntax 'try: -b o -p linux64 -u xpcshell -t none'
  mozci trigger --rev R --label L --action confirm-failures
  mozci backfill --label L --rev R --json > plan.json; mozci trigger --plan plan.json --yes`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.trigger(cmd, t) }),
	}
	f := cmd.Flags()
	f.StringArrayVar(&t.labels, "label", nil, "the `label` to run; may be given several times")
	t.byName(f)
	t.bySyntax(f)
	f.BoolVar(&t.choice.Coalesced, "coalesced", false, "labels whose every run on the push was coalesced")
	f.BoolVar(&t.choice.Missing, "fill-revision", false, "labels that can run on the push and have not")
	f.BoolVar(&t.choice.Failed, "failed-jobs", false,
		"labels that failed on the push; --times is 2 then, unless it is given")
	f.BoolVar(&t.existing, "existing-only", false, "only where the builds exist: ask for no build")
	f.StringVar(&t.rev, "rev", "", "a `revision` of 12 to 40 digits, of hg or of git, or tip")
	f.StringVar(&t.fromRev, "from-rev", "", "the first `revision` of a range that ends with --rev")
	f.IntVar(&t.delta, "delta", 0, "so many pushes before --rev, and so many after it")
	f.IntVar(&t.backRevisions, "back-revisions", 0, "so many pushes before --rev")
	f.BoolVar(&t.backfill, "backfill", false, "from --rev, where the label is bad, back to its last good push")
	f.IntVar(&t.maxRevisions, "max-revisions", 20, "how many pushes --backfill looks at, at most")
	f.IntVar(&t.skips, "skips", 1, "only every so many-th push, counted from the newest")
	f.IntVar(&t.times, "times", 1, "how many runs each push is to have in all")
	f.StringVar(&t.plan, "plan", "", "carry out the plan in this `file`, which --json printed")
	f.StringVar(&t.test, "test", "", "about this `test`: the chunk that runs it on each push, and with --failed-jobs "+
		"only where it failed")
	f.StringVar(&t.action, "action", "", "ask for the CI's own action of this `name`, such as an in-tree action, on "+
		"the label's job or on the whole push")
	f.StringVar(&t.input, "input", "", "the action's input, a JSON object, in this `file`; - is standard input")
	t.add(cmd)
	t.addBudgets(cmd)
	return cmd
}

// chooses reports whether labels are chosen on each push.
func (t triggerFlags) chooses() bool {
	c := t.choice
	return t.choosing.chooses() || c.Coalesced || c.Missing || c.Failed
}

func (t triggerFlags) checkAll(changed func(string) bool) error {
	ranges := 0
	for _, name := range []string{"from-rev", "delta", "back-revisions", "backfill"} {
		if changed(name) {
			ranges++
		}
	}
	switch {
	case t.rev == "":
		return usage("trigger needs --rev, or --plan")
	case len(t.labels) == 0 && !t.chooses():
		return usage("trigger needs --label, or one of --includes, --excludes, --query, --try-syntax, " +
			"--coalesced, --fill-revision and --failed-jobs")
	case ranges > 1:
		return usage("--from-rev, --delta, --back-revisions and --backfill exclude each other")
	case t.backfill && (len(t.labels) != 1 || t.chooses()):
		return usage("--backfill needs one --label, and chooses no others")
	case changed("max-revisions") && !t.backfill:
		return usage("--max-revisions goes with --backfill")
	case t.times < 1:
		return usage("--times %d: expected 1 or more", t.times)
	case t.skips < 1:
		return usage("--skips %d: expected 1 or more", t.skips)
	case t.delta < 0 || t.backRevisions < 0:
		return usage("--delta %d and --back-revisions %d: expected 0 or more", t.delta, t.backRevisions)
	}
	return t.check()
}

func (a *app) trigger(cmd *cobra.Command, t triggerFlags) error {
	if t.plan != "" {
		return a.savedPlan(cmd, t)
	}
	if t.action != "" || t.input != "" {
		return a.action(cmd, t)
	}
	if err := t.checkAll(cmd.Flags().Changed); err != nil {
		return err
	}
	if t.backfill {
		return a.backfill(cmd, backfillFlags{
			actFlags: t.actFlags, label: t.labels[0], rev: t.rev, maxRevisions: t.maxRevisions, times: t.times,
			existing: t.existing, test: t.test, planOnly: true,
		})
	}
	if t.choice.Failed && !cmd.Flags().Changed("times") {
		t.times = 2
	}
	h, err := t.hearing(t.labels...)
	if err != nil {
		return err
	}
	if h != nil && !cmd.Flags().Changed("times") {
		a.rebuilds(h.choice)
	}
	p, book, err := a.acting(cmd.Context())
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	pushes, err := t.pushes(ctx, p.repo)
	if err != nil {
		return err
	}
	opts := &trigger.Options{
		Ledger: book, Width: a.parallel, Logger: a.log, ExistingOnly: t.existing, Budgets: t.budgets(cmd.Flags()),
		Choose: t.choose(h),
	}
	if t.test != "" {
		opts.Judge = a.judge(p, t.test)
		if opts.Manifests, err = a.manifests(ctx, p, pushes, t.test); err != nil {
			return err
		}
	}
	plan, err := trigger.Make(ctx, p.read, pushes, t.labels, t.times, opts)
	var unknown *job.UnknownLabelError
	if err != nil && len(plan.Steps)+len(plan.LeftOut) == 0 || errors.As(err, &unknown) {
		return err
	}
	if none := h.told(a, "trigger.choose", pushesName(pushes)); none != nil && err == nil {
		return none
	}
	if err == nil {
		err = unscheduled(ctx, p.read, plan, pushes[0])
	}
	return a.actOn(ctx, t.actFlags, p.act, plan, book, t.labels, err)
}

// choose is the choice on each push; nil where the labels were given.
func (t triggerFlags) choose(h *hearing) *trigger.Choice {
	if !t.chooses() {
		return nil
	}
	if h != nil {
		t.choice.Filter = h.filter
	}
	return &t.choice
}

// unscheduled is why nothing at all can run on the pushes of a plan: it says where
// their jobs were looked for.
func unscheduled(ctx context.Context, ci job.Scheduler, plan trigger.Plan, p job.Push) error {
	some := func(l trigger.LeftOut) bool { return !l.Untestable }
	if len(plan.Steps) > 0 || len(plan.LeftOut) == 0 || slices.ContainsFunc(plan.LeftOut, some) || !p.Testable() {
		return nil
	}
	if _, err := job.Catalog(ctx, ci, p, plan.LeftOut[0].Label); errors.Is(err, job.ErrNotScheduled) {
		return err
	}
	return nil
}

// pushesName are the oldest and the newest of several pushes, which are newest first.
func pushesName(pushes []job.Push) string {
	newest, oldest := pushes[0], pushes[len(pushes)-1]
	if newest.Key() == oldest.Key() {
		return newest.String()
	}
	return oldest.String() + " to " + newest.String()
}

// pushes are those that the flags name, every skips-th of them.
func (t triggerFlags) pushes(ctx context.Context, repo job.Repository) ([]job.Push, error) {
	r := job.Around(t.rev, t.delta+t.backRevisions, t.delta)
	if t.fromRev != "" {
		r = job.Between(t.fromRev, t.rev)
	}
	if t.fromRev != "" || r.Before > 0 || r.After > 0 {
		if err := job.Line(ctx, repo); err != nil {
			return nil, err
		}
	}
	all, err := repo.Pushes(ctx, r)
	if err != nil {
		return nil, err
	}
	var out []job.Push
	i := 0
	for _, p := range slices.Backward(all) {
		if i%t.skips == 0 {
			out = append(out, p)
		}
		i++
	}
	return out, nil
}

// actOn prints a plan, carries it out when that is wanted, and prints what came
// of it. Err is what making the plan gave besides.
func (a *app) actOn(ctx context.Context, f actFlags, ci job.Scheduler, plan trigger.Plan, book ledger.Ledger,
	labels []string, err error,
) error {
	if !a.json {
		about := ""
		if len(labels) == 1 {
			about = labels[0]
		}
		a.printPlan(plan, about)
		a.printf("%s to trigger\n", runs(plan.Total()))
	}
	if err == nil && a.wanted(f, plan) {
		plan, err = a.carryOut(ctx, ci, plan, book)
	}
	if a.json {
		if printErr := a.printJSON(plan); err == nil {
			err = printErr
		}
	}
	return err
}

// savedPlan carries out a plan that was saved, once it has been found to fit.
func (a *app) savedPlan(cmd *cobra.Command, t triggerFlags) error {
	if len(t.labels) > 0 || t.rev != "" || t.chooses() || t.backfill {
		return usage("--plan says all that is to be done: it goes with no other choice")
	}
	if err := t.check(); err != nil {
		return err
	}
	plan, p, book, err := a.openPlan(cmd.Context(), t.plan)
	if err != nil {
		return err
	}
	if err := trigger.Verify(cmd.Context(), p.repo, p.act, plan); err != nil {
		return err
	}
	if t.call >= 0 && plan.Total() > t.call { // whoever wrote the file
		return usage("--plan %s asks for %s, more than the budget of %d: say --budget %d if that is meant", t.plan,
			runs(plan.Total()), t.call, plan.Total())
	}
	return a.actOn(cmd.Context(), t.actFlags, p.act, plan, book, nil, nil)
}

// openPlan reads a saved plan, and opens what it is about.
func (a *app) openPlan(ctx context.Context, file string) (plan trigger.Plan, p *places, l ledger.Ledger, err error) {
	if plan, err = readPlan(file); err != nil {
		return plan, nil, nil, err
	}
	p, l, err = a.acting(ctx)
	return plan, p, l, err
}

// readPlan reads a plan, alone or in what backfill printed.
func readPlan(file string) (trigger.Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return trigger.Plan{}, usage("--plan: %v", err)
	}
	var found struct {
		Plan  *trigger.Plan
		Steps json.RawMessage
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return trigger.Plan{}, usage("--plan %s: %v", file, err)
	}
	if found.Plan != nil {
		return *found.Plan, nil
	}
	if found.Steps == nil {
		return trigger.Plan{}, usage("--plan %s: it has no steps", file)
	}
	var plan trigger.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return trigger.Plan{}, usage("--plan %s: %v", file, err)
	}
	return plan, nil
}
