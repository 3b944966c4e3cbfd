package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

type frequencyFlags struct {
	label, rev, test, method string
	last, failures, runs     int
	confidence               float64
}

func (a *app) frequencyCommand() *cobra.Command {
	var q frequencyFlags
	cmd := &cobra.Command{
		Use:   "frequency [LINK]",
		Short: "Estimate how often a job or test fails, and how many runs it takes to reproduce it",
		Long: `Estimate how often a job, or one test in it, fails over the last pushes, or from
counts of your own. mozci also says how many runs show the failure again, and how
many passes in a row rule it out.`,
		Example: `  mozci frequency --failures 3 --runs 6
  mozci frequency --world testdata/worlds/intermittent.txt \
      --label linux64/opt/mochitest-2 --rev tip --last 15
  mozci frequency 'https://treeherder.mozilla.org/jobs?repo=autoland&selectedTaskRun=…'`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.frequency(cmd, q) }),
	}
	f := cmd.Flags()
	f.StringVar(&q.label, "label", "", "the `label` of the job")
	f.StringVar(&q.rev, "rev", "tip", "the newest push to count, by its `revision`")
	f.IntVar(&q.last, "last", 50, "the `number` of pushes to count, up to --rev")
	f.StringVar(&q.test, "test", "", "go by this `test` in the logs, not by the whole job")
	f.IntVar(&q.failures, "failures", 0, "the `number` of failures that you counted, of --runs")
	f.IntVar(&q.runs, "runs", 0, "the `number` of runs that you counted")
	f.Float64Var(&q.confidence, "confidence", 0.95, "how sure the answers should be, a `probability` between 0 and 1")
	f.StringVar(&q.method, "method", string(analysis.Wilson),
		"the `name` of the interval: wilson, clopper-pearson or jeffreys")
	return cmd
}

type frequencyJSON struct {
	Failures    int             `json:"failures"`
	Runs        int             `json:"runs"`
	Rate        *float64        `json:"rate"`
	Low         float64         `json:"low"`
	High        float64         `json:"high"`
	Confidence  float64         `json:"confidence"`
	Method      analysis.Method `json:"method"`
	Reproduce   *int            `json:"runs_to_reproduce"`
	Optimistic  *int            `json:"runs_to_reproduce_optimistic"`
	Pessimistic *int            `json:"runs_to_reproduce_pessimistic"`
	RuleOut     *int            `json:"runs_to_rule_out"`
	Warnings    []string        `json:"warnings"`
	Change      *changeJSON     `json:"change,omitempty"`
}

type changeJSON struct {
	After       int     `json:"after_runs"`
	Before      float64 `json:"rate_before"`
	Since       float64 `json:"rate_since"`
	Probability float64 `json:"probability"`
}

func (a *app) frequency(cmd *cobra.Command, q frequencyFlags) error {
	counted := cmd.Flags().Changed("failures") || cmd.Flags().Changed("runs")
	switch {
	case counted && q.label != "":
		return usage("--failures and --runs are counts of your own: leave out --label")
	case counted && (!cmd.Flags().Changed("failures") || !cmd.Flags().Changed("runs")):
		return usage("--failures and --runs go together")
	case !counted && q.label == "":
		return usage("frequency needs --label, or --failures and --runs")
	case !(q.confidence > 0 && q.confidence < 1):
		return usage("--confidence %v: expected more than 0 and less than 1", q.confidence)
	case q.last < 1:
		return usage("--last %d: expected 1 or more", q.last)
	}
	var o analysis.Overview
	var err error
	if counted {
		o.Overall, err = analysis.Frequency(q.failures, q.runs, q.confidence, analysis.Method(q.method))
	} else {
		o, err = a.measured(cmd, q)
	}
	if err != nil {
		return err
	}
	if a.reports() {
		a.printReport(a.frequencyReport(cmd.Context(), o, q))
	} else if err := a.printFrequency(o, q.label); err != nil {
		return err
	}
	if o.Overall.Runs == 0 {
		return errNotEnough
	}
	return nil
}

// measured reads what ran.
func (a *app) measured(cmd *cobra.Command, q frequencyFlags) (analysis.Overview, error) {
	p, err := a.places()
	if err != nil {
		return analysis.Overview{}, err
	}
	ctx := cmd.Context()
	if q.last > 1 {
		if err := job.Line(ctx, p.repo); err != nil {
			return analysis.Overview{}, err
		}
	}
	pushes, err := p.repo.Pushes(ctx, job.Around(q.rev, q.last-1, 0))
	if err != nil {
		return analysis.Overview{}, err
	}
	judge := a.judge(p, q.test)
	var samples []analysis.Sample
	var errs []error
	history := analysis.NewHistory(p.read, pushes)
	fetch := func(ctx context.Context, push job.Push, _ *slog.Logger) (analysis.Runs, error) {
		if !push.Testable() {
			return analysis.Runs{}, nil
		}
		jobs, err := history.Jobs(ctx, push, q.label)
		if err != nil {
			return analysis.Runs{}, err
		}
		return analysis.OfRuns(ctx, analysis.OfLabel(jobs, q.label), judge)
	}
	for r := range analysis.Ordered(ctx, pushes, fetch, &analysis.OrderedOptions{Width: a.parallel, Logger: a.log}) {
		errs = append(errs, r.Err)
		samples = append([]analysis.Sample{{Push: r.Push, Label: q.label, Failures: r.Value.Bad, Passes: r.Value.Good}},
			samples...)
	}
	if err := errors.Join(errs...); err != nil {
		return analysis.Overview{}, err
	}
	out, err := analysis.OverviewOf(samples, q.confidence, analysis.Method(q.method))
	if err == nil && out.Overall.Runs == 0 && len(pushes) > 0 {
		err = knownThere(ctx, p.act, pushes[len(pushes)-1], q.label)
	}
	return out, err
}

// knownThere is the error of a label that nothing on the push is called; nil where that
// cannot be told.
func knownThere(ctx context.Context, ci job.Scheduler, push job.Push, label string) error {
	entries, err := job.Catalog(ctx, ci, push, label)
	if err != nil || len(entries) == 0 {
		return nil //nolint:nilerr // without a catalog nothing is known of the label
	}
	_, err = job.Lookup(entries, label)
	return job.Wrap("frequency", label, err)
}

func (a *app) printFrequency(o analysis.Overview, label string) error {
	r := o.Overall
	n := r.ToReproduce()
	if a.json {
		out := frequencyJSON{
			Failures: r.Failures, Runs: r.Runs, Low: r.Low, High: r.High, Confidence: r.Confidence, Method: r.Method,
			Warnings: append([]string{}, r.Warnings...),
		}
		if r.Runs > 0 {
			out.Rate = &r.Rate
		}
		if !n.None {
			out.Reproduce, out.Optimistic, out.Pessimistic, out.RuleOut = &n.Runs, &n.Optimistic, &n.Pessimistic,
				&n.RuleOut
		}
		if c := o.Change; c != nil {
			out.Change = &changeJSON{c.At, c.Before, c.After, c.Probability}
		}
		return a.printJSON(out)
	}
	a.printFrequencyText(o, label)
	return nil
}

// printFrequencyText is the answer in a sentence, what follows from it, and the pushes.
func (a *app) printFrequencyText(o analysis.Overview, what string) {
	r := o.Overall
	if what == "" {
		what = "It"
	}
	if r.Runs == 0 {
		on := ""
		if n := len(o.ByPush); n > 0 {
			on = " on the last " + plural(n, "push")
		}
		a.paragraph("", strong, fmt.Sprintf("%s has no finished run%s: mozci cannot say how often it fails.", what, on))
	} else {
		a.paragraph("", strong, fmt.Sprintf("%s failed in %s: %s, between %s and %s.", what, ofRuns(r.Failures, r.Runs),
			percent(r.Rate), percent(r.Low), percent(r.High)))
	}
	if r.Runs > 0 {
		a.printf("\n")
		g := reproducing(r)
		g.write(a, a.out)
	}
	for _, w := range r.Warnings {
		a.note("%s", w)
	}
	t := grid{head: []string{"push", "failed"}}
	for _, p := range slices.Backward(o.ByPush) {
		symbol := passed
		if p.Failures > 0 {
			symbol = failed
		}
		if p.Runs > 0 {
			t.add(mark(symbol), cell{text: pushName(p.Push), url: a.pushPage(p.Push)},
				cell{text: fmt.Sprintf("%d of %d", p.Failures, p.Runs)})
		}
	}
	if len(t.rows) > 0 {
		a.printf("\n")
		t.write(a, a.out)
	}
}

// nameOfMethod are the names of those who the intervals are called after.
var nameOfMethod = map[analysis.Method]string{
	analysis.Wilson: "Wilson", analysis.ClopperPearson: "Clopper-Pearson", analysis.Jeffreys: "Jeffreys",
}

// reproducing says how many runs show a failure again, and how many rule it out.
func reproducing(r analysis.Rate) grid {
	g := grid{cut: map[int]bool{2: true}}
	if n := r.ToReproduce(); n.None {
		g.add(cell{}, cell{text: "to see it again"}, cell{text: "not known: it was never seen to fail"})
	} else {
		g.add(cell{}, cell{text: "to see it again"}, cell{text: fmt.Sprintf("%s (%d at best, %d at worst)",
			runs(n.Runs),
			n.Optimistic, n.Pessimistic)})
		g.add(cell{}, cell{text: "to rule it out"}, cell{text: plural(n.RuleOut, "pass") + " in a row"})
	}
	g.add(cell{}, cell{text: "confidence"}, cell{text: fmt.Sprintf("%s (%s interval)", percent(r.Confidence),
		nameOfMethod[r.Method])})
	return g
}
