package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

type culpritFlags struct {
	actFlags
	askedFlags
	label, rev, test, plot                 string
	manifests, signatures                  []string
	confidence, nothing                    float64
	maxRuns, maxRevisions, history, extend int
	batch                                  string
	told                                   bool // the first lines of the search are on the screen
	newer                                  int
	permanent, explain, anyFailure, perf   bool
}

func (a *app) culpritCommand() *cobra.Command {
	var c culpritFlags
	cmd := &cobra.Command{
		Use:   "culprit [LINK]",
		Short: "Find the push that broke a job, even a flaky one",
		Long: `Find the push that broke a job, even a flaky one.

mozci counts the runs that exist as evidence, triggers the most informative next
runs, waits for them, and goes on until it is as sure as --confidence says. It
names a push only after a failure there and a pass on the push before. Only
failures like the one on --rev count.

First mozci says how many runs and rounds it expects, and how long they take. It
refuses a search that needs more than --max-runs. You can stop it at any time;
the same command goes on where it stopped. Without --yes it triggers nothing.`,
		Example: `  mozci culprit --world testdata/worlds/intermittent.txt \
      --label linux64/opt/mochitest-2 --rev tip --yes
  mozci culprit --world testdata/worlds/perf.txt --label linux64/opt/talos-tp5o \
      --rev tip --perf --yes
  mozci culprit 'https://treeherder.mozilla.org/jobs?repo=autoland&selectedTaskRun=…' --yes`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.culprit(cmd, c) }),
	}
	f := cmd.Flags()
	f.StringVar(&c.label, "label", "", "the `label` of the broken job")
	f.StringVar(&c.rev, "rev", "", "a `revision` where the job failed: 12 to 40 digits of hg or git, or tip")
	f.StringVar(&c.test, "test", "", "go by this `test` in the logs, not by the whole job")
	f.StringArrayVar(&c.manifests, "manifest", nil,
		"the test `manifest` with the failure; can be repeated")
	f.StringArrayVar(&c.signatures, "signature", nil, "count only failures with this `fingerprint`, which "+
		"mozci failures --json prints; can be repeated (default: what failed on --rev)")
	f.BoolVar(&c.anyFailure, "any-failure", false, "count every failure of the job, whatever failed in it")
	f.Float64Var(&c.confidence, "confidence", 0.95, "how sure to be before naming a push, a `probability` from "+
		"0.5 to less than 1")
	f.Float64Var(&c.nothing, "flakes", 0.4, "the `probability`, before any evidence, that no push broke it; use "+
		"0.1 where "+
		"alarms are rarely flakes")
	f.IntVar(&c.maxRuns, "max-runs", 100, "maximum `number` of runs; -1 is no limit")
	f.StringVar(&c.batch, "batch", "4", "the `number` of runs in a round, or auto: as many as a round is worth")
	f.IntVar(&c.maxRevisions, "max-revisions", 50, "the `number` of pushes up to --rev to suspect at first")
	f.IntVar(&c.history, "history", 50, "the `number` of pushes before those that show how flaky the job is; -1 "+
		"is none")
	f.IntVar(&c.newer, "newer", 40, "the `number` of pushes after --rev that show how often it fails; -1 is none")
	f.IntVar(&c.extend, "extend", 2, "how many `times` to double the range when the culprit is older; -1 is never")
	f.BoolVar(&c.permanent, "permanent", false, "a broken push always fails, as with compilers")
	f.BoolVar(&c.explain, "explain", false, "show all evidence, and why each run was chosen")
	f.StringVar(&c.plot, "plot", "", "draw the results by push and the probabilities into this SVG `file`")
	c.askedFlags.add(f)
	c.addPerf(f)
	c.actFlags.add(cmd)
	return cmd
}

// options are what the flags say of a search.
func (c culpritFlags) options(ctx context.Context, a *app, p *places, book ledger.Ledger) *backfill.SearchOptions {
	o := &backfill.SearchOptions{
		Confidence: c.confidence, MaxRuns: c.maxRuns, MaxRevisions: c.maxRevisions, History: c.history,
		Extend: c.extend, Permanent: c.permanent, PriorNothing: c.nothing, Test: c.test, Manifests: c.manifests,
		Newer: c.newer, Signatures: c.signatures, AnyFailure: c.anyFailure, Status: p.judge,
		Ledger: book, Who: who(), Width: a.parallel, Logger: a.log,
		Budgets: trigger.Budgets{LabelDay: unlimited()}, Perf: c.perf,
		Approve: func(forecast float64, most int) bool {
			f := c.actFlags
			f.yes = false // the budget was said: only a person may change it
			return a.wantedTo(ctx, f, fmt.Sprintf(
				"About %.0f runs are expected, more than %d. Begin, and stop at %d?", math.Ceil(forecast), most, most))
		},
	}
	o.Batch, o.RoundCost, _ = c.round() // checked before
	if c.test != "" {
		o.Judge = a.judge(p, c.test)
	}
	c.ask(o, p)
	return o
}

// What --batch auto stands for: a round of up to 8 runs, that costs as much as 4 runs.
const (
	autoBatch     = 8
	autoRoundCost = 4
)

// round is how many runs are asked for at a time, and what a round costs.
func (c culpritFlags) round() (batch int, cost float64, err error) {
	if c.batch == "auto" {
		return autoBatch, autoRoundCost, nil
	}
	n, err := strconv.Atoi(c.batch)
	if err != nil || n < 1 {
		return 0, 0, usage("--batch %s: expected a number of 1 or more, or auto", c.batch)
	}
	return n, 0, nil
}

// checked refuses flags that make no sense, and completes the others.
func (c *culpritFlags) checked(cmd *cobra.Command) error {
	if err := c.contradictions(); err != nil {
		return err
	}
	if _, _, err := c.round(); err != nil {
		return err
	}
	if c.nothing == 0 {
		c.nothing = -1
	}
	return errors.Join(
		c.actFlags.check(), c.askedFlags.check(cmd.Flags().Changed), c.checkPerf(cmd.Flags()))
}

// contradictions are flags that say differently which failures count.
func (c culpritFlags) contradictions() error {
	switch {
	case len(c.signatures) > 0 && c.test != "":
		return usage("--signature and --test both say which failures count: give one of them")
	case len(c.signatures) > 0 && c.anyFailure:
		return usage("--any-failure counts every failure, and --signature only some: give one of them")
	case c.test != "" && c.anyFailure:
		return usage("--any-failure counts every failure, and --test only those of a test: give one of them")
	case slices.ContainsFunc(c.signatures, func(s string) bool { return strings.TrimSpace(s) == "" }):
		return usage("--signature is empty: expected a fingerprint, as mozci failures --json prints it")
	}
	return nil
}

func (a *app) culprit(cmd *cobra.Command, c culpritFlags) error {
	if c.label == "" || c.rev == "" {
		return usage("culprit needs --label and --rev")
	}
	if c.plot != "" && !strings.HasSuffix(c.plot, ".svg") {
		return usage("--plot %s: expected a name that ends in .svg", c.plot)
	}
	if err := c.checked(cmd); err != nil {
		return err
	}
	p, book, err := a.acting(cmd.Context())
	if err != nil {
		return err
	}
	o := c.options(cmd.Context(), a, p, book)
	if p.act != p.read {
		return usage("culprit reads and asks the same CI: leave --trigger-ci out")
	}
	if !c.yes {
		o.DryRun = true
		first, err := backfill.Search(cmd.Context(), p.repo, p.read, c.label, c.rev, o)
		if err != nil && len(first.Pushes) == 0 {
			return err
		}
		if done, err := a.lookedAt(cmd.Context(), first, c, err); done {
			return err
		}
		o.DryRun = false
	}
	watched := a.searching(c)
	if !a.json {
		o.Observe = watched.saw
	}
	a.heard = func(m *taskcluster.Message) bool {
		return m.Label() == "" || m.Label() == c.label || m.Tags["kind"] == "build"
	}
	ci, stop, err := a.listening(cmd.Context(), p.read)
	if err != nil {
		return err
	}
	defer stop()
	found, err := backfill.Search(cmd.Context(), p.repo, ci, c.label, c.rev, o)
	watched.end()
	c.told = watched.repo != ""
	switch {
	case errors.Is(err, backfill.ErrOverBudget):
		return errors.Join(err, a.printSearch(cmd.Context(), found, c, true))
	case err == nil:
		err = a.printSearch(cmd.Context(), found, c, false)
	case len(found.Pushes) > 0:
		_ = a.printSearch(cmd.Context(), found, c, false)
	}
	if c.plot != "" && len(found.Pushes) > 0 {
		err = errors.Join(err, plotTo(c.plot, found))
	}
	return err
}

// lookedAt shows what a dry run found, and reports whether that is all: unless a person
// wants the search itself. A report is printed once, when nothing more follows it.
func (a *app) lookedAt(ctx context.Context, first backfill.SearchResult, c culpritFlags, err error) (bool, error) {
	asks := err == nil && !settled(first) && !c.dryRun && a.canAsk()
	if asks && a.reports() {
		a.printSearchText(ctx, first, c, true) // on standard error, for the question
	} else {
		err = errors.Join(err, a.printSearch(ctx, first, c, true))
	}
	if asks && a.wantedTo(ctx, c.actFlags, fmt.Sprintf("Trigger %s?", outlook(forecastOf(first)))) {
		return false, nil
	}
	if asks && a.reports() {
		err = a.printSearch(ctx, first, c, true)
	}
	return true, err
}

func unlimited() *int {
	n := -1
	return &n
}

type rateJSON struct {
	Rate     *float64 `json:"rate"`
	Failures int      `json:"failures"`
	Runs     int      `json:"runs"`
	Low      float64  `json:"low"`
	High     float64  `json:"high"`
}

type credibleJSON struct {
	Push        job.PushRef `json:"push"`
	Probability float64     `json:"probability"`
}

type culpritJSON struct {
	Outcome     culprit.Outcome `json:"outcome"`
	Culprit     *job.PushRef    `json:"culprit"`
	Class       []job.PushRef   `json:"class"`
	Probability float64         `json:"probability"`
	Credible    []credibleJSON  `json:"credible"`
	FailRate    struct {
		Before *float64 `json:"before"`
		After  *float64 `json:"after"`
	} `json:"fail_rate"`
	Before     rateJSON        `json:"before"`
	After      rateJSON        `json:"after"`
	Runs       int             `json:"runs"`
	Rounds     int             `json:"rounds"`
	Forecast   float64         `json:"forecast"`
	Expected   expectedJSON    `json:"expected"`
	Why        string          `json:"why"`
	Signatures []string        `json:"signatures"`
	Warnings   []string        `json:"warnings"`
	Plan       *trigger.Plan   `json:"plan,omitempty"`
	Value      *valueJSON      `json:"value,omitempty"` // these two with --perf alone
	Change     *perfChangeJSON `json:"change,omitempty"`

	culpritAsked
}

func rateOf(r analysis.Rate) (out rateJSON) {
	out = rateJSON{Failures: r.Failures, Runs: r.Runs, Low: r.Low, High: r.High}
	if r.Runs > 0 {
		out.Rate = &r.Rate
	}
	return out
}

// printSearch prints what was found, and says by the exit status whether it is
// an answer.
func (a *app) printSearch(
	ctx context.Context, r backfill.SearchResult, c culpritFlags, planned bool,
) error {
	var err error
	switch {
	case a.reports():
		a.printReport(a.culpritReport(ctx, r, c, planned))
	case a.json:
		err = a.printSearchJSON(r, planned)
	default:
		a.printSearchText(ctx, r, c, planned)
	}
	if err == nil && !planned && len(r.Class) == 0 && r.Outcome != culprit.NotARegression {
		err = errNotEnough
	}
	return err
}

func (a *app) printSearchJSON(r backfill.SearchResult, planned bool) error {
	asked := askedOf(r)
	r = rooted(r)
	out := culpritJSON{
		Outcome: toldOutcome(r.Outcome), Probability: r.Probability, Credible: []credibleJSON{}, Class: []job.PushRef{},
		Signatures: []string{},
		Before:     rateOf(r.Before), After: rateOf(r.After),
		Runs: r.Runs, Rounds: r.Rounds, Forecast: r.Forecast.Runs, Expected: expectedOf(r.Forecast), Why: r.Why,
		Warnings: append([]string{}, r.Warnings...), culpritAsked: asked,
	}
	out.measuredJSON(r)
	if r.Culprit != nil {
		ref := r.Culprit.Ref()
		out.Culprit = &ref
	}
	for _, p := range r.Class {
		out.Class = append(out.Class, p.Ref())
	}
	for _, s := range r.Signatures {
		out.Signatures = append(out.Signatures, s.Print)
	}
	for _, t := range r.Credible {
		out.Credible = append(out.Credible, credibleJSON{t.Push.Ref(), t.Probability})
	}
	out.FailRate.Before, out.FailRate.After = out.Before.Rate, out.After.Rate
	if planned {
		out.Plan = &r.Plan
	}
	return a.printJSON(out)
}
