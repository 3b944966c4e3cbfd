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
		Short: "Make sure that every push in a range has --times runs of each job",
		Long: `Make sure that every push in a range has --times runs of each job. Finished,
running and queued runs count, so mozci triggers only what is missing. Where a
build is missing, mozci triggers the build first, and the job when it is done.

Jobs: name them with --label, or choose them on each push with --includes,
--excludes, --query, --try-syntax, --coalesced, --fill-revision and
--failed-jobs; a job must match all that you give.

Pushes: --rev alone, or the range that it makes with one of --from-rev, --delta,
--back-revisions and --backfill.

Instead of jobs and pushes, --plan runs a plan that you saved, and --action runs
an action that the CI offers, at most once an hour for the same input.`,
		Example: `  mozci trigger --world testdata/worlds/permanent.txt \
      --label linux64/opt/reftest-3 --rev 3e9037995826 --times 3
  mozci trigger --label L --rev R --from-rev F --times 2
  mozci trigger --label L --rev R --backfill --max-revisions 30 --times 2
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
	f.StringArrayVar(&t.labels, "label", nil, "the `label` of a job to run; can be repeated")
	t.byName(f)
	t.bySyntax(f)
	f.BoolVar(&t.choice.Coalesced, "coalesced", false, "jobs whose runs on the push were all coalesced")
	f.BoolVar(&t.choice.Missing, "fill-revision", false, "jobs that can run on the push and did not")
	f.BoolVar(&t.choice.Failed, "failed-jobs", false,
		"jobs that failed on the push; --times is then 2, unless you give it")
	f.BoolVar(&t.existing, "existing-only", false, "use the builds that exist and trigger none")
	f.StringVar(&t.rev, "rev", "", "the push, by a `revision`: 12 to 40 digits of hg or git, or tip")
	f.StringVar(&t.fromRev, "from-rev", "", "the oldest `revision` of a range that ends with --rev")
	f.IntVar(&t.delta, "delta", 0, "this `number` of pushes before --rev, and after it")
	f.IntVar(&t.backRevisions, "back-revisions", 0, "this `number` of pushes before --rev")
	f.BoolVar(&t.backfill, "backfill", false, "from --rev, where the job failed, back to its last good push")
	f.IntVar(&t.maxRevisions, "max-revisions", 20, "maximum `number` of earlier pushes that --backfill checks")
	f.IntVar(&t.skips, "skips", 1, "use every `N`th push, counting from the newest")
	f.IntVar(&t.times, "times", 1, "the total `number` of runs that each push should have")
	f.StringVar(&t.plan, "plan", "", "run the plan in this `file`, which --json printed")
	f.StringVar(&t.test, "test", "", "this `test`: run the chunk that has it on each push; with --failed-jobs only "+
		"where it failed")
	f.StringVar(&t.action, "action", "", "run the CI's own action of this `name`, such as an in-tree action, on the "+
		"job of --label or on the whole push")
	f.StringVar(&t.input, "input", "", "a `file` with the action's input, a JSON object; - is standard input")
	f.BoolVar(&t.explain, "explain", false, "give the reason for each part of the plan")
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

// nothingOf says why a plan triggers nothing.
func nothingOf(plan trigger.Plan) string {
	if len(plan.LeftOut) > 0 {
		return "There is nothing to trigger: the table says why."
	}
	return "There is nothing to trigger: every job has its runs."
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
		a.printPlan(plan, about, f.explain)
		a.printf("\n")
		if plan.Total() == 0 {
			a.printf("%s\n", nothingOf(plan))
		}
	}
	if a.toAct(ctx, f, plan, err == nil) {
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
		return usage("--plan says everything that mozci does: leave out the flags that choose jobs and pushes")
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
		return usage("--plan %s triggers %s, more than the budget of %d; if you mean that, add --budget %d", t.plan,
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
