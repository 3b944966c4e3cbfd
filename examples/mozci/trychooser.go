package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

type chooserFlags struct {
	choosing
	rev, diff, tests string
	config           bool
}

func (a *app) trychooserCommand() *cobra.Command {
	var c chooserFlags
	cmd := &cobra.Command{
		Use:   "trychooser",
		Short: "Show what can run on each platform, and choose from it",
		Long: `Show what can run on each platform, and choose from it.

mozci reads what can run from the push of --rev, or from the file of
--allthethings, which has Buildbot's builders of all branches. On a terminal it
then lets you choose, and prints the labels that you chose: type to filter, move
into the list with the arrows, mark with Space. Elsewhere, and with --json, it
prints the graph: the tests of each build type and platform, and the builds with
the tests that need them.

--diff prints what is new, gone and renamed since OLD, and exits with 1 if there
is anything to print.

--tests prints the jobs that run a test, or the tests in a folder.

The other flags choose without a terminal: they print the labels that match all
of them. In a query every word must match; 'word is exact, ^word begins the
label, word$ ends it, !word excludes, and a | b is either. A word matches in any
case unless it has a capital letter. mozci says on standard error what it did not
understand, and exits with 3 when nothing is chosen.`,
		Example: `  mozci trychooser --world examples/mozci/testdata/chooser.world --rev a2c0 \
      --query 'xpcshell !debug linux'
  mozci trychooser --rev tip | xargs -d '\n' printf '%s\n'
  mozci trychooser --allthethings allthethings.json --json > graphs.json
  mozci trychooser --diff graphs.json
  mozci trychooser --query 'xpcshell !debug linux' --try-task-config > try_task_config.json
  mozci trychooser --try-syntax 'try: -b do -p linux64,macosx64 -u mochitest-1,xpcshell -t none'
  mozci trychooser --tests dom/indexedDB/test/unit --platform linux2404-64`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.trychooser(cmd.Context(), c) },
	}
	f := cmd.Flags()
	f.StringVar(&c.rev, "rev", "tip", "the push, by a `revision`: 12 to 40 digits of hg or git, or tip")
	f.StringVar(&c.diff, "diff", "", "compare with this `file`: a graph that mozci printed, graphs.json or "+
		"allthethings.json; with --rev it can be another revision")
	f.StringVar(&c.tests, "tests", "", "the jobs that run the tests at this `path`, a file or a folder")
	f.BoolVar(&c.config, "try-task-config", false, "print the choice as try_task_config.json, which mach try "+
		"and Lando "+
		"take")
	c.byName(f)
	c.bySyntax(f)
	c.byParts(f)
	return cmd
}

func (a *app) trychooser(ctx context.Context, c chooserFlags) error {
	if err := a.checkChooser(c); err != nil {
		return err
	}
	choice, err := c.choice()
	if err != nil {
		return err
	}
	source, err := a.chooserSource()
	if err != nil {
		return err
	}
	if c.diff != "" {
		return a.compare(ctx, source, c)
	}
	catalog, push, err := source.catalog(ctx, c.rev)
	if err != nil {
		return err
	}
	switch {
	case c.tests != "":
		return a.runsTests(ctx, source, catalog, push, choice, c)
	case c.chooses():
		chosen := choice.Choose(catalog)
		if !a.json || c.config {
			a.misunderstood(choice, chosen)
		}
		return a.printChosen(chosen, a.chosenFrom(push), c)
	case a.allTheThings != "-" && a.canPick():
		labels, err := a.pick(ctx, catalog)
		if err != nil {
			return err
		}
		return a.printChosen(trychooser.Chosen{Labels: labels}, a.chosenFrom(push), c)
	case c.config:
		return usage("--try-task-config needs a choice, such as --query")
	}
	return a.printGraph(trychooser.NewGraph(catalog))
}

func (a *app) checkChooser(c chooserFlags) error {
	buildbot := a.allTheThings != "" || a.world == "" && (a.ci == "buildbot" || a.ci == "selfserve")
	switch {
	case a.allTheThings != "" && c.flags.Changed("rev"):
		return usage("--allthethings and --rev exclude each other: what can run is read from one of them")
	case a.allTheThings != "" && a.world != "":
		return usage("--allthethings and --world exclude each other: what can run is read from one of them")
	case c.flags.Changed("diff") && c.diff == "":
		return usage("--diff needs a file, or a revision")
	case c.flags.Changed("tests") && c.tests == "":
		return usage("--tests needs a path")
	case c.tests != "" && buildbot:
		return usage("--tests is of Taskcluster: Buildbot does not say which tests a job runs")
	case c.diff != "" && (c.chooses() || c.tests != "" || c.config):
		return usage("--diff compares everything: it goes with no choice")
	case c.diff == "-" && a.allTheThings == "-":
		return usage("--diff - and --allthethings - both are standard input")
	case c.config && buildbot:
		return usage("--try-task-config is of Taskcluster: Buildbot's labels mean nothing to it")
	}
	return nil
}

// chosenFrom names what was chosen from.
func (a *app) chosenFrom(push job.Push) string {
	if a.allTheThings != "" {
		return a.allTheThings
	}
	return push.String()
}

// printGraph writes a graph as graphs.json has it.
func (a *app) printGraph(g trychooser.Graph) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	return enc.Encode(g)
}

// printChosen prints what was chosen, and what was not understood.
func (a *app) printChosen(chosen trychooser.Chosen, where string, c chooserFlags) error {
	if a.json && !c.config {
		out := trychooser.Chosen{
			Labels: append([]string{}, chosen.Labels...), NotUnderstood: append([]string{}, chosen.NotUnderstood...),
		}
		if err := a.printJSON(out); err != nil {
			return err
		}
	}
	if len(chosen.Labels) == 0 {
		return job.Wrap("trychooser", where, fmt.Errorf("%w: no label is chosen; to see what can run: "+
			"mozci trychooser --json", job.ErrNotFound))
	}
	switch {
	case c.config:
		return a.printConfig(chosen.Labels, c)
	case !a.json:
		for _, l := range chosen.Labels {
			a.printf("%s\n", l)
		}
	}
	return nil
}

// misunderstood says what of a choice was not understood, or is not applied.
func (a *app) misunderstood(choice trychooser.Choice, chosen trychooser.Chosen) {
	a.rebuilds(choice)
	for _, what := range chosen.NotUnderstood {
		a.warnf("note: not understood: %s\n", what)
	}
}

// printConfig prints try_task_config.json, with mach try's name for the way to choose.
func (a *app) printConfig(labels []string, c chooserFlags) error {
	selector := trychooser.SelectorFuzzy
	if c.flags.Changed("try-syntax") {
		selector = trychooser.SelectorSyntax
	}
	text, err := trychooser.TryTaskConfig(labels, selector)
	if err != nil {
		return err
	}
	_, err = a.out.Write(text)
	return err
}
