package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The forms of what a command prints. A table is the default; markdown and bugzilla are
// reports, see document.
const (
	outputTable    = "table"
	outputJSON     = "json"
	outputMarkdown = "markdown"
	outputBugzilla = "bugzilla"
)

// outputs are all forms.
var outputs = []string{outputTable, outputJSON, outputMarkdown, outputBugzilla}

// reported are the commands that have a report.
var reported = []string{"backfill", "culprit", "failures", "frequency"}

// outputChoice is what --output and --json say together. It is one value that both
// flags set: the errors of the flags that follow are then in the form that was wanted.
type outputChoice struct {
	a      *app
	given  string // by --output
	asJSON *bool  // by --json
}

// outputFlag is --output.
type outputFlag struct{ *outputChoice }

func (f outputFlag) String() string {
	if f.outputChoice == nil || f.given == "" {
		return outputTable
	}
	return f.given
}

func (outputFlag) Type() string { return "form" }

func (f outputFlag) Set(text string) error {
	if !slices.Contains(outputs, text) {
		return usage("expected %s", oneOf(outputs))
	}
	f.given = text
	f.a.json = text == outputJSON || f.asJSON != nil && *f.asJSON
	return nil
}

// jsonFlag is --json.
type jsonFlag struct{ *outputChoice }

func (f jsonFlag) String() string {
	return strconv.FormatBool(f.outputChoice != nil && f.asJSON != nil && *f.asJSON)
}

func (jsonFlag) Type() string { return "bool" }

func (f jsonFlag) Set(text string) error {
	v, err := strconv.ParseBool(text)
	if err != nil {
		return err
	}
	f.asJSON = &v
	f.a.json = v || f.given == outputJSON
	return nil
}

// addOutput adds the flags that say in which form results are printed.
func (a *app) addOutput(f *pflag.FlagSet) {
	a.output = &outputChoice{a: a}
	f.Var(jsonFlag{a.output}, "json", "the same as --output json: one object, or one on each line")
	f.Lookup("json").NoOptDefVal = "true"
	f.Var(outputFlag{a.output}, "output", "the `form` of the results: table or json; "+oneOf(reported)+
		" also print a report to paste, as markdown or bugzilla")
}

// startOutput checks the form for a command. Of a command that prints a report, all else
// that it says goes to standard error.
func (a *app) startOutput(cmd *cobra.Command) error {
	form := a.output.given
	if j := a.output.asJSON; j != nil && form != "" && *j != (form == outputJSON) {
		flag := "--json"
		if !*j {
			flag = "--json=false"
		}
		return usage("%s and --output %s contradict each other: give one of them", flag, form)
	}
	if form != outputMarkdown && form != outputBugzilla {
		return nil
	}
	if !slices.Contains(reported, cmd.Name()) {
		return usage("--output %s: %s prints a table or JSON; reports are printed by %s", form, cmd.CommandPath(),
			oneAnd(reported))
	}
	a.reportTo, a.out = a.out, a.err
	return nil
}

// reports says whether standard output is a report.
func (a *app) reports() bool { return a.reportTo != nil }

// quiet says that no table is wanted: results are JSON, or a report and there is no
// question to ask before it.
func (a *app) quiet(f actFlags) bool {
	return a.json || a.reports() && (f.yes || f.dryRun || !a.canAsk())
}

// printReport writes the report in the form that was chosen.
func (a *app) printReport(d document) {
	a.busy.stop()
	for l := range strings.Lines(d.render(dialects[a.output.given])) {
		say(a.reportTo, "%s\n", strings.TrimSuffix(l, "\n"))
	}
}
