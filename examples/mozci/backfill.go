package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/backfill"
)

type backfillFlags struct {
	actFlags
	label, rev       string
	maxRevisions     int
	times            int
	automatic, holes bool
	newer            bool
	existing, follow bool
	manifests        []string
	test             string
	planOnly         bool // JSON is the plan alone: for trigger --backfill
}

func (a *app) backfillCommand() *cobra.Command {
	var b backfillFlags
	cmd := &cobra.Command{
		Use:   "backfill [LINK]",
		Short: "Find a broken job's last good push and fill in the runs missing since then",
		Long: `Find a broken job's last good push, and fill in the runs missing since then.

mozci starts at --rev, where the job must have failed, and checks earlier pushes
until it finds one where the job passed. Then it triggers the job on the pushes
between the two that have no result, builds first. If no push up to
--max-revisions passed, it fills all of them; with --automatic, none.`,
		Example: `  mozci backfill --world testdata/worlds/permanent.txt \
      --label linux64/opt/xpcshell-1 --rev d4f3de2cd033 --times 2
  mozci backfill 'https://treeherder.mozilla.org/jobs?repo=autoland&selectedTaskRun=…'
  mozci backfill --label test-linux2404-64/opt-xpcshell-1 --rev a062f26a3ad8 --yes`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.backfill(cmd, b) }),
	}
	f := cmd.Flags()
	f.StringVar(&b.label, "label", "", "the `label` of the broken job")
	f.StringVar(&b.rev, "rev", "", "a `revision` where the job failed: 12 to 40 digits of hg or git, or tip")
	f.IntVar(&b.maxRevisions, "max-revisions", 20,
		"maximum `number` of earlier pushes to check; with --allthethings, 1.5 times what SETA skips")
	f.IntVar(&b.times, "times", 1, "the total `number` of runs that each push should have; runs it has count")
	f.BoolVar(&b.automatic, "automatic", false, "unattended: trigger nothing when no good push is found")
	f.BoolVar(&b.holes, "holes", false, "fill every push in the range, whatever its results: for performance jobs")
	f.BoolVar(&b.newer, "fill-newer", false, "also fill the pushes newer than the first bad one, which cannot "+
		"have broken the job")
	f.BoolVar(&b.existing, "existing-only", false, "use the builds that exist and trigger none")
	f.BoolVar(&b.follow, "follow-merges", false, "also check what merges brought from other repositories")
	f.StringVar(&b.test, "test", "", "go by this `test` in the logs, not by the whole job")
	f.StringArrayVar(&b.manifests, "manifest", nil,
		"the test `manifest` with the failure: mozci checks the chunk that runs it on each push; can be repeated")
	f.BoolVar(&b.explain, "explain", false, "give the reason for each part of the plan")
	b.add(cmd)
	b.addBudgets(cmd)
	return cmd
}

func (a *app) backfill(cmd *cobra.Command, b backfillFlags) error {
	switch {
	case b.rev == "" || b.label == "":
		return usage("backfill needs --label and --rev")
	case b.times < 1:
		return usage("--times %d: expected 1 or more", b.times)
	case b.maxRevisions < 1:
		return usage("--max-revisions %d: expected 1 or more", b.maxRevisions)
	}
	if err := b.check(); err != nil {
		return err
	}
	p, ledger, err := a.acting(cmd.Context())
	if err != nil {
		return err
	}
	if a.things != nil && !cmd.Flags().Changed("max-revisions") {
		b.maxRevisions = a.things.MaxRevisions(b.label)
	}
	ctx := cmd.Context()
	found, err := backfill.Find(ctx, p.repo, p.read, b.label, b.rev, &backfill.FindOptions{
		MaxRevisions: b.maxRevisions, Times: b.times, Automatic: b.automatic, Holes: b.holes, FillNewer: b.newer,
		Judge: a.judge(p, b.test), Test: b.test, Width: a.parallel, Ledger: ledger, Observe: a.busy.saw(),
		Logger:       a.log,
		FollowMerges: b.follow, Manifests: b.manifests, Repositories: p.repositories, ExistingOnly: b.existing,
		Budgets: b.budgets(cmd.Flags()),
	})
	if err != nil && (errors.Is(err, backfill.ErrNotBad) || len(found.History) < 2) {
		return err
	}
	if !a.quiet(b.actFlags) {
		shown := b
		shown.yes = b.yes && err == nil // else nothing is triggered
		a.printFound(ctx, found, shown)
	}
	if a.toAct(cmd.Context(), b.actFlags, found.Plan, err == nil) {
		found.Plan, err = a.carryOut(ctx, p.act, found.Plan, ledger)
	}
	if a.reports() {
		a.printReport(a.backfillReport(ctx, found, b))
	}
	if a.json {
		var out any = found
		if b.planOnly {
			out = found.Plan
		}
		if printErr := a.printJSON(out); err == nil {
			err = printErr
		}
	}
	if err == nil && found.NeverGood {
		return errNotEnough
	}
	return err
}
