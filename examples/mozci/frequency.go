package main

import (
	"context"
	"errors"
	"log/slog"

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
		Short: "How often it fails, and how many runs that means",
		Long: `How often a label, or one test of it, fails: over the last pushes, or as counted.
How many runs show it again with the confidence, and how many passes rule it out.`,
		Example: `  mozci frequency --failures 3 --runs 6
  mozci frequency --label test-linux1804-64-qr/opt-xpcshell-1 --rev tip --last 50`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.frequency(cmd, q) }),
	}
	f := cmd.Flags()
	f.StringVar(&q.label, "label", "", "the `label`")
	f.StringVar(&q.rev, "rev", "tip", "the newest push, by `revision`")
	f.IntVar(&q.last, "last", 50, "so many pushes up to --rev")
	f.StringVar(&q.test, "test", "", "how often this `test` fails, and not the job: its logs tell")
	f.IntVar(&q.failures, "failures", 0, "so many failures were counted, of --runs")
	f.IntVar(&q.runs, "runs", 0, "so many runs were counted")
	f.Float64Var(&q.confidence, "confidence", 0.95, "of the interval and of the numbers of runs, 0 to 1")
	f.StringVar(&q.method, "method", string(analysis.Wilson),
		"of the interval, by `name`: wilson, clopper-pearson or jeffreys")
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
		return usage("--failures and --runs say what was counted: they go with no --label")
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
	if err := a.printFrequency(o, q.label); err != nil {
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
	return analysis.OverviewOf(samples, q.confidence, analysis.Method(q.method))
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
	if label != "" {
		for _, p := range o.ByPush {
			if p.Runs > 0 {
				a.printf("%s  %d of %d\n", pushName(p.Push), p.Failures, p.Runs)
			}
		}
		a.printf("\n")
	}
	a.printf("failed in %d of %s: %.1f %%, between %.1f and %.1f %% (%s, %v)\n", r.Failures, runs(r.Runs), 100*r.Rate,
		100*r.Low, 100*r.High, r.Method, r.Confidence)
	if n.None {
		a.printf("it was never seen to fail: no number of runs can be named\n")
	} else {
		a.printf("to see it again with probability %v: %s (%d at best, %d at worst)\n", r.Confidence, runs(n.Runs),
			n.Optimistic, n.Pessimistic)
		a.printf("to rule it out with probability %v: %d passes in a row\n", r.Confidence, n.RuleOut)
	}
	for _, w := range r.Warnings {
		a.printf("warning: %s\n", w)
	}
	return nil
}
