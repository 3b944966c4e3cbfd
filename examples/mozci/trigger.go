package main

import (
	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

type triggerFlags struct {
	actFlags
	labels       []string
	rev, fromRev string
	times        int
}

func (a *app) triggerCommand() *cobra.Command {
	var t triggerFlags
	cmd := &cobra.Command{
		Use:   "trigger",
		Short: "So many runs of a label on each push of a range",
		Long: `So many runs of a label on each push of a range. --times is a total: what ran,
runs or will run there counts. A build that is missing is asked for first, and
the test when it is done.`,
		Example: `  mozci trigger --label linux64/opt/xpcshell-1 --rev a062f26a3ad8 --times 5
  mozci trigger --label linux64/opt/xpcshell-1 --from-rev 08463e1e5b9e --rev a062f26a3ad8 --times 2 --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.trigger(cmd, t) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&t.labels, "label", nil, "the `label` to run; may be given several times")
	f.StringVar(&t.rev, "rev", "", "a `revision` of 12 to 40 digits, or tip")
	f.StringVar(&t.fromRev, "from-rev", "", "the first `revision` of a range that ends with --rev")
	f.IntVar(&t.times, "times", 1, "how many runs each push is to have in all")
	t.add(cmd)
	return cmd
}

func (a *app) trigger(cmd *cobra.Command, t triggerFlags) error {
	switch {
	case t.rev == "" || len(t.labels) == 0:
		return usage("trigger needs --label and --rev")
	case t.times < 1:
		return usage("--times %d: expected 1 or more", t.times)
	}
	if err := t.check(); err != nil {
		return err
	}
	p, err := a.places()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	r := job.Around(t.rev, 0, 0)
	if t.fromRev != "" {
		r = job.Between(t.fromRev, t.rev)
	}
	pushes, err := p.repo.Pushes(ctx, r)
	if err != nil {
		return err
	}
	ledger := trigger.NewMemory()
	plan, err := trigger.Make(ctx, p.read, pushes, t.labels, &trigger.Options{
		Times: t.times, Ledger: ledger, Width: a.parallel, Logger: a.log,
	})
	if err != nil && len(plan.Steps)+len(plan.LeftOut) == 0 || unknownLabel(err) {
		return err
	}
	if !a.json {
		about := ""
		if len(t.labels) == 1 {
			about = t.labels[0]
		}
		a.printPlan(plan, about)
		a.printf("%s to ask for\n", runs(plan.Total()))
	}
	if err == nil && a.wanted(t.actFlags, plan) {
		plan, err = a.carryOut(ctx, p.act, plan, ledger)
	}
	if a.json {
		if printErr := a.printJSON(plan); err == nil {
			err = printErr
		}
	}
	return err
}
