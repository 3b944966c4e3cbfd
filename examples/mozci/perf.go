package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/backfill"
)

// addPerf adds the flag of searches over values.
func (c *culpritFlags) addPerf(f *pflag.FlagSet) {
	f.BoolVar(&c.perf, "perf", false, "search for the push that changed what a performance job measures; --test names "+
		"the value: a suite, or suite/test")
}

// checkPerf refuses flags that mean nothing for values, and leaves defaults to the search.
func (c *culpritFlags) checkPerf(f *pflag.FlagSet) error {
	if !c.perf {
		return nil
	}
	for _, name := range []string{"permanent", "plot", "signature", "any-failure", "find-fix", "follow-merges"} {
		if f.Changed(name) {
			return usage("--%s goes with failures, and not with --perf", name)
		}
	}
	if !f.Changed("flakes") {
		c.nothing = 0
	}
	if !f.Changed("history") {
		c.history = 0
	}
	if !f.Changed("newer") {
		c.newer = 0
	}
	return nil
}

// perfChangeJSON is what happened to a value.
type perfChangeJSON struct {
	Percent       float64 `json:"percent"`
	Before        float64 `json:"before"`
	After         float64 `json:"after"`
	LowerIsBetter bool    `json:"lower_is_better"`
}

// valueJSON is the value that was looked at.
type valueJSON struct {
	Name string  `json:"name"`
	Unit *string `json:"unit"`
}

// measuredJSON adds what a search over values says more.
func (out *culpritJSON) measuredJSON(r backfill.SearchResult) {
	if r.Value == nil {
		return
	}
	out.Value = &valueJSON{Name: r.Value.Name()}
	if r.Value.Unit != "" {
		out.Value.Unit = &r.Value.Unit
	}
	if c := r.Change; c != nil {
		out.Change = &perfChangeJSON{c.Percent, c.Before, c.After, c.LowerIsBetter}
	}
}

// printValues is the table of what was measured.
func (a *app) printValues(r backfill.SearchResult) {
	table := a.table()
	say(table, "\npush\tvalues\tmedian\tprobability\n")
	for i := len(r.Pushes) - 1; i >= 0; i-- {
		t := r.Pushes[i]
		if len(t.Values) == 0 && t.Probability < 0.005 && t.Untestable == "" {
			continue
		}
		note, middle := "", ""
		if t.Untestable != "" {
			note = "cannot run: " + t.Untestable
		}
		if len(t.Values) > 0 {
			middle = number(median(t.Values))
		}
		say(table, "%s\t%d\t%s\t%.3f", pushName(t.Push), len(t.Values), middle, t.Probability)
		cells(table, note)
	}
	_ = table.Flush()
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// number is a value as one reads it.
func number(v float64) string {
	if math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// perfSentence is what a sheriff can paste into a bug or an alert.
func perfSentence(r backfill.SearchResult, label string) string {
	what := label
	if name := r.Value.Name(); name != "" {
		what = name + " in " + label
	}
	bought := fmt.Sprintf("%s asked for, %s", runs(r.Runs), rounds(r.Rounds))
	unit := ""
	if r.Value.Unit != "" {
		unit = " " + r.Value.Unit
	}
	switch {
	case len(r.Class) > 0 && r.Change != nil:
		verb, better := "regressed", "higher"
		if r.Outcome == perf.Improvement {
			verb = "improved"
		}
		if r.Change.LowerIsBetter {
			better = "lower"
		}
		by := pushName(r.Class[len(r.Class)-1])
		if len(r.Class) > 1 {
			by = fmt.Sprintf("one of %d pushes up to %s, which cannot be told apart", len(r.Class), by)
		} else {
			by = "push " + by
		}
		return fmt.Sprintf("%s %s by %.2f %% with %s (probability %.3f): from %s%s to %s%s, %s is better (%s).", what,
			verb, math.Abs(r.Change.Percent), by, r.Probability, number(r.Change.Before), unit, number(r.Change.After),
			unit, better, bought)
	case r.Outcome == culprit.NotARegression:
		return fmt.Sprintf("%s was changed by none of these pushes (probability %.3f): %s (%s).", what, r.Probability,
			r.Why, bought)
	case r.Outcome == culprit.Older:
		return fmt.Sprintf("%s changed before these pushes (probability %.3f): look further back with --max-revisions "+
			"(%s).", what, r.Probability, bought)
	case r.Outcome == culprit.OlderOrNothing:
		return fmt.Sprintf("%s was changed by none of these pushes (probability %.3f): it changed earlier, or not at "+
			"all; look further back with --max-revisions (%s).", what, r.Probability, bought)
	case r.Outcome == culprit.Infra:
		return fmt.Sprintf("%s: not known: %s (%s).", what, r.Why, bought)
	}
	return fmt.Sprintf("%s: not known: %s; the most probable answer has %.3f (%s).", what, r.Why, r.Probability, bought)
}
