package main

import (
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
	newer                                  int
	permanent, explain, anyFailure, perf   bool
}

func (a *app) culpritCommand() *cobra.Command {
	var c culpritFlags
	cmd := &cobra.Command{
		Use:   "culprit [LINK]",
		Short: "Search until the push that did it is known, also when the job is flaky",
		Long: `Search until the push that broke a label is known with the confidence, also when
it fails only now and then. What ran already is evidence; the runs that tell most
are asked for and waited for; the culprit is named after a failure on it and a
pass on its parent. Only failures like the one on --rev count. How many runs and
rounds it will take, and how long, is said first, and more runs than --max-runs
are refused. It can be stopped at any time: the same call goes on.`,
		Example: `  mozci culprit --label test-linux1804-64-qr/opt-xpcshell-1 --rev a062f26a3ad8 --confidence 0.95 --max-runs 60 --yes
  mozci culprit --world testdata/worlds/intermittent.txt --label linux64/opt/mochitest-2 --rev tip --explain
  mozci culprit --world testdata/worlds/perf.txt --label linux64/opt/talos-tp5o --rev tip --perf`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.culprit(cmd, c) }),
	}
	f := cmd.Flags()
	f.StringVar(&c.label, "label", "", "the `label` that is broken")
	f.StringVar(&c.rev, "rev", "", "a `revision` on which it failed: 12 to 40 digits, of hg or of git, or tip")
	f.StringVar(&c.test, "test", "", "which push broke this `test`, and not the job: its logs tell")
	f.StringArrayVar(&c.manifests, "manifest", nil,
		"the test `manifest` that the failure is in; may be given several times")
	f.StringArrayVar(&c.signatures, "signature", nil, "only a failure with this `fingerprint` counts, as mozci "+
		"failures --json prints it; may be given several times (default: what failed on --rev)")
	f.BoolVar(&c.anyFailure, "any-failure", false, "every failure of the job counts, whatever failed in it")
	f.Float64Var(&c.confidence, "confidence", 0.95, "the probability at which a push is named, 0.5 to less than 1")
	f.Float64Var(&c.nothing, "flakes", 0.4, "how likely it is that nothing broke it, before anything is known; 0.1 "+
		"where alarms are seldom flakes")
	f.IntVar(&c.maxRuns, "max-runs", 100, "at most so many runs; -1 is no limit")
	f.StringVar(&c.batch, "batch", "4", "a `number` of runs at a time; auto asks for as many as a round is worth")
	f.IntVar(&c.maxRevisions, "max-revisions", 50, "how many pushes before --rev can hold the culprit, at first")
	f.IntVar(&c.history, "history", 50, "how many pushes before those tell how flaky the label is; -1 is none")
	f.IntVar(&c.newer, "newer", 40, "how many pushes after --rev tell how often it fails; -1 is none")
	f.IntVar(&c.extend, "extend", 2, "how often the range may be doubled when the culprit is older; -1 is never")
	f.BoolVar(&c.permanent, "permanent", false, "a broken push fails always, as with compilers")
	f.BoolVar(&c.explain, "explain", false, "say why each run was chosen")
	f.StringVar(&c.plot, "plot", "", "draw the results by push and the probabilities into this SVG `file`")
	c.askedFlags.add(f)
	c.addPerf(f)
	c.actFlags.add(cmd)
	return cmd
}

// options are what the flags say of a search.
func (c culpritFlags) options(a *app, p *places, book ledger.Ledger) *backfill.SearchOptions {
	o := &backfill.SearchOptions{
		Confidence: c.confidence, MaxRuns: c.maxRuns, MaxRevisions: c.maxRevisions, History: c.history,
		Extend: c.extend, Permanent: c.permanent, PriorNothing: c.nothing, Test: c.test, Manifests: c.manifests,
		Newer: c.newer, Signatures: c.signatures, AnyFailure: c.anyFailure, Status: p.judge,
		Ledger: book, Who: who(), Width: a.parallel, Logger: a.log,
		Budgets: trigger.Budgets{LabelDay: unlimited()}, Perf: c.perf,
		Approve: func(forecast float64, most int) bool {
			f := c.actFlags
			f.yes = false // the budget was said: only a person may change it
			return a.wantedTo(f, fmt.Sprintf(
				"About %.0f runs are expected, more than %d. Begin, and stop at %d?", forecast, most, most))
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
	o := c.options(a, p, book)
	if p.act != p.read {
		return usage("culprit reads and asks the same CI: leave --trigger-ci out")
	}
	// A world has nothing to lose; elsewhere somebody must say yes.
	if !c.yes && a.world == "" || c.dryRun {
		o.DryRun = true
		first, err := backfill.Search(cmd.Context(), p.repo, p.read, c.label, c.rev, o)
		if err != nil && len(first.Pushes) == 0 {
			return err
		}
		if err != nil || c.dryRun || settled(first) ||
			!a.wantedTo(c.actFlags, fmt.Sprintf("Ask for %s?", outlook(forecastOf(first)))) {
			return errors.Join(err, a.printSearch(first, c, true))
		}
		o.DryRun = false
	}
	if !a.json {
		o.Observe = a.searching(c)
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
	switch {
	case errors.Is(err, backfill.ErrOverBudget):
		return errors.Join(err, a.printSearch(found, c, true))
	case err == nil:
		err = a.printSearch(found, c, false)
	case len(found.Pushes) > 0:
		_ = a.printSearch(found, c, false)
	}
	if c.plot != "" && len(found.Pushes) > 0 {
		err = errors.Join(err, plotTo(c.plot, found))
	}
	return err
}

func unlimited() *int {
	n := -1
	return &n
}

// searching prints what happens, as it does.
func (a *app) searching(c culpritFlags) func(backfill.Progress) {
	before, began := -1, false
	place := a.placeOfSearch()
	return func(p backfill.Progress) {
		place(p)
		if !began {
			a.printf("expected to take %s\n", outlook(p.Forecast))
			began = true
		}
		if p.Runs == before && !p.Decision.Done {
			return
		}
		before = p.Runs
		a.printf("%3d runs, %s  %s\n", p.Runs, rounds(p.Rounds), bars(p.Pushes))
		if c.explain {
			for _, x := range p.Decision.Next {
				t := p.Pushes[x]
				if c.perf {
					a.printf("          next %s: %d values so far; %s\n", pushName(t.Push), len(t.Values),
						p.Decision.Why)
					continue
				}
				a.printf("          next %s: failed %d of %d so far; %s\n", pushName(t.Push), t.Failed,
					t.Failed+t.Passed, p.Decision.Why)
			}
		}
	}
}

// bars draws probabilities, a character for each push; of many pushes, for
// several.
func bars(pushes []backfill.Tested) string {
	const most = 60
	levels := []rune(" ▁▂▃▄▅▆▇█")
	per := (len(pushes) + most - 1) / most
	var out strings.Builder
	for i := 0; i < len(pushes); i += per {
		p := 0.0
		for _, t := range pushes[i:min(i+per, len(pushes))] {
			p += t.Probability
		}
		level := 0
		if p >= 0.01 {
			level = min(int(math.Ceil(p*float64(len(levels)-1))), len(levels)-1)
		}
		out.WriteRune(levels[level])
	}
	return "[" + out.String() + "]"
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
func (a *app) printSearch(r backfill.SearchResult, c culpritFlags, planned bool) error {
	var err error
	if a.json {
		err = a.printSearchJSON(r, planned)
	} else {
		a.printSearchText(r, c, planned)
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

func (a *app) printSearchText(r backfill.SearchResult, c culpritFlags, planned bool) {
	if r.Value != nil {
		a.printValues(r)
		a.printSearchEnd(r, c, planned)
		return
	}
	table := a.table()
	say(table, "\npush\tfailed\tprobability\n")
	for i := len(r.Pushes) - 1; i >= 0; i-- {
		t := r.Pushes[i]
		if t.Failed+t.Passed == 0 && t.Probability < 0.005 && t.Untestable == "" {
			continue
		}
		note := ""
		if t.Untestable != "" {
			note = "cannot run: " + t.Untestable
		}
		say(table, "%s\t%d of %d\t%.3f", pushName(t.Push), t.Failed, t.Failed+t.Passed, t.Probability)
		cells(table, note)
	}
	_ = table.Flush()
	a.printSearchEnd(r, c, planned)
}

func (a *app) printSearchEnd(r backfill.SearchResult, c culpritFlags, planned bool) {
	a.printf("\n")
	if planned {
		a.printf("expected to take %s; the first:\n", outlook(r.Forecast))
		a.printPlan(r.Plan, c.label)
	} else {
		a.printf("%s\n", sentence(r, c))
	}
	only := "only this failure counts"
	if len(r.Signatures) > 1 {
		only = "this failure counts"
	}
	for _, s := range r.Signatures {
		a.printf("%s: %s\n", only, oneLine(job.Visible(s.Print)))
	}
	for _, w := range r.Warnings {
		a.printf("warning: %s\n", w)
	}
	a.printBehind(r, c, planned)
}

// sentence is what a sheriff can paste into a bug.
func sentence(r backfill.SearchResult, c culpritFlags) string {
	if r.Value != nil {
		return perfSentence(r, c.label)
	}
	what := c.label
	if c.test != "" {
		what = c.test + " in " + c.label
	}
	rates := fmt.Sprintf("it failed in %d of %s before it and in %d of %s since", r.Before.Failures,
		runs(r.Before.Runs), r.After.Failures, runs(r.After.Runs))
	bought := fmt.Sprintf("%s asked for, %s", runs(r.Runs), rounds(r.Rounds))
	if r.FindFix {
		return mendedSentence(r, what, bought)
	}
	switch r.Outcome {
	case culprit.Found:
		if len(r.Class) > 1 {
			return fmt.Sprintf("%s was broken by one of %d pushes up to %s, which cannot be told apart (probability "+
				"%.3f): %s (%s).", what, len(r.Class), pushName(r.Class[len(r.Class)-1]), r.Probability, rates, bought)
		}
		return fmt.Sprintf("%s was broken by push %s (probability %.3f): %s (%s).", what, pushName(*r.Culprit),
			r.Probability, rates, bought)
	case culprit.NotARegression:
		return fmt.Sprintf("%s was broken by none of these pushes (probability %.3f): it fails in %d of %s, before "+
			"and since (%s).", what, r.Probability, r.Before.Failures, runs(r.Before.Runs), bought)
	case culprit.Older:
		return fmt.Sprintf("%s was broken before these pushes (probability %.3f): look further back with "+
			"--max-revisions (%s).", what, r.Probability, bought)
	case culprit.OlderOrNothing:
		return fmt.Sprintf("%s was broken by none of these pushes: %s. Look further back with --max-revisions (%s).",
			what, r.Why, bought)
	case culprit.Infra:
		return fmt.Sprintf("%s: not known: %s (%s).", what, r.Why, bought)
	}
	return fmt.Sprintf("%s: not known: %s; the most probable answer has %.3f (%s).", what, r.Why, r.Probability, bought)
}
