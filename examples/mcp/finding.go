package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// addFinding adds the tools that judge and plan.
func (s *service) addFinding(out *mcp.Server) {
	add(out, tool{
		"find_last_good", "Find the last good push",
		"Walk back from a push on which a label failed to the last one on which it was good, and plan the runs that " +
			"are missing between them. It triggers nothing.", reads(),
	}, s.findLastGood)
	add(out, tool{
		"find_culprit", "Say which push is probably the culprit",
		"Say how probable it is, by what ran already, that each push broke a label, also for one that fails only " +
			"sometimes; how many more runs are expected until one push is certain; and plan the next runs. It " +
			"triggers nothing. After those runs have ended, call it again. It can take minutes.", reads(),
	}, s.findCulprit)
	add(out, tool{
		"estimate_frequency", "Estimate how often it fails",
		"Estimate how often a label, or one test of it, fails over the latest pushes, or from failures and runs that " +
			"you counted; and how many runs reproduce the failure or rule it out.", reads(),
	}, s.estimateFrequency)
	add(out, tool{
		"plan_runs", "Plan runs of a label",
		"Plan as many runs as are missing so that each push of a range has a number of runs of a label. It triggers " +
			"nothing.", reads(),
	}, s.planRuns)
}

// judging is the judge of a test, or of the job where none is named.
func (s subject) judging(test name) analysis.Judge {
	if test == "" {
		return s.judge
	}
	return joblog.TestJudge(s.ci, string(test), nil)
}

type lastGoodIn struct {
	about
	Pushes lookback `json:"max_pushes,omitempty" jsonschema:"how many earlier pushes to check"`
	Times  times    `json:"times,omitempty" jsonschema:"how many runs each push without a result is to have in all"`
	Test   name     `json:"test,omitempty" jsonschema:"ask about this test and not about the whole job; its logs tell"`
}

type lastGoodOut struct {
	Label     string      `json:"label"`
	Start     pushName    `json:"start"`
	LastGood  *pushName   `json:"last_good,omitempty" jsonschema:"left out when no good push was found"`
	FirstBad  *pushName   `json:"first_bad,omitempty"`
	NeverGood bool        `json:"never_good" jsonschema:"true when there is no good push among those that were checked"`
	Born      *pushName   `json:"born,omitempty" jsonschema:"the first push that has the label or the test, where older ones do not"`
	Suspects  []pushName  `json:"suspects" jsonschema:"the pushes that can have broken it, oldest first"`
	Several   counted     `json:"suspects_count"`
	Flaky     bool        `json:"flaky" jsonschema:"true when it passed and failed without a change: one pass is then weak evidence, and find_culprit is better"`
	Chance    float64     `json:"chance,omitempty" jsonschema:"of a flaky label: how probable it is that the last good push is bad all the same"`
	Warnings  []untrusted `json:"warnings"`
	Problems  []untrusted `json:"problems,omitempty" jsonschema:"what could not be read"`
	History   []sighting  `json:"history" jsonschema:"what was found on each push, newest first"`
	Seen      counted     `json:"history_count"`
	Plan      planShape   `json:"plan" jsonschema:"the missing runs; empty when something could not be read"`
}

type sighting struct {
	Push    pushName `json:"push"`
	Label   string   `json:"label"`
	Verdict string   `json:"verdict"`
	Good    int      `json:"passed"`
	Bad     int      `json:"failed"`
}

func (s *service) findLastGood(ctx context.Context, in lastGoodIn) (lastGoodOut, error) {
	of, err := s.ofLabel(ctx, in.about)
	if err != nil {
		return lastGoodOut{}, err
	}
	r, err := backfill.Find(ctx, of.repo, of.ci, of.label, of.revision, &backfill.FindOptions{
		MaxRevisions: int(in.Pushes), Times: int(in.Times), Judge: of.judging(in.Test), Test: string(in.Test),
		Ledger: s.ledger, Budgets: s.budgets(), Logger: s.log,
	})
	if err != nil && (ctx.Err() != nil || len(r.History) < 2) {
		return lastGoodOut{}, err
	}
	out := lastGoodOut{
		Label: named(r.Label), Start: nameOf(r.Start), LastGood: nameOrNone(r.LastGood),
		FirstBad: nameOrNone(r.FirstBad), NeverGood: r.NeverGood, Born: nameOrNone(r.Born), Flaky: r.Flaky,
		Chance: r.Chance, Warnings: allQuoted(r.Warnings),
	}
	out.Plan, out.Problems = s.unlessBroken(of, r.Plan, err)
	out.Suspects, out.Several = bounded(r.Suspects(), nameOf)
	out.History, out.Seen = bounded(r.History, func(g backfill.Sighting) sighting {
		return sighting{nameOf(g.Push), named(g.Label), g.Verdict.String(), g.Runs.Good, g.Runs.Bad}
	})
	return out, nil
}

// unlessBroken is the plan of an answer, and its problems. Where something could not be
// read nothing is planned: what is missing is not known.
func (s *service) unlessBroken(of subject, plan trigger.Plan, err error) (planShape, []untrusted) {
	if err != nil {
		return s.keep(of.repo.Name(), trigger.Plan{}), problems(err)
	}
	return s.keep(of.repo.Name(), plan), nil
}

type culpritIn struct {
	about
	Pushes     lookback   `json:"max_pushes,omitempty" jsonschema:"how many earlier pushes can be the culprit"`
	Test       name       `json:"test,omitempty" jsonschema:"ask about this test and not about the whole job; its logs tell"`
	Good       revision   `json:"good,omitempty" jsonschema:"a revision that is known to be good: nothing older is suspected"`
	Confidence confidence `json:"confidence,omitempty" jsonschema:"the probability at which a push is named"`
}

type culpritOut struct {
	Label       string      `json:"label"`
	Outcome     string      `json:"outcome" jsonschema:"culprit when it is known; undecided when more runs are needed; or why there is none"`
	Culprit     *pushName   `json:"culprit,omitempty"`
	Probability float64     `json:"probability" jsonschema:"of the outcome or, while it is undecided, of the most probable answer"`
	Credible    []credible  `json:"credible" jsonschema:"the fewest pushes that have the culprit with the confidence, most probable first"`
	Several     counted     `json:"credible_count"`
	Before      rateOut     `json:"before" jsonschema:"how often it failed before the most probable culprit"`
	After       rateOut     `json:"after" jsonschema:"and since"`
	Runs        float64     `json:"expected_runs" jsonschema:"how many more runs are expected to be needed"`
	Rounds      float64     `json:"expected_rounds"`
	Shortest    string      `json:"expected_at_least,omitempty" jsonschema:"how long those rounds take if runs are quick"`
	Longest     string      `json:"expected_at_most,omitempty"`
	Why         *untrusted  `json:"why,omitempty"`
	Signatures  []untrusted `json:"signatures" jsonschema:"the failures that count, where not every one does"`
	Warnings    []untrusted `json:"warnings"`
	Problems    []untrusted `json:"problems,omitempty" jsonschema:"what could not be read"`
	Plan        planShape   `json:"plan" jsonschema:"the runs that tell most; empty when something could not be read"`
}

type credible struct {
	Push        pushName `json:"push"`
	Probability float64  `json:"probability"`
	Passed      int      `json:"passed"`
	Failed      int      `json:"failed"`
}

func (s *service) findCulprit(ctx context.Context, in culpritIn) (culpritOut, error) {
	of, err := s.ofLabel(ctx, in.about)
	if err != nil {
		return culpritOut{}, err
	}
	o := &backfill.SearchOptions{
		MaxRevisions: int(in.Pushes), Test: string(in.Test), Good: string(in.Good), Confidence: float64(in.Confidence),
		Status: of.judge, Ledger: s.ledger, Who: s.who, Budgets: s.budgets(), DryRun: true, Logger: s.log,
	}
	if in.Test != "" {
		o.Judge = of.judging(in.Test)
	}
	r, err := backfill.Search(ctx, of.repo, of.ci, of.label, of.revision, o)
	if err != nil && (ctx.Err() != nil || len(r.Pushes) == 0) {
		return culpritOut{}, err
	}
	out := culpritOut{
		Label: named(r.Label), Outcome: string(r.Outcome), Culprit: nameOrNone(r.Culprit), Probability: r.Probability,
		Before: shownRate(r.Before), After: shownRate(r.After), Runs: r.Forecast.Runs, Rounds: r.Forecast.Rounds,
		Shortest: lasting(r.Forecast.Shortest), Longest: lasting(r.Forecast.Longest), Why: quoted(r.Why),
		Warnings: allQuoted(r.Warnings),
	}
	out.Plan, out.Problems = s.unlessBroken(of, r.Plan, err)
	var prints []string
	for _, g := range r.Signatures {
		prints = append(prints, g.Print)
	}
	out.Signatures = allQuoted(prints)
	out.Credible, out.Several = bounded(r.Credible, func(t backfill.Tested) credible {
		return credible{nameOf(t.Push), t.Probability, t.Passed, t.Failed}
	})
	return out, nil
}

// lasting is a duration to the minute; empty for one that is not known.
func lasting(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.Round(time.Minute).String()
}

type frequencyIn struct {
	about
	Pushes     lookback   `json:"max_pushes,omitempty" jsonschema:"over how many pushes, up to the one that is named"`
	Test       name       `json:"test,omitempty" jsonschema:"ask about this test and not about the whole job; its logs tell"`
	Failures   tally      `json:"failures,omitempty" jsonschema:"failures that you counted, with runs; then nothing is asked of a service"`
	Runs       tally      `json:"runs,omitempty" jsonschema:"in how many runs you counted them"`
	Confidence confidence `json:"confidence,omitempty" jsonschema:"of the interval and of the numbers of runs"`
}

type rateOut struct {
	Failures int      `json:"failures"`
	Runs     int      `json:"runs"`
	Rate     *float64 `json:"rate,omitempty" jsonschema:"left out without runs"`
	Low      float64  `json:"low" jsonschema:"the lower end of the interval"`
	High     float64  `json:"high"`
}

func shownRate(r analysis.Rate) rateOut {
	out := rateOut{Failures: r.Failures, Runs: r.Runs, Low: r.Low, High: r.High}
	if r.Runs > 0 {
		out.Rate = &r.Rate
	}
	return out
}

type frequencyOut struct {
	rateOut
	Reproduce *int        `json:"runs_to_reproduce,omitempty" jsonschema:"how many runs show the failure at least once with the confidence; left out when it was never seen"`
	RuleOut   *int        `json:"runs_to_rule_out,omitempty" jsonschema:"how many passes in a row rule it out"`
	Changed   *changeOut  `json:"change,omitempty" jsonschema:"where the rate changed, if it probably did"`
	Warnings  []untrusted `json:"warnings"`
}

type changeOut struct {
	After       int     `json:"after_runs"`
	Before      float64 `json:"rate_before"`
	Since       float64 `json:"rate_since"`
	Probability float64 `json:"probability"`
}

func (s *service) estimateFrequency(ctx context.Context, in frequencyIn) (frequencyOut, error) {
	var o analysis.Overview
	var err error
	if in.Runs > 0 || in.Failures > 0 {
		if in.about != (about{}) {
			return frequencyOut{}, refusal("failures and runs are what you counted: they go with no push and no label.")
		}
		o.Overall, err = analysis.Frequency(int(in.Failures), int(in.Runs), float64(in.Confidence), analysis.Wilson)
	} else {
		o, err = s.measured(ctx, in)
	}
	if err != nil {
		return frequencyOut{}, err
	}
	out := frequencyOut{rateOut: shownRate(o.Overall), Warnings: allQuoted(o.Overall.Warnings)}
	if n := o.Overall.ToReproduce(); !n.None {
		out.Reproduce, out.RuleOut = &n.Runs, &n.RuleOut
	}
	if c := o.Change; c != nil {
		out.Changed = &changeOut{c.At, c.Before, c.After, c.Probability}
	}
	return out, nil
}

// measured reads what ran.
func (s *service) measured(ctx context.Context, in frequencyIn) (o analysis.Overview, err error) {
	of, err := s.ofLabel(ctx, in.about)
	if err != nil {
		return o, err
	}
	pushes, err := span{Before: neighbours(in.Pushes) - 1}.pushes(ctx, of, false)
	if err != nil {
		return o, err
	}
	judge, history := of.judging(in.Test), analysis.NewHistory(of.ci, pushes)
	fetch := func(ctx context.Context, p job.Push, _ *slog.Logger) (analysis.Runs, error) {
		if !p.Testable() {
			return analysis.Runs{}, nil
		}
		jobs, err := history.Jobs(ctx, p, of.label)
		if err != nil {
			return analysis.Runs{}, err
		}
		return analysis.OfRuns(ctx, analysis.OfLabel(jobs, of.label), judge)
	}
	var samples []analysis.Sample
	var errs []error
	for r := range analysis.Ordered(ctx, pushes, fetch, &analysis.OrderedOptions{Logger: s.log}) {
		errs = append(errs, r.Err)
		samples = append(samples, analysis.Sample{
			Push: r.Push, Label: of.label, Failures: r.Value.Bad, Passes: r.Value.Good,
		})
	}
	if err := errors.Join(errs...); err != nil {
		return o, err
	}
	return analysis.OverviewOf(samples, float64(in.Confidence), analysis.Wilson)
}
